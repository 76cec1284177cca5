/**
 * Five-field cron in UTC (surface §3, semantics §9): minute, hour, day of month, month, day of week.
 *
 * A field is a list of `*`, `a`, `a-b`, each with an optional step `/n` (`a/n` is from a to the field's end). Months and
 * weekdays have English three-letter names in any case. Weekdays are 0–7 with 0 and 7 Sunday; `fri-sun` ends on it.
 * When neither the day of month nor the day of week begins with `*`, a day matches by either; otherwise by both.
 *
 * Why not a library: judged in a bare V8 context without Intl, under TZ=America/New_York.
 * - croner 11.0.1: right in UTC with `utcOffset: 0`, but 33 KB minified, a tenth of our bundle; it takes `L`, `#`, `?` and `@daily`,
 *   so the fields would have to be parsed here first anyhow, and then only the search below is left; and it counts a
 *   day field of `*` with a step as restricted, which cron does not.
 * - cron-schedule 6.0.0: 8 KB, reckons in the server's local time only.
 * - cron-parser 5.10.5: wants luxon, which wants Intl, and Node's fs.
 */
import { DurableError } from '../graph/errors.ts';

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** Where `*` and `a/n` end: 7 is Sunday again. */
  readonly last: number;
  /** Names of the values from `low` upwards. */
  readonly words: readonly string[];
}

const MINUTE: Field = { name: 'minute', low: 0, high: 59, last: 59, words: [] };
const HOUR: Field = { name: 'hour', low: 0, high: 23, last: 23, words: [] };
const DAY: Field = { name: 'day of month', low: 1, high: 31, last: 31, words: [] };
const MONTH: Field = {
  name: 'month', low: 1, high: 12, last: 12,
  words: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
};
const WEEKDAY: Field = { name: 'day of week', low: 0, high: 7, last: 6, words: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] };

interface Schedule {
  /** Minutes of the day, ascending. */
  readonly times: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  /** 0–6. */
  readonly weekdays: ReadonlySet<number>;
  /** A day matches by day of month or by day of week. */
  readonly either: boolean;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
/** The Gregorian calendar repeats after 400 years of 146,097 days, weekdays included: what does not come by then never comes. */
const CYCLE_DAYS = 146_097;
/** The last moment of a Date. */
const MAX_DATE_MS = 8.64e15;

/** Raises DurableError 22023 `Invalid cron expression '…'` unless `expr` is five good fields that some day fulfils. */
export function validateCron(expr: string): void {
  nextTick(expr, 0);
}

/**
 * The first tick strictly after `afterEpochMs`.
 * In: an expression, and milliseconds since 1970 UTC. Out: the same, a whole minute. Raises DurableError as `validateCron`
 * does, and 22008 when there is no such moment within what a Date can hold.
 *
 * @example nextTick('30 9 * * mon-fri', Date.UTC(2024, 5, 14, 9, 30)) // Friday 09:30 → Monday, Date.UTC(2024, 5, 17, 9, 30)
 */
export function nextTick(expr: string, afterEpochMs: number): number {
  const schedule = parse(expr);
  const outOfRange = (): DurableError => new DurableError(
    `There is no tick of '${expr}' after ${afterEpochMs} ms since 1970: the date is out of range`, { code: '22008' },
  );
  if (!Number.isFinite(afterEpochMs)) throw outOfRange();
  const minute = Math.floor(afterEpochMs / MINUTE_MS) + 1;
  const today = Math.floor(minute / DAY_MINUTES);
  const now = minute - today * DAY_MINUTES;
  for (let day = today; day <= today + CYCLE_DAYS;) {
    const date = new Date(day * DAY_MS);
    if (Number.isNaN(date.getTime())) throw outOfRange();
    if (!schedule.months.has(date.getUTCMonth() + 1)) {
      day = date.setUTCMonth(date.getUTCMonth() + 1, 1) / DAY_MS;
      continue;
    }
    if (matchesDay(schedule, date)) {
      const time = day === today ? schedule.times.find((each) => each >= now) : schedule.times[0];
      if (time !== undefined) {
        const tick = day * DAY_MS + time * MINUTE_MS;
        if (tick > MAX_DATE_MS) throw outOfRange();
        return tick;
      }
    }
    day++;
  }
  throw invalid(expr, 'no such day ever comes');
}

function matchesDay({ days, weekdays, either }: Schedule, date: Date): boolean {
  const byDay = days.has(date.getUTCDate());
  const byWeekday = weekdays.has(date.getUTCDay());
  return either ? byDay || byWeekday : byDay && byWeekday;
}

function invalid(expr: string, why: string): DurableError {
  return new DurableError(`Invalid cron expression '${expr}': ${why}`, {
    hint: 'Write five fields, minute hour day-of-month month day-of-week, in UTC, such as \'30 9 * * mon-fri\'.',
  });
}

function parse(expr: string): Schedule {
  const fields = expr.trim().split(/\s+/);
  const count = fields[0] === '' ? 0 : fields.length;
  if (count !== 5) throw invalid(expr, `it has ${count} field${count === 1 ? '' : 's'} instead of 5`);
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  const minutes = parseField(expr, MINUTE, minute);
  const hours = parseField(expr, HOUR, hour);
  return {
    times: hours.flatMap((h) => minutes.map((m) => h * 60 + m)),
    days: new Set(parseField(expr, DAY, day)),
    months: new Set(parseField(expr, MONTH, month)),
    weekdays: new Set(parseField(expr, WEEKDAY, weekday).map((value) => value % 7)),
    either: !day.startsWith('*') && !weekday.startsWith('*'),
  };
}

/** The values of a field, ascending. */
function parseField(expr: string, field: Field, text: string): number[] {
  const chosen = new Set<number>();
  for (const item of text.split(',')) {
    const parts = /^(?:(\*)|([a-z]+|\d{1,2})(?:-([a-z]+|\d{1,2}))?)(?:\/(\d{1,3}))?$/i.exec(item);
    if (parts === null) throw invalid(expr, `'${item}' is no ${field.name}`);
    const [, star, from, to, every] = parts;
    const step = every === undefined ? 1 : Number(every);
    if (step === 0) throw invalid(expr, `the step of '${item}' in the ${field.name} is 0`);
    const low = star ? field.low : valueOf(expr, field, from!);
    let high: number;
    if (star || (to === undefined && every !== undefined)) high = Math.max(low, field.last);
    else if (to?.toLowerCase() === 'sun' && low > 0) high = 7;
    else high = valueOf(expr, field, to ?? from!);
    if (high < low) throw invalid(expr, `the range '${item}' in the ${field.name} runs backwards`);
    for (let value = low; value <= high; value += step) chosen.add(value);
  }
  return [...chosen].sort((a, b) => a - b);
}

function valueOf(expr: string, field: Field, text: string): number {
  const word = field.words.indexOf(text.toLowerCase());
  const value = word === -1 ? (/^\d+$/.test(text) ? Number(text) : NaN) : field.low + word;
  if (value >= field.low && value <= field.high) return value;
  const words = field.words.length === 0 ? '' : ` or ${field.words[0]}-${field.words[field.words.length - 1]}`;
  throw invalid(expr, `'${text}' is no ${field.name}, which is ${field.low}-${field.high}${words}`);
}
