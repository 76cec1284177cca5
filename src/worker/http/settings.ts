/** The settings of the database that steer HTTP requests; read in the worker's own session, where no submitter's SET reaches. */
import { AddressRangeError, readRanges, type Range } from './address.ts';
import { SettingError } from '../settings.ts';

export interface HttpSettings {
  /** Bytes of a request's or a response's body. */
  readonly mostBytes: number;
  /** Requests at once in this worker. */
  readonly mostRequests: number;
  /** Requests at once from this worker to one host and port. */
  readonly mostPerHost: number;
  /** Addresses that requests may go to although they are not public. */
  readonly opened: readonly Range[];
}

const NUMBERS = {
  mostBytes: { name: 'pg_durable.http_max_bytes', fallback: 10 * 1024 * 1024, least: 1024, most: 256 * 1024 * 1024 },
  mostRequests: { name: 'pg_durable.http_max_requests', fallback: 100, least: 1, most: 1000 },
  mostPerHost: { name: 'pg_durable.http_max_per_host', fallback: 32, least: 1, most: 1000 },
} as const;
const RANGES = 'pg_durable.http_private_ranges';

/** Names to be read with `current_setting(name, true)`. */
export const HTTP_SETTING_NAMES: readonly string[] = [...Object.values(NUMBERS).map(({ name }) => name), RANGES];

/**
 * @param values text by name; null, absent or empty = unset
 * @throws SettingError naming the setting, its value and what it takes
 */
export function readHttpSettings(values: ReadonlyMap<string, string | null>): HttpSettings {
  const number = ({ name, fallback, least, most }: (typeof NUMBERS)[keyof typeof NUMBERS]): number => {
    const text = (values.get(name) ?? '').trim();
    if (text === '') return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new SettingError(`${name} is "${text}", but it must be a whole number from ${least} to ${most} (default ${fallback})`);
  };
  try {
    return {
      mostBytes: number(NUMBERS.mostBytes), mostRequests: number(NUMBERS.mostRequests), mostPerHost: number(NUMBERS.mostPerHost),
      opened: readRanges(values.get(RANGES) ?? ''),
    };
  } catch (error) {
    if (error instanceof AddressRangeError) throw new SettingError(`${RANGES}: ${error.message}`);
    throw error;
  }
}
