/** Does harm, act by act, and measures how soon the work goes on after it. */
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/poll.ts';
import type { Crew, CrewMember } from './crew.ts';
import { Tally, Times } from './measure.ts';
import { type Act, describe, type Kind } from './plan.ts';
import { at } from './random.ts';
import { LINGERING } from './shapes.ts';
import { LANTERN } from './stage.ts';
import { isPassing, type World } from './world.ts';

/** Longer than this (ms) nothing may take to come back. */
const PATIENCE = 60_000;
/** A worker that is halted is mostly halted for less than this (ms). */
const HALT = 4_000;
const MOST_WORKERS = 3;

export interface AdversaryOptions {
  readonly say: (line: string) => void;
  /** ms that the first halt of a worker lasts: longer than any timeout, when there is time for it. */
  readonly longHalt: number;
}

export class Adversary {
  readonly tally = new Tally();
  /** From the death of a worker to the moment when another one has begun its step anew. */
  readonly takeovers = new Times();
  /** From the moment when the server takes connections and a worker is there to the next step that begins. */
  readonly resumptions = new Times();
  readonly faults: string[] = [];
  readonly #world: World;
  readonly #crew: Crew;
  readonly #options: AdversaryOptions;
  readonly #asides = new Set<Promise<void>>();
  #longHalt: number;

  constructor(world: World, crew: Crew, options: AdversaryOptions) {
    this.#world = world;
    this.#crew = crew;
    this.#options = options;
    this.#longHalt = options.longHalt;
  }

  /** Does acts until the time is over, then undoes what lasts. Throws when the world cannot be brought back. */
  async rage(plan: Iterable<Act>, ms: number): Promise<void> {
    const end = Date.now() + ms;
    for (const act of plan) {
      if (Date.now() > end) break;
      const done = await this.do(act);
      this.#options.say(`${done ? 'did' : 'had nobody for'}: ${describe(act)}`);
      await pause(act.after);
    }
    await Promise.all(this.#asides);
  }

  /** One act. False when there was nobody to do it to. */
  async do(act: Act): Promise<boolean> {
    const deeds: Record<Kind, () => Promise<boolean>> = {
      'kill a worker': () => this.#killWorker(act),
      'halt a worker': () => this.#haltWorker(act),
      'end a worker': () => this.#endWorker(act),
      'change the number of workers': () => this.#changeNumber(),
      'kill a backend': () => this.#killBackend(act),
      'stop the server': () => this.#stopServer(),
      'terminate a session': () => this.#onSession(act, 'pg_terminate_backend'),
      'cancel a session': () => this.#onSession(act, 'pg_cancel_backend'),
      'cut a connection': async () => this.#world.proxy.cut(act.whom, act.manner < 0.5 ? 'to the server' : 'to the client', 1 + Math.floor(act.much * 400)),
      'stall the network': () => this.#stall(act),
      'promote a standby': () => this.#promote(act),
      'fill the disk': () => this.#fillDisk(act),
    };
    const done = await deeds[act.kind]();
    if (done) this.tally.add(act.kind);
    return done;
  }

  /** Waits until a worker is inside a lingering step. */
  async untilBusy(): Promise<void> {
    await until('a worker to be inside a step', async () => {
      const lanterns = await this.#lanterns();
      return this.#crew.working.some(({ number }) => lanterns.some(({ worker }) => worker === number));
    });
  }

  // --- workers ------------------------------------------------------------------------------------------------------

  async #killWorker(act: Act): Promise<boolean> {
    const lanterns = await this.#lanterns();
    const lit = this.#crew.working.filter(({ number }) => lanterns.some((one) => one.worker === number));
    const pool = lit.length > 0 ? lit : this.#crew.working;
    if (pool.length === 0) return false;
    const member = at(pool, act.whom);
    const steps = lanterns.filter(({ worker }) => worker === member.number);
    const killed = Date.now();
    await this.#crew.kill(member);
    // Its successor comes after a while; at once when nobody else is there.
    if (this.#crew.working.length === 0) await this.#crew.add();
    else this.#aside(async () => {
      await pause(act.much * 1500);
      await this.#crew.add();
    });
    const step = steps[0];
    if (step !== undefined && this.#crew.working.some(({ ready }) => ready)) await this.#measureTakeover(step, killed);
    return true;
  }

