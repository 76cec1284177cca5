/** Scenario B2: what was made under an older version reads the same after an update, and new work runs beside it. */
import test from 'ava';
import { begin, CURRENT, Line, PATHS, updateTo } from './_line.ts';
import { SHAPES } from './_shapes.ts';

let line: Line;
test.before(async () => {
  line = await Line.start();
  await line.cluster.query('CREATE ROLE "Ünal ""the"" Ops" LOGIN');
});
test.after.always(() => line?.end());

/** Values that must come through as they are. */
const ODD = [
  { label: 'exact numbers', expression: "$$SELECT 12345678901234567890.10 AS n, 9223372036854775807 AS i, 'NaN'::float8 AS f$$" },
  { label: `it's "odd" \\ {sys_label} ❄`, expression: "$$SELECT '{sys_label}' AS label, E'a\\nb' AS lines$$ |=> 'x' ~> 'SELECT $x.label AS again'" },
  { label: 'large', expression: "$$SELECT repeat('xyz', 100000) AS text$$" },
  { label: 'many nodes', expression: `$$${JSON.stringify(Array.from({ length: 200 }).reduce<object>((graph, _, at) => ({ node_type: 'THEN', left_node: graph, right_node: { node_type: 'SQL', query: `SELECT ${at}` } }), { node_type: 'SQL', query: 'SELECT 0' }))}$$` },
  { label: 'never run', expression: `'SELECT 1' ~> df.sleep('90 days 0.5 s'::interval)` },
];

for (const { from, to } of PATHS) {
  test(`B2: what was made under ${from} reads the same under ${to}, and new work runs`, async (t) => {
    const database = await line.database(from);
    const query = (sql: string): Promise<Record<string, unknown>[]> => line.cluster.query(sql, database);
    await query(`SELECT df.grant_usage('Ünal "the" Ops')`);
    const [alice, ops] = [await line.cluster.client('alice', database), await line.cluster.client('Ünal "the" Ops', database)];
    await alice.query("SELECT df.setvar('who', 'alice'), df.setvar('empty', '')");
    for (const { label, expression } of SHAPES) await begin(alice, label, expression);
    for (const { label, expression } of ODD.slice(0, -1)) await begin(ops, label, expression);
    for (const client of [alice, ops]) await client.query('CALL df.work(20)');
    await begin(ops, ODD.at(-1)!.label, ODD.at(-1)!.expression);
    await query(`SELECT df.cancel(id, 'no need') FROM df.instances WHERE label = 'cancelled'`);

    // Row by row in every table; columns that an update adds are left out.
    const tables = (await query(`SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace) AND c.relkind = 'r' ORDER BY 1`)).map(({ name }) => String(name));
    const columns = new Map<string, string>();
    for (const name of tables) {
      columns.set(name, String((await query(`SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS list FROM pg_attribute WHERE attrelid = '${name}'::regclass AND attnum > 0 AND NOT attisdropped`))[0]!.list));
    }
    const rows = async (): Promise<unknown[]> => {
      const all: unknown[] = [];
      for (const [name, list] of columns) all.push(name, (await query(`SELECT coalesce(array_agg(r::text ORDER BY r::text), '{}') AS rows FROM (SELECT ${list} FROM ${name}) r`))[0]!.rows);
      return all;
    };
    /** What each role reads of its own; the functions are those of the oldest version. */
    const readings = async (): Promise<unknown[]> => Promise.all([alice, ops].map(async (client) => (await client.query(`
      SELECT i.label, df.status(i.id) AS status, df.result(i.id) AS result, df.explain(i.id) AS explained, df.getvar('who') AS who, df.getvar('empty') AS empty,
        (SELECT json_agg((n.node_id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result, n.updated_at)) FROM df.instance_nodes(i.id) n) AS nodes
      FROM df.instances i ORDER BY i.label`)).rows));
    const [stored, read] = [await rows(), await readings()];
    await query(updateTo(to));
    t.deepEqual(await rows(), stored);
    const after = await readings();
    // 0.2.2 kept no stamps, so what it skipped is not told apart in the tree; all else is the same.
    const comparable = (all: unknown[]): unknown[] => (from === '0.2.2' ? all.map((own) => (own as Record<string, unknown>[]).map((row) => ({ ...row, explained: String(row.explained).replace(/[○⊘⏳]/g, '-') }))) : all);
    t.deepEqual(comparable(after), comparable(read));

    // Readers that are new, and work that is.
    if (to === CURRENT) {
      const { rows: listed } = await alice.query('SELECT l.status, l.output, i.current_execution_id AS execution, (SELECT count(*)::int FROM df.instance_executions(l.instance_id)) AS executions FROM df.list_instances(NULL, 1000, NULL) l, df.instance_info(l.instance_id) i');
      t.is(listed.length, SHAPES.length);
      t.true(listed.every(({ executions }) => (executions as number) >= 1));
      t.like((await query('SELECT total_instances::int AS total FROM df.metrics()'))[0], { total: SHAPES.length + ODD.length });
    }
    const id = await begin(ops, 'new', `'SELECT 6 * 7 AS n' |=> 'x' ~> ('SELECT $x + 1' & df.sleep(0))`);
    await ops.query('CALL df.work(20, 10000)');
    t.is((await ops.query('SELECT df.status($1) AS status', [id])).rows[0].status, 'completed');
    const own = await begin(alice, 'with a variable from before', `'SELECT ''{who}'' || ''{empty}'' AS v'`);
    await alice.query('CALL df.work(20, 10000)');
    t.is((await alice.query('SELECT df.result($1) AS result', [own])).rows[0].result, '{"rows": [{"v": "alice"}], "row_count": 1}');
    const [whole] = await query(`SELECT count(*)::int AS torn FROM df.instances i WHERE NOT EXISTS (SELECT FROM df.nodes n WHERE n.instance_id = i.id AND n.id = i.root_node)`);
    t.deepEqual(whole, { torn: 0 });
    await Promise.all([alice.end(), ops.end()]);
  });
}
