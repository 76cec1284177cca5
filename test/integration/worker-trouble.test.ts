/** The worker against a stand-in engine when things go wrong: nothing is lost, nothing done twice, and what cannot be done says why. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { DROP_FAKE, installFakeEngine, startSql } from './worker-fake-engine.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN');
});
test.after.always(() => cluster?.destroy());

type Context = { teardown(run: () => Promise<unknown>): void };

async function newDatabase(): Promise<string> {
  const database = await cluster.createDatabase('template0');
  await installFakeEngine(cluster, database);
  return database;
}

async function start(t: Context, database: string, flags: string[] = []): Promise<WorkerProcess> {
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), flags);
  t.teardown(() => worker.stop());
  return worker;
}

async function setUp(t: Context, flags: string[] = []): Promise<{ database: string; worker: WorkerProcess }> {
  const database = await newDatabase();
  const worker = await start(t, database, flags);
  await worker.event('server.ready');
  return { database, worker };
}

const countOf = async (table: string, database: string): Promise<number> =>
  (await cluster.query(`SELECT 1 FROM _df.${table}`, database)).length;

const done = (database: string, count: number): Promise<unknown> =>
  until(`${count} pieces of work to be done`, async () => await countOf('done', database) >= count);

const failure = (database: string): Promise<string> =>
  until('work to be failed', async () =>
    (await cluster.query<{ failed: string }>('SELECT failed FROM _df.work WHERE failed IS NOT NULL', database))[0]?.failed);

/** Waits until a step of the role is running, and returns its session's process id. */
const running = (role: string, database: string): Promise<number> =>
  until(`a step of ${role} to run`, async () => (await cluster.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE usename = '${role}' AND datname = '${database}' AND wait_event = 'PgSleep'`))[0]?.pid);

test.serial('a server that restarts, and one that crashes, are waited for, and work goes on', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '3600']);
  await cluster.query(startSql('alice', { lasts: 1 }), database);
  await running('alice', database);
  await cluster.restart('fast');
  await worker.event('server.ready', 2);
  await done(database, 1);
  await cluster.query(startSql('alice', { lasts: 1 }), database);
  cluster.kill9Backend(await running('alice', database));
  await worker.event('server.ready', 3);
  await done(database, 2);
  t.is(await countOf('done', database), 2);
  t.is(await countOf('work', database), 0);
});

test.serial('a worker that starts before the server waits for it', async (t) => {
  const database = await newDatabase();
  await cluster.stop();
  const worker = await start(t, database);
  const away = await worker.event('server.away');
  t.is(away.level, 'warn');
  await worker.event('server.away', 8);
  const tries = worker.events.filter(({ event }) => event === 'server.away').map(({ time }) => Date.parse(String(time)));
  // Eight tries with doubling pauses from 25 ms at least to 233 ms at least: never in a rush.
  t.true((tries[7] ?? 0) - (tries[0] ?? 0) >= 600, `eight tries within ${(tries[7] ?? 0) - (tries[0] ?? 0)} ms`);
  await cluster.start();
  await worker.event('server.ready');
  await cluster.query(startSql('alice'), database);
  await done(database, 1);
});

test.serial('a session that is terminated in a step has its step done again, once', async (t) => {
  const { database } = await setUp(t, ['--sweep', '3600']);
  await cluster.query(startSql('alice', { lasts: 0.5 }), database);
  await cluster.query(`SELECT pg_terminate_backend(${await running('alice', database)})`);
  await done(database, 1);
  t.is(await countOf('done', database), 1);
});

test.serial('a LISTEN connection that is lost comes back', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '3600']);
  await cluster.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND datname = '${database}' AND application_name = 'pg_durable worker'`);
  await worker.event('server.ready', 2);
  await cluster.query(startSql('alice'), database);
  await done(database, 1);
  t.is((await worker.event('server.away'))['code'], '57P01');
});

test.serial('an extension that is dropped is missed quietly, and used again when it is back', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '0.1']);
  await cluster.query(startSql('alice'), database);
  await done(database, 1);
  await cluster.query(DROP_FAKE, database);
  await worker.event('extension.absent');
  await until('its sessions to be gone', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}'`)).length === 0);
  await installFakeEngine(cluster, database);
  await worker.event('server.ready', 2);
  await cluster.query(startSql('alice'), database);
  await done(database, 1);
  t.is(worker.events.filter(({ event }) => event === 'extension.absent').length, 1);
  t.deepEqual(worker.events.filter(({ level }) => level === 'error'), []);
});

