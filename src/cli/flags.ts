/**
 * Flags of a command: one table says what they are called, what they take, and what `--help` says of them.
 */
import { parseArgs } from 'node:util';
import { nearest } from './suggest.ts';

/** Thrown for a command line that cannot be understood; the message says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flag {
  /** What the value is called in --help; absent for a switch. */
  readonly value?: string;
  readonly short?: string;
  readonly help: string;
  /** Checks and converts the value; throws UsageError. */
  readonly read?: (text: string, name: string) => unknown;
}

/** The values of the flags that were given, by name; switches are true. */
export type FlagValues = Readonly<Record<string, unknown>>;

/**
 * Reads the flags of a command.
 * @throws UsageError for an unknown flag (with the nearest known one), a missing or a bad value, or an argument that is no flag
 */
export function readFlags(args: readonly string[], flags: Readonly<Record<string, Flag>>): FlagValues {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(Object.entries(flags).map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? 'boolean' as const : 'string' as const, ...(short === undefined ? {} : { short }) },
    ])),
  });
  const values: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') throw new UsageError(`"${token.value}" is not understood: this command takes flags only, see --help`);
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) throw unknownFlag(token.rawName, Object.keys(flags));
    if (flag.value === undefined) {
      if (token.value !== undefined) throw new UsageError(`--${token.name} takes no value, but got "${token.value}"`);
      values[token.name] = true;
    } else {
      if (token.value === undefined) throw new UsageError(`--${token.name} needs a value: --${token.name} ${flag.value}`);
      // What follows a flag without `=` and looks like a flag is one: a forgotten value would swallow it.
      if (token.inlineValue === false && /^--./.test(token.value)) {
        throw new UsageError(`--${token.name} needs a value before "${token.value}": --${token.name} ${flag.value}`);
      }
      values[token.name] = flag.read === undefined ? token.value : flag.read(token.value, token.name);
    }
  }
  return values;
}

/** A flag's reader: a whole number in a range. */
export function wholeNumber(least: number, most: number): (text: string, name: string) => number {
  return (text, name) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new UsageError(`--${name} is "${text}", but it must be a whole number from ${least} to ${most}`);
  };
}

/** A flag's reader: seconds, with a fraction or a unit (ms, s, min, h) if wanted, in a range; gives milliseconds. */
export function duration(least: number, most: number): (text: string, name: string) => number {
  return (text, name) => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|min|h)?$/.exec(text);
    const seconds = match === null ? Number.NaN : Number(match[1]) * ({ ms: 0.001, s: 1, min: 60, h: 3600 }[match[2] ?? 's'] ?? 1);
    if (seconds >= least && seconds <= most) return seconds * 1000;
    throw new UsageError(`--${name} is "${text}", but it must be a time from ${least} to ${most} seconds, such as 30, 0.5, 500ms or 2min`);
  };
}

/** A flag's reader: one of some words. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string, name: string) => Word {
  return (text, name) => {
    const found = words.find((word) => word === text.toLowerCase());
    if (found !== undefined) return found;
    const near = nearest(text.toLowerCase(), words);
    throw new UsageError(`--${name} is "${text}", but it must be one of ${words.join(', ')}${near === null ? '' : `: did you mean ${near}?`}`);
  };
}

/** The part of --help that lists the flags, one or more lines each, at most 100 columns. */
export function describeFlags(flags: Readonly<Record<string, Flag>>): string {
  const heads = Object.entries(flags).map(([name, { value, short }]) =>
    `  ${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`);
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  return Object.values(flags)
    .map(({ help }, i) => (heads[i] ?? '').padEnd(width) + wrap(help, 100 - width).join(`\n${' '.repeat(width)}`))
    .join('\n');
}

function unknownFlag(given: string, known: readonly string[]): UsageError {
  const near = nearest(given.replace(/^-+/, ''), known);
  return new UsageError(`unknown flag ${given}${near === null ? '' : `: did you mean --${near}?`} (see --help)`);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
