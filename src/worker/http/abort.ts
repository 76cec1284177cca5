/** Waits for something that cannot be aborted itself, but no longer than until `signal` is: then its reason is thrown. */
export function abortable<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}
