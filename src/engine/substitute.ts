/**
 * Substitution of variables and results into a node's text (semantics §6): one pass over `{…}`, then one over `$…` of
 * the outcome. Nothing that a pass inserts is scanned again by that pass. The first pass sees text; the second, in SQL,
 * sees where it is, so that no value gets out of its literal:
 *
 * | place of `$…`      | becomes                                                                                     |
 * |--------------------|---------------------------------------------------------------------------------------------|
 * | code               | a literal                                                                                   |
 * | a comment          | itself                                                                                      |
 * | '…' and "…"        | a bare number, boolean or NULL; a value that needs quotes of its own is an error            |
 * | $tag$…$tag$        | a literal without the tag; the bodies of DO and CREATE have these places too                |
 */
import { DurableError } from '../graph/errors.ts';
import { members, kind } from './rawjson.ts';
import { plainText, relation, sqlLiteral, stringLiteral } from './literal.ts';
import type { Surroundings } from './literal.ts';
import { Reader } from './place.ts';
import type { Place } from './place.ts';
import { classify } from './statement.ts';
import { table } from './rows.ts';
import type { Table } from './rows.ts';

/** Into SQL go literals; into raw text (HTTP, multipart, break values) the bare text. */
export type Mode = 'sql' | 'raw';

/** What `{…}` may name. */
export interface Variables {
  readonly sysInstanceId: string;
  /** Empty for an instance without a label. */
  readonly sysLabel: string;
  /** The value of a captured variable. */
  variable(name: string): string | undefined;
}

/** What `{…}` and `$…` may name. */
export interface Context extends Variables {
  /** The names of the known results. */
  readonly names: readonly string[];
  /** JSON text of the result with one of these names. Asked once per name, and only for names that the text uses. */
  result(name: string): string;
}

/** More rows than this are refused by `$n.*`. */
const MAX_RELATION_ROWS = 10_000;

/** One `$…` that names a known result. `start` and `end` delimit it in the text. */
interface Reference {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** A column, `*`, or null for the first one. */
  readonly column: string | null;
  readonly optional: boolean;
}

/** The place of a reference. */
interface Spot extends Surroundings {
  readonly place: Place;
}

const NAME = /[A-Za-z_]\w*/y;
const MEMBER = /\.(\*|[A-Za-z_]\w*)/y;

/**
 * `text` with everything it refers to filled in. Raises DurableError, naming the reference, for one without a value
 * (02000 no rows, 22004 NULL), for a column that does not exist (42703), and for `.*` over more than 10,000 rows (54000).
 *
 * | form       | SQL                                 | raw                    | no rows           | NULL         |
 * |------------|-------------------------------------|------------------------|-------------------|--------------|
 * | `$n`       | first column of first row, literal  | same, as text          | error             | error        |
 * | `$n.col`   | that column, or that top-level key  | same, as text          | error             | error        |
 * | `$n?` `$n.col?` | same                           | same                   | `NULL`            | `NULL`       |
 * | `$n.*`     | `(VALUES …) AS "n"("c1","c2")`      | JSON array of the rows | an empty relation | `NULL` cells |
 *
 * A result without rows is one literal as a whole: its JSON text.
 */
export function substitute(text: string, mode: Mode, context: Context): string {
  const expanded = expandVariables(text, context);
  const known = new Map<string, Result>();
  const reader = new Reader(() => /^(?:DO|CREATE)$/.test(classify(expanded).keyword));
  let out = '';
  let copied = 0;
  let inserted = '';
  for (const reference of scan(expanded, new Set(context.names))) {
    const form = expanded.slice(reference.start, reference.end);
    if (mode === 'sql') reader.read(expanded.slice(copied, reference.start));
    const { place, delimiters } = reader;
    if (place === 'comment') {
      out += expanded.slice(copied, reference.end);
      copied = reference.end;
      inserted = form;
      continue;
    }
    let result = known.get(reference.name);
    if (result === undefined) known.set(reference.name, result = read(context.result(reference.name)));
    const before = reference.start > copied ? expanded.slice(Math.max(copied, reference.start - 64), reference.start) : inserted.slice(-64);
    const after = expanded.slice(reference.end, reference.end + 64);
    out += expanded.slice(copied, reference.start);
    inserted = render(form, reference, result, mode, { before, after, place, delimiters });
    out += inserted;
    copied = reference.end;
  }
  return out + expanded.slice(copied);
}

/** The first pass alone: `{sys_instance_id}`, `{sys_label}` and `{variable}`. Everything else up to the next `}` stays. */
export function expandVariables(text: string, variables: Variables): string {
  let out = '';
  let copied = 0;
  for (let open = text.indexOf('{'); open !== -1; open = text.indexOf('{', copied)) {
    const close = text.indexOf('}', open);
    if (close === -1) break;
    const name = text.slice(open + 1, close);
    const value = name === 'sys_instance_id' ? variables.sysInstanceId
      : name === 'sys_label' ? variables.sysLabel
      : variables.variable(name);
    out += text.slice(copied, open) + (value ?? text.slice(open, close + 1));
    copied = close + 1;
  }
  return out + text.slice(copied);
}

