/** How values of types that are not built in travel: domains, arrays, enums, composites, looked up in the catalog. */
import { builtinKind } from '../engine/rows.ts';
import type { Kind } from '../engine/rows.ts';
import { query } from './statement.ts';

const lookUp = query<{ typtype: string; base: number; element: number; relation: number }>(`
  SELECT t.typtype, t.typbasetype::int8::float8 AS base, t.typrelid::int8::float8 AS relation,
    CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN t.typelem ELSE 0 END::int8::float8 AS element
  FROM pg_type t WHERE t.oid = $1`, 'oid');
const fieldTypes = query<{ type: number }>(`
  SELECT a.atttypid::int8::float8 AS type FROM pg_attribute a
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, 'oid');

/** The kind of a type; types that the catalog does not know any more are plain. */
export function kindOf(oid: number): Kind {
  const builtin = builtinKind(oid);
  if (builtin !== undefined) return builtin;
  const type = lookUp(oid)[0];
  if (type === undefined) return 'plain';
  if (type.typtype === 'd') return kindOf(type.base);
  if (type.typtype === 'c') return { fields: fieldTypes(type.relation).map((field) => kindOf(field.type)) };
  return type.element === 0 ? 'plain' : { array: kindOf(type.element) };
}
