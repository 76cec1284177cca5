/** One request against a real server on loopback: messages, limits, time, TLS, the address that is connected to. */
import test from 'ava';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib';
import { fillRequest } from '../../src/engine/request.ts';
import { compose, type HttpRequest } from '../../src/worker/http/message.ts';
import { HostQueues } from '../../src/worker/http/queues.ts';
import { readHttpSettings } from '../../src/worker/http/settings.ts';
import { certificate } from '../support/certificate.ts';
import { ask, listen, plain, serve } from './_http.ts';

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('the address that was checked is the one that is connected to: a second answer of DNS is never asked for', async (t) => {
  const port = await serve(t, (request, response) => { response.end(request.headers.host); });
  const answers = [['127.0.0.1'], ['127.0.0.2']];
  let asked = 0;
  const { envelope } = await ask({ url: `http://rebind.example:${port}/` }, { resolve: async () => answers[asked++]! });
  t.is(envelope.body, `rebind.example:${port}`);
  t.is(asked, 1);
});

test('of two servers on one port the one at the checked address is asked', async (t) => {
  const port = await serve(t, (_, response) => { response.end('127.0.0.1'); });
  const other = createServer((_, response) => { response.end('127.0.0.2'); });
  await new Promise<void>((resolve) => { other.listen(port, '127.0.0.2', resolve); });
  t.teardown(() => { other.closeAllConnections(); other.close(); });
  for (const address of ['127.0.0.1', '127.0.0.2']) t.is((await ask({ url: `http://localhost:${port}/` }, { resolve: async () => [address] })).envelope.body, address);
});

test('a rebinding name is refused by its first answer', async (t) => {
  let asked = 0;
  const { error } = await ask({ url: 'http://rebind.example/' }, { opened: [], resolve: async () => (asked++ === 0 ? ['10.0.0.1'] : ['8.8.8.8']) });
  t.regex(error, /leads to 10\.0\.0\.1, which is not a public address \(private\)/);
  t.is(asked, 1);
});

test('the next address is tried when one does not answer', async (t) => {
  const port = await serve(t, (_, response) => { response.end('here'); });
  t.is((await ask({ url: `http://two.example:${port}/` }, { resolve: async () => ['127.0.0.9', '127.0.0.1'] })).envelope.body, 'here');
});

test('no redirect is followed', async (t) => {
  let hits = 0;
  const port = await serve(t, (_, response) => { hits++; response.writeHead(307, { Location: '/again' }).end(); });
  t.like((await ask({ url: `http://a.example:${port}/` })).envelope, { status: 307, ok: false });
  t.is(hits, 1);
});

test('text or base64, by type and by content', async (t) => {
  const bodies: Record<string, [type: string | null, body: Buffer, encoding: string, text: string]> = {
    json: ['application/json', Buffer.from('{"a":1}'), 'text', '{"a":1}'],
    problem: ['application/problem+json; charset=utf-8', Buffer.from('{}'), 'text', '{}'],
    latin: ['text/plain; charset=iso-8859-1', Buffer.from([0xe9]), 'text', 'é'],
    broken: ['text/plain', Buffer.from([0x61, 0xff]), 'text', 'a\ufffd'],
    nul: ['text/plain', Buffer.from('a\0b'), 'base64', Buffer.from('a\0b').toString('base64')],
    binary: ['application/octet-stream', Buffer.from([0xff, 0xfe]), 'base64', '//4='],
    utf8: ['application/octet-stream', Buffer.from('grün'), 'text', 'grün'],
    untyped: [null, Buffer.from('ok'), 'text', 'ok'],
    empty: [null, Buffer.alloc(0), 'text', ''],
  };
  const port = await serve(t, (request, response) => {
    const [type, body] = bodies[request.url!.slice(1)]!;
    if (type !== null) response.setHeader('Content-Type', type);
    response.end(body);
  });
  for (const [name, [, , encoding, text]] of Object.entries(bodies)) {
    t.like((await ask({ url: `http://a.example:${port}/${name}` })).envelope, { encoding, body: text }, name);
  }
});

