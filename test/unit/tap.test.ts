import test from 'ava';
import { readTap, sum } from '../support/tap.ts';

const counts = (text: string) => { const { passed, failed, skipped } = readTap(text); return [passed, failed, skipped]; };

test('counts what passed, failed and was skipped', (t) => {
  t.deepEqual(counts('1..4\nok 1 - a\nnot ok 2 - b\n# why\nok 3 - c # SKIP no server\nnot ok 4 - d # TODO one day\n'), [1, 1, 2]);
  t.deepEqual(readTap('1..2\nnot ok 1 - b\n# why\nok 2\n# chatter\n').failures, ['not ok 1 - b', '# why']);
});

test('a plan that is missing or not reached is a failure', (t) => {
  t.deepEqual(counts('ok 1\n'), [1, 1, 0]);
  t.deepEqual(counts('1..3\nok 1\nok 2\n'), [2, 1, 0]);
  t.deepEqual(counts('ok 1\nok 2\n1..2\n'), [2, 0, 0]);
  t.deepEqual(counts(''), [0, 1, 0]);
});

test('sums', (t) => {
  t.deepEqual(sum({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 }), { passed: 11, failed: 22, skipped: 33 });
});
