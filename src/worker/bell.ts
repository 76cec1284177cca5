import type { Clock } from './clock.ts';

/** Wakes one waiting loop. A ring while nobody waits is kept for the next wait. */
export class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  constructor(private readonly clock: Clock) {}

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits for a ring, or until `delay` ms have passed (Infinity: for a ring only). */
  async wait(delay: number): Promise<void> {
    if (!this.#rung && delay > 0) {
      await new Promise<void>((resolve) => {
        const cancel = delay === Number.POSITIVE_INFINITY ? () => undefined : this.clock.after(delay, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = null;
    }
    this.#rung = false;
  }
}
