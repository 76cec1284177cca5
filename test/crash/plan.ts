/** What the adversary will do: decided before the run, from the seed alone, so that a run can be printed and repeated. */
import { Chance } from './random.ts';

/** How often each kind of act comes, beside the others. */
export const KINDS = {
  'kill a worker': 6,
  'halt a worker': 2,
  'end a worker': 1,
  'change the number of workers': 2,
  'kill a backend': 2,
  'stop the server': 2,
  'terminate a session': 6,
  'cancel a session': 5,
  'cut a connection': 7,
  'stall the network': 1,
  'promote a standby': 0,
  'fill the disk': 0,
} as const satisfies Readonly<Record<string, number>>;

export type Kind = keyof typeof KINDS;

export interface Act {
  readonly kind: Kind;
  /** ms after the act before it has been done. */
  readonly after: number;
  /** Fractions in [0, 1): on whom, for how long or how much, and in which manner. */
  readonly whom: number;
  readonly much: number;
  readonly manner: number;
}

/** An endless series of acts. Of each kind in `once` there is one, early, in addition to what chance brings. */
export function* acts(seed: number, weights: Partial<Readonly<Record<Kind, number>>> = {}, once: readonly Kind[] = []): Generator<Act> {
  const chance = new Chance(seed);
  const urn = (Object.keys(KINDS) as Kind[]).flatMap((kind) => Array<Kind>(weights[kind] ?? KINDS[kind]).fill(kind));
  let ahead: Kind[] = chance.shuffle([...once, ...new Set(urn)]);
  for (;;) {
    for (const kind of ahead) yield { kind, after: chance.between(50, 700), whom: chance.next(), much: chance.next(), manner: chance.next() };
    ahead = chance.shuffle(urn);
  }
}

/** An act on one line. */
export function describe({ kind, after, whom, much, manner }: Act): string {
  return `${kind} (after ${Math.round(after)} ms, ${[whom, much, manner].map((fraction) => fraction.toFixed(3)).join(' ')})`;
}
