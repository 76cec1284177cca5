/** Raw JSON values as SQL text, for substitution (semantics §6). */
import { DurableError } from '../graph/errors.ts';
import { kind, members, parseString } from './rawjson.ts';
import type { Column, Table } from './rows.ts';

/** What surrounds the place of a literal: enough text on both sides to keep it a token of its own. */
export interface Surroundings {
  readonly before: string;
  readonly after: string;
  /** What ends the dollar-quoted texts around it. */
  readonly delimiters: readonly string[];
}

const NOWHERE: Surroundings = { before: '', after: '', delimiters: [] };

/** A cast to text right behind: there a number goes in quotes, since `1e+300::text` would spell out 300 zeros. */
const CAST_TO_TEXT = /^\s*::\s*(?:pg_catalog\s*\.\s*)?"?(?:text|varchar|bpchar|character|char|name)\b/i;
const CAST = /^\s*::/;
/** A zero whose sign only a floating-point type keeps: `(-0)` would be the integer 0. */
const NEGATIVE_ZERO = /^-[0.]+(?:e|$)/i;
/** Operator characters at the end that would swallow a minus sign: `--` is a comment, `@-` and `^-` are operators. */
const SWALLOWS_MINUS = /-$|[~!@#%^&|`?][-+*/<>=~!@#%^&|`?]*$/;
/** Behind these a quote would begin another kind of literal (E'…', U&'…') or go on with the one that just ended. */
const JOINS_QUOTE = /[\w$&'\u0080-\uffff]$/;

/**
 * Text as a SQL string literal, for `standard_conforming_strings` on and off alike: with a backslash in it, it is an
 * E'…' literal, as is one that would end the dollar-quoted text around it. Raises DurableError 22021 for U+0000, which
 * PostgreSQL cannot hold.
 */
export function stringLiteral(text: string, { before, after, delimiters }: Surroundings = NOWHERE): string {
  if (text.includes('\0')) {
    throw new DurableError('A value with the character U+0000 cannot be put into SQL', {
      code: '22021', hint: 'Remove the character where the value comes from.',
    });
  }
  const doubled = text.replace(/'/g, "''");
  const ends = delimiters.some((delimiter) => text.includes(delimiter));
  const escaped = doubled.replace(/\\/g, '\\\\');
  const literal = ends ? `E'${escaped.replace(/\$/g, '\\x24')}'` : doubled.includes('\\') ? `E'${escaped}'` : `'${doubled}'`;
  return `${JOINS_QUOTE.test(before) ? ' ' : ''}${literal}${after.startsWith("'") ? ' ' : ''}`;
}

/**
 * A raw JSON value as a SQL literal: strings quoted, numbers and booleans bare, objects and arrays as quoted JSON text,
 * null as NULL. A number is written so that a following cast applies to all of it: `(-5)::int`, `'1e+300'::text`, `'-0'::float8`.
 */
export function sqlLiteral(raw: string, place: Surroundings = NOWHERE): string {
  switch (kind(raw)) {
    case 'true': case 'false': return raw;
    case 'null': return 'NULL';
    case 'string': return stringLiteral(parseString(raw), place);
    case 'object': case 'array': return stringLiteral(raw, place);
    case 'number':
      if (CAST_TO_TEXT.test(place.after) || (NEGATIVE_ZERO.test(raw) && CAST.test(place.after))) return stringLiteral(raw, place);
      if (raw.startsWith('-') && (CAST.test(place.after) || SWALLOWS_MINUS.test(place.before))) return `(${raw})`;
      return raw;
  }
}

/** A raw JSON value as plain text: a string without its quotes, null as NULL, everything else as its JSON text. */
export function plainText(raw: string): string {
  const type = kind(raw);
  if (type === 'null') return 'NULL';
  return type === 'string' ? parseString(raw) : raw;
}

function quoteName(name: string): string {
  return `"${name.replace(/"/g, '""')}"`;
}

/**
 * A result's rows as a relation: `(VALUES (1,'a'),(2,NULL)) AS "n"("id","label")`. A column in which strings meet numbers or
 * booleans (json values, say) is text throughout, because VALUES wants one type per column. Without rows: an empty
 * relation that has the columns, if they are known. `delimiters` end the dollar-quoted texts around it.
 */
export function relation(name: string, { rows, columns }: Table, delimiters: readonly string[] = []): string {
  const inside = { ...NOWHERE, delimiters };
  const alias = quoteName(name);
  if (rows.length === 0) {
    return `(SELECT ${(columns ?? []).map(emptyColumn).join(', ')}${columns?.length ? ' ' : ''}WHERE false) AS ${alias}`;
  }
  const cells = rows.map((row) => new Map(members(row)));
  const names = [...new Set(cells.flatMap((row) => [...row.keys()]))];
  if (names.length === 0) return `(SELECT FROM pg_catalog.generate_series(1, ${rows.length})) AS ${alias}`;
  const text = new Set(names.filter((column) => isMixed(cells.map((row) => row.get(column)))));
  const literal = (raw: string | undefined, column: string): string => {
    if (raw === undefined || raw === 'null') return 'NULL';
    return text.has(column) ? stringLiteral(plainText(raw), inside) : sqlLiteral(raw, inside);
  };
  const tuples = cells.map((row) => `(${names.map((column) => literal(row.get(column), column)).join(',')})`);
  return `(VALUES ${tuples.join(',')}) AS ${alias}(${names.map(quoteName).join(',')})`;
}

function emptyColumn({ name, type }: Column): string {
  return `NULL::pg_catalog.${{ boolean: 'bool', bigint: 'int8', numeric: 'numeric', text: 'text' }[type]} AS ${quoteName(name)}`;
}

/** Whether the values of a column become literals of more than one type. */
function isMixed(values: readonly (string | undefined)[]): boolean {
  const types = new Set<string>();
  for (const raw of values) {
    if (raw === undefined || raw === 'null') continue;
    const type = kind(raw);
    types.add(type === 'number' ? 'number' : type === 'true' || type === 'false' ? 'boolean' : 'text');
  }
  return types.size > 1;
}
