/** How long to wait before trying again: doubling, with jitter, up to a limit. */
export class Backoff {
  #failures = 0;

  /**
   * @param base  ms, the middle of the first delay
   * @param limit ms, no delay is longer than this
   * @param random a source of numbers in [0, 1)
   */
  constructor(
    private readonly base: number,
    private readonly limit: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Counts one more failure and returns the delay before the next try, in ms.
   * It lies between half of the doubled base and one and a half of it, so that workers that lost the same server
   * at the same moment do not come back at the same moment.
   */
  next(): number {
    const doubled = this.base * 2 ** Math.min(this.#failures, 30);
    this.#failures += 1;
    // Jitter is applied below the limit too: without it, everyone who has reached the limit would be in step again.
    const middle = Math.min(doubled, this.limit / 1.5);
    return middle * (0.5 + this.random());
  }

  /** Forgets the failures: the next delay is short again. */
  reset(): void {
    this.#failures = 0;
  }
}
