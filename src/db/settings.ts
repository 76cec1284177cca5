/** Settings under `pg_durable.` (surface §7): read as text, empty means unset, out of range is an error. */
import { DurableError } from '../graph/errors.ts';
import { query } from './statement.ts';

const read = query<{ value: string | null }>('SELECT current_setting($1, true) AS value', 'text');

interface Range { readonly unset: number; readonly least: number; readonly most: number; readonly unit: string }

const NUMBERS = {
  max_new_transaction_starts: { unset: 2, least: 1, most: 1000, unit: '' },
  new_transaction_start_timeout: { unset: 5, least: 1, most: 3600, unit: 's' },
  list_instances_max_limit: { unset: 1000, least: 1, most: 1_000_000, unit: '' },
  retention_days: { unset: 30, least: 0, most: 36_500, unit: 'days' },
  loop_min_interval: { unset: 1, least: 0, most: 3600, unit: 's' },
  http_takeover: { unset: 15, least: 3, most: 60, unit: 's' },
  http_max_bytes: { unset: 10_485_760, least: 1024, most: 268_435_456, unit: '' },
} as const satisfies Record<string, Range>;

/** A numeric setting, in its own unit. Raises DurableError for what is no number or out of range. */
export function numberSetting(name: keyof typeof NUMBERS): number {
  return parseNumber(name, read(`pg_durable.${name}`)[0]!.value);
}

/** The same from a text that was read elsewhere. */
export function parseNumber(name: keyof typeof NUMBERS, text: string | null): number {
  const { unset, least, most, unit }: Range = NUMBERS[name];
  const trimmed = (text ?? '').trim();
  if (trimmed === '') return unset;
  // A unit is accepted as PostgreSQL's own settings accept it: 5s, 500ms, 2min.
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d)?$/.exec(trimmed);
  const seconds = { ms: 0.001, s: 1, min: 60, h: 3600, d: 86_400 } as const;
  const suffix = match?.[2] as keyof typeof seconds | undefined;
  const value = match === null || (suffix !== undefined && unit !== 's')
    ? NaN : Number(match[1]) * (suffix === undefined ? 1 : seconds[suffix]);
  const whole = name === 'loop_min_interval' || Number.isInteger(value);
  if (!(value >= least && value <= most) || !whole) {
    throw new DurableError(`invalid value for parameter "pg_durable.${name}": "${text}"`, {
      hint: `It takes ${least} to ${most}${unit === '' ? '' : ` ${unit}`}; without it ${unset} is used.`,
    });
  }
  return value;
}

/** A setting that is on or off. Raises DurableError for anything else. */
export function booleanSetting(name: 'enable_superuser_instances'): boolean {
  const text = (read(`pg_durable.${name}`)[0]!.value ?? '').trim().toLowerCase();
  if (['on', 'true', 'yes', '1', 't', 'y'].includes(text)) return true;
  if (['', 'off', 'false', 'no', '0', 'f', 'n'].includes(text)) return false;
  throw new DurableError(`invalid value for parameter "pg_durable.${name}": "${text}"`, { hint: 'It takes on or off.' });
}

/** `pg_durable.http`. Raises DurableError for anything but off, allowlist and all. */
export function httpMode(): 'off' | 'allowlist' | 'all' {
  const text = (read('pg_durable.http')[0]!.value ?? '').trim().toLowerCase();
  if (text === '' || text === 'off') return 'off';
  if (text === 'allowlist' || text === 'all') return text;
  throw new DurableError(`invalid value for parameter "pg_durable.http": "${text}"`, { hint: 'It takes off, allowlist or all.' });
}
