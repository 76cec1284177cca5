/**
 * The result of a SQL step as JSON text, `{"rows":[{"column": value, …}, …],"row_count":N}` (semantics §3), made
 * from what PostgreSQL's `to_json(record)` wrote, and read again.
 *
 * | type                        | `to_json` writes                       | the result has                               |
 * |-----------------------------|----------------------------------------|----------------------------------------------|
 * | boolean, int2/4/8           | `true`, `9223372036854775807`          | the same                                     |
 * | oid                         | `"1259"`                               | `1259`                                       |
 * | float4/8                    | `1e+300`, `"NaN"`, `"-Infinity"`       | `1e+300`, `null`, `null`                     |
 * | numeric                     | `1.50`, `"NaN"`                        | `"1.50"`, `"NaN"`                            |
 * | timestamp                   | `"2024-06-15T12:30:00.5"`              | `"2024-06-15T12:30:00.500000"`               |
 * | timestamptz                 | `"…T08:30:00-04:00"`, session's offset | `"…T12:30:00+00:00"`, fraction as above      |
 * | void                        | `""`                                   | `null`                                       |
 * | json, jsonb                 | as is                                  | the same                                     |
 * | array                       | an array, nested by dimension          | each element by this table                   |
 * | composite                   | an object                              | each field by this table, if its type is known |
 * | bytea, also inside the last three rows | `"\\x01"`                   | DurableError `Unsupported column type`       |
 * | everything else             | its text form as a string              | the same                                     |
 *
 * Seen on PostgreSQL 15; the sources of 14 to 18 agree on it.
 */
import { DurableError } from '../graph/errors.ts';
import { elements, isJson, kind as jsonKind, members, quote } from './rawjson.ts';
import type { Member } from './rawjson.ts';
import { padFraction, toUtc } from './timestamp.ts';

/**
 * How values of a type travel. A domain has the kind of its base type; `array` holds the kind of the innermost
 * element, `fields` those of a composite's live columns in order. `plain` is left as `to_json` wrote it.
 */
export type Kind =
  | 'plain' | 'boolean' | 'integer' | 'oid' | 'float' | 'numeric' | 'timestamp' | 'timestamptz' | 'void' | 'bytea'
  | { readonly array: Kind }
  | { readonly fields: readonly Kind[] };

/** A column of a result without rows: its name, and the SQL type that its values have after substitution. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export type ColumnType = 'boolean' | 'bigint' | 'numeric' | 'text';

/** A result that has rows: each row is the raw text of an object. `columns` is known for some results without rows. */
export interface Table {
  readonly rows: readonly string[];
  readonly columns: readonly Column[] | undefined;
}

const BUILTIN: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [16, 'boolean'], [20, 'integer'], [21, 'integer'], [23, 'integer'], [26, 'oid'], [700, 'float'], [701, 'float'],
  [1700, 'numeric'], [1114, 'timestamp'], [1184, 'timestamptz'], [2278, 'void'], [17, 'bytea'],
  [1001, { array: 'bytea' }], [1013, { array: 'oid' }], [1021, { array: 'float' }], [1022, { array: 'float' }],
  [1028, { array: 'oid' }], [1115, { array: 'timestamp' }], [1185, { array: 'timestamptz' }], [1231, { array: 'numeric' }],
]);

/** Row types of system catalogs that have a fixed OID, and their arrays: composites, which the caller looks up. */
const CATALOG_ROWS: ReadonlySet<number> = new Set([71, 75, 81, 83, 210, 270, 272, 273, 1248, 2842, 2843, 4066, 6101]);
/** OIDs below are PostgreSQL's own and fixed. */
const FIRST_UNFIXED_OID = 10000;

/** The kind of a built-in type, or undefined for a type that has to be looked up in pg_type: domain, enum, composite, … */
export function builtinKind(oid: number): Kind | undefined {
  return BUILTIN.get(oid) ?? (oid < FIRST_UNFIXED_OID && !CATALOG_ROWS.has(oid) ? 'plain' : undefined);
}

