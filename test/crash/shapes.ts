/**
 * The workflows that are disturbed: one of every shape, each step leaving evidence.
 *
 * `crash.step` and plain INSERTs write one row of crash.evidence per run of a step. What a shape must leave behind is
 * written down here, independent of any run; node by node it is compared with an undisturbed run besides.
 */

/** How often each step's evidence must be there in the end. */
export type Evidence = Readonly<Record<string, number>>;

export interface Shape {
  readonly name: string;
  /** SQL expression of the future. */
  readonly future: string;
  readonly ends: 'completed' | 'failed' | 'cancelled';
  /** The permitted outcomes; several only where a race of two running statements is open. */
  readonly evidence: readonly Evidence[];
  /** How often it is started, beside the others; 1 without. */
  readonly weight?: number;
  /** Signals that the harness sends to it, once each. */
  readonly signals?: readonly string[];
  /** The harness cancels it: evidence may be missing then, but never be there twice. */
  readonly cancelled?: boolean;
  /** Its nodes may differ from an undisturbed run: which of two running branches was how far is chance. */
  readonly open?: boolean;
  /** It waits for the next full minute. */
  readonly scheduled?: boolean;
  /** Steps that run at least once, and not exactly once. */
  readonly atLeastOnce?: readonly string[];
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
/** A step that is one INSERT; these come to share commits. */
const put = (step: string): string => literal(`INSERT INTO crash.evidence (instance, step) VALUES ('{sys_instance_id}', '${step}')`);
/** The same with an expression of SQL for the step's name. */
const putAs = (expression: string): string => literal(`INSERT INTO crash.evidence (instance, step) SELECT '{sys_instance_id}', ${expression}`);
const lingering = new Set<string>();
/** A step that sees whether it is alone, and that takes its time. */
const step = (name: string, seconds = 0): string => {
  if (seconds > 0) lingering.add(name);
  return literal(`SELECT crash.step('{sys_instance_id}', '${name}', ${seconds})`);
};
const count = (name: string, comparison: string): string =>
  literal(`SELECT count(*) ${comparison} FROM crash.evidence WHERE instance = '{sys_instance_id}' AND step = '${name}'`);

/** Every shape. */
export const SHAPES: readonly Shape[] = [
  { name: 'sequence', future: `${put('a')} ~> ${put('b')} ~> ${step('c')} ~> ${put('d')}`, ends: 'completed', evidence: [{ a: 1, b: 1, c: 1, d: 1 }], weight: 4 },
  { name: 'long', future: `${step('a', 1.5)} ~> ${step('b', 0.8)}`, ends: 'completed', evidence: [{ a: 1, b: 1 }], weight: 5 },
  { name: 'names', future: `('SELECT 9007199254740993 AS n' |=> 'x') ~> ${putAs("'v' || $x")}`, ends: 'completed', evidence: [{ v9007199254740993: 1 }] },
  { name: 'join', future: `df.join3(${put('a')}, ${step('b', 0.3)} ~> ${put('c')}, df.sleep(1) ~> ${put('d')}) ~> ${put('e')}`, ends: 'completed', evidence: [{ a: 1, b: 1, c: 1, d: 1, e: 1 }], weight: 3 },
  { name: 'race', future: `df.race(df.sleep(3600) ~> ${put('never')}, ${step('a', 0.2)} ~> ${put('b')}) ~> ${put('c')}`, ends: 'completed', evidence: [{ a: 1, b: 1, c: 1 }], weight: 2 },
  { name: 'race of statements', future: `df.race(${step('slow', 3)}, df.sleep(interval '0.3 seconds') ~> ${put('won')}) ~> ${put('after')}`, ends: 'completed', evidence: [{ won: 1, after: 1 }, { slow: 1, after: 1 }], open: true },
  { name: 'loop', future: `${put('before')} ~> df.loop(${put('round')}, ${count('round', '< 3')}) ~> ${put('after')}`, ends: 'completed', evidence: [{ before: 1, round: 3, after: 1 }], weight: 2 },
  { name: 'root loop with break', future: `df.loop(${put('round')} ~> df.if(${count('round', '>= 4')}, df.break('enough'), 'SELECT 1'))`, ends: 'completed', evidence: [{ round: 4 }], weight: 2 },
  { name: 'forks in a loop', future: `df.loop((${put('p')} & ${step('q')}) ~> df.race(${put('r')}, df.sleep(3600)), ${count('p', '< 2')})`, ends: 'completed', evidence: [{ p: 2, q: 2, r: 2 }], weight: 2 },
  { name: 'sleep', future: `${put('a')} ~> df.sleep(2) ~> ${put('b')} ~> df.sleep(interval '0.4 seconds') ~> ${put('c')}`, ends: 'completed', evidence: [{ a: 1, b: 1, c: 1 }], weight: 2 },
  { name: 'signal', future: `${put('a')} ~> (df.wait_for_signal('go') |=> 's') ~> ${putAs("'late ' || $s.timed_out")}`, ends: 'completed', evidence: [{ a: 1, 'late false': 1 }], signals: ['go'], weight: 2 },
  { name: 'signals in branches', future: `(df.wait_for_signal('left') ~> ${put('a')}) & (${step('b', 0.2)} ~> df.wait_for_signal('right') ~> ${put('c')})`, ends: 'completed', evidence: [{ a: 1, b: 1, c: 1 }], signals: ['right', 'left'] },
  { name: 'signal in vain', future: `(df.wait_for_signal('nobody', 1) |=> 's') ~> ${putAs("'late ' || $s.timed_out")}`, ends: 'completed', evidence: [{ 'late true': 1 }] },
  { name: 'schedule', future: `${put('a')} ~> df.wait_for_schedule('* * * * *') ~> ${put('b')}`, ends: 'completed', evidence: [{ a: 1, b: 1 }], scheduled: true },
  { name: 'failure', future: `${put('a')} ~> 'SELECT 1 / 0' ~> ${put('never')}`, ends: 'failed', evidence: [{ a: 1 }] },
  { name: 'failure in a join', future: `df.join(${step('a', 0.2)}, ${put('b')} ~> 'SELECT 1 / 0') ~> ${put('never')}`, ends: 'failed', evidence: [{ a: 1, b: 1 }] },
  { name: 'if', future: `df.if('SELECT true', ${put('yes')}, ${put('no')}) ~> ('SELECT 1 WHERE false' |=> 'none') ~> df.if_rows('none', ${put('rows')}, ${put('empty')})`, ends: 'completed', evidence: [{ yes: 1, empty: 1 }] },
  {
    // Two rows that others want as well, in no order: waits, and now and then a deadlock.
    name: 'transfer', weight: 3, ends: 'completed', evidence: [{ moved: 1 }],
    future: literal(`SELECT crash.transfer('{sys_instance_id}')`),
  },
  { name: 'cancelled while it waits', future: `${step('a')} ~> df.wait_for_signal('nobody') ~> ${put('never')}`, ends: 'cancelled', evidence: [{ a: 1 }], cancelled: true, open: true },
  { name: 'cancelled in a step', future: `${step('a', 1)} ~> df.wait_for_signal('nobody') ~> ${put('never')}`, ends: 'cancelled', evidence: [{ a: 1 }], cancelled: true, open: true },
  {
    name: 'autocommit', ends: 'completed', evidence: [{ a: 1, first: 1, second: 1, b: 1 }], atLeastOnce: ['first', 'second'],
    future: `${put('a')} ~> 'CALL crash.two_commits(''{sys_instance_id}'')' ~> 'VACUUM crash.account' ~> ${put('b')}`,
  },
];

/** The names of steps that take their time. */
export const LINGERING: readonly string[] = [...lingering];
