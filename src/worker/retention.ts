/** The retention duty: sweeps old finished instances every `reconcile_interval` (contract: semantics §11). */
import type { CancelTimer, Clock } from './clock.ts';
import type { Place } from './connection.ts';
import { deleteOld } from './duties.ts';
import { errorFields, type Log } from './log.ts';

/** ms until the first sweep; a worker that is started anew every hour must get to it as well. */
const FIRST = 60_000;

export class Retention {
  #interval: number | null = null;
  #stopping = false;
  #cancel: CancelTimer = () => undefined;

  constructor(private readonly place: Place, private readonly clock: Clock, private readonly log: Log) {}

  /** Sweeps every `interval` ms from now on; 0 = never. */
  every(interval: number): void {
    if (interval === this.#interval) return;
    const first = this.#interval === null;
    this.#interval = interval;
    this.#schedule(first ? Math.min(interval, FIRST) : interval);
  }

  stop(): void {
    this.#stopping = true;
    this.#cancel();
  }

  #schedule(delay: number): void {
    this.#cancel();
    if (delay > 0 && !this.#stopping) this.#cancel = this.clock.after(delay, () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    try {
      const deleted = await deleteOld(this.place, () => this.#stopping);
      this.log[deleted > 0 ? 'info' : 'debug']('retention.swept', { deleted });
    } catch (error) {
      this.log.warn('retention.failed', errorFields(error));
    }
    this.#schedule(this.#interval ?? 0);
  }
}
