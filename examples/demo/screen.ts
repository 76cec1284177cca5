/**
 * What the demo shows. On a terminal the tree is drawn in place and in colour; into a pipe only lines that changed are
 * written, with the time they changed at.
 */
const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
const MARKS: [mark: string, colour: keyof typeof COLOURS][] = [['✓', 'green'], ['✗', 'red'], ['⏳', 'yellow'], ['○', 'dim'], ['⊘', 'dim']];

export class Screen {
  readonly #live: boolean;
  #started: number | undefined;
  #drawn = 0;
  #last: string[] = [];

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#live = stream.isTTY === true && process.env.TERM !== 'dumb' && process.env.NO_COLOR === undefined;
  }

  colour(colour: keyof typeof COLOURS, text: string): string {
    return this.#live ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
  }

  /** A paragraph of the story, which stays. */
  say(text: string): void {
    this.#settle();
    process.stdout.write(`\n${text}\n`);
  }

  /** A heading. */
  title(text: string): void {
    this.say(this.colour('bold', text));
  }

  /** SQL as it is typed. */
  sql(text: string): void {
    this.say(text.trim().split('\n').map((line) => this.colour('cyan', `    ${line}`)).join('\n'));
  }

  /** The present state of something that changes, over the one before, with the seconds since the first one. */
  show(text: string): void {
    const lines = text.trimEnd().split('\n');
    this.#started ??= performance.now();
    const time = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    if (this.#live) {
      const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\x1b[J` : '\n';
      process.stdout.write(`${up}${[this.colour('dim', `    ${time} s`), ...lines.map((line) => `    ${this.#paint(line)}`)].join('\n')}\n`);
      this.#drawn = lines.length + 1;
    } else {
      const before = new Set(this.#last);
      if (before.size === 0) process.stdout.write('\n');
      for (const line of lines) if (line !== '' && !before.has(line)) process.stdout.write(`    ${time} s  ${line}\n`);
    }
    this.#last = lines;
  }

  /** What is drawn stays as it is, and the next state is drawn below. */
  #settle(): void {
    this.#drawn = 0;
  }

  #paint(line: string): string {
    return MARKS.reduce((text, [mark, colour]) => text.replaceAll(mark, this.colour(colour, mark)), line);
  }
}

/** Rows as a small table with a header. */
export function table(rows: Record<string, unknown>[]): string {
  const head = Object.keys(rows[0] ?? {});
  const cells = [head, ...rows.map((row) => head.map((name) => String(row[name] ?? '')))];
  const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells.map((row) => `    ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('   ').trimEnd()}`).join('\n');
}
