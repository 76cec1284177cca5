/** Waiting for a condition, never for a length of time. */

/**
 * Calls `probe` until it gives something other than undefined, null or false, and returns that. Raises an error naming
 * `what` once `deadline` milliseconds have passed (30 s without one); an error of the probe itself ends the wait.
 */
export async function until<T>(what: string, probe: () => T | Promise<T>, deadline = 30_000): Promise<NonNullable<T>> {
  const end = performance.now() + deadline;
  for (let pause = 1; ; pause = Math.min(pause * 2, 100)) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found as NonNullable<T>;
    if (performance.now() > end) throw new Error(`waited ${deadline} ms in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, pause); });
  }
}
