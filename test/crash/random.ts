/** Chance that can be repeated: everything the adversary decides comes from one seed. */

/** Numbers in [0, 1) from a seed, the same ones each time (a 32-bit mix of a counter). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  /** A number in [least, most). */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** One of them. Raises an error for an empty list. */
  pick<T>(from: readonly T[]): T {
    return at(from, this.next());
  }

  /** All of them, in another order. */
  shuffle<T>(from: readonly T[]): T[] {
    const left = [...from];
    return from.map(() => left.splice(Math.floor(this.next() * left.length), 1)[0] as T);
  }
}

/** The element at a fraction in [0, 1) of the list: how a decision made beforehand meets whoever is there by then. */
export function at<T>(from: readonly T[], fraction: number): T {
  const chosen = from[Math.floor(fraction * from.length)];
  if (chosen === undefined) throw new Error('there is nothing to choose from');
  return chosen;
}
