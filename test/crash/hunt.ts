/** One run of the harness: a world, a load, an adversary, and a verdict. */
import { setTimeout as pause } from 'node:timers/promises';
import { Adversary } from './adversary.ts';
import { Crew } from './crew.ts';
import { Load } from './load.ts';
import { acts, type Kind } from './plan.ts';
import { SHAPES, type Shape } from './shapes.ts';
import { allOver, finished, judge, serverLeftovers, type Nodes, type Verdict } from './verdict.ts';
import { World, type WorldOptions } from './world.ts';

/** ms for what lasts until the next full minute at most. */
const PATIENCE = 60_000;

export interface HuntOptions extends WorldOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Workflows started per second. */
  readonly rate?: number;
  readonly workers?: number;
  readonly weights?: Partial<Readonly<Record<Kind, number>>>;
  /** Kinds of acts that come once, early. */
  readonly once?: readonly Kind[];
  readonly shapes?: readonly Shape[];
  /** ms within which everything must be over once nobody disturbs it any more. */
  readonly patience?: number;
  /** ms of the first halt of a worker. */
  readonly longHalt?: number;
  /** Done to the database before anything runs. */
  readonly prepare?: (world: World) => Promise<void>;
  /** Done in the middle instead of the adversary's acts. */
  readonly instead?: (world: World, crew: Crew, adversary: Adversary) => Promise<void>;
  readonly say: (line: string) => void;
}

export interface Report extends Verdict {
  readonly text: string;
  readonly adversary: Adversary;
}

/** Runs each shape once with nobody disturbing it, in a cluster of its own, and returns the nodes it leaves. */
export async function undisturbed(shapes: readonly Shape[] = SHAPES): Promise<Map<string, Nodes>> {
  const world = await World.make();
  const crew = new Crew((number) => world.url('postgres', number));
  const load = new Load(world, 1);
  try {
    await crew.add();
    for (const shape of shapes) load.begin(shape);
    await load.stop();
    const late = await allOver(world, 2 * PATIENCE);
    if (late.length > 0) throw new Error(`an undisturbed run does not end: ${late.join('\n')}`);
    const shapeOf = new Map(load.started.map(({ id, shape }) => [id, shape.name]));
    return new Map((await finished(world)).map((row) => [shapeOf.get(row.id) ?? '', row.nodes]));
  } finally {
    await load.close();
    await crew.endAll();
    await world.destroy();
  }
}

/** One hunt. The reference is made beside it, if it is not given. */
export async function hunt(options: HuntOptions): Promise<Report> {
  const { seed, seconds, rate = 8, workers = 2, say } = options;
  const shapes = options.shapes ?? SHAPES;
  const reference = undisturbed(shapes);
  reference.catch(() => undefined);
  const world = await World.make(options);
  const crew = new Crew((number) => world.url('postgres', number));
  const load = new Load(world, seed, shapes);
  const adversary = new Adversary(world, crew, { say, longHalt: options.longHalt ?? 0 });
  try {
    say(`seed ${seed}, ${seconds} s, ${workers} workers at first, ${rate} workflows started per second`);
    if (options.smallDisk === true && world.disk === null) say(world.noDisk);
    await options.prepare?.(world);
    for (let k = 0; k < workers; k += 1) await crew.add();
    await crew.ready();
    const end = Date.now() + seconds * 1000;
    load.run(rate, end);
    await pause(300);
    if (options.instead !== undefined) await options.instead(world, crew, adversary);
    else await adversary.rage(acts(seed, options.weights, options.once), end - Date.now());
    await load.stop();
    if (crew.working.length === 0) await crew.add();
    const faults = [...adversary.faults, ...await allOver(world, options.patience ?? PATIENCE)];
    const verdict = await judge(world, load, await reference, world.disk !== null);
    await load.close();
    if (!await crew.endAll()) faults.push('a worker did not end when asked to');
    faults.push(...verdict.faults, ...await serverLeftovers(world), ...crew.complaints, ...world.complaints());
    const text = [
      `${verdict.workflows} workflows, ${verdict.evidence} rows of evidence; seed ${seed}`,
      `survived: ${adversary.tally}`,
      `taken over: ${adversary.takeovers}`,
      `work resumed: ${adversary.resumptions}`,
      `duplicates ${verdict.duplicates}, losses ${verdict.losses}, faults ${faults.length}`,
    ].join('\n');
    return { ...verdict, faults, text, adversary };
  } finally {
    await load.close();
    await crew.killAll();
    await world.destroy();
  }
}