test('binary comes round unchanged', async (t) => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const port = await serve(t, async (request, response) => { response.setHeader('Content-Type', 'image/png').end(await read(request)); });
  const parts = [{ name: 'x', filename: null, contentType: null, data: bytes.toString('base64') }];
  const { envelope } = await ask({ url: `http://a.example:${port}/`, method: 'POST', parts });
  t.is(envelope.encoding, 'base64');
  t.true(Buffer.from(envelope.body, 'base64').includes(bytes));
});

test('multipart as a real parser sees it', async (t) => {
  let form: FormData | null = null;
  const port = await serve(t, async (request, response) => {
    form = await new Response(new Uint8Array(await read(request)), { headers: { 'Content-Type': request.headers['content-type']! } }).formData();
    response.end();
  });
  const data = Buffer.from('\r\n--pg-durable\r\n\0\xff', 'latin1');
  const { error } = await ask({ url: `http://a.example:${port}/`, method: 'PUT', headers: [['content-type', 'text/plain']], parts: [
    { name: 'text', filename: null, contentType: null, data: Buffer.from('grün').toString('base64') },
    { name: 'fi"le\r\nX: y', filename: 'ü "a".bin', contentType: 'image/png', data: `${data.toString('base64').slice(0, 5)} \n${data.toString('base64').slice(5)}` },
    { name: 'empty', filename: 'e', contentType: null, data: '' },
  ] });
  t.is(error, '');
  const [text, file, empty] = [...form!.entries()] as [[string, string], [string, File], [string, File]];
  t.deepEqual(text, ['text', 'grün']);
  t.is(decodeURIComponent(file[0].replaceAll('%22', '"')), 'fi"le\r\nX: y');
  t.deepEqual([decodeURIComponent(file[1].name), file[1].type], ['ü "a".bin', 'image/png']);
  t.deepEqual(Buffer.from(await file[1].arrayBuffer()), data);
  t.is(empty[1].size, 0);
});

