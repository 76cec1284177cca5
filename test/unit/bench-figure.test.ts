import test from 'ava';
import { type Figure, isMet, median, percentile, toJson, toTable } from '../../bench/figure.ts';

const figure: Figure = {
  benchmark: 'drain', case: '1 session', value: 1200, baseline: 2000, unit: 'steps/s', against: 'bare loop', target: { ratioAtLeast: 0.6 },
};

test('percentiles interpolate between neighbours', (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 2, 3]), 2.5);
  t.is(percentile([10, 20], 0.95), 19.5);
  t.is(percentile([7], 0.95), 7);
  t.throws(() => median([]), { message: /no values/ });
});

test('a target is a ratio to reach or a value not to pass', (t) => {
  t.true(isMet(figure));
  t.false(isMet({ ...figure, value: 1199 }));
  t.true(isMet({ ...figure, value: 5, target: { atMost: 5 } }));
  t.false(isMet({ ...figure, value: 5.01, target: { atMost: 5 } }));
});

test('the JSON line says everything', (t) => {
  t.like(JSON.parse(toJson(figure)), { benchmark: 'drain', value: 1200, baseline: 2000, ratio: 0.6, unit: 'steps/s', met: true });
  t.false(toJson(figure).includes('\n'));
});

test('the table has a line per figure and says which target is missed', (t) => {
  const lines = toTable([figure, { ...figure, value: 1 }]).split('\n');
  t.is(lines.length, 3);
  t.regex(lines[1] ?? '', /1,200 steps\/s +2,000 steps\/s +bare loop +0\.60 +ratio at least 0\.6 +met$/);
  t.regex(lines[2] ?? '', /MISSED$/);
});
