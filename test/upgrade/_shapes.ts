/** Workflows that come to rest in every kind of state, and what they meet before and after the rest. */
import { leave } from './_line.ts';

/**
 * What happens to an instance: its role's due work is run to the end of it (`work`), a signal arrives, it is
 * cancelled, or the moment for which it waits comes (`due`), for which the test moves the moment and not the clock.
 */
export type Happening = 'work' | 'cancel' | 'due' | `signal ${string}`;

export interface Shape {
  readonly label: string;
  /** An expression over the composers. */
  readonly expression: string;
  readonly before: readonly Happening[];
  readonly after: readonly Happening[];
  readonly status: 'completed' | 'failed' | 'cancelled';
}

const ROUNDS = (label: string, rounds: number): string => `$$SELECT count(*) < ${rounds} FROM public.effect WHERE label = '${label}' AND what = 'round'$$`;
const GO = "df.wait_for_signal('go')";

export const SHAPES: readonly Shape[] = [
  { label: 'sleeping', expression: `${leave('a')} ~> df.sleep(3600) ~> ${leave('b')}`, before: ['work'], after: ['work', 'due', 'work'], status: 'completed' },
  { label: 'waiting for a signal', expression: `${leave('a')} ~> (${GO} |=> 'sig') ~> $$INSERT INTO public.effect (label, what) SELECT '{sys_label}', $sig.data$$`,
    before: ['work'], after: ['work', 'signal go', 'work'], status: 'completed' },
  { label: 'waiting for a signal in vain', expression: `df.wait_for_signal('never', 3600) ~> ${leave('a')}`, before: ['work'], after: ['work', 'due', 'work'], status: 'completed' },
  { label: 'signalled before it began', expression: `${leave('a')} ~> ${GO} ~> ${leave('b')}`, before: ['signal go', 'signal other'], after: ['work'], status: 'completed' },
  { label: 'waiting for a schedule', expression: `${leave('a')} ~> df.wait_for_schedule('0 0 29 2 *') ~> ${leave('b')}`, before: ['work'], after: ['work', 'due', 'work'], status: 'completed' },
  { label: 'join with one branch done', expression: `(${leave('a')} & (${GO} ~> ${leave('b')}) & ('SELECT 1' ~> df.sleep(3600))) ~> ${leave('c')}`,
    before: ['work'], after: ['work', 'signal go', 'work', 'due', 'work'], status: 'completed' },
  { label: 'join that fails', expression: `(${leave('a')} & (${GO} ~> 'SELECT 1/0')) ~> ${leave('c')}`, before: ['work'], after: ['signal go', 'work'], status: 'failed' },
  { label: 'race', expression: `((${GO} ~> ${leave('left')}) | (df.sleep(3600) ~> ${leave('right')})) ~> ${leave('after')}`,
    before: ['work'], after: ['work', 'signal go', 'work'], status: 'completed' },
  { label: 'third round of a root loop', expression: `df.loop(${leave('round')} ~> ${GO}, ${ROUNDS('third round of a root loop', 5)})`,
    before: ['work', 'signal go', 'work', 'signal go', 'work'], after: ['work', 'signal go', 'work', 'signal go', 'work', 'signal go', 'work'], status: 'completed' },
  { label: 'third round of a loop inside', expression: `${leave('first')} ~> df.loop(${leave('round')} ~> (${GO} & ('SELECT 7' |=> 'seven')), ${ROUNDS('third round of a loop inside', 4)}) ~> ${leave('last')}`,
    before: ['work', 'signal go', 'work', 'signal go', 'work'], after: ['work', 'signal go', 'work', 'signal go', 'work'], status: 'completed' },
  { label: 'names and variables', expression: `('SELECT 12345678901234567890.10 AS n' |=> 'x') ~> ${GO} ~> $$INSERT INTO public.effect (label, what) SELECT '{sys_label}', concat('{who}', ' ', $x.n::text)$$`,
    before: ['work'], after: ['work', 'signal go', 'work'], status: 'completed' },
  { label: 'cancelled', expression: `${leave('a')} ~> df.sleep(3600) ~> ${leave('b')}`, before: ['work', 'cancel'], after: ['work', 'signal go', 'work'], status: 'cancelled' },
  { label: 'cancelled afterwards', expression: `${leave('a')} ~> df.sleep(3600) ~> ${leave('b')}`, before: ['work'], after: ['cancel', 'work'], status: 'cancelled' },
  { label: 'completed', expression: `(${leave('a')} & ${leave('b')}) ~> ('SELECT true' ?> ${leave('c')} !> ${leave('d')})`, before: ['work'], after: ['work'], status: 'completed' },
  { label: 'failed', expression: `${leave('a')} ~> 'SELECT 1/0' ~> ${leave('b')}`, before: ['work'], after: ['work'], status: 'failed' },
];

/** Left alone before its first step. */
export const UNBORN = { label: 'before the first step', expression: `${leave('a')} ~> ${leave('b')}` };
/** Left after the first of its steps, with nobody at the second. */
export const BETWEEN = { label: 'between steps', expression: `${leave('a')} ~> ${leave('b')} ~> ${leave('c')}` };
/** The key of the advisory lock at which the running step stands. */
export const GATE = 815;
/** Inside its second step, which holds an effect of its own and waits at the gate. */
export const RUNNING = {
  label: 'inside a running step',
  expression: `${leave('a')} ~> $$WITH entered AS (INSERT INTO public.effect (label, what) VALUES ('{sys_label}', 'b') RETURNING 1)
    SELECT pg_advisory_xact_lock(${GATE}) FROM entered$$ ~> ${leave('c')}`,
};
