/** No process outside the database: pg_cron drives the engine (docs/user-guide.md has the recipe). */
import test from 'ava';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';

let cluster: Cluster;
let database: string;

test.before(async () => {
  // pg_cron connects like any client, so that its jobs run in sessions of the role that scheduled them.
  cluster = await startCluster({ settings: { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'postgres', 'cron.log_run': 'off' } });
  await cluster.query('CREATE ROLE alice LOGIN');
  await cluster.query(`ALTER SYSTEM SET cron.host = '${cluster.socketDir}'`);
  await cluster.restart();
  database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice'); CREATE TABLE effect (what text, who name DEFAULT session_user); GRANT ALL ON effect TO alice`, database);
});
test.after.always(() => cluster?.destroy());

test('a workflow that sleeps and branches runs to its end, once, as its submitter', async (t) => {
  // pg_cron of Debian 12 begins jobs on the minute.
  t.timeout(180_000);
  // cron.schedule_in_database asks for a superuser; in the database of pg_cron itself a role schedules its own.
  await cluster.query('CREATE EXTENSION pg_cron', 'postgres');
  await cluster.query(`SELECT cron.schedule_in_database('pg_durable of alice', '* * * * *', 'CALL df.drive(55)', '${database}', 'alice')`, 'postgres');
  const client = await cluster.client('alice', database);
  const { rows: [row] } = await client.query<{ id: string }>(
    `SELECT df.start('INSERT INTO effect VALUES (''a'')' ~> df.sleep(1) ~> ('INSERT INTO effect VALUES (''b'')' & 'INSERT INTO effect VALUES (''c'')')) AS id`);
  await until('the workflow to complete', async () =>
    (await client.query<{ s: string }>('SELECT df.status($1) AS s', [row!.id])).rows[0]!.s === 'completed', 150_000);
  const effects = await client.query<{ text: string }>(`SELECT what || ' ' || who AS text FROM effect ORDER BY 1`);
  t.deepEqual(effects.rows.map(({ text }) => text), ['a alice', 'b alice', 'c alice']);
  await client.end();
});
