import test from 'ava';
import * as c from '../../src/graph/compose.ts';
import { parseGraph } from '../../src/graph/parse.ts';
import { Simulator, scalar } from '../support/simulator.ts';
import type { Sql } from '../support/simulator.ts';

const one: Sql = (statement) => scalar(statement);
const run = (future: string, sql: Sql = one): Simulator => new Simulator(parseGraph(future), sql);
const failing = (bad: string): Sql => (statement) => (statement === bad ? new Error(`${bad} broke`) : scalar(statement));

test('a sequence runs in order and has the last step\'s result', (t) => {
  const s = run(c.seq(c.seq('a', 'b'), 'c')).finish();
  t.deepEqual(s.statements, ['a', 'b', 'c']);
  t.is(s.run.status, 'completed');
  t.is(s.result, scalar('c'));
  t.true([0, 1, 2, 3, 4].every((pc) => s.status(pc) === 'completed'));
});

test('a failing step fails what contains it and stops what follows', (t) => {
  const s = run(c.seq(c.seq('a', 'b'), 'c'), failing('b')).finish();
  t.deepEqual(s.statements, ['a', 'b']);
  t.is(s.run.status, 'failed');
  t.is(s.run.output, 'b broke');
  t.is(s.status(4), 'pending');
});

test('IF takes the branch that its condition says', (t) => {
  for (const [value, taken] of [[true, 'y'], [0, 'n'], ['f', 'n'], ['t', 'y'], [null, 'n']] as const) {
    const s = run(c.if_('q', 'y', 'n'), (q) => scalar(q === 'q' ? value : q)).finish();
    t.deepEqual(s.statements, ['q', taken], String(value));
    t.is(s.result, scalar(taken));
  }
});

test('if_rows looks at the row count of a named result, and fails without one', (t) => {
  const future = (name: string) => c.seq(c.as_('q', 'r'), c.ifRows(name, 'y', 'n'));
  t.is(run(future('r')).finish().statements[1], 'y');
  t.is(run(future('r'), (q) => (q === 'q' ? '{"rows":[],"row_count":0}' : scalar(q))).finish().statements[1], 'n');
  const s = run(future('other')).finish();
  t.is(s.run.status, 'failed');
  t.regex(s.run.output!, /'other'/);
});

test('JOIN runs all branches and gives their results in order', (t) => {
  for (const pick of [0, 1, 2]) {
    const s = run(c.join3('a', 'b', 'c')).finish((due) => due[pick % due.length]!);
    t.is(s.result, `[${scalar('a')},${scalar('b')},${scalar('c')}]`);
    t.is(s.statements.length, 3);
  }
});

test('JOIN waits for all branches and names the first failing one in order', (t) => {
  const s = run(c.join3('a', 'b', 'c'), (q) => (q === 'a' ? scalar(q) : new Error(`${q} broke`))).finish((due) => due.at(-1)!);
  t.is(s.statements.length, 3);
  t.is(s.run.output, 'JOIN branch 2 failed: b broke');
});

test('RACE: the first to finish wins, the loser was stamped running and runs no further', (t) => {
  const s = run(c.race(c.seq(c.sleep(100), 'late'), 'quick')).finish();
  t.deepEqual(s.statements, ['quick']);
  t.is(s.result, scalar('quick'));
  t.is(s.status(1), 'running');
  t.is(s.status(3), 'pending');
});

test('RACE: the first to finish wins by failing too', (t) => {
  t.is(run(c.race(c.sleep(9), 'b'), failing('b')).finish().run.output, 'RACE right branch failed: b broke');
  t.is(run(c.race('a', c.sleep(9)), failing('a')).finish().run.output, 'RACE left branch failed: a broke');
});

test('a LOOP that loses a race ends failed and says so', (t) => {
  const s = run(c.race(c.loop(c.seq('tick', c.sleep(1)), null), c.sleep(5))).finish();
  t.is(s.run.status, 'completed');
  t.is(s.status(1), 'failed');
  t.regex(s.nodes.get(1)!.result!, /lost the race/);
});

test('a loop runs its body, then its condition, and pauses before going round', (t) => {
  let left = 3;
  const s = run(c.loop('body', 'again?'), (q) => scalar(q === 'again?' ? --left > 0 : q));
  const from = s.now;
  s.finish();
  t.deepEqual(s.statements, ['body', 'again?', 'body', 'again?', 'body', 'again?']);
  t.is(s.now - from, 2000);
  t.is(s.result, scalar('body'));
  t.is(s.nodes.get(0)!.stamp, '0000abcd::3');
});

test('break leaves the nearest loop from anywhere, its text becoming JSON where it parses', (t) => {
  const leaving = (value: string | null) => [
    c.loop(c.seq('a', c.break_(value)), null),
    c.loop(c.if_('a', c.seq('b', c.break_(value)), 'c'), null),
    c.loop(c.join(c.break_(value), 'b'), null),
    c.loop(c.race(c.sleep(5), c.break_(value)), null),
    c.loop('a', c.break_(value)),
  ];
  for (const [value, result] of [['42', '42'], ['done', '"done"'], [null, 'null'], ['{"a":1}', '{"a":1}']] as const) {
    for (const future of leaving(value)) {
      const s = run(future).finish();
      t.is(s.run.status, 'completed', future);
      t.is(s.result, result, future);
    }
  }
});

