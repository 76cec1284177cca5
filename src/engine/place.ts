/**
 * Where in a SQL text one is, told by reading what comes before: what is right for a value to become depends on it.
 * Reads as PostgreSQL does with standard_conforming_strings on. Linear time, in pieces of any size.
 */

/** Code, a comment, or a quoted string or name. */
export type Place = 'code' | 'comment' | 'quotes';

const OPENER = /--|\/\*|(?<![\w$\u0080-\uffff])[eE]'|['"]|(?<![\w$\u0080-\uffff])\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/g;
const CLOSERS: Readonly<Record<string, RegExp>> = { '--': /[\r\n]/g, '/*': /\/\*|\*\//g, "'": /'/g, '"': /"/g, "E'": /\\|'/g };

export class Reader {
  /** Whether a dollar-quoted text is code of its own, as the body of a DO or a function; otherwise it is taken for code throughout. */
  readonly #hasBodies: () => boolean;
  /** What opened the part that the reader is in; null: code. */
  #opener: string | null = null;
  /** Of a comment, which may hold others. */
  #depth = 0;
  /** What reads the body that the reader is in. */
  #body: Reader | null = null;

  constructor(hasBodies: () => boolean) {
    this.#hasBodies = hasBodies;
  }

  get place(): Place {
    if (this.#opener === null) return 'code';
    if (this.#opener === '--' || this.#opener === '/*') return 'comment';
    if (this.#opener.startsWith('$')) return this.#body?.place ?? 'code';
    return 'quotes';
  }

  /** What ends the dollar-quoted texts that the reader is in. */
  get delimiters(): string[] {
    return this.#opener?.startsWith('$') ? [this.#opener, ...this.#body?.delimiters ?? []] : [];
  }

  /** Goes on behind `sql`. */
  read(sql: string): void {
    for (let at = 0; at < sql.length;) {
      at = this.#opener === null ? this.#open(sql, at) : this.#opener.startsWith('$') ? this.#readDollars(this.#opener, sql, at) : this.#close(this.#opener, sql, at);
    }
  }

  #open(sql: string, at: number): number {
    OPENER.lastIndex = at;
    const found = OPENER.exec(sql)?.[0];
    if (found === undefined) return sql.length;
    const end = OPENER.lastIndex;
    this.#opener = found === "e'" ? "E'" : found;
    this.#depth = 1;
    if (found.startsWith('$') && this.#hasBodies()) this.#body = new Reader(() => true);
    return end;
  }

  #readDollars(opener: string, sql: string, at: number): number {
    const end = sql.indexOf(opener, at);
    this.#body?.read(sql.slice(at, end === -1 ? undefined : end));
    if (end === -1) return sql.length;
    this.#opener = this.#body = null;
    return end + opener.length;
  }

  #close(opener: string, sql: string, at: number): number {
    const closer = CLOSERS[opener]!;
    closer.lastIndex = at;
    const found = closer.exec(sql)?.[0];
    if (found === undefined) return sql.length;
    const end = closer.lastIndex;
    if (found === '\\') return end + 1;
    this.#depth += found === '/*' ? 1 : -1;
    if (this.#depth === 0) this.#opener = null;
    return end;
  }
}
