/**
 * The worker's only source of time, so that a test can hold it in its hand.
 *
 * Instants are milliseconds since 1970 as a number; durations are milliseconds.
 */

/** Ends a timer that has not fired yet; harmless afterwards. */
export type CancelTimer = () => void;

export interface Clock {
  /** The present instant. Never goes back while the process lives. */
  now(): number;
  /** Calls `run` once, `delay` ms from now (at once for 0 and below). Any delay is allowed, months too. */
  after(delay: number, run: () => void): CancelTimer;
}

/** The longest delay `setTimeout` takes; what is above it fires at once instead. */
const LONGEST_TIMEOUT = 2_147_483_647;

/**
 * The machine's clock. It is the monotonic one, anchored at process start: when somebody sets the wall clock,
 * back-off and limits are unmoved, and the distance to the server's clock is measured anew with every heartbeat.
 */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(delay, run) {
    const end = performance.now() + Math.max(0, delay);
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = end - performance.now();
      timer = left > LONGEST_TIMEOUT
        ? setTimeout(arm, LONGEST_TIMEOUT)
        : setTimeout(run, Math.max(0, Math.ceil(left)));
    };
    arm();
    return () => clearTimeout(timer);
  },
};
