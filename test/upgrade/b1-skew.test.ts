/** Scenario B1: a worker and a schema of different versions work together, or one of them says at once which version it needs. */
import test, { type ExecutionContext } from 'ava';
import type { Client } from 'pg';
import { WorkerProcess } from '../integration/worker-process.ts';
import { until } from '../support/poll.ts';
import { begin, CURRENT, leave, Line, updateTo, VERSIONS } from './_line.ts';
import { claiming, workerOf } from './_workers.ts';

let line: Line;
test.before(async () => { line = await Line.start(); });
test.after.always(() => line?.end());

/** The first schema that asks workers for their version, and the first worker that says it. */
const ASKING = '0.2.4';
const asks = (schema: string): boolean => schema.localeCompare(ASKING, 'en', { numeric: true }) >= 0;

async function start(t: ExecutionContext, database: string, command: string, role = 'postgres', flags: string[] = []): Promise<WorkerProcess> {
  const worker = await WorkerProcess.start(line.cluster.connectionString(role, database), ['--sweep', '0.1', ...flags], {}, command);
  t.teardown(() => worker.stop());
  return worker;
}

const GO = "df.wait_for_signal('go')";
/** What every version can do, and how it ends. */
const WORK = [
  { label: 'steps', expression: `${leave('a')} ~> ${leave('b')}`, status: 'completed' },
  { label: 'branches', expression: `(${leave('a')} & df.sleep(1)) ~> ${leave('b')}`, status: 'completed' },
  { label: 'a signal', expression: `${leave('a')} ~> ${GO} ~> ${leave('b')}`, status: 'completed' },
  { label: 'a loop', expression: `df.loop(${leave('a')}, $$SELECT count(*) < 2 FROM public.effect WHERE label = 'a loop'$$) ~> ${leave('b')}`, status: 'completed' },
  { label: 'a failure', expression: `${leave('a')} ~> ${leave('b')} ~> 'SELECT 1/0'`, status: 'failed' },
] as const;

async function enter(client: Client): Promise<void> {
  for (const { label, expression } of WORK) {
    const id = await begin(client, label, expression);
    await client.query(`SELECT df.signal($1, 'go')`, [id]);
  }
}

/** Waits for all of it to end, and checks how. */
async function isDone(t: ExecutionContext, client: Client, worker: WorkerProcess): Promise<void> {
  const ended = async () => (await client.query<{ label: string; status: string; effects: string }>(`
    SELECT i.label, i.status, (SELECT string_agg(e.what, '' ORDER BY e.seq) FROM public.effect e WHERE e.label = i.label) AS effects
    FROM df.instances i WHERE i.label = ANY ($1) ORDER BY i.created_at`, [WORK.map(({ label }) => label)])).rows;
  await until('everything to end', async () => (await ended()).every(({ status }) => status === 'completed' || status === 'failed'))
    .catch((error: Error) => { throw new Error(`${error.message}\n${worker.stderr}`); });
  t.deepEqual(await ended(), WORK.map(({ label, status }) => ({ label, status, effects: label === 'a loop' ? 'aab' : 'ab' })));
}

