/** The worker against a stand-in engine: due work is done, soon, in the right sessions, and nothing of it is left behind. */
import test from 'ava';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { installFakeEngine, startSql } from './worker-fake-engine.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE "Bob ""the"" Builder" LOGIN; CREATE ROLE carol LOGIN');
});
test.after.always(() => cluster?.destroy());

/** A database with the stand-in and a worker on it that is ready. */
async function setUp(t: { teardown(run: () => Promise<unknown>): void }, flags: string[] = []): Promise<{ database: string; worker: WorkerProcess }> {
  const database = await cluster.createDatabase('template0');
  await installFakeEngine(cluster, database);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), flags);
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  return { database, worker };
}

interface Done {
  who: string;
  pid: number;
  setting: string | null;
  early: boolean;
}

const done = (database: string, count: number): Promise<Done[]> =>
  until(`${count} pieces of work to be done`, async () => {
    const rows = await cluster.query<Done>('SELECT who, pid, setting, at < due AS early FROM _df.done ORDER BY id', database);
    return rows.length >= count ? rows : undefined;
  });

test.serial('work is done in a session that logged in as its submitter, whatever the role is called', async (t) => {
  const { database } = await setUp(t);
  for (const role of ['alice', 'Bob "the" Builder']) await cluster.query(startSql(role), database);
  const rows = await done(database, 2);
  t.deepEqual(rows.map(({ who }) => who), ['alice', 'Bob "the" Builder']);
});

test.serial('a warm session takes the next work, and no other is opened', async (t) => {
  const { database, worker } = await setUp(t);
  for (let i = 1; i <= 5; i += 1) {
    await cluster.query(startSql('alice'), database);
    await done(database, i);
  }
  const rows = await done(database, 5);
  t.is(new Set(rows.map(({ pid }) => pid)).size, 1);
  t.is(worker.events.filter(({ event }) => event === 'session.opened').length, 1);
  const [activity] = await cluster.query<{ name: string }>(`SELECT application_name AS name FROM pg_stat_activity WHERE pid = ${rows[0]?.pid}`);
  t.is(activity?.name, 'pg_durable worker');
});

test.serial('a session that takes long to get ready is not taken for one that is inside a long step', async (t) => {
  const { database, worker } = await setUp(t);
  await cluster.query("CREATE OR REPLACE FUNCTION _df.claim(at double precision, most integer) RETURNS TABLE (state text) LANGUAGE sql AS 'SELECT NULL::text FROM pg_sleep(0.7)'", database);
  await cluster.query(startSql('alice', { count: 3 }), database);
  await done(database, 3);
  t.deepEqual(worker.events.filter(({ event }) => event === 'session.opened').map(({ ms }) => Number(ms) >= 700), [true]);
});

test.serial('idle sessions are closed after their time', async (t) => {
  const { database, worker } = await setUp(t, ['--idle', '0.3']);
  await cluster.query(startSql('alice'), database);
  await worker.event('session.closed');
  await until('the session to be gone', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}'`)).length === 0);
  await cluster.query(startSql('alice'), database);
  t.is((await done(database, 2)).length, 2);
});

test.serial('a timer is kept to, and a lost notification is made good by the sweep', async (t) => {
  const { database } = await setUp(t, ['--sweep', '0.2']);
  await cluster.query(startSql('alice', { dueIn: '700 ms', notify: false }), database);
  await cluster.query(startSql('carol', { notify: false }), database);
  const rows = await done(database, 2);
  t.deepEqual(rows.map(({ early }) => early), [false, false]);
});

test.serial('a timer learned from a call is kept to without any sweep', async (t) => {
  const { database } = await setUp(t, ['--sweep', '3600']);
  // A warm session is called without asking the agenda, so only the call itself can tell of the timer.
  await cluster.query(startSql('alice'), database);
  // A session is idle before its first call as well.
  await done(database, 1);
  await until('the session to be warm', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}' AND state = 'idle'`)).length === 1);
  await cluster.query(`${startSql('alice', { dueIn: '500 ms' })} ${startSql('alice')}`, database);
  t.deepEqual((await done(database, 3)).map(({ early }) => early), [false, false, false]);
});

test.serial('a timer is kept to whatever the submitter\'s DateStyle is', async (t) => {
  const { database } = await setUp(t, ['--sweep', '3600']);
  await cluster.query('ALTER ROLE carol SET datestyle = \'German, DMY\'');
  // A warm session is called without asking the agenda, so only the call itself can tell of the timer.
  await cluster.query(startSql('carol'), database);
  // A session is idle before its first call as well.
  await done(database, 1);
  await until('the session to be warm', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'carol' AND datname = '${database}' AND state = 'idle'`)).length === 1);
  await cluster.query(`${startSql('carol', { dueIn: '500 ms' })} ${startSql('carol')}`, database);
  t.deepEqual((await done(database, 3)).map(({ early }) => early), [false, false, false]);
  await cluster.query('ALTER ROLE carol RESET datestyle');
});

test.serial('steps that last run beside each other, without waiting for the sweep', async (t) => {
  const { database } = await setUp(t, ['--sweep', '3600']);
  await cluster.query(startSql('alice', { count: 4, lasts: 2 }), database);
  await until('four sessions of alice at work', async () =>
    (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}' AND wait_event = 'PgSleep'`)).length === 4, 3_000);
  await done(database, 4);
  t.pass();
});

