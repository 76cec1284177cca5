/** transaction_mode => 'new' with several sessions: launch slots in one database and between databases, and who is let in. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN');
});
test.after.always(() => cluster?.destroy());

/** A fresh database with pg_durable that alice may use. */
async function database(): Promise<string> {
  const name = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice')`, name);
  return name;
}

/** A session of alice with these limits. */
async function alice(name: string, starts: number, timeout: number): Promise<pg.Client> {
  const client = await cluster.client('alice', name);
  await client.query(`SET pg_durable.max_new_transaction_starts = ${starts}; SET pg_durable.new_transaction_start_timeout = ${timeout}`);
  return client;
}

const launch = async (client: pg.Client, label: string): Promise<string> =>
  (await client.query<{ id: string }>(`SELECT df.start('SELECT 1', $1, transaction_mode => 'new') AS id`, [label])).rows[0]!.id;

const labels = async (name: string): Promise<string[]> =>
  (await cluster.query<{ label: string }>('SELECT label FROM df.instances ORDER BY label', name)).map(({ label }) => label);

const pidOf = async (client: pg.Client): Promise<number> => (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

/** Begins a launch that cannot end before release() is called, and waits until it holds its slot. */
async function blocked(name: string, label: string): Promise<{ launched: Promise<string>; release(): Promise<void> }> {
  const holder = await cluster.client('postgres', name);
  await holder.query('BEGIN; LOCK TABLE df.instances IN SHARE MODE');
  const client = await alice(name, 1, 10);
  const launched = launch(client, label);
  await until('the launch to wait inside', async () => (await cluster.query(`
    SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_durable launch %' AND wait_event_type = 'Lock' AND datname = '${name}'`)).length === 1);
  return {
    launched,
    release: async () => {
      await holder.query('COMMIT');
      await launched;
      await Promise.all([holder.end(), client.end()]);
    },
  };
}

test.serial('no more at a time than the setting says: a further caller fails after its time-out, and leaves nothing', async (t) => {
  const name = await database();
  const first = await blocked(name, 'first');
  const second = await alice(name, 1, 1);
  await second.query('BEGIN');
  await t.throwsAsync(launch(second, 'second'), { code: '53300', message: /Timed out after 1s waiting for a launch slot.*max_new_transaction_starts=1\b/ });
  await second.query('ROLLBACK');
  t.deepEqual(await cluster.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`), []);
  await first.release();
  t.deepEqual(await labels(name), ['first']);
  await launch(second, 'third');
  t.deepEqual(await labels(name), ['first', 'third']);
  await second.end();
});

test.serial('a caller whose time has not run out gets the slot when it is free, and one that is cancelled leaves it', async (t) => {
  const name = await database();
  const first = await blocked(name, 'first');
  const waiting = await Promise.all(['cancelled', 'second'].map(async (label) => {
    const client = await alice(name, 1, 60);
    const pid = await pidOf(client);
    const launched = launch(client, label).catch((error: { code: string }) => error.code);
    await until(`${label} to wait for the slot`, async () => (await cluster.query(`SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`)).length === 1);
    return { client, pid, launched };
  }));
  await cluster.query(`SELECT pg_cancel_backend(${waiting[0]!.pid})`);
  t.is(await waiting[0]!.launched, '57014');
  await first.release();
  t.regex(await waiting[1]!.launched, /^[0-9a-f]{8}$/);
  t.deepEqual(await labels(name), ['first', 'second']);
  await Promise.all(waiting.map(({ client }) => client.end()));
});

test.serial('the limit is that of the cluster: a launch in one database takes the slot of another', async (t) => {
  const [one, two] = [await database(), await database()];
  const first = await blocked(one, 'first');
  const second = await alice(two, 1, 1);
  await t.throwsAsync(launch(second, 'second'), { message: /max_new_transaction_starts=1\b/ });
  const third = await alice(two, 2, 1);
  await launch(third, 'third');
  await first.release();
  await until('the other session to be gone', async () => (await cluster.query(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg_durable launch %'`)).length === 0);
  await launch(second, 'fourth');
  t.deepEqual(await labels(two), ['fourth', 'third']);
  await Promise.all([second.end(), third.end()]);
});

test.serial('a name that a session of an ordinary role gives itself takes no slot', async (t) => {
  const name = await database();
  const pretender = await cluster.client('alice');
  await pretender.query(`SET application_name = 'pg_durable launch 1'`);
  const client = await alice(name, 1, 1);
  t.regex(await launch(client, 'unhindered'), /^[0-9a-f]{8}$/);
  await Promise.all([pretender.end(), client.end()]);
});

test.serial('many at once: all of them start, and never more at a time than are allowed', async (t) => {
  const name = await database();
  await cluster.query(`
    CREATE TABLE public.at_once (n bigint);
    CREATE FUNCTION count_launches() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO public.at_once SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pg_durable launch %' AND state = 'active';
      RETURN NEW;
    END $$;
    CREATE TRIGGER count_launches BEFORE INSERT ON df.instances FOR EACH ROW EXECUTE FUNCTION count_launches()`, name);
  const clients = await Promise.all(Array.from({ length: 8 }, () => alice(name, 3, 60)));
  const ids = (await Promise.all(clients.map(async (client, n) => [await launch(client, `a${n}`), await launch(client, `b${n}`)]))).flat();
  t.is(new Set(ids).size, 16);
  t.is((await labels(name)).length, 16);
  const [{ most }] = await cluster.query<{ most: number }>('SELECT max(n)::int AS most FROM at_once', name) as [{ most: number }];
  t.true(most <= 3, `${most} at once`);
  await Promise.all(clients.map((client) => client.end()));
});

test.serial('where the owner is not let in, the error says so, and nothing else happens', async (t) => {
  const name = await database();
  const admin = await cluster.client('postgres', name);
  const rules = path.join(cluster.socketDir, 'data', 'pg_hba.conf');
  const before = readFileSync(rules, 'utf8');
  const apply = async (text: string): Promise<void> => {
    writeFileSync(rules, text);
    const { rows: [{ at }] } = await admin.query('SELECT pg_conf_load_time() AS at');
    await admin.query('SELECT pg_reload_conf()');
    await until('the rules to be read', async () => (await admin.query('SELECT FROM pg_stat_activity WHERE pg_conf_load_time() > $1 LIMIT 1', [at])).rowCount === 1);
  };
  const client = await alice(name, 1, 1);
  await apply(`local all postgres reject\n${before}`);
  await t.throwsAsync(launch(client, 'shut out'), { code: '08001', message: new RegExp(`could not connect to database "${name}" as "postgres"`) });
  await apply(before);
  await launch(client, 'let in');
  t.deepEqual(await labels(name), ['let in']);
  await Promise.all([admin.end(), client.end()]);
});
