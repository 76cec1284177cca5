/** The worker's limits with the real engine: fairness, connections that are short, roles that the server will not have. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE carol LOGIN');
});
test.after.always(() => cluster?.destroy());

type Context = { teardown(run: () => Promise<unknown>): void };

interface World {
  database: string;
  worker: WorkerProcess;
  /** Starts a workflow as a role, from an expression over the composers, and returns its id. */
  begin(role: string, expression: string): Promise<string>;
  /** Waits for the instance to have this status, and returns its output. */
  ends(id: string, status: string): Promise<string | null>;
}

async function setUp(t: Context, flags: string[] = [], settings: Record<string, string> = {}, environment: Record<string, string> = {}): Promise<World> {
  const database = await cluster.createDatabase();
  await cluster.query(`CREATE TABLE effect (who name DEFAULT session_user, what text); GRANT ALL ON effect TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC;
    SELECT df.grant_usage('alice'); SELECT df.grant_usage('carol')`, database);
  for (const [name, value] of Object.entries(settings)) await cluster.query(`ALTER DATABASE ${database} SET pg_durable.${name} = '${value}'`);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), flags, environment);
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  return {
    database, worker,
    begin: async (role, expression) => (await cluster.query<{ id: string }>(
      `SET SESSION AUTHORIZATION ${pg.escapeIdentifier(role)}; SELECT df.start(${expression}) AS id`, database))[0]!.id,
    ends: (id, status) => until(`instance ${id} to be ${status}`, async () => (await cluster.query<{ output: string | null }>(
      `SELECT output FROM df.instance_info('${id}') WHERE status = '${status}'`, database))[0]).then(({ output }) => output),
  };
}

const insert = (what: string): string => `$$INSERT INTO effect (what) VALUES ('${what}')$$`;

const count = async (what: string, database?: string): Promise<number> =>
  (await cluster.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${what}`, database))[0]!.n;

/** Waits until the role has so many sessions inside pg_sleep. */
const asleep = (role: string, database: string, sessions = 1): Promise<unknown> => until(`${role} to be in a step`, async () =>
  await count(`pg_stat_activity WHERE usename = '${role}' AND datname = '${database}' AND wait_event = 'PgSleep'`) === sessions);

test.serial('a role with 10,000 ready instances does not keep another waiting for more than a few of its steps', async (t) => {
  const { database, begin, ends } = await setUp(t, ['--max-connections', '2', '--max-per-role', '2']);
  await cluster.query(`SET SESSION AUTHORIZATION alice; SELECT count(df.start('INSERT INTO effect SELECT session_user, ''backlog'' FROM pg_sleep(0.02)')) FROM generate_series(1, 10000)`, database);
  await until('alice to be at it', async () => await count('effect', database) > 10);
  const before = await count('effect', database);
  await ends(await begin('carol', `'INSERT INTO effect SELECT session_user, count(*) FROM effect'`), 'completed');
  const [row] = await cluster.query<{ what: string }>(`SELECT what FROM effect WHERE who = 'carol'`, database);
  const meanwhile = Number(row!.what) - before;
  t.true(meanwhile < 300, `${meanwhile} steps of alice came first`);
  t.true(await count(`df.instances WHERE status IN ('pending', 'running')`, database) > 9000);
});

test.serial('no more steps run at once than max_user_connections, those on connections of their own included', async (t) => {
  const { database, begin, ends } = await setUp(t, [], { max_user_connections: '2' });
  await cluster.query(`CREATE PROCEDURE slow() LANGUAGE plpgsql AS $$BEGIN COMMIT; PERFORM pg_sleep(0.3); END$$`, database);
  const ids = [];
  for (const role of ['alice', 'carol', 'alice', 'carol']) ids.push(await begin(role, `'CALL slow()'`), await begin(role, `'SELECT pg_sleep(0.3)'`));
  let most = 0;
  await until('all to have ended', async () => {
    most = Math.max(most, await count(`pg_stat_activity WHERE datname = '${database}' AND wait_event = 'PgSleep'`));
    return await count(`df.instances WHERE status = 'completed'`, database) === ids.length;
  });
  t.is(most, 2);
  t.is(await count(`df.nodes WHERE status_details->>'delivery' = 'at-least-once'`, database), 4);
  await Promise.all(ids.map((id) => ends(id, 'completed')));
});

test.serial('a step that waits too long for a session fails as any step does; what runs is left alone', async (t) => {
  const { database, begin, ends } = await setUp(t, [], { max_user_connections: '1', execution_acquire_timeout: '1' });
  // The first branch runs while the second, of the same instance, waits in vain.
  const long = await begin('alice', `df.join('INSERT INTO effect SELECT session_user, ''long'' FROM pg_sleep(4)', df.sleep(interval '0.3 s') ~> ${insert('late')})`);
  await asleep('alice', database);
  const starved = await begin('carol', insert('never'));
  t.regex(await ends(starved, 'failed') ?? '', /^SQL execution failed: connection limit reached.*max_user_connections=1\b.*Timed out after 1s/);
  const [node] = await cluster.query<{ error: string; result: string; state: string }>(
    `SELECT error, result #>> '{}' AS result, status_details->>'sqlstate' AS state FROM df.nodes WHERE instance_id = '${starved}'`, database);
  t.regex(node!.result, /^SQL execution failed: connection limit reached/);
  t.is(node!.state, '53300');
  t.regex(await ends(long, 'failed') ?? '', /^JOIN branch 2 failed: SQL execution failed: connection limit reached/);
  await ends(await begin('carol', insert('after')), 'completed');
  t.deepEqual((await cluster.query<{ what: string }>('SELECT what FROM effect ORDER BY 1', database)).map(({ what }) => what), ['after', 'long']);
});

