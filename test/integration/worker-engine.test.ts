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
