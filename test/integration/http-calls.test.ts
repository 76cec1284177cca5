/** The worker's engine calls for HTTP steps, one by one, without a worker in between. */
import test, { type ExecutionContext } from 'ava';
import { randomUUID } from 'node:crypto';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { World } from './http-world.ts';

let cluster: Cluster;
let world: World;

test.before(async () => {
  cluster = await startCluster();
  world = new World(cluster);
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
});
test.after.always(() => cluster?.destroy());

interface Claim { instance: string; branch: string; token: string; role: string; request: string }
const REQUEST = `df.http('http://a.example/', 'GET')`;

/** A database without a worker, and the calls of one or several. */
async function engine(t: ExecutionContext, settings = "http = 'all'") {
  const { database } = await world.setUp(t, { settings, worker: false });
  const query = <Row extends object>(sql: string): Promise<Row[]> => cluster.query<Row & Record<string, unknown>>(sql, database);
  const work = async (): Promise<void> => {
    const client = await cluster.client('alice', database);
    await client.query('CALL df.work()');
    await client.end();
  };
  return {
    database, query,
    /** A worker that was last heard of some seconds ago. */
    worker: async (silent = 0): Promise<string> => {
      const epoch = randomUUID();
      await query(`INSERT INTO df._worker_epoch (epoch_id, last_seen_at) VALUES ('${epoch}', clock_timestamp() - interval '${silent} s')`);
      return epoch;
    },
    /** Starts a workflow and brings it to its request. */
    begin: async (expression = REQUEST): Promise<string> => {
      const id = await world.begin(database, expression);
      await work();
      return id;
    },
    work,
    claim: (epoch: string, most = 20): Promise<Claim[]> => query<Claim>(`SELECT * FROM _df.claim_http('${epoch}', ${most})`),
    finish: async ({ instance, branch, token }: Claim, outcome = 'r{"status": 200, "body": "late"}'): Promise<string> =>
      (await query<{ verdict: string }>(`SELECT _df.finish_http('${instance}', '${branch}', '${token}', '${outcome}') AS verdict`))[0]!.verdict,
    lost: (...claims: Claim[]): Promise<{ token: string; outcome: string | null }[]> => query(`SELECT * FROM _df.lost_http('${JSON.stringify(
      claims.map(({ instance, branch, token, request }) => ({ instance, branch, token, multipart: (JSON.parse(request) as { parts: unknown }).parts !== null })))}')`),
    /** Rows of claims and of branches. */
    left: async (): Promise<[number, number]> => {
      const [row] = await query<{ claims: number; branches: number }>('SELECT (SELECT count(*)::int FROM _df.http_claims) AS claims, (SELECT count(*)::int FROM _df.branches) AS branches');
      return [row!.claims, row!.branches];
    },
    node: async (id: string): Promise<{ status: string; result: unknown }> => (await query<{ status: string; result: unknown }>(
      `SELECT status, result FROM df.nodes WHERE instance_id = '${id}' AND node_type LIKE 'HTTP%'`))[0]!,
  };
}

type Engine = Awaited<ReturnType<typeof engine>>;

test.serial('a request is finished once, by whoever holds its claim', async (t) => {
  const { begin, claim, finish, worker, left, node } = await engine(t);
  const id = await begin();
  const [one] = await claim(await worker());
  t.is(await finish({ ...one!, token: randomUUID() }), 'gone');
  t.is((await node(id)).status, 'running');
  t.is(await finish(one!), 'done');
  t.is(await finish(one!, 'r{"status": 500}'), 'gone');
  t.like(await node(id), { status: 'completed', result: { body: 'late' } });
  t.deepEqual(await left(), [0, 0]);
});

/** The instance goes on when the race is over. */
const RACE = `(${REQUEST} | (df.wait_for_signal('go') ~> 'SELECT 1')) ~> df.wait_for_signal('end')`;

async function winRace({ query, work }: Engine, id: string): Promise<void> {
  await query(`SELECT df.signal('${id}', 'go')`);
  await work();
}

/** Ways in which an instance is over, or a step does not count, while its request is under way. */
const OVER: Record<string, { expression?: string; end: (engine: Engine, id: string) => Promise<unknown> }> = {
  cancelled: { end: ({ query }, id) => query(`SELECT df.cancel('${id}')`) },
  'ended by hand': { end: ({ query }, id) => query(`UPDATE df.instances SET status = 'failed' WHERE id = '${id}'`) },
  deleted: { end: ({ query }, id) => query(`DELETE FROM df.nodes WHERE instance_id = '${id}'; DELETE FROM df.instances WHERE id = '${id}'`) },
  'a lost race': { expression: RACE, end: winRace },
  'a lost race whose branch was locked': {
    expression: RACE,
    end: async (engine, id) => {
      const holder = await cluster.client('postgres', engine.database);
      await holder.query("BEGIN; SELECT FROM _df.branches WHERE phase = 'http' FOR UPDATE");
      await winRace(engine, id);
      await holder.query('COMMIT');
      await holder.end();
    },
  },
};

for (const [way, { expression, end }] of Object.entries(OVER)) {
  for (const how of ['finish', 'lost'] as const) {
    test.serial(`a request of an instance that is over counts no more: ${way}, found by _df.${how}_http`, async (t) => {
      const one = await engine(t);
      const epoch = await one.worker();
      const id = await one.begin(expression);
      const [claimed] = await one.claim(epoch);
      await end(one, id);
      if (how === 'finish') t.is(await one.finish(claimed!), 'gone');
      else t.deepEqual(await one.lost(claimed!), [{ token: claimed!.token, outcome: null }]);
      t.deepEqual(await one.left(), [0, expression === RACE ? 1 : 0]);
      t.deepEqual(await one.claim(epoch), []);
      if (way !== 'deleted') t.not((await one.node(id)).status, 'completed');
    });
  }
}

