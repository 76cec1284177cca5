/**
 * Structured log: one line per event.
 *
 * An event is a dotted name (`session.opened`) with fields. Fields carry names, numbers, SQLSTATEs and the primary
 * message of an error, never a statement, a parameter or a result: what users run is not the log's business.
 */

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
}

/** A message is cut here; a server's message can quote as much of the data as it likes. */
const LONGEST_VALUE = 500;

/**
 * A log that writes lines.
 * @param level  the least important level that is written
 * @param format `json`: one object per line, `time`, `level`, `event`, then the fields; `text`: the same for people
 * @param write  takes one line with its newline
 * @param now    ms since 1970
 */
export function createLog(
  level: LogLevel,
  format: LogFormat,
  write: (line: string) => void,
  now: () => number = Date.now,
): Log {
  const threshold = LOG_LEVELS.indexOf(level);
  const line = format === 'json' ? jsonLine : textLine;
  const at = (own: LogLevel) => (event: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(own) <= threshold) write(line(new Date(now()).toISOString(), own, event, fields));
  };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** What a log line says about an error: its message and, from the server, its SQLSTATE. */
export function errorFields(error: unknown): { message: string; code?: string } {
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message || error.name : String(error);
  return typeof code === 'string' ? { message, code } : { message };
}

function jsonLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  const cutFields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) cutFields[key] = cut(value);
  return `${JSON.stringify({ time, level, event, ...cutFields })}\n`;
}

function textLine(time: string, level: LogLevel, event: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${event}`;
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const shown = cut(value);
    // A bare word stays bare; anything with room for doubt is quoted, so that one event is always one line.
    line += ` ${key}=${typeof shown === 'string' && !/^[\w.:@/+-]+$/.test(shown) ? JSON.stringify(shown) : shown}`;
  }
  return `${line}\n`;
}

function cut(value: LogFields[string]): LogFields[string] {
  return typeof value === 'string' && value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;
}
