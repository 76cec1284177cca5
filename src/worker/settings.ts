/**
 * The settings of the database that steer a worker (contract: surface §7).
 *
 * They are read in the worker's own session, where no submitter's SET reaches. Unset or empty means the default;
 * a value that is no number or out of range is an error that names it, never a silent default.
 */

export interface ServerSettings {
  /** SQL steps running at once in this worker. */
  readonly maxUserConnections: number;
  /** ms that due work may wait for a free session before it fails. */
  readonly acquireTimeout: number;
  /** ms between two sweeps of the retention duty; 0 = never. */
  readonly reconcileInterval: number;
  /** ms between heartbeats: three fit into the silence after which a worker's HTTP requests are taken over. */
  readonly heartbeat: number;
}

/** The longest pause between heartbeats, in ms (contract: surface §5). */
const LONGEST_HEARTBEAT = 5_000;

interface Rule {
  readonly name: string;
  readonly fallback: number;
  readonly least: number;
  readonly most: number;
  readonly unit: '' | 's' | 'days';
}

const RULES = {
  maxUserConnections: { name: 'pg_durable.max_user_connections', fallback: 10, least: 1, most: 1000, unit: '' },
  acquireTimeout: { name: 'pg_durable.execution_acquire_timeout', fallback: 30, least: 1, most: 3600, unit: 's' },
  reconcileInterval: { name: 'pg_durable.reconcile_interval', fallback: 3600, least: 0, most: 86400, unit: 's' },
  // The retention function applies this one itself; it is checked here so that a slip is met at start, not an hour later.
  retentionDays: { name: 'pg_durable.retention_days', fallback: 30, least: 0, most: 36500, unit: 'days' },
  httpTakeover: { name: 'pg_durable.http_takeover', fallback: 15, least: 3, most: 60, unit: 's' },
} as const satisfies Record<string, Rule>;

/** Names to be read with `current_setting(name, true)`. */
export const SETTING_NAMES: readonly string[] = Object.values(RULES).map((rule) => rule.name);

/** Thrown for a setting that cannot be used. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

/**
 * Checks what the server returned for SETTING_NAMES.
 * @param values text by name; null, absent or empty = unset
 * @throws SettingError naming the setting, its value and its range
 */
export function readSettings(values: ReadonlyMap<string, string | null>): ServerSettings {
  const read = (rule: Rule): number => readOne(rule, values.get(rule.name) ?? '');
  read(RULES.retentionDays);
  return {
    maxUserConnections: read(RULES.maxUserConnections),
    acquireTimeout: read(RULES.acquireTimeout) * 1000,
    reconcileInterval: read(RULES.reconcileInterval) * 1000,
    heartbeat: Math.min(LONGEST_HEARTBEAT, read(RULES.httpTakeover) * 1000 / 3),
  };
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86400 };

function readOne(rule: Rule, text: string): number {
  const trimmed = text.trim();
  if (trimmed === '') return rule.fallback;
  const match = /^([+-]?\d+)\s*(s|min|h|d)?$/.exec(trimmed);
  const factor = match?.[2] === undefined ? 1 : rule.unit === 's' ? SECONDS[match[2]] : undefined;
  const value = match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor;
  if (value >= rule.least && value <= rule.most) return value;
  throw new SettingError(
    `${rule.name} is "${text}", but it must be a whole number from ${rule.least} to ${rule.most}` +
    `${rule.unit === '' ? '' : rule.unit === 's' ? ' seconds' : ' days'} (default ${rule.fallback}): ` +
    'correct it in postgresql.conf, ALTER DATABASE … SET or ALTER ROLE … SET',
  );
}
