/** The interpreter against the model of the semantics: random workflows, answers, interleavings, signals and clocks. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import * as c from '../../src/graph/compose.ts';
import { parseGraph } from '../../src/graph/parse.ts';
import { MAX_ROUNDS, resume } from '../../src/engine/interpreter.ts';
import { Lockstep } from '../support/lockstep.ts';
import { plans } from '../support/model-plans.ts';
import type { Focus } from '../support/model-plans.ts';
import { Simulator, scalar } from '../support/simulator.ts';
import type { Sql } from '../support/simulator.ts';

/** Carries random plans out, and returns how often what was met. */
function carryOut(focus: Focus, numRuns: number): Map<string, number> {
  const seen = new Map<string, number>();
  fc.assert(fc.property(plans(focus), (plan) => {
    const lockstep = new Lockstep(plan);
    lockstep.run();
    for (const [what, count] of lockstep.seen) seen.set(what, (seen.get(what) ?? 0) + count);
  }), { numRuns, includeErrorInReport: true });
  return seen;
}

/** Nothing is proved of what the plans do not reach. */
function reaches(t: ExecutionContext, seen: Map<string, number>, all: readonly string[]): void {
  for (const what of all) t.true((seen.get(what) ?? 0) > 10, `${what} was met ${seen.get(what) ?? 0} times`);
}

const ENDS = ['completed', 'failed', 'not ended'];

test('steps, names and topologies: the interpreter does what the model foresees, transaction by transaction', (t) => {
  const types = ['SQL', 'THEN', 'IF', 'JOIN', 'RACE', 'LOOP', 'SLEEP', 'WAIT_SCHEDULE', 'SIGNAL'];
  reaches(t, carryOut('steps', 1200), [
    ...types.flatMap((type) => ['pending', 'running', 'completed'].map((status) => `${type} ${status}`)),
    ...['SQL', 'THEN', 'IF', 'JOIN', 'RACE', 'LOOP', 'BREAK'].map((type) => `${type} failed`),
    ...['pending', 'running', 'skipped', 'completed', 'failed'].map((status) => `inferred ${status}`),
    'start', 'ready', 'statement', 'pause', ...ENDS,
  ]);
});

test('timers, signals and coincidences: the interpreter does what the model foresees, transaction by transaction', (t) => {
  reaches(t, carryOut('waits', 1200), ['sleep', 'schedule', 'signal', 'in vain', 'pause', 'lost at once', '2 branches', '3 branches', ...ENDS]);
});

const one: Sql = (statement) => scalar(statement);
const run = (future: string, sql: Sql = one, variables?: Record<string, string>): Simulator => new Simulator(parseGraph(future), sql, variables);

// What the properties found, said once more by example.

test('a statement that loses a race before its turn was stamped running', (t) => {
  const s = run(c.race('a', 'b')).finish();
  t.deepEqual(s.statements, ['a']);
  t.is(s.status(2), 'running');
  t.is(s.nodes.get(2)!.stamp, '0000abcd::1::00000002::1');
});

test('a loop that loses a race has its own stamp, wherever in it the branch was', (t) => {
  const s = run(c.race(c.loop(c.loop('a', null), null), c.sleep(2))).finish();
  t.is(s.status(1), 'failed');
  t.is(s.nodes.get(1)!.stamp, '0000abcd::1::00000001::1');
});

test('a branch whose race is lost to one that was claimed with it stays where it is', (t) => {
  const s = run(c.race(c.sleep(1), c.loop('a', null)));
  s.drain();
  s.now += 1000;
  const due = s.due();
  t.is(due.length, 2);
  for (const branch of due) resume(s.run, branch, s);
  t.is(s.run.status, 'completed');
  t.is(s.run.nodes.get(2)!.status, 'failed');
});

test('a variable may hold references', (t) => {
  const s = run(c.seq(c.as_('a', 'x'), 'SELECT {v}'), one, { v: '$x' }).finish();
  t.is(s.statements[1], `SELECT 'a'`);
});

test('a branch that leaves a name alone does not undo what the one before it has bound', (t) => {
  let rounds = 0;
  let step = 0;
  const sql: Sql = (q) => scalar(q === 'again?' ? ++rounds < 2 : q === 'step' ? ++step : q);
  const s = run(c.seq(c.loop(c.join(c.as_('step', 'x'), 'other'), 'again?'), 'got $x'), sql).finish();
  t.is(s.statements.at(-1), 'got 2');
});

test('a break keeps the names of the branches that it leaves, and of what it completes', (t) => {
  const last = (body: string): string => run(c.seq(c.loop(body, null), '$x $y?')).finish().statements.at(-1)!;
  const leaving = c.seq(c.as_('a', 'x'), c.break_('7'));
  t.is(last(c.race(leaving, c.sleep(9))), `'a' $y?`);
  t.is(last(c.join(leaving, c.as_('b', 'y'))), `'a' 'b'`);
  t.is(last(c.as_(leaving, 'y')), `'a' '7'`);
});

test('a loop gives up after the most rounds', (t) => {
  const s = run(c.loop(c.sleep(0), null));
  s.loopInterval = 0;
  s.finish();
  t.is(s.run.status, 'failed');
  t.true(s.run.output!.includes(String(MAX_ROUNDS)));
  t.is(s.nodes.get(0)!.stamp, `0000abcd::${MAX_ROUNDS}`);
});

test('a loop that never waits gives its session back and goes on from there', (t) => {
  const s = run(c.loop(c.loop(c.break_(null), null), null));
  s.loopInterval = 0;
  let steps = 0;
  while (!s.ended && s.due().length > 0) {
    s.step(s.due()[0]!);
    steps++;
  }
  t.is(s.nodes.get(0)!.stamp, `0000abcd::${MAX_ROUNDS}`);
  t.true(steps >= MAX_ROUNDS / 1000, String(steps));
});
