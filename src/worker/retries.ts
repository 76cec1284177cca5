/** When a role that met a failure which passes is tried again, and what the log says meanwhile. */
import { Backoff } from './backoff.ts';
import type { Failure } from './failures.ts';
import { errorFields, type Log } from './log.ts';

export class Retries {
  readonly #backoffs = new Map<number, Backoff>();

  /** @param names the names of roles as far as they are known */
  constructor(private readonly names: ReadonlyMap<number, string>, private readonly log: Log) {}

  /** ms until a role that met such a failure is tried again; longer each time, until `succeeded`. */
  delay(role: number, failure: Failure): number {
    let backoff = this.#backoffs.get(role);
    if (backoff === undefined) {
      const quick = failure === 'away' || failure === 'conflict';
      backoff = quick ? new Backoff(20, 700) : new Backoff(200, failure === 'unknown' ? 30_000 : 5_000);
      this.#backoffs.set(role, backoff);
    }
    return backoff.next();
  }

  /** Logs the failure as `event`, and returns the delay. */
  note(event: string, role: number, failure: Failure, error: unknown): number {
    const delay = this.delay(role, failure);
    this.log[failure === 'unknown' ? 'error' : 'warn'](event, {
      role: this.names.get(role), failure, retry_ms: Math.round(delay), ...errorFields(error),
    });
    return delay;
  }

  succeeded(role: number): void {
    this.#backoffs.delete(role);
  }

  /** The server is back: what failed belongs to its absence. */
  clear(): void {
    this.#backoffs.clear();
  }
}