test.serial('a backlog that another worker works off is not starved, however old its due times are', async (t) => {
  const { database, begin, ends, worker } = await setUp(t, ['--max-connections', '1', '--grace', '0'], { execution_acquire_timeout: '1' });
  await begin('carol', `'SELECT pg_sleep(600)'`);
  await asleep('carol', database);
  const steps = Array.from({ length: 20 }, () => `'INSERT INTO effect SELECT session_user, ''x'' FROM pg_sleep(0.1)'`).join(' ~> ');
  const second = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--max-connections', '1']);
  t.teardown(() => second.stop());
  await second.event('server.ready');
  await ends(await begin('alice', steps), 'completed');
  t.is(await count('effect', database), 20);
  t.deepEqual(worker.events.filter(({ event }) => event === 'role.starved'), []);
});

test.serial('the connection limits of a role and of a database delay steps and lose none', async (t) => {
  const { database, worker, begin, ends } = await setUp(t);
  await cluster.query('CREATE ROLE narrow LOGIN CONNECTION LIMIT 1');
  await cluster.query(`SELECT df.grant_usage('narrow')`, database);
  const other = await cluster.client('narrow', database);
  const first = await begin('narrow', insert('narrow'));
  t.regex((await worker.event('session.not_opened')).message ?? '', /too many connections for role "narrow"/);
  await other.end();
  await ends(first, 'completed');
  await cluster.query(`ALTER ROLE narrow CONNECTION LIMIT 2; CREATE TABLE swept ()`, database);
  // Its warm session is given up for the two connections that an external step has.
  await ends(await begin('narrow', `df.seq('CREATE TABLE mine ()', 'VACUUM mine')`), 'completed');
  await cluster.query(`ALTER ROLE narrow CONNECTION LIMIT -1; ALTER DATABASE ${database} CONNECTION LIMIT 0`, database);
  const last = await begin('carol', insert('carol'));
  await until('the refusal', () => worker.events.some(({ event, message }) => event === 'session.not_opened' && /too many connections for database/.test(message ?? '')));
  await cluster.query(`ALTER DATABASE ${database} CONNECTION LIMIT -1`);
  await ends(last, 'completed');
  t.is(await count('effect', database), 2);
});

