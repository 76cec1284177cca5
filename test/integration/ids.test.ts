/** Ids that collide, in the real database: a generator that repeats itself, and instances that share every node id. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';

let cluster: Cluster;
test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN');
});
test.after.always(() => cluster?.destroy());

/** A database in which ids come from `body`, a PL/pgSQL expression over `count`, `call` (from 1) and the sequence `roll`. */
async function databaseWith(body: string): Promise<string> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice');
    CREATE SEQUENCE public.roll; CREATE SEQUENCE public.call; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO alice;
    CREATE OR REPLACE FUNCTION _df.random_ids(count integer) RETURNS text LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
    AS $$ DECLARE call bigint := nextval('public.call'); BEGIN RETURN ${body}; END $$`, database);
  return database;
}

/** An id per `every` rolls, so that each comes that often. */
const repeating = (every: number): string => `(SELECT string_agg(lpad(to_hex(nextval('public.roll') / ${every}), 8, '0'), '') FROM generate_series(1, count))`;

const start = async (client: pg.Client, expression: string): Promise<string> =>
  (await client.query<{ id: string }>(`SELECT df.start(${expression}) AS id`)).rows[0]!.id;

/** What is not as it must be after starts: nothing, if every instance is whole and as many are there as were committed. */
async function faults(database: string, committed: readonly string[]): Promise<unknown[]> {
  const rows = await cluster.query<{ id: string; fault: string }>(`
    SELECT i.id, 'its root is not among its nodes' AS fault FROM df.instances i
      WHERE NOT EXISTS (SELECT FROM df.nodes n WHERE n.instance_id = i.id AND n.id = i.root_node)
    UNION ALL SELECT i.id, 'it has ' || count(n.id) || ' nodes' FROM df.instances i LEFT JOIN df.nodes n ON n.instance_id = i.id GROUP BY i.id HAVING count(n.id) <> 3
    UNION ALL SELECT i.id, 'it is ' || i.status FROM df.instances i WHERE i.status <> 'completed'
    UNION ALL SELECT n.instance_id, 'its instance is not there' FROM df.nodes n WHERE NOT EXISTS (SELECT FROM df.instances i WHERE i.id = n.instance_id)
    UNION ALL SELECT n.instance_id, 'node ' || n.id || ' is ' || n.status FROM df.nodes n WHERE n.status <> 'completed'`, database);
  const there = (await cluster.query<{ id: string }>('SELECT id FROM df.instances ORDER BY id', database)).map(({ id }) => id);
  const expected = [...committed].sort();
  return [...rows, ...(String(there) === String(expected) ? [] : [{ there, expected }])];
}

test('one session meets every id three times: each start has an id of its own, also after rollbacks', async (t) => {
  const database = await databaseWith(repeating(3));
  const alice = await cluster.client('alice', database);
  const committed: string[] = [];
  for (let turn = 0; turn < 40; turn++) {
    await alice.query('BEGIN');
    if (turn % 4 === 1) {
      await alice.query('SAVEPOINT before');
      await start(alice, `'SELECT 0'`);
      await alice.query('ROLLBACK TO before');
    }
    const id = await start(alice, `'SELECT ${turn}' ~> 'SELECT 1'`);
    await alice.query(turn % 3 === 2 ? 'ROLLBACK' : 'COMMIT');
    if (turn % 3 !== 2) committed.push(id);
  }
  await alice.query('CALL df.work()');
  t.is(new Set(committed).size, committed.length);
  t.deepEqual(await faults(database, committed), []);
});

test('eight sessions meet the same ids at the same time, and some roll back', async (t) => {
  // Each id eight times: all sessions propose the same ones, and wait for each other to commit or to roll back.
  const database = await databaseWith(repeating(8));
  const committed: string[] = [];
  let collisions = 0;
  await Promise.all(Array.from({ length: 8 }, async (_, session) => {
    const alice = await cluster.client('alice', database);
    for (let turn = 0; turn < 25; turn++) {
      await alice.query('BEGIN');
      const back = (turn + session) % 4 === 0;
      try {
        const id = await start(alice, `'SELECT ${turn}' ~> 'SELECT 1'`);
        await alice.query(back ? 'ROLLBACK' : 'COMMIT');
        if (!back) committed.push(id);
      } catch (error) {
        // With ids this scarce ten tries may all be taken, which is said and leaves nothing behind.
        if ((error as { code?: string }).code !== '23505') throw error;
        t.regex((error as Error).message, /10 tries/);
        await alice.query('ROLLBACK');
        collisions++;
      }
    }
    await alice.end();
  }));
  const rolls = Number((await cluster.query<{ n: string }>('SELECT last_value AS n FROM public.roll', database))[0]!.n);
  t.true(rolls > 200 * 4, 'nothing was rolled again, so nothing collided');
  t.true(committed.length + collisions >= 150);
  const alice = await cluster.client('alice', database);
  await alice.query('CALL df.work()');
  t.is(new Set(committed).size, committed.length);
  t.deepEqual(await faults(database, committed), []);
});

test('a generator that gives one id for ever is an error that says how many tries were made, for instances and for nodes', async (t) => {
  const database = await databaseWith(`repeat('aaaaaaaa', count)`);
  const alice = await cluster.client('alice', database);
  await t.throwsAsync(start(alice, `'SELECT 1' ~> 'SELECT 2'`), { message: /^could not claim ids for the nodes of instance aaaaaaaa: 10 tries met ids that are taken$/ });
  t.is(await start(alice, `'SELECT 1'`), 'aaaaaaaa');
  await t.throwsAsync(start(alice, `'SELECT 1'`), { message: /^could not claim an instance id: 10 tries met ids that are taken$/ });
  t.like((await cluster.query(`SELECT (SELECT count(*)::int FROM df.instances) AS instances, (SELECT count(*)::int FROM df.nodes) AS nodes,
    (SELECT count(*)::int FROM _df.runs) AS runs, (SELECT count(*)::int FROM _df.branches) AS branches`, database))[0], { instances: 1, nodes: 1, runs: 1, branches: 1 });
});

/** Instances of their own id with the node ids 00000001, 00000002, …: the root's is rolled by each first call, the instance's by each second. */
const TWINS = `CASE WHEN count = 1 AND currval('public.call') % 2 = 1 THEN '00000001' WHEN count = 1 THEN lpad(to_hex(256 + call), 8, '0')
  ELSE (SELECT string_agg(lpad(to_hex(n + 1), 8, '0'), '' ORDER BY n) FROM generate_series(1, count) n) END`;

test('instances that share every node id run, explain, end and go as if each were alone', async (t) => {
  const database = await databaseWith(TWINS);
  const alice = await cluster.client('alice', database);
  const expression = `(('SELECT 1 AS n' |=> 'one') & (df.wait_for_signal('go') |=> 'sig')) ~> df."loop"(df."if"('SELECT $sig.data::jsonb ? ''fail''', 'SELECT 1/0', df."break"('$one')))`;
  // Calls come in threes: root, instance, nodes. One more makes the next root's call odd again.
  const begin = async (): Promise<string> => {
    await alice.query(`SELECT setval('public.call', (last_value + 1) / 2 * 2 + 2) FROM public.call`);
    return start(alice, expression);
  };
  const [done, failed, cancelled, waiting] = [await begin(), await begin(), await begin(), await begin()];
  const ids = await cluster.query<{ nodes: string[] }>('SELECT array_agg(id::text ORDER BY id) AS nodes FROM df.nodes GROUP BY instance_id', database);
  t.is(ids.length, 4);
  for (const { nodes } of ids) t.deepEqual(nodes, ids[0]!.nodes);

  const untouched = async (id: string): Promise<unknown> =>
    (await cluster.query(`SELECT array_agg((n.ctid, n.xmin)::text || to_jsonb(n) ORDER BY n.id) AS rows FROM df.nodes n WHERE n.instance_id = '${id}'`, database))[0];
  await alice.query('CALL df.work()');
  const before = await untouched(waiting);
  await alice.query(`SELECT df.signal($1, 'go', '{"ok": 1}')`, [done]);
  await alice.query(`SELECT df.signal($1, 'go', '{"fail": 1}')`, [failed]);
  await alice.query('SELECT df.cancel($1)', [cancelled]);
  await alice.query('CALL df.work()');
  t.deepEqual(await untouched(waiting), before, 'moving the others moved a node of this one');

  const seen = async (id: string): Promise<string[]> =>
    (await alice.query<{ line: string }>(`SELECT inferred_status || ' ' || node_type AS line FROM df.instance_nodes($1)`, [id])).rows.map(({ line }) => line);
  t.deepEqual((await alice.query(`SELECT df.status(i) AS status, df.result(i) AS result FROM unnest($1::text[]) i`, [[done, failed, cancelled, waiting]])).rows, [
    { status: 'completed', result: '1' }, { status: 'failed', result: null }, { status: 'cancelled', result: null }, { status: 'running', result: null },
  ]);
  t.false((await seen(done)).some((line) => /pending|running|failed/.test(line)));
  t.true((await seen(failed)).includes('failed LOOP'));
  t.true((await seen(waiting)).includes('running SIGNAL'));
  for (const [id, mark] of [[done, '✓ completed'], [failed, '✗ failed'], [cancelled, '✗ cancelled'], [waiting, '⏳ running']] as const) {
    const { rows: [explained] } = await alice.query<{ text: string }>('SELECT df.explain($1) AS text', [id]);
    t.true(explained!.text.startsWith(`Instance: ${id}\nStatus:   ${mark}\n`), explained!.text);
  }

  await cluster.query('SET pg_durable.retention_days = 0; SELECT _df.sweep_retention()', database);
  t.deepEqual(await cluster.query('SELECT instance_id AS id, count(*)::int AS nodes FROM df.nodes GROUP BY 1', database), [{ id: waiting, nodes: ids[0]!.nodes.length }]);
  t.deepEqual(await untouched(waiting), before, 'deleting the others touched this one');
  await alice.query(`SELECT df.signal($1, 'go', '{"ok": 1}')`, [waiting]);
  await alice.query('CALL df.work()');
  t.like((await alice.query('SELECT df.status($1) AS status, df.result($1) AS result', [waiting])).rows[0], { status: 'completed', result: '1' });
});

test('no statement that we ship knows a node by its id alone', (t) => {
  const root = new URL('../../', import.meta.url);
  const files = ['src', 'sql'].flatMap((folder) => readdirSync(fileURLToPath(new URL(folder, root)), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`))
    .filter((name) => /^src\/.*\.ts$|^sql\/\d.*\.sql$/.test(name));
  const statements = files.flatMap((file) => {
    const text = readFileSync(new URL(file, root), 'utf8').replace(/^\s*(--|\*|\/\/).*$/gm, '');
    return [...text.matchAll(/\b(FROM|JOIN|UPDATE|INTO)\s+df\.nodes\b[^;`]*/g)].map(([statement, verb]) => ({ file, verb: verb!, statement }));
  });
  const written = statements.filter(({ verb }) => verb === 'UPDATE' || verb === 'INTO');
  // Not a grep that finds nothing.
  t.true(statements.length >= 10 && written.length >= 2, `${statements.length} statements, ${written.length} of them writing`);
  const byAddress = ({ file, statement }: { file: string; statement: string }): boolean => file === 'sql/42_writes.sql' && /WHERE n\.ctid = u\.address/.test(statement);
  for (const { file, statement } of statements) t.true(/\binstance_id\b/.test(statement) || byAddress({ file, statement }), `${file}: ${statement}`);
  // The addresses come from one place, which finds them by instance and id.
  const callers = files.filter((file) => /_df\.write_nodes\(\$/.test(readFileSync(new URL(file, root), 'utf8')));
  t.deepEqual(callers, ['src/db/nodes.ts']);
  t.regex(readFileSync(new URL('src/db/nodes.ts', root), 'utf8'), /WHERE n\.instance_id = u\.instance_id AND n\.id BETWEEN u\.id AND u\.id/);
});
