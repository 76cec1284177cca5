/** HTTP steps from SQL to a real server on loopback and back (semantics §10). */
import test, { type ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startCluster, type Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

let cluster: Cluster;

test.before(async () => {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
});
test.after.always(() => cluster?.destroy());

interface Seen { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }
type Handler = (seen: Seen, response: ServerResponse) => void;

/** A server that remembers what it was asked. */
async function serve(t: ExecutionContext, handler: Handler): Promise<{ base: string; port: number; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.concat(chunks) };
      seen.push(one);
      handler(one, response);
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const { port } = server.address() as AddressInfo;
  return { base: `http://localhost:${port}`, port, seen, server };
}

const json: Handler = (_, response) => { response.setHeader('Content-Type', 'application/json').end('{"n": 9007199254740993}'); };

interface Options { settings?: string; worker?: boolean }

/** A database with HTTP open to loopback, unless the settings say otherwise, and a worker. */
async function setUp(t: ExecutionContext, { settings = "http = 'all'; http_private_ranges = '127.0.0.0/8, ::1'", worker = true }: Options = {}): Promise<{ database: string; start: (environment?: Record<string, string>) => Promise<WorkerProcess> }> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('alice', true); SELECT df.grant_usage('bob');
    ${settings.split(';').map((setting) => `ALTER DATABASE ${database} SET pg_durable.${setting.trim()}`).join(';')}`, database);
  const start = async (environment?: Record<string, string>): Promise<WorkerProcess> => {
    const started = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--sweep', '0.3'], environment);
    t.teardown(() => started.stop());
    await started.event('server.ready');
    return started;
  };
  if (worker) await start();
  return { database, start };
}

async function begin(database: string, expression: string, role = 'alice', before = ''): Promise<string> {
  const client = await cluster.client(role, database);
  try {
    if (before !== '') await client.query(before);
    return (await client.query<{ id: string }>(`SELECT df.start(${expression}) AS id`)).rows[0]!.id;
  } finally {
    await client.end();
  }
}

interface Ended { status: string; result: { status: number; body: string; encoding: string; headers: Record<string, string>; ok: boolean; duration_ms: number }; error: string | null; details: Record<string, string> }

/** Waits for the end and returns the (first) HTTP node of the instance. */
async function ended(database: string, id: string): Promise<Ended> {
  await until(`instance ${id} to end`, async () => (await cluster.query(`SELECT 1 FROM df.instances WHERE id = '${id}' AND status IN ('completed', 'failed', 'cancelled')`, database)).length > 0);
  const [row] = await cluster.query<Ended>(`SELECT i.status, n.result, n.error, n.status_details AS details FROM df.instances i
    JOIN df.nodes n ON n.instance_id = i.id WHERE i.id = '${id}' AND n.node_type LIKE 'HTTP%' ORDER BY n.created_at, n.id LIMIT 1`, database);
  return row!;
}

/** What an instance failed with. */
async function problem(database: string, id: string): Promise<string> {
  return JSON.stringify(await cluster.query(`SELECT query, error FROM df.nodes WHERE instance_id = '${id}' AND error IS NOT NULL`, database));
}

test.serial('a request carries what variables and results say, and its envelope is the result', async (t) => {
  const { database } = await setUp(t);
  const { base, seen } = await serve(t, json);
  const id = await begin(database, `$$SELECT 'it''s' AS word, 7 AS n$$ |=> 'q' ~> df.http('${base}/{path}?n=$q.n', 'PUT', 'said $q.word', '{"X-Token": "{token}", "X-N": 1.50}') |=> 'r' ~> 'SELECT ($r.body)::json->>''n'' AS n'`,
    'alice', "SELECT df.setvar('token', 's3cret-value'), df.setvar('path', 'a')");
  const { status, result, details } = await ended(database, id);
  t.is(status, 'completed', await problem(database, id));
  t.like(result, { status: 200, body: '{"n": 9007199254740993}', encoding: 'text', ok: true });
  t.is(result.headers['content-type'], 'application/json');
  t.is(typeof result.duration_ms, 'number');
  t.is(details['delivery'], 'at-least-once');
  t.is(seen.length, 1);
  t.like(seen[0], { method: 'PUT', url: '/a?n=7' });
  t.is(seen[0]!.body.toString(), "said it's");
  t.is(seen[0]!.headers['x-token'], 's3cret-value');
  t.is(seen[0]!.headers['x-n'], '1.5');
  t.regex(seen[0]!.headers['user-agent'] ?? '', /^pg_durable\//);
  t.true((seen[0]!.headers['idempotency-key'] as string).startsWith(id));
  const [shown] = await cluster.query<{ text: string }>(`SELECT string_agg(n::text, '') || df.explain('${id}') AS text FROM df.instance_nodes('${id}') n`, database);
  t.false(shown!.text.includes('s3cret-value'));
  t.is((await cluster.query('SELECT * FROM _df.http_claims', database)).length, 0);
});

test.serial('the log of a worker and of the server say nothing of bodies and headers', async (t) => {
  const { database, start } = await setUp(t, { worker: false });
  const worker = await start();
  const { base } = await serve(t, (_, response) => { response.writeHead(500).end('private-answer'); });
  const { status } = await ended(database, await begin(database, `df.http('${base}/private-path', 'POST', 'private-body', '{"X-A": "private-header"}')`));
  t.is(status, 'failed');
  await worker.event('http.done');
  t.notRegex(worker.stderr, /private-/);
  t.notRegex(cluster.log(), /private-/);
});

test.serial('statuses: 3xx is returned, 4xx completes, 5xx fails with method, url, code and an excerpt', async (t) => {
  const { database } = await setUp(t);
  const { base, seen } = await serve(t, ({ url }, response) => {
    response.writeHead(Number(url.slice(1)), { Location: `${base}/200`, 'Content-Type': 'text/plain' }).end('x'.repeat(2000));
  });
  const moved = await ended(database, await begin(database, `df.http('${base}/302', 'GET')`));
  t.like(moved, { status: 'completed', result: { status: 302, ok: false } });
  t.deepEqual(seen.map(({ url }) => url), ['/302']);
  t.like(await ended(database, await begin(database, `df.http('${base}/404', 'GET')`)), { status: 'completed', result: { status: 404, ok: false } });
  const { status, error } = await ended(database, await begin(database, `df.http('${base}/503', 'delete')`));
  t.is(status, 'failed');
  t.is(error, `HTTP DELETE ${base}/503 failed with status 503: ${'x'.repeat(512)}`);
});

test.serial('a timeout and a refused connection fail the node', async (t) => {
  const { database } = await setUp(t);
  const { base, server } = await serve(t, () => undefined);
  t.is((await ended(database, await begin(database, `df.http('${base}/', 'GET', timeout_seconds => 1)`))).error, `HTTP GET ${base}/ failed: timed out after 1s`);
  server.closeAllConnections();
  await new Promise((resolve) => { server.close(resolve); });
  t.regex((await ended(database, await begin(database, `df.http('${base}/', 'GET')`))).error ?? '', /^HTTP GET .* failed: .*ECONNREFUSED/);
});

test.serial('checks take place at execution, in the contract\'s order', async (t) => {
  const { database, start } = await setUp(t, { settings: 'http = allowlist', worker: false });
  const { base, port, seen } = await serve(t, json);
  const ask = async (url: string, role = 'alice'): Promise<string> => begin(database, `'${JSON.stringify({ node_type: 'HTTP', query: JSON.stringify({ url, method: 'GET', body: null, headers: null, timeout_seconds: 5 }) })}'`, role);
  const errorOf = async (id: string): Promise<string> => (await ended(database, id)).error ?? '';
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
  const { database } = await setUp(t, { settings: 'http = off' });
  const id = await begin(database, `'{"node_type":"HTTP","query":"{\\"url\\":\\"ftp://x/\\",\\"method\\":\\"GET\\"}"}'`, 'bob');
  t.regex((await ended(database, id)).error ?? '', /outbound HTTP requests are disabled/);
});

test.serial('the allow-list cannot be changed by submitters', async (t) => {
  const { database } = await setUp(t, { worker: false });
  const client = await cluster.client('alice', database);
  await t.throwsAsync(client.query("INSERT INTO df.http_allowlist (host) VALUES ('x.example')"), { message: /permission denied/ });
  await t.throwsAsync(client.query("SELECT * FROM _df.claim_http('00000000-0000-0000-0000-000000000000', 1)"), { message: /permission denied/ });
  await t.throwsAsync(client.query("SELECT _df.finish_http('a', '', '00000000-0000-0000-0000-000000000000', 'r1')"), { message: /permission denied/ });
  await t.throwsAsync(cluster.query("INSERT INTO df.http_allowlist (host) VALUES ('10.0.0.1')", database), { message: /http_allowlist_host_chk/ });
  await client.end();
});

test.serial('multipart takes data from a result, byte for byte, and only as a whole value', async (t) => {
  const { database } = await setUp(t);
  const { base, seen } = await serve(t, json);
  const parts = `[{"name":"f","filename":"a.bin","content_type":"image/x-test","data_b64":"$b.data"}]`;
  const id = await begin(database, `$$SELECT encode('\\x00ff0d0a2d2d', 'base64') AS data$$ |=> 'b' ~> df.http_multipart('${base}/', 'POST', '${parts}', '{"Content-Type": "text/plain"}')`);
  t.is((await ended(database, id)).status, 'completed');
  const form = await new Response(new Uint8Array(seen[0]!.body), { headers: { 'Content-Type': seen[0]!.headers['content-type']! } }).formData();
  const file = form.get('f') as File;
  t.deepEqual([file.name, file.type], ['a.bin', 'image/x-test']);
  t.deepEqual(Buffer.from(await file.arrayBuffer()), Buffer.from('00ff0d0a2d2d', 'hex'));
  const mixed = await begin(database, `df.http_multipart('${base}/', 'POST', '[{"name":"f","data_b64":"AAAA{v}"}]')`);
  t.regex((await ended(database, mixed)).error ?? '', /Only a whole-value reference/);
});

test.serial('many slow requests at once do not delay SQL steps, nor a request of another host', async (t) => {
  const { database } = await setUp(t);
  const open: ServerResponse[] = [];
  const slow = await serve(t, (_, response) => { open.push(response); });
  const quick = await serve(t, json);
  const many = await Promise.all(Array.from({ length: 60 }, () => begin(database, `df.http('${slow.base}/', 'GET')`)));
  await until('requests up to the limit of the host', () => open.length === 32);
  const other = await begin(database, `'SELECT 1' ~> df.http('${quick.base}/', 'GET') ~> 'SELECT 2'`);
  t.is((await ended(database, other)).status, 'completed', await problem(database, other));
  t.is(open.length, 32);
  const free = setInterval(() => { for (const response of open) response.end(); }, 20);
  t.teardown(() => clearInterval(free));
  for (const id of many) t.is((await ended(database, id)).status, 'completed');
  t.is(slow.seen.length, 60);
});

test.serial('a cancelled instance stays cancelled when its response comes', async (t) => {
  const { database } = await setUp(t);
  const open: ServerResponse[] = [];
  const { base } = await serve(t, (_, response) => { open.push(response); });
  const id = await begin(database, `df.http('${base}/', 'GET') ~> 'SELECT 1'`);
  const response = await until('the request', () => open[0]);
  await cluster.query(`SELECT df.cancel('${id}')`, database);
  response.end();
  await until('the claim to end', async () => (await cluster.query('SELECT FROM _df.http_claims', database)).length === 0);
  t.is((await ended(database, id)).status, 'cancelled');
  t.is((await cluster.query('SELECT FROM _df.branches', database)).length, 0);
});

test.serial('a race is won while a request is under way, and requests in branches and loops go on', async (t) => {
  const { database } = await setUp(t);
  const { base, seen } = await serve(t, ({ url }, response) => { if (url !== '/never') json({ url } as Seen, response); });
  const race = await begin(database, `(df.http('${base}/never', 'GET') | 'SELECT pg_sleep(1)') ~> 'SELECT 2'`);
  t.is((await ended(database, race)).status, 'completed');
  t.is(seen.length, 1);
  await cluster.query('CREATE SEQUENCE round; GRANT ALL ON round TO alice', database);
  const loop = await begin(database, `df."loop"(df.http('${base}/a', 'GET') & df.http('${base}/b', 'GET'), $$SELECT nextval('round') < 2$$)`);
  t.is((await ended(database, loop)).status, 'completed');
  t.deepEqual(seen.map(({ url }) => url).sort(), ['/a', '/a', '/b', '/b', '/never']);
  // Another key for every round.
  t.is(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 5);
});

test.serial('the request of a killed worker is made again by another one', async (t) => {
  const { database, start } = await setUp(t, { worker: false });
  const open: ServerResponse[] = [];
  const { base, seen } = await serve(t, (_, response) => { open.push(response); });
  const first = await start();
  const id = await begin(database, `df.http('${base}/', 'POST', '{}')`);
  await until('the request', () => open[0]);
  first.signal('SIGKILL');
  await first.exit;
  await start();
  // What the passing of time does to it.
  await cluster.query("UPDATE df._worker_epoch SET last_seen_at = now() - interval '16 s' WHERE epoch_id = (SELECT worker FROM _df.http_claims)", database);
  (await until('the request again', () => open[1])).end('second');
  t.like(await ended(database, id), { status: 'completed', result: { body: 'second' } });
  t.is(seen[0]!.headers['idempotency-key'], seen[1]!.headers['idempotency-key']);
});

test.serial('a worker that runs once makes the requests, and ends', async (t) => {
  const { database } = await setUp(t, { worker: false });
  const { base } = await serve(t, json);
  const ids = [await begin(database, `'SELECT 1' ~> df.http('${base}/', 'GET') ~> 'SELECT 2'`), await begin(database, `df.http('${base}/', 'GET')`)];
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--once']);
  t.teardown(() => worker.stop());
  t.is(await worker.exit, 0);
  for (const id of ids) t.is((await ended(database, id)).status, 'completed');
});

test.serial('a worker that stops lets its requests end', async (t) => {
  const { database, start } = await setUp(t, { worker: false });
  const open: ServerResponse[] = [];
  const { base, seen } = await serve(t, (_, response) => { open.push(response); });
  const worker = await start();
  const id = await begin(database, `df.http('${base}/', 'GET')`);
  const response = await until('the request', () => open[0]);
  worker.signal('SIGTERM');
  await worker.event('worker.stopping');
  response.end();
  t.is(await worker.exit, 0);
  t.is((await ended(database, id)).status, 'completed');
  t.is(seen.length, 1);
});

test.serial('a submitter that keeps its instance locked holds up its own request only', async (t) => {
  const { database } = await setUp(t);
  const open: ServerResponse[] = [];
  const { base } = await serve(t, ({ url }, response) => { if (url === '/slow') open.push(response); else json({} as Seen, response); });
  const id = await begin(database, `df.http('${base}/slow', 'GET')`);
  const response = await until('the request', () => open[0]);
  const client = await cluster.client('alice', database);
  await client.query('BEGIN');
  await client.query(`SELECT df.signal('${id}', 'x')`);
  response.end();
  t.is((await ended(database, await begin(database, `df.http('${base}/', 'GET')`))).status, 'completed');
  await client.query('COMMIT');
  t.is((await ended(database, id)).status, 'completed');
  await client.end();
});

test.serial('TLS trusts the certificate authority that the operator adds, and no other', async (t) => {
  const { database, start } = await setUp(t, { worker: false });
  const directory = mkdtempSync(path.join(tmpdir(), 'pg-durable-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [key, cert] = [path.join(directory, 'key'), path.join(directory, 'cert')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => { response.end('secure'); });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const request = `df.http('https://localhost:${(server.address() as AddressInfo).port}/', 'GET')`;
  const stranger = await start();
  t.regex((await ended(database, await begin(database, request))).error ?? '', /self-signed certificate/);
  await stranger.stop();
  await start({ NODE_EXTRA_CA_CERTS: cert });
  t.like(await ended(database, await begin(database, request)), { status: 'completed', result: { body: 'secure' } });
});
