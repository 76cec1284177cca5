/** The worker and the real engine together: workflows of several roles, and a worker that dies in the middle. */
import test from 'ava';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE "Carol C." LOGIN');
});
test.after.always(() => cluster?.destroy());

type Context = { teardown(run: () => Promise<unknown>): void };

async function setUp(t: Context, flags: string[] = []): Promise<{ database: string; worker: WorkerProcess }> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice'); SELECT df.grant_usage('Carol C.');
    CREATE TABLE effect (who name DEFAULT session_user, what text); GRANT ALL ON effect TO PUBLIC`, database);
  return { database, worker: await addWorker(t, database, flags) };
}

async function addWorker(t: Context, database: string, flags: string[] = []): Promise<WorkerProcess> {
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), flags);
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  return worker;
}

/** Starts a workflow as a role, from an expression over the composers, and returns its id. */
async function begin(role: string, database: string, expression: string): Promise<string> {
  const client = await cluster.client(role, database);
  try {
    return (await client.query<{ id: string }>(`SELECT df.start(${expression}) AS id`)).rows[0]?.id ?? '';
  } finally {
    await client.end();
  }
}

const status = async (id: string, database: string): Promise<string | undefined> =>
  (await cluster.query<{ status: string }>(`SELECT status FROM df.instances WHERE id = '${id}'`, database))[0]?.status;

const ends = (id: string, database: string, as: string): Promise<unknown> =>
  until(`instance ${id} to be ${as}`, async () => await status(id, database) === as);

const effects = async (database: string): Promise<string[]> =>
  (await cluster.query<{ text: string }>("SELECT who || ' ' || what AS text FROM effect ORDER BY 1", database)).map(({ text }) => text);

const insert = (what: string): string => `$$INSERT INTO effect (what) VALUES ('${what}')$$`;

test.serial('workflows of several roles branch, join and wait, each as its submitter', async (t) => {
  const { database } = await setUp(t);
  const mine = await begin('alice', database, `${insert('a')} ~> df.sleep(1) ~> (${insert('b')} & ${insert('c')} & 'SELECT pg_sleep(0.3)') ~> ${insert('d')}`);
  const hers = await begin('Carol C.', database, insert('e'));
  await ends(hers, database, 'completed');
  await ends(mine, database, 'completed');
  t.deepEqual(await effects(database), ['Carol C. e', 'alice a', 'alice b', 'alice c', 'alice d']);
});

test.serial('a worker that is killed in a step is replaced by another, and the step is done once', async (t) => {
  const { database, worker } = await setUp(t);
  const id = await begin('alice', database, `${insert('before')} ~> $$INSERT INTO effect (what) SELECT 'long' FROM pg_sleep(1.5)$$ ~> ${insert('after')}`);
  await until('the long step to run', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE datname = '${database}' AND wait_event = 'PgSleep'`)).length === 1);
  worker.signal('SIGKILL');
  await addWorker(t, database, ['--sweep', '0.3']);
  await ends(id, database, 'completed');
  t.deepEqual(await effects(database), ['alice after', 'alice before', 'alice long']);
});

test.serial('a role whose transactions are read only and serializable unless they say otherwise is worked for like any other', async (t) => {
  const { database, worker } = await setUp(t);
  await cluster.query('CREATE ROLE careful LOGIN');
  await cluster.query("SELECT df.grant_usage('careful')", database);
  const id = await begin('careful', database, `df.sleep(1) ~> ${insert('once')} ~> 'VACUUM effect'`);
  await cluster.query("ALTER ROLE careful SET default_transaction_read_only = on; ALTER ROLE careful SET default_transaction_isolation = 'serializable'");
  await ends(id, database, 'completed');
  t.deepEqual(await effects(database), ['careful once']);
  await cluster.query(`ALTER DATABASE "${database}" SET default_transaction_read_only = on; ALTER DATABASE "${database}" SET default_transaction_isolation = 'serializable'`);
  await worker.stop();
  await addWorker(t, database);
});

test.serial('a role that may not log in any more has its instance failed, with the reason', async (t) => {
  const { database } = await setUp(t, ['--idle', '0', '--sweep', '0.2']);
  await cluster.query('CREATE ROLE leaving LOGIN');
  await cluster.query("SELECT df.grant_usage('leaving')", database);
  const id = await begin('leaving', database, `df.sleep(1) ~> ${insert('never')}`);
  await cluster.query('ALTER ROLE leaving NOLOGIN');
  await ends(id, database, 'failed');
  const [node] = await cluster.query<{ error: string }>(`SELECT error FROM df.nodes WHERE instance_id = '${id}' AND error IS NOT NULL`, database);
  t.regex(node?.error ?? '', /role "leaving".*LOGIN/);
  t.deepEqual(await effects(database), []);
});

test.serial('DROP EXTENSION is not held up by a worker, which works again after CREATE EXTENSION', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '0.2']);
  await ends(await begin('alice', database, insert('first')), database, 'completed');
  await cluster.query('DROP EXTENSION pg_durable CASCADE', database);
  await worker.event('extension.absent');
  await cluster.query("CREATE EXTENSION pg_durable CASCADE; SELECT df.grant_usage('alice')", database);
  await worker.event('server.ready', 2);
  await ends(await begin('alice', database, insert('second')), database, 'completed');
  t.deepEqual(await effects(database), ['alice first', 'alice second']);
});

test.serial('the engine and DROP EXTENSION both come to df.instances first, so that neither waits for the other', async (t) => {
  const database = await cluster.createDatabase();
  await cluster.query("SELECT df.grant_usage('alice')", database);
  /** What a statement that has to wait for `held` has locked of ours by then. */
  const lockedMeanwhile = async (role: string, statement: string, held: string): Promise<unknown[]> => {
    const [holder, waiter] = [await cluster.client('postgres', database), await cluster.client(role, database)];
    const pid = (await waiter.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    await holder.query(`BEGIN; ${held}`);
    const waiting = t.throwsAsync(waiter.query(statement), { code: '57014' }, statement);
    await until(`${statement} to wait`, async () => (await cluster.query(`SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'`)).length === 1);
    const locked = await cluster.query(`SELECT c.oid::regclass::text AS name, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
      WHERE l.pid = ${pid} AND l.granted AND c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace)`, database);
    await cluster.query(`SELECT pg_cancel_backend(${pid})`);
    await waiting;
    await Promise.all([holder.end(), waiter.end()]);
    return locked;
  };
  for (const [role, statement] of [
    ['alice', 'CALL df.work()'], ['alice', 'SELECT _df.claim_external(1)'], ['postgres', 'SELECT _df.claim_http(gen_random_uuid(), 1)'],
    ['postgres', `SELECT _df.finish_http('00000000', '', gen_random_uuid()::text, 'e{}')`], ['postgres', `SELECT _df.lost_http('[]')`],
    ['postgres', `SELECT _df.fail_role(10, 'test')`], ['postgres', 'SELECT _df.sweep_retention()'],
  ] as const) {
    t.deepEqual(await lockedMeanwhile(role, statement, 'LOCK TABLE df.instances IN ACCESS EXCLUSIVE MODE'), [], statement);
  }
  t.deepEqual(await lockedMeanwhile('postgres', 'DROP EXTENSION pg_durable CASCADE', 'TABLE df.instances'), []);
});
