/** What an installation is made of, as text: one line per object and property, the same for equal installations. */
import type { ClientBase } from 'pg';

/** Privileges as `grantee=privilege`, with PostgreSQL's defaults written out where nothing was ever granted. */
const acl = (column: string, kind: string, owner: string): string => `
  (SELECT coalesce(string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || '=' || a.privilege_type
      || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ' ' ORDER BY a.grantee, a.privilege_type), '')
   FROM aclexplode(coalesce(${column}, acldefault('${kind}', ${owner}))) a)`;

const OURS = `('df'::regnamespace, '_df'::regnamespace)`;

/** Each query gives rows (line). Names are schema-qualified by an empty search_path. */
const PARTS: Record<string, string> = {
  schema: `SELECT concat_ws(' | ', n.nspname, n.nspowner::regrole, ${acl('n.nspacl', 'n', 'n.nspowner')}, obj_description(n.oid, 'pg_namespace')) AS line
    FROM pg_namespace n WHERE n.oid IN ${OURS}`,
  relation: `SELECT concat_ws(' | ', c.oid::regclass, c.relkind, c.relpersistence, c.relowner::regrole, 'rls ' || c.relrowsecurity || ' ' || c.relforcerowsecurity,
      array_to_string(c.reloptions, ','), CASE WHEN c.relkind <> 'i' THEN ${acl('c.relacl', 'r', 'c.relowner')} END, obj_description(c.oid, 'pg_class')) AS line
    FROM pg_class c WHERE c.relnamespace IN ${OURS} AND c.relkind <> 't'`,
  column: `SELECT concat_ws(' | ', a.attrelid::regclass || '.' || rank() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname,
      format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text || a.attgenerated::text,
      a.attstorage, a.attcollation::regcollation, a.attstattarget, ${acl('a.attacl', 'c', 'c.relowner')}, col_description(a.attrelid, a.attnum)) AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace IN ${OURS} AND c.relkind IN ('r', 'p', 'v', 'c') AND a.attnum > 0 AND NOT a.attisdropped`,
  constraint: `SELECT concat_ws(' | ', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), CASE WHEN k.convalidated THEN 'validated' ELSE 'not validated' END,
      k.conindid::regclass, 'deferrable ' || k.condeferrable || ' ' || k.condeferred, obj_description(k.oid, 'pg_constraint')) AS line
    FROM pg_constraint k WHERE k.connamespace IN ${OURS}`,
  index: `SELECT concat_ws(' | ', pg_get_indexdef(i.indexrelid), 'primary ' || i.indisprimary, 'unique ' || i.indisunique, 'valid ' || i.indisvalid,
      'immediate ' || i.indimmediate, 'identity ' || i.indisreplident, obj_description(i.indexrelid, 'pg_class')) AS line
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace IN ${OURS}`,
  policy: `SELECT concat_ws(' | ', p.schemaname || '.' || p.tablename, p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check) AS line
    FROM pg_policies p WHERE p.schemaname IN ('df', '_df')`,
  trigger: `SELECT concat_ws(' | ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger')) AS line
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace IN ${OURS} AND NOT t.tgisinternal`,
  function: `SELECT concat_ws(' | ', p.oid::regprocedure, p.proowner::regrole, ${acl('p.proacl', 'f', 'p.proowner')}, obj_description(p.oid, 'pg_proc'), pg_get_functiondef(p.oid)) AS line
    FROM pg_proc p WHERE p.pronamespace IN ${OURS} AND p.prokind IN ('f', 'p')`,
  operator: `SELECT concat_ws(' | ', o.oid::regoperator, o.oprresult::regtype, o.oprcode, o.oprowner::regrole, obj_description(o.oid, 'pg_operator')) AS line
    FROM pg_operator o WHERE o.oprcode IN (SELECT p.oid FROM pg_proc p WHERE p.pronamespace IN ${OURS})`,
  sequence: `SELECT concat_ws(' | ', s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle) AS line
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace IN ${OURS}`,
  member: `SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS line
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'pg_durable' AND d.deptype = 'e'`,
  // What the extension itself has granted, which is what tells pg_dump the administrator's grants apart.
  initial: `SELECT concat_ws(' | ', pg_describe_object(i.classoid, i.objoid, i.objsubid), i.privtype,
      (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(i.initprivs) a)) AS line
    FROM pg_init_privs i JOIN pg_depend d ON d.classid = i.classoid AND d.objid = i.objoid AND d.objsubid = 0 AND d.deptype = 'e'
    JOIN pg_extension e ON d.refobjid = e.oid AND e.extname = 'pg_durable'`,
  configuration: `SELECT concat_ws(' | ', u.relation::regclass, u.condition) AS line
    FROM pg_extension e, unnest(e.extconfig, e.extcondition) u(relation, condition) WHERE e.extname = 'pg_durable'`,
  ready: `SELECT concat_ws(' | ', r.sentinel, r.schema_version) AS line FROM _df._worker_ready r`,
};

/** Describes the installation that `client` sees, sorted, without the version's number; leaves its search_path empty. */
export async function describe(client: ClientBase): Promise<string[]> {
  await client.query("SET search_path = ''");
  const lines: string[] = [];
  for (const [part, sql] of Object.entries(PARTS)) {
    const { rows } = await client.query<{ line: string }>(sql);
    lines.push(...rows.map(({ line }) => `${part}: ${line}`));
  }
  return lines.sort();
}

/** Lines that only one of two descriptions has: `- ` of the first, `+ ` of the second; each cut to `width`. */
export function difference(first: readonly string[], second: readonly string[], width = 400): string[] {
  const [one, two] = [new Set(first), new Set(second)];
  return [
    ...first.filter((line) => !two.has(line)).map((line) => `- ${line.slice(0, width)}`),
    ...second.filter((line) => !one.has(line)).map((line) => `+ ${line.slice(0, width)}`),
  ];
}
