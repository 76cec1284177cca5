/** Counts of what was done and times that were taken, for the report. */

export class Times {
  readonly #taken: number[] = [];

  add(ms: number): void {
    this.#taken.push(ms);
  }

  get count(): number {
    return this.#taken.length;
  }

  get median(): number {
    const sorted = [...this.#taken].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  }

  get worst(): number {
    return Math.max(...this.#taken);
  }

  /** How many took longer. */
  above(ms: number): number {
    return this.#taken.filter((one) => one > ms).length;
  }

  toString(): string {
    return this.count === 0 ? 'none measured' : `median ${Math.round(this.median)} ms, worst ${Math.round(this.worst)} ms of ${this.count}, ${this.above(1000)} above a second`;
  }
}

export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  get total(): number {
    return [...this.#counts.values()].reduce((a, b) => a + b, 0);
  }

  toString(): string {
    return [...this.#counts].sort(([a], [b]) => a.localeCompare(b)).map(([what, count]) => `${what} ${count}`).join(', ') || 'none';
  }
}