for (const version of VERSIONS) {
  for (const schema of VERSIONS) {
    if (asks(schema) && !asks(version)) {
      test.serial(`B1: a worker of ${version} is refused by a schema of ${schema}, by name, before it has done anything`, async (t) => {
        const database = await line.database(schema);
        const alice = await line.cluster.client('alice', database);
        await enter(alice);
        const worker = await start(t, database, await workerOf(version));
        t.regex((await worker.event('worker.cannot_start')).message ?? '', new RegExp(`pg_durable ${schema} needs a worker of version ${ASKING} or later`));
        t.is(await worker.exit, 1);
        t.deepEqual((await alice.query('SELECT DISTINCT status FROM df.instances')).rows, [{ status: 'pending' }]);
        t.deepEqual((await line.cluster.query('SELECT FROM df._worker_epoch', database)), []);
        await alice.end();
      });
    } else {
      test.serial(`B1: a worker of ${version} does the work of a schema of ${schema}`, async (t) => {
        const database = await line.database(schema);
        const alice = await line.cluster.client('alice', database);
        const worker = await start(t, database, await workerOf(version));
        await enter(alice);
        await isDone(t, alice, worker);
        const complaints = worker.events.filter(({ level }) => level === 'error' || level === 'warn').map(({ event }) => event);
        t.deepEqual(complaints, asks(version) && !asks(schema) ? ['extension.older'] : []);
        // What cannot be done fails, and says why.
        const guest = `guest of ${schema} and ${version}`;
        await line.cluster.query(`CREATE ROLE "${guest}" LOGIN; SELECT df.grant_usage('${guest}')`, database);
        const leaving = await line.cluster.client(guest, database);
        const id = await begin(leaving, 'nobody', `df.sleep(1) ~> 'SELECT 1'`);
        await line.cluster.query(`ALTER ROLE "${guest}" NOLOGIN`, database);
        await until('the work of a role without LOGIN to fail', async () => (await leaving.query('SELECT df.status($1) AS status', [id])).rows[0].status === 'failed')
          .catch((error: Error) => { throw new Error(`${error.message}\n${worker.stderr}`); });
        t.regex((await leaving.query('SELECT output FROM df.list_instances()')).rows[0].output, /no LOGIN|not permitted to log in/);
        await leaving.end();
        await alice.end();
      });
    }
  }
}

for (const schema of VERSIONS.filter((each) => !asks(each))) {
  test.serial(`B1: a worker of ${CURRENT} leaves what a schema of ${schema} cannot have done, says so, and does it after the update`, async (t) => {
    const database = await line.database(schema);
    const [alice, admin] = [await line.cluster.client('alice', database), await line.cluster.client('postgres', database)];
    await admin.query(`CREATE TABLE public.swept (); ALTER TABLE public.swept OWNER TO alice; SELECT df.grant_usage('alice', true); ALTER DATABASE ${database} SET pg_durable.http = 'all'`);
    await alice.query("SET pg_durable.http = 'all'");
    const worker = await start(t, database, await workerOf(CURRENT));
    t.regex((await worker.event('extension.older')).message ?? '', new RegExp(`^pg_durable ${schema} .*ALTER EXTENSION pg_durable UPDATE$`));
    const waiting = [
      await begin(alice, 'outside', `${leave('a')} ~> 'VACUUM public.swept' ~> ${leave('b')}`),
      // An address that no request may go to, which is found out when one is made.
      await begin(alice, 'http', `${leave('a')} ~> (df.sleep(0) & df.http('http://localhost:9/', 'GET'))`),
      (await alice.query<{ id: string }>(`SELECT df.start('SELECT current_database() AS here', 'elsewhere', 'postgres') AS id`)).rows[0]!.id,
    ];
    await until('these steps to wait', async () => (await admin.query('SELECT FROM _df.branches WHERE instance_id = ANY ($1) AND external', [waiting])).rows.length === 3);
    await enter(alice);
    await isDone(t, alice, worker);
    const statuses = async () => (await alice.query<{ status: string }>('SELECT df.status(w.id) AS status FROM unnest($1::text[]) WITH ORDINALITY w(id, nr) ORDER BY w.nr', [waiting])).rows.map(({ status }) => status);
    t.deepEqual(await statuses(), ['running', 'running', 'running']);
    await admin.query(updateTo(CURRENT));
    await until('all of them to end', async () => !(await statuses()).includes('running')).catch((error: Error) => { throw new Error(`${error.message}\n${worker.stderr}`); });
    t.deepEqual(await statuses(), ['completed', 'failed', 'completed']);
    t.like((await alice.query('SELECT df.result($1)::json AS there', [waiting[2]])).rows[0], { there: { rows: [{ here: 'postgres' }] } });
    t.regex((await alice.query('SELECT output FROM df.instance_info($1)', [waiting[1]])).rows[0].output, /localhost/);
    t.deepEqual(worker.events.filter(({ event }) => event === 'server.ready').map(({ extension }) => extension), [schema, CURRENT]);
    t.deepEqual(worker.events.filter(({ level }) => level === 'error').map(({ event, message }) => [event, message]), []);
    await Promise.all([alice.end(), admin.end()]);
  });

  test.serial(`B1: a worker of ${schema} says who is needed when the schema is updated under it, and one of ${CURRENT} goes on`, async (t) => {
    const database = await line.database(schema);
    const alice = await line.cluster.client('alice', database);
    const old = await start(t, database, await workerOf(schema));
    await old.event('server.ready');
    const id = await begin(alice, 'across', `${leave('a')} ~> ${GO} ~> ${leave('b')}`);
    await until('the first step to be done', async () => (await alice.query('SELECT FROM public.effect')).rows.length === 1);
    await line.cluster.query(updateTo(CURRENT), database);
    t.regex((await old.event('server.away')).message ?? '', new RegExp(`pg_durable ${CURRENT} needs a worker of version ${ASKING} or later`));
    await alice.query(`SELECT df.signal($1, 'go')`, [id]);
    const worker = await start(t, database, await workerOf(CURRENT));
    await until('the rest to be done', async () => (await alice.query('SELECT df.status($1) AS status', [id])).rows[0].status === 'completed')
      .catch((error: Error) => { throw new Error(`${error.message}\n${worker.stderr}`); });
    t.deepEqual((await alice.query('SELECT what FROM public.effect ORDER BY seq')).rows, [{ what: 'a' }, { what: 'b' }]);
    t.is(await old.stop(), 0);
    await alice.end();
  });

  test.serial(`B1: a worker that is not the owner of ${schema} may go on after the update`, async (t) => {
    const database = await line.database(schema);
    const alice = await line.cluster.client('alice', database);
    await line.cluster.query(`CREATE ROLE "Worker of ${schema}" LOGIN; GRANT USAGE ON SCHEMA _df TO "Worker of ${schema}";
      GRANT EXECUTE ON FUNCTION _df.agenda(), _df.heartbeat(uuid), _df.retire(uuid), _df.fail_role(oid, text) TO "Worker of ${schema}"`, database);
    await line.cluster.query(updateTo(CURRENT), database);
    const worker = await start(t, database, await workerOf(CURRENT), `Worker of ${schema}`);
    await enter(alice);
    await isDone(t, alice, worker);
    t.deepEqual(worker.events.filter(({ level }) => level === 'error' || level === 'warn'), []);
    const [granted] = await line.cluster.query(`SELECT has_function_privilege(w.role, '_df.fail_role(oid, text, timestamptz)', 'EXECUTE')
      AND has_function_privilege(w.role, '_df.sweep_retention()', 'EXECUTE') AND NOT has_function_privilege('alice', '_df.heartbeat(uuid, text)', 'EXECUTE') AS so
      FROM (VALUES ('Worker of ${schema}'::name)) w(role)`, database);
    t.deepEqual(granted, { so: true });
    await alice.end();
  });
}