test('what cannot be sent is refused before it is', async (t) => {
  const part = { name: 'p', filename: null, contentType: null, data: '' };
  const bad: [Partial<HttpRequest>, RegExp][] = [
    [{ headers: [['X-A', 'a\r\nX-B: b']] }, /value of the header X-A/], [{ headers: [['X-A\r\nX-B', 'b']] }, /not a valid header name/],
    [{ headers: [['X-A', 'a\nb']] }, /value of the header/], [{ headers: [['', 'b']] }, /not a valid header name/],
    [{ headers: [['Host', 'other']] }, /header Host is set by the worker/], [{ headers: [['transfer-encoding', 'chunked']] }, /set by the worker/],
    [{ headers: [['Content-Length', '3']] }, /set by the worker/], [{ parts: [{ ...part, contentType: 'a/b\r\nX: y' }] }, /parts\[0\]\.content_type/],
    [{ parts: [{ ...part, data: 'a' }] }, /parts\[0\]\.data_b64 is not base64/], [{ parts: [part, { ...part, data: '****' }] }, /parts\[1\]/],
    [{ headers: [['X-A', 'x'.repeat(65_536)]] }, /request's head \(url and headers\) of 65\d{3} bytes is over the limit of 65536/],
    [{ url: `http://a/${'x'.repeat(65_536)}` }, /over the limit of 65536/],
    [{ headers: Array.from({ length: 10 }, () => ['X-A', 'x'.repeat(7_000)] as const) }, /over the limit of 65536/],
    [{ body: 'x'.repeat(100_001) }, /request's body of 100001 bytes is over the limit of 100000/],
    [{ parts: [{ ...part, data: Buffer.alloc(100_000).toString('base64') }] }, /over the limit of 100000/],
  ];
  for (const [request, message] of bad) t.throws(() => compose({ ...plain, url: '', method: 'POST', ...request }, 'a', 100_000), { message });
  t.notThrows(() => compose({ ...plain, url: '', body: 'x'.repeat(100_000) }, 'a', 100_000));
  t.false(t.throws(() => compose({ ...plain, url: '', headers: [['A', 'secret\n']] }, 'a', 9))!.message.includes('secret'));
});

test('defaults give way to what the request says, in any case', (t) => {
  const { headers } = compose({ ...plain, url: '', method: 'POST', body: '{}', headers: [['user-agent', 'me'], ['IDEMPOTENCY-KEY', 'mine']] }, 'a', 100);
  t.deepEqual({ ...headers }, { 'user-agent': 'me', 'IDEMPOTENCY-KEY': 'mine', 'Content-Type': 'application/json', Accept: '*/*', 'Accept-Encoding': 'gzip, deflate, br', 'Content-Length': '2' });
  t.like(compose({ ...plain, url: '', body: 'x' }, 'a', 100).headers, { 'Content-Type': 'text/plain; charset=utf-8', 'User-Agent': 'a', 'Idempotency-Key': 'k' });
});

test('limits of the response: announced, streamed, expanded', async (t) => {
  const small = Buffer.alloc(100_000, 'a');
  const routes: Record<string, (response: ServerResponse) => unknown> = {
    '/fits': (response) => response.end(small),
    '/announced': (response) => response.writeHead(200, { 'Content-Length': 100_001 }).flushHeaders(),
    '/endless': (response) => { const more = (): void => { while (!response.destroyed && response.write(small)); }; response.on('drain', more); more(); },
    '/bomb': (response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(Buffer.alloc(50_000_000))),
    '/bomb2': (response) => response.setHeader('Content-Encoding', 'br, gzip').end(gzipSync(brotliCompressSync(Buffer.alloc(5_000_000)))),
    '/gzip': (response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(small)),
    '/deflate': (response) => response.setHeader('Content-Encoding', 'deflate').end(deflateSync(small)),
    '/br': (response) => response.setHeader('Content-Encoding', 'br').end(brotliCompressSync(small)),
    '/broken': (response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(small).subarray(0, 50)),
    '/cut': (response) => { response.writeHead(200, { 'Content-Length': 10 }).write('abc'); setImmediate(() => response.destroy()); },
  };
  const port = await serve(t, (request, response) => { routes[request.url!]!(response); });
  for (const path of ['/fits', '/gzip', '/deflate', '/br']) {
    const { envelope } = await ask({ url: `http://a.example:${port}${path}` });
    t.is(envelope.body.length, 100_000, path);
    t.is(envelope.headers['content-encoding'], undefined);
  }
  for (const path of ['/announced', '/endless', '/bomb', '/bomb2']) t.regex((await ask({ url: `http://a.example:${port}${path}` })).error, /over the limit of 100000 bytes/, path);
  t.regex((await ask({ url: `http://a.example:${port}/broken` })).error, /not what its Content-Encoding says \(gzip\)/);
  t.regex((await ask({ url: `http://a.example:${port}/cut` })).error, /^HTTP GET .* failed: aborted/);
});

test('the time is for everything together', async (t) => {
  const port = await serve(t, (request, response) => { if (request.url === '/drip') response.write('a'); });
  for (const path of ['/', '/drip']) t.is((await ask({ url: `http://a.example:${port}${path}`, timeout: 0.2 })).error, `HTTP GET http://a.example:${port}${path} failed: timed out after 0.2s`);
  t.regex((await ask({ url: 'http://a.example/', timeout: 0.1 }, { resolve: () => new Promise(() => undefined) })).error, /timed out after 0\.1s/);
});

test('a failure names method, url and code, with 512 bytes of the body, and no password', async (t) => {
  const port = await serve(t, (request, response) => {
    t.is(request.headers.authorization, `Basic ${Buffer.from('me:p w').toString('base64')}`);
    response.writeHead(500).end(`${'a'.repeat(511)}ü`);
  });
  const { error } = await ask({ url: `http://me:p%20w@a.example:${port}/x?y=1#z` });
  t.is(error, `HTTP GET http://a.example:${port}/x?y=1 failed with status 500: ${'a'.repeat(511)}`);
});

test('TLS asks for the name, and does not trust a stranger', async (t) => {
  const names: string[] = [];
  const server = createTlsServer({ ...certificate(t, 'tls.example'), SNICallback: (wanted, done) => { names.push(wanted); done(null); } }, (_, response) => { response.end(); });
  const port = await listen(t, server);
  t.regex((await ask({ url: `https://tls.example:${port}/` })).error, /self-signed certificate/);
  t.deepEqual(names, ['tls.example']);
});

test('a query is filled in where the contract says', (t) => {
  const fill = (text: string): string => text.replaceAll('{v}', 'V').replaceAll('$r', 'R');
  const query = JSON.stringify({ url: 'http://{v}/', method: 'post', body: '$r {v}', headers: { '{v}': '{v}', B: true, C: null }, timeout_seconds: 7 });
  t.deepEqual(fillRequest(query, fill, 100), { url: 'http://V/', method: 'POST', body: 'R V', parts: null, headers: [['{v}', 'V'], ['B', 'true']], timeout: 7 });
  const part = (data: string): string => JSON.stringify({ url: 'u', method: 'PUT', parts: [{ name: '{v}', filename: '$r', content_type: '{v}', data_b64: data }] });
  t.deepEqual(fillRequest(part(' $r '), fill, 100).parts, [{ name: 'V', filename: 'R', contentType: '{v}', data: ' R ' }]);
  for (const whole of ['{v}', '$r', '$r?', '$r.data', '$r.data?', 'QUJD', '']) t.notThrows(() => fillRequest(part(whole), fill, 100), whole);
  for (const mixed of ['{v}{v}', 'A$r', '$r A', '{v', '$r.*', '$r.a.b']) t.throws(() => fillRequest(part(mixed), fill, 100), { message: /Only a whole-value reference/ }, mixed);
});

test('a request far above the limit is not even put together', (t) => {
  const query = JSON.stringify({ url: 'u', method: 'POST', body: '{v}', headers: { A: '{v}' } });
  const fill = (size: number) => (text: string): string => text.replace('{v}', 'x'.repeat(size));
  t.notThrows(() => fillRequest(query, fill(30_000), 1_000));
  t.throws(() => fillRequest(query, fill(40_000), 1_000), { message: /at least 80001 characters, which is over the limit of 1000 bytes/ });
});

test('hosts take turns, each up to its limit', (t) => {
  const queues = new HostQueues<number>();
  for (const item of [1, 2, 3]) queues.add('a', item);
  queues.add('b', 4);
  const take = (): number | undefined => queues.take(2)?.item;
  t.deepEqual([take(), take(), take(), take()], [1, 4, 2, undefined]);
  queues.leave('a');
  t.deepEqual([take(), take()], [3, undefined]);
});

test('what waits for its host can be taken out, and only that', (t) => {
  const queues = new HostQueues<number>();
  for (const item of [1, 2, 3]) queues.add('a', item);
  queues.take(1);
  t.deepEqual([queues.remove('a', 1), queues.remove('a', 2), queues.remove('a', 2), queues.remove('b', 3)], [false, true, false, false]);
  queues.leave('a');
  t.is(queues.take(1)?.item, 3);
});

test('settings name what is wrong with them', (t) => {
  t.like(readHttpSettings(new Map()), { mostBytes: 10_485_760, mostRequests: 100, mostPerHost: 32, opened: [] });
  t.throws(() => readHttpSettings(new Map([['pg_durable.http_max_bytes', '1MB']])), { message: /http_max_bytes is "1MB"/ });
  t.throws(() => readHttpSettings(new Map([['pg_durable.http_private_ranges', '10.0.0.0/99']])), { message: /http_private_ranges: "10\.0\.0\.0\/99"/ });
});
