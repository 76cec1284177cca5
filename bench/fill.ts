/**
 * Fills a database with instances by SQL, a million in a minute: one instance is run for real, then all its rows are
 * copied under new ids, whichever tables they lie in.
 */
import type { Cluster } from '../test/support/cluster.ts';
import { ROLE } from './workload.ts';

/**
 * Starts `graph` (SQL that gives one) with the label `label` as the benchmark's role, calls df.work once, and copies
 * what is then there `count` times. The ids begin with the hex digit `prefix`, so that calls do not collide.
 */
export async function fill(cluster: Cluster, database: string, graph: string, label: string, prefix: string, count: number): Promise<void> {
  const client = await cluster.client(ROLE, database);
  await client.query('BEGIN');
  const { rows: [started] } = await client.query<{ id: string }>(`SELECT df.start(${graph}, $1) AS id`, [label]);
  await client.query('COMMIT');
  await client.query('CALL df.work(1)');
  await client.end();
  const original = started?.id;
  if (original === undefined) throw new Error('df.start gave no id');

  const tables = await cluster.query<{ name: string; key: string; columns: { name: string; type: string }[] }>(`
    SELECT c.oid::regclass::text AS name, CASE WHEN c.oid = 'df.instances'::regclass THEN 'id' ELSE 'instance_id' END AS key,
           json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace) AND c.relkind IN ('r', 'p')
    GROUP BY c.oid HAVING c.oid = 'df.instances'::regclass OR bool_or(a.attname = 'instance_id') ORDER BY 1`, database);
  // Ids are also part of stamps, scopes and children; those of nodes are unique in all of the table in old versions.
  const nodes = await cluster.query<{ id: string }>(`SELECT id FROM df.nodes WHERE instance_id = '${original}' ORDER BY id`, database);
  const renamed = (text: string): string => nodes.reduce(
    (sql, { id }, at) => `replace(${sql}, '${id}', '${prefix}' || lpad(to_hex(i), 6, '0') || '${at.toString(16)}')`,
    `replace(${text}, '${original}', '${prefix}' || lpad(to_hex(i), 7, '0'))`,
  );
  const copies = tables.map(({ name, key, columns }) => {
    const values = columns.map((column) => (/^(text|character varying|jsonb|json)/.test(column.type)
      ? `${renamed(`t.${column.name}::text`)}::${column.type}` : `t.${column.name}`));
    return `INSERT INTO ${name} (${columns.map((column) => column.name).join(', ')}) OVERRIDING SYSTEM VALUE
            SELECT ${values.join(', ')} FROM ${name} t, generate_series(1, ${count}) i WHERE t.${key} = '${original}'`;
  });
  // The copies satisfy every key that the original satisfies: checking each again would take most of the time.
  await cluster.query(`SET session_replication_role = replica; ${copies.join(';\n')}; RESET session_replication_role`, database);
}
