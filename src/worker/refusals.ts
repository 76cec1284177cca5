/**
 * Fails the work of roles that cannot work, or cannot get a session in time, so that whoever started it learns why.
 */
import type { Place } from './connection.ts';
import { failAllDue, failLongDue, refusalMessage } from './duties.ts';
import type { Failure } from './failures.ts';
import { errorFields, type Log } from './log.ts';
import type { Scheduler } from './scheduler.ts';

/** What it needs of the worker around it. */
export interface Surroundings {
  /** Name and LOGIN of a role by its OID; null when it is gone. */
  lookUp(role: number): Promise<{ name: string; canLogin: boolean } | null>;
  /** ms until a role that met such a failure is tried again. */
  delay(role: number, failure: Failure): number;
  now(): number;
  /** The scheduler was told something. */
  changed(): void;
}

export class Refusals {
  /** Roles whose due work is being failed. */
  readonly #busy = new Set<number>();

  /** @param names the names of roles as far as they are known; corrected when one was renamed */
  constructor(
    private readonly place: Place,
    private readonly names: Map<number, string>,
    private readonly scheduler: Scheduler,
    private readonly log: Log,
    private readonly around: Surroundings,
  ) {}

  /** Roles whose work is being failed at this moment. */
  get pending(): number {
    return this.#busy.size;
  }

  /**
   * The role cannot work: it is gone, has no LOGIN, or the server refuses it. Fails what it has due, and says why; unless a fresh
   * look shows that it was only renamed, or may log in again.
   * @param error the server's refusal; null when the agenda or a look-up said so
   */
  refuse(role: number, error: unknown): Promise<void> {
    return this.#alone(role, async () => {
      const tried = this.names.get(role);
      const found = await this.around.lookUp(role);
      if (found !== null && (error === null ? found.canLogin : found.name !== tried)) {
        this.names.set(role, found.name);
        this.scheduler.wake(role, this.around.now());
        return;
      }
      const name = found?.name ?? tried;
      const message = refusalMessage(role, name, found, error);
      const failed = await failAllDue(this.place, role, message);
      this.log[failed > 0 ? 'warn' : 'debug']('role.refused', { role: name, oid: role, failed, message });
      // Nothing to fail: what is due is in somebody's hands. The sweep asks again, and the pause keeps it from doing so in haste.
      if (failed === 0) this.scheduler.holdRole(role, this.around.delay(role, 'crowded'), this.around.now());
      this.scheduler.settle(role);
      if (found === null) this.names.delete(role);
    });
  }

  /** Fails what the role has had due for longer than `age` ms without a session to do it (contract: semantics §3). */
  failOverdue(role: number, message: string, age: number): Promise<void> {
    return this.#alone(role, async () => {
      const failed = await failLongDue(this.place, role, message, age);
      if (failed > 0) this.log.warn('role.starved', { role: this.names.get(role), failed, message });
    });
  }

  async #alone(role: number, fail: () => Promise<void>): Promise<void> {
    if (this.#busy.has(role)) return;
    this.#busy.add(role);
    try {
      await fail();
    } catch (error) {
      const delay = this.around.delay(role, 'unknown');
      this.log.error('role.not_failed', { role: this.names.get(role), oid: role, retry_ms: Math.round(delay), ...errorFields(error) });
      this.scheduler.holdRole(role, delay, this.around.now());
    } finally {
      this.#busy.delete(role);
      this.around.changed();
    }
  }
}