for (const [version, refusal] of [
  ['0.2.3', /pg_durable 0\.2\.4 needs a worker of version 0\.2\.4 or later, and this one is 0\.2\.3/],
  ['0.3.0', /worker 0\.3\.0 needs pg_durable 0\.3\.x, but this database has version 0\.2\.4 .*start a worker of version 0\.2\.x/],
  ['1.2.4', /worker 1\.2\.4 needs pg_durable 1\.2\.x/],
] as const) {
  test.serial(`B1: a worker that says it is of ${version} does not work with a schema of ${CURRENT}, and says why`, async (t) => {
    const database = await line.database(CURRENT);
    const alice = await line.cluster.client('alice', database);
    await enter(alice);
    const worker = await start(t, database, await claiming(version), 'postgres', ['--once']);
    t.regex((await worker.event('worker.cannot_start')).message ?? '', refusal);
    t.is(await worker.exit, 1);
    t.deepEqual((await alice.query('SELECT DISTINCT status FROM df.instances')).rows, [{ status: 'pending' }]);
    await alice.end();
  });
}

test.serial(`B1: a worker of a later release of the line works with a schema of ${CURRENT}`, async (t) => {
  const database = await line.database(CURRENT);
  const alice = await line.cluster.client('alice', database);
  const worker = await start(t, database, await claiming('0.2.11'));
  await enter(alice);
  await isDone(t, alice, worker);
  t.deepEqual(worker.events.filter(({ level }) => level === 'error' || level === 'warn'), []);
  await alice.end();
});
