/** HTTP steps from SQL to a real server on loopback and back (semantics §10). */
import test from 'ava';
import type { ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { certificate } from '../support/certificate.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { startProxy } from '../support/http-proxy.ts';
import { until } from '../support/poll.ts';
import { json, serve, World, type Seen } from './http-world.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;
let world: World;

test.before(async () => {
  cluster = await startCluster();
  world = new World(cluster);
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
});
test.after.always(() => cluster?.destroy());

test.serial('a request carries what variables and results say, and its envelope is the result', async (t) => {
  const { database } = await world.setUp(t);
  const { base, seen } = await serve(t, json);
  const id = await world.begin(database, `$$SELECT 'it''s' AS word, 7 AS n$$ |=> 'q' ~> df.http('${base}/{path}?n=$q.n', 'PUT', 'said $q.word', '{"X-Token": "{token}", "X-N": 1.50}') |=> 'r' ~> 'SELECT ($r.body)::json->>''n'' AS n'`,
    'alice', "SELECT df.setvar('token', 's3cret-value'), df.setvar('path', 'a')");
  const { status, result, details } = await world.ended(database, id);
  t.is(status, 'completed', await world.problem(database, id));
  t.like(result, { status: 200, body: '{"n": 9007199254740993}', encoding: 'text', ok: true });
  t.is(result.headers['content-type'], 'application/json');
  t.is(typeof result.duration_ms, 'number');
  t.is(details['delivery'], 'at-least-once');
  t.is(seen.length, 1);
  t.like(seen[0], { method: 'PUT', url: '/a?n=7' });
  t.is(seen[0]!.body.toString(), "said it's");
  t.is(seen[0]!.headers['x-token'], 's3cret-value');
  t.is(seen[0]!.headers['x-n'], '1.50');
  t.regex(seen[0]!.headers['user-agent'] ?? '', /^pg_durable\//);
  t.true((seen[0]!.headers['idempotency-key'] as string).startsWith(id));
  const [shown] = await cluster.query<{ text: string }>(`SELECT string_agg(n::text, '') || df.explain('${id}') AS text FROM df.instance_nodes('${id}') n`, database);
  t.false(shown!.text.includes('s3cret-value'));
  t.is((await cluster.query('SELECT * FROM _df.http_claims', database)).length, 0);
});

test.serial('the log of a worker and of the server say nothing of bodies and headers', async (t) => {
  const { database, start } = await world.setUp(t, { worker: false });
  const worker = await start();
  const { base } = await serve(t, (_, response) => { response.writeHead(500).end('private-answer'); });
  const { status, error } = await world.ended(database, await world.begin(database, `df.http('${base}/private-path', 'POST', 'private-body', '{"X-A": "private-header"}')`));
  t.is(status, 'failed');
  t.regex(error ?? '', /private-answer/);
  await worker.event('http.done');
  t.notRegex(worker.stderr, /private-/);
  t.notRegex(cluster.log(), /private-/);
});

test.serial('a server that logs every statement with its parameters learns no response', async (t) => {
  const { database } = await world.setUp(t, { settings: "http = 'all'; http_private_ranges = '127.0.0.0/8, ::1'", worker: false });
  await cluster.query(`ALTER DATABASE ${database} SET log_statement = 'all'`);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--sweep', '0.3']);
  t.teardown(() => worker.stop());
  const { base } = await serve(t, (_, response) => { response.setHeader('X-Kept', 'undisclosed-header').end('undisclosed-body'); });
  const { result } = await world.ended(database, await world.begin(database, `df.http('${base}/', 'GET')`));
  t.is(result.body, 'undisclosed-body');
  t.regex(cluster.log(), /_df\.finish_http/);
  t.notRegex(cluster.log(), /undisclosed-/);
});

test.serial('statuses: 3xx is returned, 4xx completes, 5xx fails with method, url, code and an excerpt', async (t) => {
  const { database } = await world.setUp(t);
  const { base, seen } = await serve(t, ({ url }, response) => {
    response.writeHead(Number(url.slice(1)), { Location: `${base}/200`, 'Content-Type': 'text/plain' }).end('x'.repeat(2000));
  });
  const moved = await world.ended(database, await world.begin(database, `df.http('${base}/302', 'GET')`));
  t.like(moved, { status: 'completed', result: { status: 302, ok: false } });
  t.deepEqual(seen.map(({ url }) => url), ['/302']);
  t.like(await world.ended(database, await world.begin(database, `df.http('${base}/404', 'GET')`)), { status: 'completed', result: { status: 404, ok: false } });
  const { status, error } = await world.ended(database, await world.begin(database, `df.http('${base}/503', 'delete')`));
  t.is(status, 'failed');
  t.is(error, `HTTP DELETE ${base}/503 failed with status 503: ${'x'.repeat(512)}`);
});

test.serial('a timeout and a refused connection fail the node', async (t) => {
  const { database } = await world.setUp(t);
  const { base, server } = await serve(t, () => undefined);
  t.is((await world.ended(database, await world.begin(database, `df.http('${base}/', 'GET', timeout_seconds => 1)`))).error, `HTTP GET ${base}/ failed: timed out after 1s`);
  server.closeAllConnections();
  await new Promise((resolve) => { server.close(resolve); });
  t.regex((await world.ended(database, await world.begin(database, `df.http('${base}/', 'GET')`))).error ?? '', /^HTTP GET .* failed: .*ECONNREFUSED/);
});

test.serial('checks take place at execution, in the contract\'s order', async (t) => {
  const { database, start } = await world.setUp(t, { settings: 'http = allowlist', worker: false });
  const { base, port, seen } = await serve(t, json);
  const ask = async (url: string, role = 'alice'): Promise<string> => world.begin(database, `'${JSON.stringify({ node_type: 'HTTP', query: JSON.stringify({ url, method: 'GET', body: null, headers: null, timeout_seconds: 5 }) })}'`, role);
  const errorOf = async (id: string): Promise<string> => (await world.ended(database, id)).error ?? '';
  await start();
  t.regex(await errorOf(await ask('ftp://nowhere/', 'bob')), /role "bob" does not have EXECUTE privilege on df\.http\(\)/);
  t.regex(await errorOf(await ask('ftp://nowhere/')), /unsupported URL scheme/);
  t.regex(await errorOf(await ask(`http://127.1:${port}/`)), /bare IP addresses are not permitted/);
  t.regex(await errorOf(await ask(`${base}/`)), /not in the allowed endpoint list/);
  await cluster.query(`INSERT INTO df.http_allowlist (host, port, role) VALUES ('localhost', ${port}, 'bob')`, database);
  t.regex(await errorOf(await ask(`${base}/`)), /not in the allowed endpoint list/);
  await cluster.query(`INSERT INTO df.http_allowlist (host, port, role) VALUES ('localhost', ${port}, 'alice')`, database);
  t.regex(await errorOf(await ask(`${base}/`)), /not a public address \(loopback\)/);
  t.is(seen.length, 0);
});

test.serial('HTTP that is off fails hand-written nodes too', async (t) => {
  const { database } = await world.setUp(t, { settings: 'http = off' });
  const id = await world.begin(database, `'{"node_type":"HTTP","query":"{\\"url\\":\\"ftp://x/\\",\\"method\\":\\"GET\\"}"}'`, 'bob');
  t.regex((await world.ended(database, id)).error ?? '', /outbound HTTP requests are disabled/);
});

test.serial('the allow-list cannot be changed by submitters', async (t) => {
  const { database } = await world.setUp(t, { worker: false });
  const client = await cluster.client('alice', database);
  await t.throwsAsync(client.query("INSERT INTO df.http_allowlist (host) VALUES ('x.example')"), { message: /permission denied/ });
  await t.throwsAsync(client.query("SELECT * FROM _df.claim_http('00000000-0000-0000-0000-000000000000', 1)"), { message: /permission denied/ });
  await t.throwsAsync(client.query("SELECT _df.finish_http('a', '', '00000000-0000-0000-0000-000000000000', 'r1')"), { message: /permission denied/ });
  await t.throwsAsync(cluster.query("INSERT INTO df.http_allowlist (host) VALUES ('10.0.0.1')", database), { message: /http_allowlist_host_chk/ });
  await client.end();
});

test.serial('multipart takes data from a result, byte for byte, and only as a whole value', async (t) => {
  const { database } = await world.setUp(t);
  const { base, seen } = await serve(t, json);
  const parts = `[{"name":"f","filename":"a.bin","content_type":"image/x-test","data_b64":"$b.data"}]`;
  const id = await world.begin(database, `$$SELECT encode('\\x00ff0d0a2d2d', 'base64') AS data$$ |=> 'b' ~> df.http_multipart('${base}/', 'POST', '${parts}', '{"Content-Type": "text/plain"}')`);
  t.is((await world.ended(database, id)).status, 'completed');
  const form = await new Response(new Uint8Array(seen[0]!.body), { headers: { 'Content-Type': seen[0]!.headers['content-type']! } }).formData();
  const file = form.get('f') as File;
  t.deepEqual([file.name, file.type], ['a.bin', 'image/x-test']);
  t.deepEqual(Buffer.from(await file.arrayBuffer()), Buffer.from('00ff0d0a2d2d', 'hex'));
  const mixed = await world.begin(database, `df.http_multipart('${base}/', 'POST', '[{"name":"f","data_b64":"AAAA{v}"}]')`);
  t.regex((await world.ended(database, mixed)).error ?? '', /Only a whole-value reference/);
});

test.serial('many slow requests at once do not delay SQL steps, nor a request to another host', async (t) => {
  const { database } = await world.setUp(t);
  const open: ServerResponse[] = [];
  const slow = await serve(t, (_, response) => { open.push(response); });
  const quick = await serve(t, json);
  const client = await cluster.client('alice', database);
  const many = (await client.query<{ id: string }>(`SELECT df.start(df.http('${slow.base}/', 'GET')) AS id FROM generate_series(1, 150)`)).rows;
  await client.end();
  await until('requests up to the limit of the host', () => open.length === 32);
  const other = await world.begin(database, `'SELECT 1' ~> df.http('${quick.base}/', 'GET') ~> 'SELECT 2'`);
  t.is((await world.ended(database, other)).status, 'completed', await world.problem(database, other));
  t.is(open.length, 32);
  const free = setInterval(() => { for (const response of open) response.end(); }, 20);
  t.teardown(() => clearInterval(free));
  for (const { id } of many) t.is((await world.ended(database, id)).status, 'completed');
  t.is(slow.seen.length, 150);
});

test.serial('no more requests are under way than a worker and a host may have', async (t) => {
  const { database } = await world.setUp(t, { settings: "http = 'all'; http_private_ranges = '127.0.0.0/8, ::1'; http_max_requests = 5; http_max_per_host = 3" });
  const servers = await Promise.all([0, 1].map(async () => {
    const open: ServerResponse[] = [];
    return { open, ...await serve(t, (_, response) => { open.push(response); }) };
  }));
  const ids = (await Promise.all(servers.map(({ base }) => Array.from({ length: 6 }, () => world.begin(database, `df.http('${base}/', 'GET')`))).flat()));
  const underWay = (): ServerResponse[][] => servers.map(({ open }) => open.filter(({ writableEnded }) => !writableEnded));
  for (let answered = 0; answered < ids.length; answered++) {
    await until('as many as may be', () => underWay().flat().length === Math.min(5, ids.length - answered));
    t.true(underWay().every(({ length }) => length <= 3));
    underWay().sort((a, b) => b.length - a.length)[0]![0]!.end();
  }
  for (const id of ids) t.is((await world.ended(database, id)).status, 'completed');
});

test.serial('a race is won while a request is under way, and requests in branches and loops go on', async (t) => {
  const { database } = await world.setUp(t);
  const { base, seen } = await serve(t, ({ url }, response) => { if (url !== '/never') json({ url } as Seen, response); });
  const race = await world.begin(database, `(df.http('${base}/never', 'GET') | 'SELECT pg_sleep(1)') ~> 'SELECT 2'`);
  t.is((await world.ended(database, race)).status, 'completed');
  t.is(seen.length, 1);
  await cluster.query('CREATE SEQUENCE round; GRANT ALL ON round TO alice', database);
  const loop = await world.begin(database, `df."loop"(df.http('${base}/a', 'GET') & df.http('${base}/b', 'GET'), $$SELECT nextval('round') < 2$$)`);
  t.is((await world.ended(database, loop)).status, 'completed');
  t.deepEqual(seen.map(({ url }) => url).sort(), ['/a', '/a', '/b', '/b', '/never']);
  // Another key for every round.
  t.is(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 5);
});

test.serial('a worker that runs once makes the requests, and ends', async (t) => {
  const { database } = await world.setUp(t, { worker: false });
  const { base } = await serve(t, json);
  // The request is due after the worker has first looked for one.
  const id = await world.begin(database, `'SELECT pg_sleep(1)' ~> df.http('${base}/', 'GET') ~> 'SELECT 2'`);
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--once']);
  t.teardown(() => worker.stop());
  t.is(await worker.exit, 0);
  t.is((await world.ended(database, id)).status, 'completed');
});

test.serial('a worker that stops lets its requests end', async (t) => {
  const { database, start } = await world.setUp(t, { worker: false });
  const open: ServerResponse[] = [];
  const { base, seen } = await serve(t, (_, response) => { open.push(response); });
  const worker = await start();
  const id = await world.begin(database, `df.http('${base}/', 'GET')`);
  const response = await until('the request', () => open[0]);
  worker.signal('SIGTERM');
  await worker.event('worker.stopping');
  response.end();
  t.is(await worker.exit, 0);
  t.is((await world.ended(database, id)).status, 'completed');
  t.is(seen.length, 1);
});

test.serial('a submitter that keeps its instance locked holds up its own request only', async (t) => {
  const { database } = await world.setUp(t);
  const open: ServerResponse[] = [];
  const { base } = await serve(t, ({ url }, response) => { if (url === '/slow') open.push(response); else json({} as Seen, response); });
  const id = await world.begin(database, `df.http('${base}/slow', 'GET')`);
  const response = await until('the request', () => open[0]);
  const client = await cluster.client('alice', database);
  await client.query('BEGIN');
  await client.query(`SELECT df.signal('${id}', 'x')`);
  response.end();
  t.is((await world.ended(database, await world.begin(database, `df.http('${base}/', 'GET')`))).status, 'completed');
  await client.query('COMMIT');
  t.is((await world.ended(database, id)).status, 'completed');
  await client.end();
});

test.serial('TLS trusts the certificate authority that the operator adds, and no other', async (t) => {
  const { database, start } = await world.setUp(t, { worker: false });
  const { key, cert, file } = certificate(t, 'localhost');
  const server = createTlsServer({ key, cert }, (_, response) => { response.end('secure'); });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const request = `df.http('https://localhost:${(server.address() as AddressInfo).port}/', 'GET')`;
  const stranger = await start();
  t.regex((await world.ended(database, await world.begin(database, request))).error ?? '', /self-signed certificate/);
  await stranger.stop();
  const resumed: boolean[] = [];
  server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
  await start({ NODE_EXTRA_CA_CERTS: file });
  for (let n = 0; n < 2; n++) t.like(await world.ended(database, await world.begin(database, request)), { status: 'completed', result: { body: 'secure' } });
  // What one role's request has agreed on with a server is nothing for the next one's.
  t.deepEqual(resumed, [false, false]);
});

test.serial('requests go through the proxies that the worker is started with', async (t) => {
  const { database, start } = await world.setUp(t, { worker: false });
  const { key, cert, file } = certificate(t, 'localhost');
  const secure = createTlsServer({ key, cert }, (_, response) => { response.end('secure'); });
  await new Promise<void>((resolve) => { secure.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { secure.closeAllConnections(); secure.close(); });
  const { port: securePort } = secure.address() as AddressInfo;
  const [plain, exempt] = [await serve(t, json), await serve(t, json)];
  const proxy = await startProxy(t);
  const url = `http://127.0.0.1:${proxy.port}`;
  await start({ HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: `localhost:${exempt.port}`, NODE_EXTRA_CA_CERTS: file });
  for (const base of [plain.base, exempt.base, `https://localhost:${securePort}`]) t.is((await world.ended(database, await world.begin(database, `df.http('${base}/', 'GET')`))).result?.status, 200, base);
  t.deepEqual(proxy.asked.map((line) => line.split(' ')[1]?.replace('[::1]', '127.0.0.1')), [`127.0.0.1:${plain.port}`, `127.0.0.1:${securePort}`]);
});
