/** Several sessions of one role on one instance: what is claimed by one is left alone by the others. */
import test from 'ava';
import type pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN');
});
test.after.always(() => cluster?.destroy());

type Context = { teardown(run: () => Promise<unknown>): void };

async function setUp(t: Context): Promise<{ database: string; session: () => Promise<pg.Client> }> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice'); CREATE TABLE effect (what text); GRANT ALL ON effect TO PUBLIC`, database);
  const session = async (): Promise<pg.Client> => {
    const client = await cluster.client('alice', database);
    t.teardown(() => client.end().catch(() => undefined));
    return client;
  };
  return { database, session };
}

const start = async (client: pg.Client, future: string): Promise<string> =>
  (await client.query<{ id: string }>(`SELECT df.start(${future}) AS id`)).rows[0]!.id;

const statusOf = async (client: pg.Client, id: string): Promise<string | undefined> =>
  (await client.query<{ s: string }>('SELECT df.status($1) AS s', [id])).rows[0]?.s;

const effects = async (client: pg.Client): Promise<string[]> =>
  (await client.query<{ what: string }>('SELECT what FROM effect ORDER BY 1')).rows.map((row) => row.what);

/** Waits until the backend of `client` is inside pg_sleep. */
const asleep = (database: string, pid: number): Promise<unknown> => until('the step to sleep', async () =>
  (await cluster.query<{ n: string }>(`SELECT count(*) AS n FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`, database))[0]!.n === '1');

