/** Steps that need a connection of their own: found by themselves, run again when something dies, and in nobody's way. */
import test from 'ava';
import pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN CREATEDB; CREATE ROLE boss LOGIN SUPERUSER');
});
test.after.always(() => cluster?.destroy());

type Context = { teardown(run: () => Promise<unknown>): void };

async function newDatabase(): Promise<string> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice'); GRANT ALL ON SCHEMA public TO PUBLIC; CREATE TABLE effect (what text); GRANT ALL ON effect TO PUBLIC;
    ALTER DATABASE ${database} SET pg_durable.enable_superuser_instances = on`, database);
  return database;
}

async function addWorker(t: Context, database: string, flags: string[] = []): Promise<WorkerProcess> {
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), flags);
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  return worker;
}

/** Starts a workflow as a role, from an expression over the composers, and returns its id. */
const begin = async (role: string, database: string, expression: string, where: string | null = null): Promise<string> => (await cluster.query<{ id: string }>(
  `SET SESSION AUTHORIZATION ${role}; SELECT df.start(${expression}, NULL, ${where === null ? 'NULL' : pg.escapeLiteral(where)}) AS id`, database))[0]!.id;

/** Waits for the instance to end, and returns its status and output. */
const end = (id: string, database: string): Promise<{ status: string; output: string }> => until(`instance ${id} to end`, async () =>
  (await cluster.query<{ status: string; output: string }>(`SELECT status, output FROM df.instance_info('${id}') WHERE status IN ('completed', 'failed')`, database))[0]);

const effects = async (database: string): Promise<string[]> =>
  (await cluster.query<{ what: string }>('SELECT what FROM effect ORDER BY 1', database)).map(({ what }) => what);

const asleep = (database: string): Promise<number> => until('a step to sleep', async () => (await cluster.query<{ pid: number }>(
  `SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND wait_event = 'PgSleep'`))[0]?.pid);

test.serial('every statement that cannot run in a transaction is found by itself and marked', async (t) => {
  const database = await newDatabase();
  await addWorker(t, database);
  await cluster.query(`SET SESSION AUTHORIZATION alice; CREATE TABLE mine (i int PRIMARY KEY); CREATE TABLE parts (i int) PARTITION BY LIST (i);
    CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
    CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN INSERT INTO effect VALUES ('first'); COMMIT; INSERT INTO effect VALUES ('second'); END$$`, database);
  const statements: [role: string, statement: string][] = [
    ['alice', 'VACUUM mine'], ['alice', 'VACUUM (ANALYZE) mine'], ['alice', 'CREATE INDEX CONCURRENTLY mine_i ON mine (i)'], ['alice', 'REINDEX INDEX CONCURRENTLY mine_i'],
    ['alice', 'DROP INDEX CONCURRENTLY mine_i'], ['alice', 'ALTER TABLE parts DETACH PARTITION part CONCURRENTLY'],
    ['alice', `CREATE DATABASE ${database}_made TEMPLATE template0`], ['alice', `DROP DATABASE ${database}_made`], ['alice', 'CALL commits()'],
    ['alice', `DO $$ BEGIN INSERT INTO effect VALUES ('third'); COMMIT; END $$`], ['boss', `ALTER SYSTEM SET work_mem = '5MB'`], ['boss', 'ALTER SYSTEM RESET work_mem'],
  ];
  for (const [role, statement] of statements) {
    const id = await begin(role, database, pg.escapeLiteral(statement));
    const { status, output } = await end(id, database);
    t.is(status, 'completed', `${statement}: ${output}`);
    t.deepEqual(await cluster.query(`SELECT status_details->>'delivery' AS delivery FROM df.nodes WHERE instance_id = '${id}'`, database), [{ delivery: 'at-least-once' }], statement);
  }
  t.deepEqual(await effects(database), ['first', 'second', 'third']);
});

test.serial('a worker that dies in the middle: the step runs again, from its beginning', async (t) => {
  const database = await newDatabase();
  const worker = await addWorker(t, database);
  await cluster.query(`SET SESSION AUTHORIZATION alice; CREATE PROCEDURE halves() LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO effect VALUES ('first half'); COMMIT; PERFORM pg_sleep(CASE WHEN (SELECT count(*) FROM effect) < 2 THEN 600 ELSE 0 END); INSERT INTO effect VALUES ('second half'); END$$`, database);
  const id = await begin('alice', database, `'CALL halves()' ~> 'INSERT INTO effect VALUES (''after'')'`);
  await asleep(database);
  worker.signal('SIGKILL');
  await addWorker(t, database, ['--sweep', '0.3']);
  t.is((await end(id, database)).status, 'completed');
  t.deepEqual(await effects(database), ['after', 'first half', 'first half', 'second half']);
});

test.serial('a session that is terminated in the middle: the same; a statement that is cancelled fails', async (t) => {
  const database = await newDatabase();
  await addWorker(t, database, ['--sweep', '0.3']);
  await cluster.query(`SET SESSION AUTHORIZATION alice; CREATE PROCEDURE waits() LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO effect VALUES ('begun'); COMMIT; PERFORM pg_sleep(600); END$$`, database);
  const id = await begin('alice', database, `'CALL waits()'`);
  const first = await asleep(database);
  await cluster.query(`SELECT pg_terminate_backend(${first})`);
  const second = await until('another session', async () => {
    const pid = await asleep(database);
    return pid === first ? null : pid;
  });
  await cluster.query(`SELECT pg_cancel_backend(${second})`);
  const { status, output } = await end(id, database);
  t.is(status, 'failed');
  t.regex(output, /^SQL execution failed: canceling statement/);
  t.deepEqual(await effects(database), ['begun', 'begun']);
});

test.serial('whatever SQLSTATE a statement raises, the step fails and is not repeated', async (t) => {
  const database = await newDatabase();
  const other = await cluster.createDatabase('template0');
  await cluster.query('CREATE SEQUENCE calls; GRANT ALL ON SEQUENCE calls TO PUBLIC', other);
  const worker = await addWorker(t, database);
  const states = ['55000', '53300', '53200', '57P01', '57P03', '08006', '28000', '3D000', '42501', 'P0001'];
  for (const state of states) {
    const id = await begin('alice', database, `$$DO $do$ BEGIN PERFORM nextval('calls'); RAISE 'of its own' USING ERRCODE = '${state}'; END $do$ $$`, other);
    t.deepEqual(await end(id, database), { status: 'failed', output: 'SQL execution failed: of its own' }, state);
  }
  t.deepEqual(await cluster.query('SELECT last_value::int AS n FROM calls', other), [{ n: states.length }]);
  t.deepEqual(worker.events.filter(({ event }) => event === 'external.failed' || event === 'role.refused'), []);
});

test.serial('another database can be dropped between steps, which fails the workflow', async (t) => {
  const database = await newDatabase();
  const other = await cluster.createDatabase('template0');
  await addWorker(t, database, ['--sweep', '0.3']);
  const id = await begin('alice', database, `'SELECT 1' ~> df.wait_for_signal('go') ~> 'SELECT 2'`, other);
  await until('the wait', async () => (await cluster.query(`SELECT FROM _df.branches WHERE phase = 'signal'`, database)).length === 1);
  // Not WITH (FORCE): the server gives others five seconds to leave, and none of ours is there for longer than its step.
  await cluster.query(`DROP DATABASE ${other}`);
  await cluster.query(`SELECT df.signal('${id}', 'go')`, database);
  const { status, output } = await end(id, database);
  t.is(status, 'failed');
  t.regex(output, new RegExp(`database "${other}" does not exist`));
});

test.serial('a worker that is stopped lets go of a step that outlasts the grace', async (t) => {
  const database = await newDatabase();
  const worker = await addWorker(t, database, ['--grace', '0.2']);
  await begin('alice', database, `$$DO $do$ BEGIN COMMIT; PERFORM pg_sleep(600); END $do$ $$`);
  await asleep(database);
  t.is(await worker.stop(), 0);
  t.deepEqual(await cluster.query('SELECT phase FROM _df.branches', database), [{ phase: 'external' }]);
  await until('the server to end the statement', async () => (await cluster.query(`SELECT FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}'`)).length === 0);
});

test.serial('--once does external steps, what follows them, and ends', async (t) => {
  const database = await newDatabase();
  await cluster.query('SET SESSION AUTHORIZATION alice; CREATE TABLE mine ()', database);
  const ids = [];
  for (let n = 0; n < 3; n++) ids.push(await begin('alice', database, `'VACUUM mine' ~> 'INSERT INTO effect VALUES (''after'')' ~> 'VACUUM mine'`));
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--once']);
  t.is(await worker.exit, 0, worker.stderr);
  for (const id of ids) t.is((await end(id, database)).status, 'completed');
  t.is((await effects(database)).length, 3);
});