test.serial('what somebody puts in the place of a dropped extension is not called by the worker', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '3600']);
  // In one transaction, and no sweep: the worker learns of it by calling.
  await cluster.query(`${DROP_FAKE}; CREATE SCHEMA _df; CREATE TABLE _df.trap (who name);
    CREATE FUNCTION _df.agenda() RETURNS TABLE (role_oid oid, role_name text, can_login boolean, due boolean, external_due boolean, next_due timestamptz)
      LANGUAGE sql AS $$ INSERT INTO _df.trap VALUES (current_user) RETURNING 1::oid, '', true, true, false, now() $$;
    CREATE FUNCTION _df.heartbeat(uuid, text) RETURNS void LANGUAGE sql AS $$ INSERT INTO _df.trap VALUES (current_user) $$;
    SELECT pg_notify('pg_durable', 'alice'::regrole::oid::text)`, database);
  await worker.event('extension.absent');
  t.is(await countOf('trap', database), 0);
  t.deepEqual(worker.events.filter(({ event }) => event === 'server.away'), []);
});

test.serial('an extension of another line is named together with what is needed', async (t) => {
  const database = await newDatabase();
  const setVersion = (version: string): Promise<unknown> =>
    cluster.query(`SET allow_system_table_mods = on; UPDATE pg_extension SET extversion = '${version}' WHERE extname = 'pg_durable'`, database);
  await setVersion('7.1.0');
  const worker = await start(t, database, ['--sweep', '0.1']);
  const { message } = await worker.event('extension.wrong_version');
  t.regex(message ?? '', /7\.1\.0.*df\.version\(\)/);
  t.regex(message ?? '', /needs pg_durable 0\.2\.x/);
  await setVersion('0.2.9');
  await worker.event('server.ready');
});

test.serial('a role without LOGIN: its work fails and says so, and others go on', async (t) => {
  const { database } = await setUp(t);
  await cluster.query('CREATE ROLE "No Body" NOLOGIN');
  await cluster.query(`${startSql('No Body', { count: 2 })} ${startSql('alice')}`, database);
  await done(database, 1);
  t.regex(await failure(database), /role "No Body".*LOGIN/);
  await cluster.query('DROP ROLE "No Body"');
});

test.serial('a role that is gone: its work fails and says so', async (t) => {
  const { database } = await setUp(t, ['--sweep', '0.2']);
  await cluster.query('CREATE ROLE leaver LOGIN');
  await cluster.query(startSql('leaver', { dueIn: '1 second' }), database);
  await cluster.query('DROP ROLE leaver');
  t.regex(await failure(database), /no longer exists/);
});

test.serial('a role that was renamed is found under its new name', async (t) => {
  const { database } = await setUp(t, ['--idle', '0', '--sweep', '3600']);
  await cluster.query('CREATE ROLE before LOGIN');
  await cluster.query(startSql('before'), database);
  await done(database, 1);
  await cluster.query(`${startSql('before', { dueIn: '1 second' })}`, database);
  await cluster.query('ALTER ROLE before RENAME TO afterwards');
  await done(database, 2);
  t.deepEqual(await cluster.query('SELECT failed FROM _df.work', database), []);
});

test.serial('a role that the server refuses: its work fails with the server\'s reason', async (t) => {
  const { database } = await setUp(t);
  await cluster.query(`REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
  await cluster.query(startSql('alice'), database);
  const message = await failure(database);
  t.regex(message, /role "alice".*permission denied for database/);
  t.regex(message, /42501/);
});

test.serial('a role that must give a password gets it from the password file only', async (t) => {
  const hba = join(cluster.socketDir, 'data', 'pg_hba.conf');
  const before = readFileSync(hba, 'utf8');
  const database = await newDatabase();
  await cluster.query("CREATE ROLE locked LOGIN PASSWORD 'open sesame'");
  writeFileSync(hba, `local all locked scram-sha-256\n${before}`);
  await cluster.query('SELECT pg_reload_conf()');
  const passwords = join(cluster.socketDir, 'passwords');
  writeFileSync(passwords, '', { mode: 0o600 });
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), [], { PGPASSFILE: passwords, PGPASSWORD: 'open sesame' });
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  await cluster.query(startSql('locked'), database);
  t.regex(await failure(database), /role "locked".*asks "locked" for a password/);
  appendFileSync(passwords, 'localhost:5432:*:locked:open sesame\n');
  await cluster.query(startSql('locked'), database);
  await done(database, 1);
  writeFileSync(hba, before);
  await cluster.query('SELECT pg_reload_conf()');
  t.is(await countOf('done', database), 1);
});

test.serial('a connection limit of the role delays its work and loses none', async (t) => {
  const { database, worker } = await setUp(t, ['--sweep', '3600']);
  await cluster.query('CREATE ROLE narrow LOGIN CONNECTION LIMIT 1');
  const other = await cluster.client('narrow', database);
  await cluster.query(startSql('narrow'), database);
  const { message } = await worker.event('session.not_opened');
  t.regex(message ?? '', /too many connections for role "narrow"/);
  await other.end();
  await done(database, 1);
  t.deepEqual(await cluster.query('SELECT failed FROM _df.work', database), []);
});

test.serial('work that waits too long for a session fails and names the limit; what runs and what came later does not', async (t) => {
  const database = await newDatabase();
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.max_user_connections = '1'; ALTER DATABASE ${database} SET pg_durable.execution_acquire_timeout = '1'`);
  const worker = await start(t, database);
  await worker.event('server.ready');
  await cluster.query(startSql('alice', { lasts: 3 }), database);
  await running('alice', database);
  await cluster.query(startSql('carol'), database);
  const message = await failure(database);
  t.regex(message, /connection limit reached.*max_user_connections=1\b.*Timed out after 1s/);
  await done(database, 1);
  await cluster.query(startSql('carol'), database);
  await done(database, 2);
  t.is((await cluster.query('SELECT failed FROM _df.work', database)).length, 1);
});