/** What `resultText` is made from. */
export interface Gathered {
  /** `to_json(record)::text` of each row, as PostgreSQL wrote it in whatever time zone. */
  readonly rows: readonly string[];
  /** Type OIDs of the columns in order; without them every value stays as `to_json` wrote it. */
  readonly types?: readonly number[] | undefined;
  /** Kind of a type that `builtinKind` does not know. */
  readonly kinds: (oid: number) => Kind;
  /**
   * `to_json` of the row of NULLs when there was no row. With it the text gets a third member `columns`, so that
   * `$name.*` can have the right columns; `publicText` removes it.
   */
  readonly emptyRow?: string | undefined;
}

/**
 * The result's JSON text. Column order is kept; of columns with the same name the last one's value stands at the first
 * one's place. Raises DurableError 0A000 `Unsupported column type` for bytea, whatever the value, and 22P05 `Unsupported
 * value` for json that jsonb, as which results are kept, cannot hold.
 */
export function resultText(gathered: Gathered): string {
  const { rows } = gathered;
  const sample = rows.length > 0 ? members(rows[0]!) : gathered.emptyRow === undefined ? [] : members(gathered.emptyRow);
  const kinds = gathered.types?.map((oid) => builtinKind(oid) ?? gathered.kinds(oid)) ?? [];
  kinds.forEach((kind, i) => {
    if (holdsBytea(kind)) throw unsupported(sample[i]?.[0] ?? `number ${i + 1}`);
  });
  if (rows.length === 0) {
    const head = '{"rows":[],"row_count":0';
    return gathered.emptyRow === undefined ? `${head}}` : `${head},"columns":${columnsText(sample, kinds)}}`;
  }
  const same = sample.length === new Set(sample.map(([name]) => name)).size && !kinds.some(changes);
  const texts = same ? rows : rows.map((row, i) => rowText(i === 0 ? sample : members(row), kinds));
  if (gathered.types?.some(mayHoldJson) ?? true) {
    for (const text of texts) if (!isJson(text)) throw unstorable(text);
  }
  return `{"rows":[${texts.join(',')}],"row_count":${rows.length}}`;
}

/** The result as users see it: without the `columns` that `resultText` keeps for an empty one. */
export function publicText(result: string): string {
  const empty = '{"rows":[],"row_count":0';
  return result.startsWith(`${empty},"columns":`) ? `${empty}}` : result;
}

/** A result's rows, or undefined for one without `rows` (HTTP, SIGNAL, JOIN, loop value). */
export function table(result: string): Table | undefined {
  if (jsonKind(result) !== 'object') return undefined;
  const found = members(result);
  const rowsText = lastOf(found, 'rows');
  if (rowsText === undefined || jsonKind(rowsText) !== 'array') return undefined;
  const rows = elements(rowsText);
  if (!rows.every((row) => row.charCodeAt(0) === 123)) return undefined;
  return { rows, columns: rows.length === 0 ? readColumns(lastOf(found, 'columns')) : undefined };
}

/** The raw value in the first column of the first row; undefined without a row or a column. */
export function firstOf({ rows }: Table): string | undefined {
  const row = rows[0];
  return row === undefined ? undefined : members(row)[0]?.[1];
}

/** `df.if_rows` (semantics §4): whether the result called `name` has rows. Raises DurableError when it has no `row_count`. */
export function hasRows(result: string, name: string): boolean {
  const count = jsonKind(result) === 'object' ? lastOf(members(result), 'row_count') : undefined;
  if (count === undefined || jsonKind(count) !== 'number') {
    throw new DurableError(`df.if_rows: the result '${name}' has no row_count`, {
      hint: 'Only the result of a SQL step has one. To test another result use df."if" with a condition on it.',
    });
  }
  return Number(count) > 0;
}

/** The value of a key, the last one if there are several, as in jsonb. */
function lastOf(found: readonly Member[], key: string): string | undefined {
  for (let i = found.length - 1; i >= 0; i--) if (found[i]![0] === key) return found[i]![1];
  return undefined;
}