/** The references in `text`. A name reaches as far as its characters do, so of `$a` and `$ab` the longer one is meant. */
function* scan(text: string, names: ReadonlySet<string>): Generator<Reference> {
  if (names.size === 0) return;
  for (let start = text.indexOf('$'), end: number; start !== -1; start = text.indexOf('$', end)) {
    end = start + 1;
    if (text[end] === '$') {
      end++;
      continue;
    }
    const name = matchAt(NAME, text, end)?.[0];
    if (name === undefined) continue;
    end += name.length;
    if (!names.has(name)) continue;
    const member = matchAt(MEMBER, text, end);
    if (member !== null) end += member[0].length;
    const column = member?.[1] ?? null;
    const optional = column !== '*' && text[end] === '?';
    if (optional) end++;
    yield { start, end, name, column, optional };
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

interface Result {
  readonly raw: string;
  /** Undefined for a result without rows. */
  readonly table: Table | undefined;
}

function read(raw: string): Result {
  const trimmed = raw.trim();
  return { raw: trimmed, table: table(trimmed) };
}

function render(form: string, reference: Reference, result: Result, mode: Mode, spot: Spot): string {
  if (reference.column === '*') return renderRows(form, reference.name, result, mode, spot);
  if (result.table === undefined && reference.column === null) {
    if (reference.optional && result.raw === 'null') return 'NULL';
    return mode === 'sql' ? literalOf(form, result.raw, spot, stringLiteral) : result.raw;
  }
  const value = lookUp(form, reference, result);
  if (value !== undefined && value !== 'null') return mode === 'sql' ? literalOf(form, value, spot, sqlLiteral) : plainText(value);
  if (reference.optional) return 'NULL';
  const hint = `Write ${form}? to get NULL instead.`;
  if (value === undefined) {
    throw new DurableError(`Cannot substitute ${form}: the result "${reference.name}" has no rows`, { code: '02000', hint });
  }
  const what = reference.column !== null ? `"${reference.column}"` : 'the first column';
  throw new DurableError(`Cannot substitute ${form}: ${what} of the result "${reference.name}" is NULL`, { code: '22004', hint });
}

/** A raw value as a literal, but inside quotes as it is, if it can be. */
function literalOf(form: string, raw: string, spot: Spot, literal: (raw: string, around: Surroundings) => string): string {
  if (spot.place !== 'quotes') return literal(raw, spot);
  if (literal === sqlLiteral && /^(?:number|true|false)$/.test(kind(raw))) return raw;
  throw insideQuotes(form);
}

function insideQuotes(form: string): DurableError {
  return new DurableError(`Cannot substitute ${form} inside quotes: its value is a literal with quotes of its own`, {
    code: '42601', hint: `Write it outside of them, as in 'Hello ' || ${form}.`,
  });
}

/** The raw value that a reference means; undefined when there are no rows. */
function lookUp(form: string, { name, column }: Reference, result: Result): string | undefined {
  let holder = result.raw;
  if (result.table !== undefined) {
    const row = result.table.rows[0];
    if (row === undefined) {
      // Still an error if the columns are known and this one is not among them.
      const columns = result.table.columns?.map((known) => known.name);
      if (column !== null && columns !== undefined && !columns.includes(column)) throw noColumn(form, name, column, columns);
      return undefined;
    }
    holder = row;
  } else if (kind(holder) !== 'object') {
    throw new DurableError(`Cannot substitute ${form}: the result "${name}" is not an object, so it has no "${column}"`, {
      code: '42703', hint: `Write $${name} for the whole value.`,
    });
  }
  const found = members(holder);
  if (column === null) {
    if (found.length > 0) return found[0]![1];
    throw new DurableError(`Cannot substitute ${form}: the rows of the result "${name}" have no columns`, { code: '42703' });
  }
  // Of duplicate keys, which a hand-written JSON value can have, the last one counts, as in jsonb.
  for (let i = found.length - 1; i >= 0; i--) if (found[i]![0] === column) return found[i]![1];
  throw noColumn(form, name, column, found.map(([key]) => key));
}

function noColumn(form: string, name: string, column: string, existing: readonly string[]): DurableError {
  const list = existing.length === 0 ? 'none' : existing.map((key) => `"${key}"`).join(', ');
  return new DurableError(`Cannot substitute ${form}: the result "${name}" has no column "${column}"; it has ${list}`, {
    code: '42703', hint: 'Names are case-sensitive. A column with another name can be renamed with AS in the query.',
  });
}

function renderRows(form: string, name: string, result: Result, mode: Mode, spot: Spot): string {
  const found = result.table;
  if (found === undefined) {
    throw new DurableError(`Cannot substitute ${form}: the result "${name}" has no rows to list, it is one value`, {
      code: '42809', hint: `Write $${name} for the whole value.`,
    });
  }
  if (found.rows.length > MAX_RELATION_ROWS) {
    throw new DurableError(
      `Cannot substitute ${form}: the result "${name}" has ${found.rows.length} rows, and at most ${MAX_RELATION_ROWS} are allowed`,
      { code: '54000', hint: 'Keep large results in a table and pass their key.' },
    );
  }
  if (spot.place === 'quotes') throw insideQuotes(form);
  return mode === 'sql' ? relation(name, found, spot.delimiters) : `[${found.rows.join(',')}]`;
}
