import { DurableError } from './errors.ts';
import { excerpt, quote } from './json.ts';
import { remember } from './wrap.ts';

/** What is wrong with a duration in seconds written as decimal text, or null if nothing is. */
export function durationProblem(text: string): string | null {
  if (/^\d+(?:\.\d+)?$/.test(text)) return null;
  if (/^-\d+(?:\.\d+)?$/.test(text)) return `Sleep duration must be non-negative, not ${text}`;
  return `Sleep duration '${excerpt(text, 60)}' is not a number; write seconds such as 5 or 0.5`;
}

/**
 * SLEEP (`df.sleep(bigint)`). A bigint or decimal text keeps every digit; a number must be a safe integer.
 *
 * @throws DurableError `Sleep duration must be non-negative`.
 */
export function sleep(seconds: bigint | number | string): string {
  if (typeof seconds === 'number' && !Number.isSafeInteger(seconds)) {
    throw new DurableError(`Sleep duration ${seconds} is not a whole number of seconds; use df.sleep(interval) for fractions`);
  }
  return sleepInterval(String(seconds));
}

/**
 * SLEEP (`df.sleep(interval)`): the interval's epoch as decimal text, such as `90.500000`; needless zeros go.
 *
 * @throws DurableError `Sleep duration must be non-negative`.
 */
export function sleepInterval(seconds: string): string {
  // -0.000000 and -0 are no negative durations.
  const text = seconds.trim().replace(/^(-?\d+)\.(\d*?)0*$/, (_, whole: string, part: string) => (part === '' ? whole : `${whole}.${part}`));
  const plain = text.replace(/^(-?)0+(?=\d)/, '$1');
  const decimal = plain === '-0' ? '0' : plain;
  const problem = durationProblem(decimal);
  if (problem !== null) throw new DurableError(problem);
  return remember(`{"node_type":"SLEEP","query":"${decimal}"}`);
}

/**
 * WAIT_SCHEDULE: until the next tick of a five-field cron expression, in UTC (`df.wait_for_schedule`).
 *
 * @param validateCron raises `Invalid cron expression '…'`; the engine's, passed in because graphs know nothing of it.
 */
export function waitForSchedule(cronExpr: string, validateCron: (expr: string) => void): string {
  validateCron(cronExpr);
  return remember(`{"node_type":"WAIT_SCHEDULE","query":${quote(`{"cron_expr":${quote(cronExpr)}}`)}}`);
}

/**
 * SIGNAL: until a signal of that name arrives, or `timeoutSeconds` have passed; null waits for ever (`df.wait_for_signal`).
 *
 * @throws DurableError `Signal name cannot be empty`, `Timeout must be positive`.
 */
export function waitForSignal(name: string | null, timeoutSeconds: number | null): string {
  if (name === null || name === '') {
    throw new DurableError(`Signal name cannot be empty${name === null ? ' or NULL' : ''}; name the signal that df.signal() will send`);
  }
  if (timeoutSeconds !== null) requirePositive(timeoutSeconds, 'leave it out to wait without a limit');
  const config = `{"signal_name":${quote(name)},"timeout_seconds":${timeoutSeconds === null ? 'null' : timeoutSeconds}}`;
  return remember(`{"node_type":"SIGNAL","query":${quote(config)}}`);
}

/** Raises `Timeout must be positive` unless `seconds` is a whole number above 0. */
export function requirePositive(seconds: number, remedy: string): void {
  if (!Number.isSafeInteger(seconds) || seconds <= 0) {
    throw new DurableError(`Timeout must be positive, not ${seconds}; give whole seconds, or ${remedy}`);
  }
}