  async #haltWorker(act: Act): Promise<boolean> {
    const { working } = this.#crew;
    if (working.length === 0) return false;
    const member = at(working, act.whom);
    const length = this.#longHalt > 0 ? this.#longHalt : act.much * HALT;
    this.#longHalt = 0;
    member.halt();
    if (this.#crew.working.length === 0) await this.#crew.add();
    this.#aside(async () => {
      await pause(length);
      member.go();
    });
    return true;
  }

  async #endWorker(act: Act): Promise<boolean> {
    const { working } = this.#crew;
    if (working.length === 0) return false;
    await this.#crew.add();
    const member = at(working, act.whom);
    this.#aside(async () => {
      if (!await this.#crew.end(member)) this.faults.push(`worker ${member.number} did not end when asked to:\n${member.lines.slice(-5).map((line) => JSON.stringify(line)).join('\n')}`);
    });
    return true;
  }

  async #changeNumber(): Promise<boolean> {
    const { members } = this.#crew;
    if (members.length < MOST_WORKERS) await this.#crew.add();
    else await this.#crew.kill(members[0] as CrewMember);
    return true;
  }

  // --- sessions and the network -------------------------------------------------------------------------------------

  async #onSession({ whom }: Act, how: 'pg_terminate_backend' | 'pg_cancel_backend'): Promise<boolean> {
    const pids = await this.#sessions();
    if (pids.length === 0) return false;
    await this.#world.ask(`SELECT ${how}($1)`, [at(pids, whom)]);
    return true;
  }

  async #stall({ much }: Act): Promise<boolean> {
    this.#world.proxy.stall();
    await pause(200 + much * 1300);
    this.#world.proxy.resume();
    return true;
  }

  // --- the server ---------------------------------------------------------------------------------------------------

  async #killBackend({ whom }: Act): Promise<boolean> {
    const pids = await this.#sessions();
    if (pids.length === 0) return false;
    if (!await this.#world.crash(at(pids, whom))) return false;
    await this.#measureResumption();
    return true;
  }

  async #stopServer(): Promise<boolean> {
    await this.#world.primary.stop('immediate');
    await this.#world.primary.start();
    await this.#measureResumption();
    return true;
  }

  async #promote({ much }: Act): Promise<boolean> {
    const standby = await this.#world.makeStandby();
    await pause(500 + much * 1000);
    await this.#world.promote(standby);
    await this.#measureResumption();
    return true;
  }

  async #fillDisk({ much }: Act): Promise<boolean> {
    const { disk } = this.#world;
    if (disk === null) return false;
    const end = Date.now() + 2000 + much * 3000;
    while (Date.now() < end) {
      disk.fill();
      await pause(100);
    }
    disk.free();
    await this.#measureResumption();
    return true;
  }

  // --- measuring ----------------------------------------------------------------------------------------------------

  async #measureResumption(): Promise<void> {
    let there = await this.#world.accepts(PATIENCE);
    for (const end = there + PATIENCE; !this.#crew.working.some(({ ready }) => ready);) {
      if (Date.now() > end) throw new Error('no worker is there any more');
      await pause(5);
      there = Date.now();
    }
    for (const end = there + PATIENCE; ; await pause(10)) {
      const [row] = await this.#world.ask<{ at: number | null }>('SELECT extract(epoch FROM min(at))::float8 * 1000 AS at FROM crash.evidence WHERE at >= to_timestamp($1)', [there / 1000]);
      const resumed = row?.at ?? null;
      if (resumed !== null) return this.#took('work resumed', this.resumptions, resumed - there);
      if (Date.now() > end) {
        this.faults.push('no step began within a minute of the server\'s return');
        return;
      }
    }
  }

  /**
   * Waits for a step of a dead worker to be begun by another. Not counted when the session had the time to finish it, or when
   * its workflow ended without it, cancelled or because a race was lost.
   */
  async #measureTakeover({ worker, key }: Lantern, killed: number): Promise<void> {
    for (const end = killed + PATIENCE / 4; ; await pause(10)) {
      const [evidence] = await this.#world.ask<{ worker: number; at: number }>('SELECT worker, extract(epoch FROM at)::float8 * 1000 AS at FROM crash.evidence WHERE crash.key(instance, step) = $1', [key]);
      if (evidence?.worker === worker) return;
      if (evidence !== undefined) return this.#took('taken over', this.takeovers, evidence.at - killed);
      if ((await this.#lanterns()).some((other) => other.key === key && other.worker !== worker)) return this.#took('taken over', this.takeovers, Date.now() - killed);
      if (Date.now() < killed + 1000) continue;
      const [live] = await this.#world.ask<{ id: string }>(`SELECT i.id FROM df.instances i, unnest($2::text[]) step
        WHERE i.status IN ('pending', 'running') AND crash.key(i.id, step) = $1`, [key, LINGERING]);
      if (live === undefined) return;
      if (Date.now() > end) {
        this.faults.push(`nobody began the step of a killed worker anew in ${PATIENCE / 4000} s, of instance ${live.id}`);
        return;
      }
    }
  }

  #took(what: string, times: Times, ms: number): void {
    times.add(ms);
    this.#options.say(`${what} after ${Math.round(ms)} ms`);
  }

  /** Who is inside which lingering step. */
  async #lanterns(): Promise<Lantern[]> {
    return this.#world.ask<Lantern>(`SELECT classid::integer - ${LANTERN} AS worker, objid::bigint::bit(32)::integer AS key FROM pg_locks
      WHERE locktype = 'advisory' AND granted AND classid BETWEEN ${LANTERN} AND ${LANTERN} + 5000`);
  }

  /** Every session of ours: of the workers, of the roles they work for, and of the clients. */
  async #sessions(): Promise<number[]> {
    return (await this.#world.ask<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name IN ('pg_durable worker', 'client') ORDER BY backend_start, pid")).map(({ pid }) => pid);
  }

  /** Goes on beside the next acts. */
  #aside(task: () => Promise<void>): void {
    const running: Promise<void> = task().catch((error: Error) => {
      if (!isPassing(error)) this.faults.push(`the adversary failed: ${error.message}`);
    }).finally(() => this.#asides.delete(running));
    this.#asides.add(running);
  }
}

interface Lantern {
  readonly worker: number;
  readonly key: number;
}