test('what a break unwinds is completed with its value', (t) => {
  const s = run(c.loop(c.seq('a', c.seq(c.break_('7'), 'b')), null)).finish();
  t.deepEqual([0, 1, 3, 4].map((pc) => [s.status(pc), s.nodes.get(pc)!.result]), Array(4).fill(['completed', '7']));
  t.is(s.status(5), 'pending');
});

test('break outside of a loop fails the instance', (t) => {
  const s = run(c.seq('a', c.break_('x'))).finish();
  t.is(s.run.status, 'failed');
  t.regex(s.run.output!, /outside of a loop/);
});

test('a nested loop ends by itself and the outer one goes on', (t) => {
  let inner = 0;
  let outer = 0;
  const s = run(c.loop(c.seq(c.loop('i', 'i?'), 'o'), 'o?'), (q) => {
    if (q === 'i?') return scalar(++inner % 2 === 1);
    if (q === 'o?') return scalar(++outer < 2);
    return scalar(q);
  }).finish();
  t.deepEqual(s.statements, ['i', 'i?', 'i', 'i?', 'o', 'o?', 'i', 'i?', 'i', 'i?', 'o', 'o?']);
  // node 2 is the inner loop: second generation of the outer scope, second of its own
  t.is(s.nodes.get(2)!.stamp, '0000abcd::2::00000002::2');
});

test('stamps: a branch has a scope of its own, and a loop that is a branch has one, not two', (t) => {
  let n = 0;
  const s = run(c.join('a', c.loop('b', 'b?')), (q) => scalar(q === 'b?' ? ++n < 2 : q)).finish();
  t.is(s.nodes.get(0)!.stamp, '0000abcd::1');
  t.is(s.nodes.get(1)!.stamp, '0000abcd::1::00000001::1');
  t.is(s.nodes.get(2)!.stamp, '0000abcd::1::00000002::2');
  t.is(s.nodes.get(3)!.stamp, '0000abcd::1::00000002::2');
});

test('names flow in order, into branches and back, and through substitution', (t) => {
  const s = run(c.seq(c.seq(c.as_('a', 'x'), c.join(c.as_('$x', 'y'), c.as_('b', 'x'))), '$x $y')).finish();
  t.deepEqual(s.statements, ['a', `'a'`, 'b', `'b' '''a'''`]);
});

test('a root loop forgets names from round to round, another one keeps them', (t) => {
  const sql = (): Sql => {
    let n = 0;
    return (q) => scalar(q === 'again?' ? ++n < 2 : q);
  };
  const body = c.seq('$v', c.as_('set', 'v'));
  t.deepEqual(run(c.loop(body, 'again?'), sql()).finish().statements.filter((q) => q !== 'again?'), ['$v', 'set', '$v', 'set']);
  t.deepEqual(run(c.seq('first', c.loop(body, 'again?')), sql()).finish().statements.filter((q) => q !== 'again?'), ['first', '$v', 'set', `'set'`, 'set']);
});

test('a signal sent before the wait is not lost, and is consumed by the first wait for its name', (t) => {
  const s = run(c.seq(c.waitForSignal('go', null), c.waitForSignal('go', null)));
  s.signal('go', '{"n":1}');
  s.finish();
  t.false(s.ended);
  s.signal('other', '1');
  s.finish();
  t.false(s.ended);
  s.signal('go', '2');
  s.finish();
  t.is(s.result, '{"signal_name":"go","timed_out":false,"data":2}');
});

test('a wait with a timeout completes without data', (t) => {
  const s = run(c.waitForSignal('go', 30));
  const from = s.now;
  s.finish();
  t.is(s.result, '{"signal_name":"go","timed_out":true,"data":null}');
  t.is(s.now - from, 30_000);
});

test('a signal that another wait took leaves the second wait waiting', (t) => {
  const s = run(c.join(c.waitForSignal('go', 50), c.waitForSignal('go', 60)));
  s.drain();
  s.signal('go', '1');
  s.drain();
  t.false(s.ended);
  s.finish();
  t.is(s.result, '[{"signal_name":"go","timed_out":false,"data":1},{"signal_name":"go","timed_out":true,"data":null}]');
});

test('a sleep is due at a fixed moment', (t) => {
  const s = run(c.seq(c.sleep(5), 'a'));
  s.drain();
  t.is(s.run.branches.get('')!.due, s.now + 5000);
  t.deepEqual(s.finish().statements, ['a']);
});

test('a loop without a pause and without a step gives its session back', (t) => {
  const s = run(c.loop(c.sleep(0), null));
  s.loopInterval = 0;
  s.step(s.due()[0]!);
  t.is(s.run.status, 'running');
});