test.serial('the limits per role and in total hold', async (t) => {
  const { database, worker } = await setUp(t, ['--max-connections', '3', '--max-per-role', '2']);
  await cluster.query(`${startSql('alice', { count: 6, lasts: 0.3 })} ${startSql('carol', { count: 6, lasts: 0.3 })}`, database);
  let most = 0;
  let mostOfOne = 0;
  await until('all to be done', async () => {
    const [now] = await cluster.query<{ all: number; one: number }>(
      `SELECT count(*)::int AS all, greatest(count(*) FILTER (WHERE usename = 'alice'), count(*) FILTER (WHERE usename = 'carol'))::int AS one
         FROM pg_stat_activity WHERE datname = '${database}' AND usename IN ('alice', 'carol')`);
    most = Math.max(most, now?.all ?? 0);
    mostOfOne = Math.max(mostOfOne, now?.one ?? 0);
    return (await cluster.query('SELECT 1 FROM _df.work', database)).length === 0;
  });
  t.is(most, 3, worker.stderr);
  t.is(mostOfOne, 2);
});

test.serial('one busy role does not keep another waiting for its backlog', async (t) => {
  const { database } = await setUp(t, ['--max-connections', '2', '--max-per-role', '2']);
  await cluster.query(startSql('alice', { count: 2000, lasts: 0.002 }), database);
  await until('alice to be at it', async () => (await cluster.query('SELECT 1 FROM _df.done LIMIT 300', database)).length >= 300);
  await cluster.query(startSql('carol'), database);
  await until('carol to have her turn', async () => (await cluster.query("SELECT 1 FROM _df.done WHERE who = 'carol'", database)).length === 1);
  const [left] = await cluster.query<{ left: number }>('SELECT count(*)::int AS left FROM _df.work', database);
  t.true((left?.left ?? 0) > 200, `alice had only ${left?.left} left`);
});

test.serial('what a step leaves in its session is gone for the next call', async (t) => {
  const { database } = await setUp(t, ['--max-per-role', '1']);
  await cluster.query(startSql('alice', { leaves: "SET test.leak = 'left'; CREATE TEMP TABLE leak (); SELECT pg_advisory_lock(7); LISTEN leak; SET role TO DEFAULT" }), database);
  const [first] = await done(database, 1);
  await cluster.query(startSql('alice', { leaves: 'CREATE TEMP TABLE leak ()' }), database);
  const rows = await done(database, 2);
  t.is(rows[1]?.pid, first?.pid);
  t.true([null, ''].includes(rows[1]?.setting ?? null), `test.leak is ${rows[1]?.setting}`);
  t.deepEqual(await cluster.query('SELECT 1 FROM pg_locks WHERE locktype = \'advisory\' AND objid = 7'), []);
});

test.serial('the worker has a row that shows it lives, and takes it away', async (t) => {
  const { database, worker } = await setUp(t);
  const read = (): Promise<{ seen: Date }[]> => cluster.query<{ seen: Date }>('SELECT last_seen_at AS seen FROM df._worker_epoch', database);
  const [first] = await until('a row', async () => {
    const rows = await read();
    return rows.length === 1 ? rows : undefined;
  });
  await until('it to be refreshed', async () => Number((await read())[0]?.seen) > Number(first?.seen));
  t.is(await worker.stop(), 0);
  t.deepEqual(await read(), []);
});

test.serial('two workers share the work', async (t) => {
  const { database } = await setUp(t, ['--max-per-role', '1']);
  const second = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--max-per-role', '1']);
  t.teardown(() => second.stop());
  await second.event('server.ready');
  await cluster.query(startSql('alice', { count: 40, lasts: 0.03 }), database);
  const rows = await done(database, 40);
  t.is(rows.length, 40);
  t.is(new Set(rows.map(({ pid }) => pid)).size, 2);
});

test.serial('--once does what is due, also for roles it cannot serve, and ends without waiting for timers', async (t) => {
  const database = await cluster.createDatabase('template0');
  await installFakeEngine(cluster, database);
  await cluster.query('CREATE ROLE once_nologin NOLOGIN');
  await cluster.query(`${startSql('alice', { count: 30 })} ${startSql('carol')} ${startSql('carol', { dueIn: '1 day' })} ${startSql('once_nologin')}`, database);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--once']);
  t.is(await worker.exit, 0, worker.stderr);
  t.is((await done(database, 31)).length, 31);
  t.is((await cluster.query("SELECT 1 FROM _df.work WHERE failed IS NULL", database)).length, 1);
  await cluster.query('DROP ROLE once_nologin');
});

test.serial('retention is swept at its interval, until nothing is left', async (t) => {
  const database = await cluster.createDatabase('template0');
  await installFakeEngine(cluster, database);
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.reconcile_interval = '1'; INSERT INTO _df.old SELECT generate_series(1, 35)`, database);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database));
  t.teardown(() => worker.stop());
  t.is((await worker.event('retention.swept'))['deleted'], 35);
});