const pidOf = async (client: pg.Client): Promise<number> =>
  (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;

for (const [what, sibling] of [['runs a step', `$$INSERT INTO effect VALUES ('quick')$$`], ['only sleeps', `df.sleep(interval '0.3 s')`]] as const) {
  test.serial(`a branch that another session runs is not run again when its sibling, which ${what}, ends`, async (t) => {
    const { database, session } = await setUp(t);
    const [one, two] = [await session(), await session()];
    const id = await start(one, `df.join($$INSERT INTO effect SELECT 'slow' FROM pg_sleep(2)$$, df.sleep(interval '0.5 s') ~> ${sibling})`);
    const pid = await pidOf(one);
    const working = one.query('CALL df.work()');
    await asleep(database, pid);
    await until('the sibling to have ended', async () => {
      await two.query('CALL df.work()');
      return (await cluster.query(`SELECT FROM _df.branches WHERE phase = 'done'`, database)).length > 0;
    });
    t.false((await effects(two)).includes('slow'));
    await working;
    await two.query('CALL df.work()');
    t.is((await effects(two)).filter((what) => what === 'slow').length, 1);
    t.is(await statusOf(two, id), 'completed');
  });
}

test.serial('a session that works on more instances than it keeps in memory leaves none behind', async (t) => {
  const { database, session } = await setUp(t);
  const one = await session();
  // Of different lengths, so that batches hold branches that go on and new ones together.
  await one.query(`SELECT count(df.start(CASE WHEN n % 5 < 3 THEN $$INSERT INTO effect VALUES ('a')$$ ELSE $$INSERT INTO effect VALUES ('a')$$ ~> $$INSERT INTO effect VALUES ('b')$$ END))
    FROM generate_series(1, 2500) n`);
  await one.query('CALL df.work(60, 1000000)');
  t.deepEqual(await cluster.query('SELECT status, count(*)::int AS n FROM df.instances GROUP BY 1', database), [{ status: 'completed', n: 2500 }]);
  t.deepEqual(await cluster.query('SELECT what, count(*)::int AS n FROM effect GROUP BY 1 ORDER BY 1', database), [{ what: 'a', n: 2500 }, { what: 'b', n: 1000 }]);
});

test.serial('a session keeps its own settings and temporary tables while it works for others', async (t) => {
  const { session } = await setUp(t);
  const one = await session();
  await one.query(`SET pg_durable.loop_min_interval = '3s'; SET work_mem = '7MB'; CREATE TEMP TABLE own AS SELECT 42 AS i; SELECT df.start('CREATE TEMP TABLE passing (i int)' ~> 'SELECT to_regclass(''passing'') AS there')`);
  await one.query('CALL df.work()');
  t.deepEqual((await one.query(`SELECT current_setting('pg_durable.loop_min_interval') AS a, current_setting('work_mem') AS b, i FROM own`)).rows, [{ a: '3s', b: '7MB', i: 42 }]);
  t.is((await one.query<{ there: string | null }>(`SELECT df.result(i.id)::jsonb->'rows'->0->>'there' AS there FROM df.instances i`)).rows[0]!.there, null);
});

test.serial('a step sees no temporary table of the session that started its workflow', async (t) => {
  const { session } = await setUp(t);
  const [one, two] = [await session(), await session()];
  await one.query('CREATE TEMP TABLE callers_own AS SELECT 1 AS i');
  const id = await start(one, `'SELECT * FROM callers_own'`);
  await two.query('CALL df.work()');
  t.is(await statusOf(two, id), 'failed');
  t.regex((await two.query<{ output: string }>('SELECT output FROM df.list_instances()')).rows[0]!.output, /callers_own/);
});

test.serial('a role that may not log in any more gets no step done, not even in a session that is open', async (t) => {
  const { session } = await setUp(t);
  const [one, two] = [await session(), await session()];
  const id = await start(one, `'SELECT 1'`);
  await cluster.query('ALTER ROLE alice NOLOGIN');
  t.teardown(() => cluster.query('ALTER ROLE alice LOGIN'));
  await two.query('CALL df.work()');
  t.is(await statusOf(two, id), 'failed');
  t.regex((await two.query<{ error: string }>(`SELECT error FROM df.nodes`)).rows[0]!.error, /"alice" is not permitted to log in/);
});

test.serial('a sleep may be longer than time', async (t) => {
  const { session } = await setUp(t);
  const one = await session();
  const id = await start(one, `df.sleep(9223372036854775807) ~> 'SELECT 1'`);
  await one.query('CALL df.work()');
  await one.query('CALL df.work()');
  t.is(await statusOf(one, id), 'running');
});

test.serial('a step whose instance is cancelled meanwhile is rolled back', async (t) => {
  const { database, session } = await setUp(t);
  const [one, two] = [await session(), await session()];
  const id = await start(one, `$$INSERT INTO effect SELECT 'late' FROM pg_sleep(1)$$ ~> $$INSERT INTO effect VALUES ('never')$$`);
  const pid = await pidOf(one);
  const working = one.query('CALL df.work()');
  await asleep(database, pid);
  await two.query('SELECT df.cancel($1)', [id]);
  t.is(await statusOf(two, id), 'cancelled');
  await working;
  t.deepEqual(await effects(two), []);
  t.is(await statusOf(two, id), 'cancelled');
  t.is((await cluster.query('SELECT 1 FROM _df.branches', database)).length, 0);
});

test.serial('a race\'s loser that runs in another session is rolled back and runs no further', async (t) => {
  const { database, session } = await setUp(t);
  const [one, two] = [await session(), await session()];
  const id = await start(one, `df.race($$INSERT INTO effect SELECT 'loser' FROM pg_sleep(1)$$ ~> $$INSERT INTO effect VALUES ('never')$$, df.sleep(interval '0.3 s'))`);
  const pid = await pidOf(one);
  const working = one.query('CALL df.work()');
  await asleep(database, pid);
  await until('the race to be won', async () => {
    await two.query('CALL df.work()');
    return await statusOf(two, id) === 'completed';
  });
  await working;
  t.deepEqual(await effects(two), []);
  t.is((await cluster.query('SELECT 1 FROM _df.branches', database)).length, 0);
});

test.serial('a step that outlasts the statement_timeout of its role fails; a cancelled call gives it back', async (t) => {
  const { database, session } = await setUp(t);
  await cluster.query(`ALTER ROLE alice IN DATABASE "${database}" SET statement_timeout = '400ms'`);
  const one = await session();
  const id = await start(one, `'SELECT pg_sleep(5)'`);
  await one.query('CALL df.work()');
  t.is(await statusOf(one, id), 'failed');
  const second = await start(one, `'SELECT 1' ~> 'SELECT pg_sleep(5)'`);
  await one.query('CALL df.work()');
  t.is(await statusOf(one, second), 'failed');
  const patient = await start(one, Array(5).fill(`'SELECT pg_sleep(0.15)'`).join(' ~> '));
  await until('steps that are within the limit, but not all in one call, to be done', async () => {
    await one.query('CALL df.work()').catch((error: { code?: string }) => t.is(error.code, '57014'));
    return await statusOf(one, patient) !== 'running';
  });
  t.is(await statusOf(one, patient), 'completed');
  await cluster.query(`ALTER ROLE alice IN DATABASE "${database}" RESET statement_timeout`);
  const two = await session();
  const again = await start(two, `$$INSERT INTO effect SELECT 'once' FROM pg_sleep(0.5)$$`);
  const pid = await pidOf(two);
  const cancelled = t.throwsAsync(two.query('CALL df.work()'), { code: '57014' });
  await asleep(database, pid);
  await cluster.query(`SELECT pg_cancel_backend(${pid})`);
  await cancelled;
  t.is(await statusOf(two, again), 'running');
  await two.query('CALL df.work()');
  t.deepEqual(await effects(two), ['once']);
});

test.serial('steps that need autocommit, and steps of another database, run and are marked at-least-once', async (t) => {
  const { database, session } = await setUp(t);
  const other = await cluster.createDatabase();
  await cluster.query('GRANT ALL ON SCHEMA public TO PUBLIC', other);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), []);
  t.teardown(() => worker.stop());
  const one = await session();
  await one.query('CREATE TEMP TABLE unused (i int)');
  await cluster.query('GRANT ALL ON SCHEMA public TO PUBLIC; ', database);
  await one.query(`CREATE TABLE mine (i int); CREATE PROCEDURE committing() LANGUAGE plpgsql AS $$BEGIN INSERT INTO mine VALUES (1); COMMIT; INSERT INTO mine VALUES (2); END$$`);
  const here = await start(one, `'VACUUM mine' ~> 'CREATE INDEX CONCURRENTLY mine_i ON mine (i)' ~> 'CALL committing()' ~> 'SELECT count(*) AS n FROM mine'`);
  const there = (await one.query<{ id: string }>(`SELECT df.start('CREATE TABLE theirs (i int)' ~> 'INSERT INTO theirs VALUES (1) RETURNING 9007199254740993 AS big, 1.50 AS exact' |=> 'r' ~> 'SELECT $r.big::int8 - 1 AS n, current_database() AS d', NULL, $1) AS id`, [other])).rows[0]!.id;
  for (const id of [here, there]) {
    await until(`instance ${id} to end`, async () => ['completed', 'failed'].includes(await statusOf(one, id) ?? ''));
    t.is(await statusOf(one, id), 'completed', JSON.stringify((await one.query('SELECT * FROM df.instance_nodes($1)', [id])).rows));
  }
  const result = async (id: string): Promise<unknown> => JSON.parse((await one.query<{ r: string }>('SELECT df.result($1) AS r', [id])).rows[0]!.r) as unknown;
  t.deepEqual(await result(here), { rows: [{ n: 2 }], row_count: 1 });
  t.like(await result(there), { row_count: 1, rows: [{ d: other }] });
  const marks = await one.query<{ query: string; delivery: string | null }>(
    `SELECT query, status_details->>'delivery' AS delivery FROM df.nodes WHERE instance_id = $1 AND node_type = 'SQL' ORDER BY query`, [here]);
  t.deepEqual(marks.rows.map((row) => row.delivery), ['at-least-once', 'at-least-once', null, 'at-least-once']);
  // Nothing of ours keeps the other database.
  await cluster.query(`DROP DATABASE "${other}"`);
  const gone = await one.query<{ id: string }>('SELECT df.start($1, NULL, $2) AS id', ['SELECT 1', other]).catch((error: Error) => error.message);
  t.regex(String(gone), /does not exist/);
});

