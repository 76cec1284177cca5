/**
 * Times as PostgreSQL's `to_json` writes them, brought to the one form that results have: UTC, and six digits of
 * fraction when there is a fraction. Done on text, because a JavaScript Date has neither microseconds nor PostgreSQL's
 * range (4714 BC to AD 294276).
 */
import { DurableError } from '../graph/errors.ts';

const WITH_ZONE = /^"(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d):(\d\d)(?::(\d\d))?( BC)?"$/;

const MINUTE = 60;
const DAY = 86400;

/**
 * Pads the fraction of a time to six digits. In: the raw JSON string of a timestamp, such as `"2024-06-15T12:30:00.5"`
 * or `"0044-03-15T00:00:00 BC"`. Out: the same with `.500000`. Infinities and times without a fraction come back as they are.
 */
export function padFraction(raw: string): string {
  const point = raw.indexOf('.');
  if (point === -1) return raw;
  return raw.replace(/\.\d+/, sixDigits);
}

function sixDigits(fraction: string): string {
  return fraction.padEnd(7, '0');
}

/**
 * A timestamptz in UTC. In: the raw JSON string with the offset of the session's time zone, seconds in the offset
 * included. Out: `"2024-06-15T12:30:00[.ffffff]+00:00"`, ` BC` behind it before year 1; infinities as they are.
 * Raises DurableError for text of another form.
 */
export function toUtc(raw: string): string {
  if (raw === '"infinity"' || raw === '"-infinity"') return raw;
  if (raw.endsWith('+00:00"')) return padFraction(raw);
  const parts = WITH_ZONE.exec(raw);
  if (parts === null) {
    throw new DurableError(`Cannot read the time ${raw} as a timestamp with time zone`, { code: '22007' });
  }
  const at = (i: number): number => Number(parts[i] ?? 0);
  const year = parts[12] === undefined ? at(1) : 1 - at(1);
  const offset = (at(9) * 60 + at(10)) * MINUTE + at(11);
  const local = daysFromCivil(year, at(2), at(3)) * DAY + (at(4) * 60 + at(5)) * MINUTE + at(6);
  const utc = local - (parts[8] === '-' ? -offset : offset);
  const days = Math.floor(utc / DAY);
  const seconds = utc - days * DAY;
  const date = civilFromDays(days);
  const fraction = parts[7] === undefined ? '' : sixDigits(parts[7]);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / MINUTE) % 60)}:${two(seconds % MINUTE)}`;
  const [name, era] = date.year > 0 ? [date.year, ''] : [1 - date.year, ' BC'];
  return `"${String(name).padStart(4, '0')}-${two(date.month)}-${two(date.day)}T${clock}${fraction}+00:00${era}"`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/**
 * Days since 1970-01-01 of a date in the Gregorian calendar, year 0 being 1 BC. Years are counted from March, so that the
 * leap day comes last and the months before it have fixed lengths of 153 days per five.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = (month + 9) % 12;
  return marchYear * 365 + Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
    + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - 719468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719468;
  // 400 years have 146,097 days; the estimate is at most one year off, and the loop mends it.
  let marchYear = Math.floor((shifted * 400) / 146097);
  while (yearStart(marchYear) > shifted) marchYear--;
  while (yearStart(marchYear + 1) <= shifted) marchYear++;
  const dayOfYear = shifted - yearStart(marchYear);
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = ((marchMonth + 2) % 12) + 1;
  return {
    year: month > 2 ? marchYear : marchYear + 1,
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}

/** Days from March 1st of year 0 to that of `marchYear`. */
function yearStart(marchYear: number): number {
  return marchYear * 365 + Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
}
