/** An installation, in the words of `catalog.ts`. */
import type { ClientBase } from 'pg';
import type { FunctionSpec } from './catalog.ts';

/** Text as PostgreSQL prints an expression, without casts and line breaks, in which versions and types differ. */
function plain(text: string): string {
  return text.replace(/::(?:character varying|timestamp with time zone|double precision|[a-z0-9_]+)(?:\[\])?/g, '').replace(/\s+/g, ' ');
}

async function lines(client: ClientBase, sql: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>({ text: sql, values });
  return rows.map(({ line }) => plain(line));
}

/** Names without a schema are then those of pg_catalog, and all others are written with theirs. */
export async function prepare(client: ClientBase): Promise<void> {
  await client.query("SET search_path = ''");
}

interface FunctionRow { call: string; result: string; attributes: string }

/** The functions and procedures of df. Columns of a TABLE and OUT arguments are the same to a caller. */
export async function functions(client: ClientBase): Promise<FunctionSpec[]> {
  const { rows } = await client.query<FunctionRow>(`
    SELECT 'df.' || quote_ident(p.proname) || '(' || regexp_replace(CASE WHEN p.proargmodes @> '{o}' AND p.pronargs = 0 THEN '' ELSE pg_get_function_arguments(p.oid) END,
        '(^|, )(IN|INOUT|OUT) ', '\\1', 'g') || ')' AS call,
      CASE WHEN p.proargmodes && '{o,b,t}' THEN (SELECT '(' || string_agg(a.name || ' ' || format_type(a.type, NULL), ', ' ORDER BY a.at) || ')'
        FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY a(name, type, mode, at) WHERE a.mode IN ('o', 'b', 't'))
        ELSE coalesce(pg_get_function_result(p.oid), '') END AS result,
      concat_ws(' ', CASE p.provolatile WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' ELSE 'immutable' END, CASE WHEN p.proisstrict THEN 'strict' END,
        CASE WHEN EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) THEN 'PUBLIC' ELSE 'private' END,
        CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END, CASE WHEN obj_description(p.oid, 'pg_proc') IS NULL THEN 'without a comment' END) AS attributes
    FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace`);
  return rows.map(({ call, ...rest }) => ({ call: plain(call), ...rest }));
}

/** Operators anywhere whose function is in df, and what they call; those outside pg_catalog carry their schema. */
export function operators(client: ClientBase): Promise<string[]> {
  return lines(client, `
    SELECT o.oid::regoperator || ' ' || p.oid::regproc || CASE WHEN o.oprresult = 'text'::regtype THEN '' ELSE ' gives ' || o.oprresult::regtype END
      || CASE WHEN obj_description(o.oid, 'pg_operator') IS NULL THEN ' without a comment' ELSE '' END AS line
    FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE p.pronamespace = 'df'::regnamespace`);
}

/** The columns of a table in order. */
export function columnsOf(client: ClientBase, table: string): Promise<string[]> {
  return lines(client, `
    SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
      || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, [table]);
}

/** Every constraint of the tables. NOT NULL is said with the columns; version 18 lists it here, too. */
export function constraints(client: ClientBase, tables: readonly string[]): Promise<string[]> {
  return lines(client, `
    SELECT k.conrelid::regclass || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid) AS line FROM pg_constraint k
    WHERE k.conrelid = ANY ($1::regclass[]) AND k.contype <> 'n'`, [tables]);
}

export function indexes(client: ClientBase, tables: readonly string[]): Promise<string[]> {
  return lines(client, `
    SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX ', '\\1') AS line FROM pg_index i
    WHERE i.indrelid = ANY ($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))`, [tables]);
}

export function policies(client: ClientBase): Promise<string[]> {
  return lines(client, `
    SELECT p.policyname || ' ON df.' || p.tablename || ' ' || p.permissive || ' FOR ' || p.cmd || ' TO ' || p.roles::text || ' USING ' || p.qual
      || ' WITH CHECK ' || p.with_check AS line FROM pg_policies p WHERE p.schemaname = 'df'`);
}

/** What a role was granted on df and on what is in it; `*` behind what it may pass on. */
export function grants(client: ClientBase, role: string): Promise<string[]> {
  return lines(client, `
    SELECT g.privilege_type || g.what || CASE WHEN g.is_grantable THEN '*' ELSE '' END AS line FROM (
      SELECT ' ON SCHEMA df' AS what, x.* FROM pg_namespace n, aclexplode(n.nspacl) x WHERE n.nspname = 'df'
      UNION ALL SELECT ' ON ' || c.oid::regclass, x.* FROM pg_class c, aclexplode(c.relacl) x WHERE c.relnamespace = 'df'::regnamespace
      UNION ALL SELECT ' (' || a.attname || ') ON ' || c.oid::regclass, x.* FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
        WHERE c.relnamespace = 'df'::regnamespace
      UNION ALL SELECT ' ON ' || p.oid::regprocedure, x.* FROM pg_proc p, aclexplode(p.proacl) x WHERE p.pronamespace = 'df'::regnamespace
    ) g WHERE g.grantee = CASE WHEN $1 = 'public' THEN 0 ELSE to_regrole(quote_ident($1))::oid END
      AND NOT ($1 = 'public' AND g.privilege_type = 'EXECUTE')`, [role]);
}