function unsupported(column: string): DurableError {
  return new DurableError(`Unsupported column type: column "${column}" holds bytea`, {
    code: '0A000', hint: `Return encode(…, 'base64') or encode(…, 'hex') instead.`,
  });
}

/** json, record and arrays of both: with types of users, all that can hold JSON which jsonb cannot. */
const JSON_HOLDERS: ReadonlySet<number> = new Set([114, 199, 2249, 2287]);

function mayHoldJson(oid: number): boolean {
  return JSON_HOLDERS.has(oid) || oid >= FIRST_UNFIXED_OID;
}

/** The error for a row that is no jsonb, though each of its values is json. */
function unstorable(row: string): DurableError {
  const column = members(row).find(([, value]) => !isJson(value))?.[0] ?? '';
  return new DurableError(`Unsupported value: column "${column}" holds json that jsonb cannot hold`, {
    code: '22P05', detail: 'That is the escape \\u0000, half of a surrogate pair, a number beyond numeric, or very deep nesting.',
    hint: 'Return it as text, or take the parts that are needed.',
  });
}

function holdsBytea(kind: Kind): boolean {
  if (typeof kind === 'string') return kind === 'bytea';
  return 'array' in kind ? holdsBytea(kind.array) : kind.fields.some(holdsBytea);
}

/** Whether some value of this kind differs from what `to_json` wrote. */
function changes(kind: Kind): boolean {
  if (typeof kind === 'string') return kind !== 'plain' && kind !== 'boolean' && kind !== 'integer';
  return 'array' in kind ? changes(kind.array) : kind.fields.some(changes);
}

function rowText(row: readonly Member[], kinds: readonly Kind[]): string {
  const values = new Map<string, string>();
  row.forEach(([name, raw], i) => values.set(name, convert(raw, kinds[i] ?? 'plain')));
  return objectText(values);
}

function objectText(values: Iterable<readonly [string, string]>): string {
  return `{${Array.from(values, ([name, raw]) => `${quote(name)}:${raw}`).join(',')}}`;
}

function convert(raw: string, kind: Kind): string {
  if (kind === 'plain' || raw === 'null') return raw;
  const isString = raw.charCodeAt(0) === 34;
  switch (kind) {
    case 'boolean': case 'integer': case 'bytea': return raw;
    case 'numeric': return isString ? raw : `"${raw}"`;
    case 'float': return isString ? 'null' : raw;
    case 'oid': return isString ? raw.slice(1, -1) : raw;
    case 'timestamp': return padFraction(raw);
    case 'timestamptz': return toUtc(raw);
    case 'void': return 'null';
  }
  if (!changes(kind)) return raw;
  if ('fields' in kind) {
    return objectText(members(raw).map(([name, value], i): Member => [name, convert(value, kind.fields[i] ?? 'plain')]));
  }
  // A further dimension is an array where the innermost element is expected.
  const item = (value: string): string => convert(value, value.charCodeAt(0) === 91 ? kind : kind.array);
  return `[${elements(raw).map(item).join(',')}]`;
}

/** The SQL type that a literal of this kind gets when `$name.*` writes it. */
function columnType(kind: Kind): ColumnType {
  switch (kind) {
    case 'boolean': return 'boolean';
    case 'integer': case 'oid': return 'bigint';
    case 'float': return 'numeric';
    default: return 'text';
  }
}

function columnsText(row: readonly Member[], kinds: readonly Kind[]): string {
  return objectText(new Map(row.map(([name], i) => [name, `"${columnType(kinds[i] ?? 'plain')}"`])));
}

function readColumns(raw: string | undefined): Column[] | undefined {
  if (raw === undefined || jsonKind(raw) !== 'object') return undefined;
  const types: readonly ColumnType[] = ['boolean', 'bigint', 'numeric', 'text'];
  return members(raw).map(([name, value]) => ({ name, type: types.find((type) => value === `"${type}"`) ?? 'text' }));
}
