import test from 'ava';
import fc from 'fast-check';
import { raises } from './_raises.ts';
import { nextTick, validateCron } from '../../src/engine/cron.ts';

const next = (expr: string, after: string): string => new Date(nextTick(expr, Date.parse(after))).toISOString().slice(0, 16);

test('next ticks', (t) => {
  for (const [expr, after, expected] of [
    ['* * * * *', '2024-01-31T10:17:00Z', '2024-01-31T10:18'],
    ['* * * * *', '2024-01-31T10:17:59.999Z', '2024-01-31T10:18'],
    ['* * * * *', '2023-12-31T23:59:00Z', '2024-01-01T00:00'],
    ['30 9 * * mon-fri', '2024-06-14T09:30:00Z', '2024-06-17T09:30'],
    ['30 9 * * mon-fri', '2024-06-14T09:29:59.999Z', '2024-06-14T09:30'],
    ['0 0 29 2 *', '2023-01-01T00:00:00Z', '2024-02-29T00:00'],
    ['0 0 29 2 *', '2096-03-01T00:00:00Z', '2104-02-29T00:00'],
    ['0 0 13 * 5', '2024-01-01T00:00:00Z', '2024-01-05T00:00'],
    ['0 0 13 * *', '2024-01-05T00:00:00Z', '2024-01-13T00:00'],
    ['0 0 */2 * 1', '2024-01-31T00:00:00Z', '2024-02-05T00:00'],
    ['0 0 * * 7', '2024-01-31T00:00:00Z', '2024-02-04T00:00'],
    ['0 0 * * 0', '2024-01-31T00:00:00Z', '2024-02-04T00:00'],
    ['0 0 * * FRI-Sun', '2024-02-02T00:00:00Z', '2024-02-03T00:00'],
    ['0 0 * * sat-sun', '2024-02-03T00:00:00Z', '2024-02-04T00:00'],
    ['0 0 * * 5-7', '2024-02-03T00:00:00Z', '2024-02-04T00:00'],
    ['0 0 * * 1/2', '2024-02-02T00:00:00Z', '2024-02-05T00:00'],
    ['5/20 8-18/5,23 * Jan,dec *', '2024-01-31T18:45:00Z', '2024-01-31T23:05'],
    ['  15\t*  * * *  ', '1969-12-31T23:59:00Z', '1970-01-01T00:15'],
    ['59 23 31 12 *', '2024-12-31T23:59:00Z', '2025-12-31T23:59'],
  ] as const) t.is(next(expr, after), expected, expr);
});

test('what is not standard five-field cron is refused, by name', (t) => {
  for (const [expr, why] of [
    ['', /0 fields/], ['* * * *', /4 fields/], ['* * * * * *', /6 fields/], ['@daily', /1 field /], ['60 * * * *', /'60' is no minute/], ['* 24 * * *', /no hour/],
    ['* * 0 * *', /no day of month, which is 1-31/], ['* * 32 * *', /no day/], ['* * * 13 *', /no month/], ['* * * * 8', /0-7 or sun-sat/], ['* * L * *', /'L'/], ['* * ? * *', /'\?'/],
    ['* * * * 1#2', /'1#2'/], ['* * * * 5L', /'5L'/], ['* * 15W * *', /15W/], ['*/0 * * * *', /step.*is 0/], ['5-1 * * * *', /backwards/], ['1,,2 * * * *', /''/], ['1-2-3 * * * *', /1-2-3/],
    ['-1 * * * *', /'-1'/], ['1.5 * * * *', /1\.5/], ['* * * january *', /january/], ['mon * * * *', /'mon' is no minute/], ['* * * * *-5', /\*-5/], ['*/ * * * *', /\*\//], ['0x1 * * * *', /0x1/], ['bad', /1 field /],
  ] as const) {
    const error = raises(t, () => validateCron(expr), '22023', why, expr);
    t.true(error.message.startsWith(`Invalid cron expression '${expr}'`), expr);
    t.truthy(error.hint);
  }
});

test('a day that never comes is refused, soon, whatever the moment', (t) => {
  for (const expr of ['30 2 31 2 *', '0 0 30 2 *', '0 0 31 4,6,9,11 *', '0 0 30 2 */7']) {
    raises(t, () => validateCron(expr), '22023', /Invalid cron expression.*no such day ever comes/);
    raises(t, () => nextTick(expr, Date.UTC(2024, 5, 1)), '22023', /no such day/);
  }
  t.is(next('0 0 29 2 */7', '2024-03-01T00:00:00Z'), '2032-02-29T00:00', 'a leap day on a Sunday');
  t.notThrows(() => validateCron('0 0 31 2 1'), 'Mondays in February come');
});

test('moments out of range', (t) => {
  for (const after of [NaN, Infinity, -Infinity, 8.64e15]) raises(t, () => nextTick('* * * * *', after), '22008', /out of range/);
  t.is(next('0 0 1 1 *', '0098-06-01T00:00:00Z'), '0099-01-01T00:00', 'years below 100 are not moved to 1900');
});

/** The definition, read off the clock: does the minute that starts at `ms` match? */
function matches(expr: string, ms: number): boolean {
  const date = new Date(ms);
  const [minute, hour, day, month, weekday] = expr.split(' ') as [string, string, string, string, string];
  const holds = (field: string, value: number, low: number, high: number): boolean => field.split(',').some((item) => {
    const [range, step] = item.split('/') as [string, string?];
    const [from, to] = range === '*' ? [low, high] : range.split('-').map(Number) as [number, number?];
    return value >= from && value <= (to ?? (step === undefined ? from : high)) && (value - from) % Number(step ?? 1) === 0;
  });
  const byDay = holds(day, date.getUTCDate(), 1, 31);
  const byWeekday = holds(weekday, date.getUTCDay(), 0, 6) || (date.getUTCDay() === 0 && /7/.test(weekday) && holds(weekday.replace(/\*/g, '0-6'), 7, 0, 6));
  const either = !day.startsWith('*') && !weekday.startsWith('*');
  return holds(minute, date.getUTCMinutes(), 0, 59) && holds(hour, date.getUTCHours(), 0, 23) && holds(month, date.getUTCMonth() + 1, 1, 12)
    && (either ? byDay || byWeekday : byDay && byWeekday);
}

function field(low: number, high: number): fc.Arbitrary<string> {
  const range = fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const step = fc.integer({ min: 1, max: 9 });
  const item = fc.oneof(fc.constant('*'), fc.integer({ min: low, max: high }).map(String), range, fc.tuple(fc.oneof(fc.constant('*'), range), step).map(([a, n]) => `${a}/${n}`));
  return fc.oneof({ weight: 2, arbitrary: fc.constant('*') }, { weight: 3, arbitrary: fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(',')) });
}

test('nextTick is the first minute that matches, counted one by one', (t) => {
  const exprs = fc.tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map((fields) => fields.join(' '));
  fc.assert(fc.property(exprs, fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) }), (expr, after) => {
    let tick: number;
    try {
      tick = nextTick(expr, after);
    } catch {
      // Never: then not in the next days either.
      tick = Infinity;
    }
    let minute = Math.floor(after / 60_000) * 60_000 + 60_000;
    const horizon = minute + 4 * 86_400_000;
    while (minute < horizon && !matches(expr, minute)) minute += 60_000;
    if (minute < horizon) t.is(tick, minute, `${expr} after ${new Date(after).toISOString()}`);
    else {
      t.true(tick >= horizon, expr);
      if (tick !== Infinity) t.true(matches(expr, tick), expr);
    }
  }), { numRuns: 120 });
});
