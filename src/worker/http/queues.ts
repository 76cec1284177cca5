/** A queue per host, so that requests to one host wait for each other and not for those to another. */
export class HostQueues<T> {
  readonly #waiting = new Map<string, T[]>();
  readonly #running = new Map<string, number>();

  add(host: string, item: T): void {
    const queue = this.#waiting.get(host);
    if (queue === undefined) this.#waiting.set(host, [item]);
    else queue.push(item);
  }

  /** Takes an item out that waits. Returns whether it did. */
  remove(host: string, item: T): boolean {
    const queue = this.#waiting.get(host);
    const at = queue?.indexOf(item) ?? -1;
    if (at === -1) return false;
    queue!.splice(at, 1);
    if (queue!.length === 0) this.#waiting.delete(host);
    return true;
  }

  /** The next item of a host with fewer than `most` under way, which then counts as under way; null if there is none. */
  take(most: number): { host: string; item: T } | null {
    for (const [host, queue] of this.#waiting) {
      const running = this.#running.get(host) ?? 0;
      if (running >= most) continue;
      const item = queue.shift()!;
      this.#waiting.delete(host);
      // To the end of the line: hosts take turns.
      if (queue.length > 0) this.#waiting.set(host, queue);
      this.#running.set(host, running + 1);
      return { host, item };
    }
    return null;
  }

  /** One item of the host is no longer under way. */
  leave(host: string): void {
    const left = (this.#running.get(host) ?? 1) - 1;
    if (left === 0) this.#running.delete(host);
    else this.#running.set(host, left);
  }
}