test.serial('a wait that is locked by a search for work when its signal comes, or its cancellation, is seen to', async (t) => {
  const { database, session } = await setUp(t);
  const [one, two] = [await session(), await session()];
  const signalled = await start(one, `df.wait_for_signal('go')`);
  const cancelled = await start(one, `df.wait_for_signal('go')`);
  await one.query('CALL df.work()');
  const search = await cluster.client('postgres', database);
  t.teardown(() => search.end().catch(() => undefined));
  await search.query('BEGIN');
  await search.query('SELECT FROM _df.branches FOR UPDATE');
  await two.query('SELECT df.signal($1, $2), df.cancel($3)', [signalled, 'go', cancelled]);
  const { rows: [call] } = await one.query<{ next_due: Date | null }>('CALL df.work()');
  t.is(await statusOf(one, signalled), 'running');
  t.truthy(call!.next_due, 'the next look is a timer');
  t.like((await cluster.query('SELECT due FROM _df.agenda()', database))[0], { due: true });
  await search.query('ROLLBACK');
  await one.query('CALL df.work()');
  t.is(await statusOf(one, signalled), 'completed');
  t.deepEqual(await cluster.query('SELECT instance_id FROM _df.branches UNION ALL SELECT instance_id FROM _df.revisits', database), []);
});