test.serial('an instance that somebody has locked is asked for again', async (t) => {
  const { database, begin, claim, finish, lost, worker, query } = await engine(t);
  const id = await begin();
  const [one] = await claim(await worker());
  const holder = await cluster.client('postgres', database);
  await holder.query("BEGIN; SELECT FROM _df.branches FOR UPDATE");
  t.is(await finish(one!), 'busy');
  await query(`UPDATE df.instances SET status = 'failed' WHERE id = '${id}'`);
  t.deepEqual(await lost(one!), []);
  await holder.query('COMMIT');
  await holder.end();
  t.deepEqual(await lost(one!), [{ token: one!.token, outcome: null }]);
});

test.serial('a submitter who loses access loses the requests that are under way', async (t) => {
  const { database, begin, claim, finish, lost, worker, query, node } = await engine(t);
  const id = await begin();
  await begin(`df.http_multipart('http://a.example/', 'POST', '[{"name": "a", "data_b64": ""}]')`);
  const claims = await claim(await worker());
  t.is(claims.length, 2);
  t.deepEqual(await lost(...claims), []);
  const outcomes = async (): Promise<string[]> => (await lost(...claims)).map(({ outcome }) => (JSON.parse(outcome!) as { message: string }).message).sort();
  await query('REVOKE EXECUTE ON FUNCTION df.http FROM alice');
  t.deepEqual(await outcomes(), ['role "alice" does not have EXECUTE privilege on df.http()']);
  await query('REVOKE EXECUTE ON FUNCTION df.http_multipart FROM alice; GRANT EXECUTE ON FUNCTION df.http TO alice');
  t.regex((await outcomes()).join(), /^role "alice" does not have EXECUTE privilege on df\.http\(\) in its multipart form/);
  await query('ALTER ROLE alice NOLOGIN');
  t.deepEqual(await outcomes(), Array(2).fill('role "alice" is not permitted to log in'));
  await query('ALTER ROLE alice LOGIN');
  await query(`ALTER DATABASE ${database} SET pg_durable.http = off`);
  t.regex((await outcomes()).join(), /^outbound HTTP requests are disabled/);
  // The claim stands until the worker has ended the step with the reason.
  const first = claims.find(({ instance }) => instance === id)!;
  t.is(await finish(first, 'e{"message": "the reason"}'), 'done');
  t.like(await node(id), { status: 'failed', result: 'the reason' });
});

test.serial('what a silent worker held is claimed by another, and then not its own any more', async (t) => {
  const { begin, claim, finish, lost, worker, query, left, node } = await engine(t);
  const id = await begin();
  const [first, second] = [await worker(), await worker()];
  const [one] = await claim(first);
  await query(`UPDATE df._worker_epoch SET last_seen_at = clock_timestamp() - interval '5 s' WHERE epoch_id = '${first}'`);
  t.deepEqual(await claim(second), []);
  await query(`UPDATE df._worker_epoch SET last_seen_at = clock_timestamp() - interval '16 s' WHERE epoch_id = '${first}'`);
  t.deepEqual(await claim(first), [], 'a worker that is taken for dead claims nothing');
  const [two] = await claim(second);
  t.is((JSON.parse(two!.request) as { key: string }).key, (JSON.parse(one!.request) as { key: string }).key);
  t.not(two!.token, one!.token);
  t.deepEqual(await lost(one!, two!), [{ token: one!.token, outcome: null }]);
  t.is(await finish(one!), 'gone');
  t.is((await node(id)).status, 'running');
  t.is(await finish(two!), 'done');
  t.deepEqual(await left(), [0, 0]);
});

test.serial('how long a worker may be silent is a setting', async (t) => {
  const { begin, claim, worker } = await engine(t, "http = 'all'; http_takeover = '3s'");
  await begin();
  t.is((await claim(await worker(4))).length, 0);
  t.is((await claim(await worker())).length, 1);
  const { claim: refused, worker: other } = await engine(t, "http = 'all'; http_takeover = 2");
  await t.throwsAsync(refused(await other()), { message: /invalid value for parameter "pg_durable\.http_takeover": "2"/ });
});

test.serial('requests are not put together beyond what may be sent, and not more at once than fits', async (t) => {
  const { database, claim, worker, query } = await engine(t, "http = 'all'; http_max_bytes = 10000000");
  const client = await cluster.client('alice', database);
  await client.query("SELECT df.setvar('half', repeat('x', 9000000))");
  await client.query(`SELECT df.start(df.http('http://a.example/', 'POST', '{half}')) FROM generate_series(1, 3)`);
  await client.query(`SELECT df.start(df.http('http://a.example/', 'POST', '{half}{half}{half}'), 'over')`);
  await client.query('CALL df.work()');
  await client.end();
  const epoch = await worker();
  t.is((await claim(epoch)).length, 2);
  t.is((await claim(epoch)).length, 1);
  const [over] = await query<{ status: string; error: string }>(`SELECT i.status, n.error FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id WHERE i.label = 'over'`);
  t.is(over!.status, 'failed');
  t.regex(over!.error, /^the request has at least 27\d{6} characters, which is over the limit of 10000000 bytes for its body$/);
});

test.serial('a request that is due is no work for a session of its role', async (t) => {
  const { begin, query } = await engine(t);
  await begin();
  t.deepEqual(await query('SELECT due, external_due FROM _df.agenda()'), [{ due: false, external_due: false }]);
});
