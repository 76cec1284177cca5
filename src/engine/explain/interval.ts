/** Microseconds, or months, that one of a unit lasts. */
const UNITS: readonly (readonly [pattern: RegExp, microseconds: bigint, months: bigint])[] = [
  [/^(?:us|usecs?|microseconds?|microsecon)$/, 1n, 0n],
  [/^(?:ms|msecs?|milliseconds?|millisecon)$/, 1_000n, 0n],
  [/^(?:s|secs?|seconds?)$/, 1_000_000n, 0n],
  [/^(?:m|mins?|minutes?)$/, 60_000_000n, 0n],
  [/^(?:h|hrs?|hours?)$/, 3_600_000_000n, 0n],
  [/^(?:d|days?)$/, 86_400_000_000n, 0n],
  [/^(?:w|weeks?)$/, 604_800_000_000n, 0n],
  [/^(?:mons?|months?)$/, 0n, 1n],
  [/^(?:y|yrs?|years?)$/, 0n, 12n],
];

/** What `hh:mm:ss` stands for: seconds, minutes, hours. */
const CLOCK_UNITS = UNITS.slice(2, 5);

const PART = /^([-+]?)(\d*)(?:\.(\d*))?\s*([a-z]+)\s*/;
const CLOCK = /^([-+]?)(\d+):([0-5]?\d)(?::([0-5]?\d(?:\.\d*)?))?\s*/;
const SECONDS = /^([-+]?)(\d*)(?:\.(\d*))?$/;

/**
 * The seconds in an interval literal, as decimal text, counted as `extract(epoch …)` does: a month is 30 days, a year
 * 365.25. Reads `1 day 2 hours`, `90.5 s`, `01:30`, `2 days 01:30:00.5`, a bare number of seconds, `… ago`.
 * Null for anything else: fractions of months and years, more than six digits of a fraction, a unit given twice.
 */
export function intervalSeconds(literal: string): string | null {
  let rest = literal.trim().toLowerCase().replace(/^@\s*/, '');
  let sign = 1n;
  if (/\sago$/.test(rest)) {
    sign = -1n;
    rest = rest.replace(/\s+ago$/, '');
  }
  if (rest === '') return null;
  let total = 0n;
  let months = 0n;
  const bare = SECONDS.exec(rest);
  if (bare !== null) {
    const amount = millionths(bare[2], bare[3]);
    if (amount === null) return null;
    total = bare[1] === '-' ? -amount : amount;
    rest = '';
  }
  const seen = new Set<unknown>();
  while (rest !== '') {
    const clock = CLOCK.exec(rest);
    if (clock !== null) {
      const [all, minus, hours, minutes, seconds = '0'] = clock;
      const [whole, part] = seconds.split('.');
      const last = millionths(whole, part);
      if (last === null || CLOCK_UNITS.some((unit) => seen.has(unit))) return null;
      for (const unit of CLOCK_UNITS) seen.add(unit);
      const amount = BigInt(hours as string) * 3_600_000_000n + BigInt(minutes as string) * 60_000_000n + last;
      total += minus === '-' ? -amount : amount;
      rest = rest.slice(all.length);
      continue;
    }
    const part = PART.exec(rest);
    const unit = UNITS.find(([pattern]) => pattern.test(part?.[4] ?? ''));
    const amount = part === null ? null : millionths(part[2], part[3]);
    if (part === null || unit === undefined || amount === null || seen.has(unit)) return null;
    seen.add(unit);
    const signed = part[1] === '-' ? -amount : amount;
    if (unit[2] !== 0n && signed % 1_000_000n !== 0n) return null;
    total += (signed * unit[1]) / 1_000_000n;
    months += (signed / 1_000_000n) * unit[2];
    rest = rest.slice(part[0].length);
  }
  const years = months / 12n;
  total += years * 31_557_600_000_000n + (months - years * 12n) * 2_592_000_000_000n;
  return decimal(sign * total);
}

/** A decimal number in millionths; null if it has no digit or a finer fraction. */
function millionths(whole = '', part = ''): bigint | null {
  if ((whole === '' && part === '') || part.length > 6) return null;
  return BigInt(whole === '' ? '0' : whole) * 1_000_000n + BigInt(part.slice(0, 6).padEnd(6, '0'));
}

function decimal(microseconds: bigint): string {
  const digits = (microseconds < 0n ? -microseconds : microseconds).toString().padStart(7, '0');
  return `${microseconds < 0n ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