test.serial('on SIGTERM a running step may end, and nothing new begins', async (t) => {
  const { database, worker } = await setUp(t);
  await cluster.query(startSql('alice', { count: 2, lasts: 1 }), database);
  await until('both to run', async () => (await cluster.query(
    `SELECT pid FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}' AND wait_event = 'PgSleep'`)).length === 2);
  await cluster.query(startSql('carol'), database);
  t.is(await worker.stop(), 0);
  t.is((await cluster.query("SELECT 1 FROM _df.done WHERE who = 'alice'", database)).length, 2);
  t.is((await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE datname = '${database}'`)).length, 0);
});

test.serial('a step that outlasts the grace is cancelled and left for others', async (t) => {
  const { database, worker } = await setUp(t, ['--grace', '0.2']);
  await cluster.query(startSql('alice', { lasts: 600 }), database);
  await running('alice', database);
  t.is(await worker.stop(), 0);
  t.is(worker.events.filter(({ event }) => event === 'work.abandoned')[0]?.['code'], '57014');
  t.is(await countOf('done', database), 0);
  t.is(await countOf('work', database), 1);
});

test.serial('a second signal ends it at once, and its step is taken back', async (t) => {
  const { database, worker } = await setUp(t, ['--grace', '600']);
  await cluster.query(startSql('alice', { lasts: 600 }), database);
  await running('alice', database);
  worker.signal('SIGINT');
  await worker.event('worker.stopping');
  worker.signal('SIGINT');
  t.is(await worker.exit, 130);
  await until('the server to end the step', async () => (await cluster.query(`SELECT 1 FROM pg_stat_activity WHERE usename = 'alice' AND datname = '${database}'`)).length === 0);
  t.is(await countOf('work', database), 1);
});

test.serial('a session that does not get ready keeps no worker from ending', async (t) => {
  const { database, worker } = await setUp(t);
  await cluster.query("CREATE OR REPLACE FUNCTION _df.claim(at double precision, most integer) RETURNS TABLE (state text) LANGUAGE sql AS 'SELECT NULL::text FROM pg_sleep(600)'", database);
  await cluster.query(startSql('alice'), database);
  await until('the session to hang', async () => (await cluster.query(`SELECT FROM pg_stat_activity WHERE datname = '${database}' AND wait_event = 'PgSleep'`)).length === 1);
  t.is(await worker.stop(), 0);
});

test.serial('what makes work impossible from the start is said, and ends it', async (t) => {
  const refused = await WorkerProcess.start(cluster.connectionString('nobody_of_this_name', 'postgres'));
  t.is(await refused.exit, 1);
  t.regex(refused.stderr, /nobody_of_this_name.*does not exist/);
  const database = await newDatabase();
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.max_user_connections = '1001'`);
  const misconfigured = await WorkerProcess.start(cluster.connectionString('postgres', database));
  t.is(await misconfigured.exit, 1);
  t.regex(misconfigured.stderr, /pg_durable\.max_user_connections is .*1001.*from 1 to 1000/);
});

test.serial('settings that change are heeded after SIGHUP, and a bad one keeps the last good', async (t) => {
  const { database, worker } = await setUp(t);
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.reconcile_interval = '1'; INSERT INTO _df.old VALUES (1)`, database);
  worker.signal('SIGHUP');
  t.is((await worker.event('retention.swept'))['deleted'], 1);
});

test.serial('notifications with nonsense in them do no harm', async (t) => {
  const { database } = await setUp(t, ['--sweep', '3600']);
  const client = await cluster.client('carol', database);
  for (const payload of ['', 'x', '0', '99999999999', '-1', '4294967295', '12345', '1; DROP TABLE x']) {
    await client.query('SELECT pg_notify($1, $2)', ['pg_durable', payload]);
  }
  await client.end();
  await cluster.query(startSql('alice'), database);
  await done(database, 1);
  t.pass();
});