test.serial('roles that are gone, without LOGIN, or refused by the server fail by name and cause, and others go on', async (t) => {
  const hba = join(cluster.socketDir, 'data', 'pg_hba.conf');
  const before = readFileSync(hba, 'utf8');
  const passwords = join(cluster.socketDir, 'passwords');
  writeFileSync(passwords, '*:*:*:guessed:wrong\n', { mode: 0o600 });
  const { database, worker, begin, ends } = await setUp(t, ['--sweep', '0.3'], {}, { PGPASSFILE: passwords });
  await cluster.query(`CREATE ROLE "No 'Body'" LOGIN; CREATE ROLE leaver LOGIN; CREATE ROLE rejected LOGIN; CREATE ROLE guessed LOGIN PASSWORD 'right';
    SELECT df.grant_usage(r) FROM unnest(ARRAY['No ''Body''', 'leaver', 'rejected', 'guessed']) r`, database);
  writeFileSync(hba, `local all rejected reject\nlocal all guessed scram-sha-256\n${before}`);
  t.teardown(async () => {
    writeFileSync(hba, before);
    await cluster.query('SELECT pg_reload_conf()');
  });
  await cluster.query('SELECT pg_reload_conf()');
  await until('the server to refuse', () => cluster.client('rejected', database).then((client) => client.end().then(() => false), () => true));
  const ids = new Map<string, string>();
  for (const role of [`No 'Body'`, 'leaver', 'rejected', 'guessed', 'carol']) ids.set(role, await begin(role, `df.wait_for_signal('go') ~> ${insert('went on')}`));
  const vacuum = await begin('rejected', `'VACUUM'`);
  await cluster.query(`ALTER ROLE "No 'Body'" NOLOGIN; DROP OWNED BY leaver; DROP ROLE leaver;
    SELECT df.signal(id, 'go') FROM df.instances WHERE id <> '${vacuum}'`, database);
  for (const [role, cause] of [[`No 'Body'`, /role "No 'Body'".*(no LOGIN|not permitted to log in)/], ['leaver', /(role "leaver"|role with OID \d+).*no longer exists/],
    ['rejected', /role "rejected".*pg_hba\.conf rejects.*28000/], ['guessed', /role "guessed".*password authentication failed.*28P01/]] as const) {
    t.regex(await ends(ids.get(role)!, 'failed') ?? '', cause);
  }
  await ends(vacuum, 'failed');
  await ends(ids.get('carol')!, 'completed');
  t.deepEqual(await cluster.query('SELECT who FROM effect', database), [{ who: 'carol' }]);
  t.deepEqual(worker.events.filter(({ level }) => level === 'error'), []);
});

test.serial('whatever a role is called, its steps run as it', async (t) => {
  const { database, begin, ends } = await setUp(t);
  const roles = ['UPPER', 'Capital', ' two  spaces ', `O'Brien`, `"quoted"`, 'back\\slash', '$dollar$', '%percent', 'semi;colon', 'ünï-cødé 🐘', 'select', '12', '-rf', 'a=b c', 'x'.repeat(63)];
  const ids = [];
  for (const role of roles) {
    await cluster.query(`CREATE ROLE ${pg.escapeIdentifier(role)} LOGIN; SELECT df.grant_usage(${pg.escapeLiteral(role)})`, database);
    ids.push(await begin(role, `'CREATE TEMP TABLE t ()' ~> 'DO $$ BEGIN COMMIT; END $$' ~> 'INSERT INTO effect (what) VALUES (current_user) RETURNING who'`));
  }
  for (const id of ids) await ends(id, 'completed');
  t.deepEqual((await cluster.query<{ who: string; what: string }>('SELECT who, what FROM effect', database)).map(({ who, what }) => `${who} ${what}`).sort(), roles.map((role) => `${role} ${role}`).sort());
});
