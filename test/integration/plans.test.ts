/** What the engine's statements read: rows by their keys, whatever the planner knows of the tables when it plans. */
import test from 'ava';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';

let cluster: Cluster;
test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN');
});
test.after.always(() => cluster?.destroy());

const WORKFLOWS = 300;
const STEPS = 4;

for (const [when, prepare] of [
  ['nothing is known of the tables', ''],
  ['the tables are known as empty', 'VACUUM ANALYZE'],
] as const) {
  test(`a step reads a handful of rows however many are due: ${when}`, async (t) => {
    const database = await cluster.createDatabase();
    await cluster.query(`SELECT df.grant_usage('alice')`, database);
    if (prepare !== '') await cluster.query(prepare, database);
    // Sessions plan once: over what is there before the work is.
    const [alice, bob] = await Promise.all([cluster.client('alice', database), cluster.client('alice', database)]);
    for (const client of [alice, bob]) {
      await client.query(`SELECT df.start('SELECT 1' ~> 'SELECT 2') FROM generate_series(1, 3)`);
      await client.query('CALL df.work()');
    }
    await alice.query(`SELECT df.start('SELECT 1' ~> 'SELECT 2' ~> 'SELECT 3' ~> 'SELECT 4') FROM generate_series(1, $1)`, [WORKFLOWS]);
    await Promise.all([alice.query('CALL df.work(60, 1000000)'), bob.query('CALL df.work(60, 1000000)')]);
    // A session that ends reports what it has read.
    await Promise.all([alice.end(), bob.end()]);
    await until('the sessions to have said what they read', async () => {
      const [row] = await cluster.query<{ gone: string }>(`SELECT n_tup_del AS gone FROM pg_stat_user_tables WHERE relid = '_df.branches'::regclass`, database);
      return Number(row?.gone) >= WORKFLOWS;
    });
    const read = await cluster.query<{ name: string; rows: number }>(`
      SELECT indexrelname AS name, idx_tup_read::float8 / ${WORKFLOWS * STEPS} AS rows FROM pg_stat_user_indexes WHERE schemaname IN ('df', '_df')`, database);
    for (const { name, rows } of read) t.true(rows < 8, `${name}: ${rows} rows a step`);
  });
}

test('no plan that is priced out of proportion gets compiled', async (t) => {
  const database = await cluster.createDatabase();
  const compiled = await cluster.query(`
    SELECT p.oid::regprocedure::text AS name FROM pg_proc p
    WHERE p.pronamespace IN ('df'::regnamespace, '_df'::regnamespace) AND 'enable_seqscan=off' = ANY (p.proconfig)
      AND NOT 'enable_indexscan=off' = ANY (p.proconfig) -- by address: what those are called by has it off
      AND NOT 'jit=off' = ANY (p.proconfig)`, database);
  t.deepEqual(compiled, []);
});
