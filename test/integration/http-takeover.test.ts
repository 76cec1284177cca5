/** Requests that end before they are answered: given up, or taken over from a worker that died or slept. In real time. */
import test, { type ExecutionContext } from 'ava';
import type { ServerResponse } from 'node:http';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { serve, World } from './http-world.ts';

let cluster: Cluster;
let world: World;

test.before(async () => {
  cluster = await startCluster();
  world = new World(cluster);
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
});
test.after.always(() => cluster?.destroy());

const OPEN = "http = 'all'; http_private_ranges = '127.0.0.0/8, ::1'";

/** A server that answers when the test does. */
async function slow(t: ExecutionContext) {
  const open: ServerResponse[] = [];
  return { open, ...await serve(t, (_, response) => { open.push(response); }) };
}

const noClaims = async (database: string): Promise<boolean> => (await cluster.query('SELECT FROM _df.http_claims', database)).length === 0;

test.serial('the request of a killed worker is made again once its heartbeat has been missed', async (t) => {
  const { database, start } = await world.setUp(t, { settings: `${OPEN}; http_takeover = '3s'`, worker: false });
  const { base, open, seen } = await slow(t);
  const first = await start();
  const id = await world.begin(database, `df.http('${base}/', 'POST', '{}')`);
  await until('the request', () => open[0]);
  await start();
  first.signal('SIGKILL');
  await first.exit;
  (await until('the request again', () => open[1])).end('second');
  t.like(await world.ended(database, id), { status: 'completed', result: { body: 'second' } });
  t.is(seen[0]!.headers['idempotency-key'], seen[1]!.headers['idempotency-key']);
});

test.serial('a worker that sleeps through the takeover and goes on is not heard', async (t) => {
  const { database, start } = await world.setUp(t, { settings: `${OPEN}; http_takeover = '3s'`, worker: false });
  const { base, open } = await slow(t);
  const first = await start();
  const id = await world.begin(database, `df.http('${base}/', 'GET')`);
  const early = await until('the request', () => open[0]);
  first.signal('SIGSTOP');
  t.teardown(() => first.signal('SIGCONT'));
  await start();
  const late = await until('the request again', () => open[1]);
  early.end('first');
  first.signal('SIGCONT');
  const said = await until('the first worker to see it', () => first.events.find(({ event, verdict }) => event === 'http.given_up' || (event === 'http.done' && verdict === 'gone')));
  t.is(said['instance'], id);
  const [claim] = await cluster.query<{ claims: number }>('SELECT count(*)::int AS claims FROM _df.http_claims', database);
  t.is(claim!.claims, 1, 'the claim of the second worker stands');
  late.end('second');
  t.like(await world.ended(database, id), { status: 'completed', result: { body: 'second' } });
  t.is(open.length, 2);
});

test.serial('a request whose race is lost is given up, and its place is free', async (t) => {
  const { database } = await world.setUp(t, { settings: `${OPEN}; http_max_requests = 1` });
  const { base, open } = await slow(t);
  const race = await world.begin(database, `df.http('${base}/', 'GET', timeout_seconds => 300) | df.wait_for_signal('go')`);
  const response = await until('the request', () => open[0]);
  const next = await world.begin(database, `df.http('${base}/next', 'GET')`);
  await cluster.query(`SELECT df.signal('${race}', 'go')`, database);
  await until('the connection to be closed', () => response.destroyed);
  (await until('the next request', () => open[1])).end('next');
  t.like(await world.ended(database, next), { status: 'completed', result: { body: 'next' } });
  t.is((await world.ended(database, race)).status, 'completed');
  t.true(await noClaims(database));
});

test.serial('a cancelled request is given up, under way or waiting for its host', async (t) => {
  const { database, start } = await world.setUp(t, { settings: `${OPEN}; http_max_per_host = 1`, worker: false });
  const worker = await start();
  const { base, open, seen } = await slow(t);
  const first = await world.begin(database, `df.http('${base}/first', 'GET', timeout_seconds => 300)`);
  const response = await until('the request', () => open[0]);
  const second = await world.begin(database, `df.http('${base}/second', 'GET')`);
  await until('both to be claimed', async () => (await cluster.query('SELECT FROM _df.http_claims', database)).length === 2);
  const givenUp = (instance: string) => (): unknown => worker.events.find((event) => event.event === 'http.given_up' && event['instance'] === instance);
  await cluster.query(`SELECT df.cancel('${second}')`, database);
  await until('the waiting one to be given up', givenUp(second));
  t.false(response.destroyed);
  await cluster.query(`SELECT df.cancel('${first}')`, database);
  await until('the other one to be given up', givenUp(first));
  await until('the connection to be closed', () => response.destroyed);
  t.true(await noClaims(database));
  const third = await world.begin(database, `df.http('${base}/third', 'GET')`);
  (await until('the next request', () => open[1])).end();
  t.is((await world.ended(database, third)).status, 'completed');
  t.deepEqual(seen.map(({ url }) => url), ['/first', '/third']);
});

test.serial('a request of a role that loses access fails at once', async (t) => {
  const { database } = await world.setUp(t, { settings: `${OPEN}; http_max_per_host = 1` });
  const { base, open, seen } = await slow(t);
  const ids = await Promise.all([1, 2].map(() => world.begin(database, `df.http('${base}/', 'GET', timeout_seconds => 300)`)));
  const response = await until('the request', () => open[0]);
  await until('both to be claimed', async () => (await cluster.query('SELECT FROM _df.http_claims', database)).length === 2);
  await cluster.query('REVOKE EXECUTE ON FUNCTION df.http FROM alice', database);
  await until('the connection to be closed', () => response.destroyed);
  for (const id of ids) {
    const { status, error } = await world.ended(database, id);
    t.is(status, 'failed');
    t.regex(error ?? '', /role "alice" does not have EXECUTE privilege on df\.http\(\)$/);
  }
  t.is(seen.length, 1);
  t.true(await noClaims(database));
});
