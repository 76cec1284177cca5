/** Servers that mean no good, and requests that are meant to go elsewhere than they say. */
import test, { type ExecutionContext } from 'ava';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { checkedAddresses, hostOf, readUrl } from '../../src/worker/http/target.ts';
import { until } from '../support/poll.ts';
import { ask, listen, serve } from './_http.ts';

/** A server that says what it likes as soon as it is spoken to. */
async function say(t: ExecutionContext, answer: (socket: Socket, said: string) => void): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const port = await listen(t, createTcpServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).once('data', (data) => answer(socket, data.toString()));
  }));
  t.teardown(() => { for (const socket of sockets) socket.destroy(); });
  return { url: `http://a.example:${port}/`, sockets };
}

test('a protocol that nobody asked for is refused', async (t) => {
  const { url } = await say(t, (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n'));
  t.regex((await ask({ url })).error, /failed: the server switched to another protocol unasked$/);
});

test('a response that is none fails the request', async (t) => {
  for (const [answer, message] of [
    ['SSH-2.0-OpenSSH\r\n', /Parse Error/], ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', /Parse Error/],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, /Header overflow/], ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', /failed: /],
    ['', /hang up|aborted|ended/],
  ] as const) {
    const { url } = await say(t, (socket) => socket.end(answer));
    const { error } = await ask({ url });
    t.regex(error, message, JSON.stringify(answer.slice(0, 40)));
  }
});

test('interim responses do not put the end off', async (t) => {
  const { url } = await say(t, (socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n'), 10);
    socket.once('close', () => clearInterval(timer));
  });
  t.regex((await ask({ url, timeout: 0.3 })).error, /timed out after 0\.3s$/);
});

test('a response that comes byte by byte ends with the time, whether header or body', async (t) => {
  for (const begin of ['HTTP/1.1 200 OK\r\nX-Slow: ', 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n']) {
    const { url, sockets } = await say(t, (socket) => {
      socket.write(begin);
      const timer = setInterval(() => socket.write('a'), 20);
      socket.once('close', () => clearInterval(timer));
    });
    t.regex((await ask({ url, timeout: 0.3 })).error, /timed out after 0\.3s$/);
    await until('the connection to be closed', () => sockets[0]?.destroyed);
  }
  t.pass();
});

test('a request that is aborted lets go of its connection at once', async (t) => {
  const control = new AbortController();
  const closed: Promise<unknown>[] = [];
  const { url } = await say(t, (socket) => {
    closed.push(new Promise((resolve) => { socket.once('close', resolve); }));
    control.abort(new Error('nobody waits'));
  });
  await t.throwsAsync(ask({ url }, {}, control), { message: 'nobody waits' });
  await closed[0];
  await t.throwsAsync(ask({ url: 'http://a.example/' }, { resolve: async () => t.fail('resolved') as never }, control), { message: 'nobody waits' });
});

test('small bodies that expand without end are given up, in every encoding and in each of several', async (t) => {
  const zeros = Buffer.alloc(20_000_000);
  const stacked: Record<string, Buffer> = {
    gzip: gzipSync(zeros), deflate: deflateSync(zeros), br: brotliCompressSync(zeros),
    'gzip, gzip': gzipSync(gzipSync(zeros)), 'deflate, br': brotliCompressSync(deflateSync(zeros)), 'br, gzip, deflate': deflateSync(gzipSync(brotliCompressSync(zeros))),
  };
  const port = await serve(t, (request, response) => {
    const encoding = decodeURIComponent(request.url!.slice(1));
    response.setHeader('Content-Encoding', encoding).end(stacked[encoding]);
  });
  for (const encoding of Object.keys(stacked)) {
    t.regex((await ask({ url: `http://a.example:${port}/${encodeURIComponent(encoding)}` })).error, /over the limit of 100000 bytes/, encoding);
  }
});

test('more encodings than anybody means, or an unknown one, are not undone', async (t) => {
  const port = await serve(t, (request, response) => { response.setHeader('Content-Encoding', decodeURIComponent(request.url!.slice(1))).end('raw'); });
  for (const encoding of ['gzip, gzip, gzip, gzip', 'zstd', 'gzip, constructor']) {
    const { envelope } = await ask({ url: `http://a.example:${port}/${encodeURIComponent(encoding)}` });
    t.is(envelope.body, 'raw');
    t.is(envelope.headers['content-encoding'], encoding);
  }
});

test('every request has a connection of its own', async (t) => {
  const ports = new Set<number | undefined>();
  const port = await serve(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.setHeader('Connection', 'keep-alive').end();
  });
  for (let n = 0; n < 3; n++) await ask({ url: `http://a.example:${port}/` });
  t.is(ports.size, 3);
});

test('a url says where it goes in one way only', async (t) => {
  for (const [text, host] of [
    ['http://good.example:80@evil.example/', 'evil.example'], ['http://good.example%2f@evil.example/', 'evil.example'],
    ['http://evil.example\\@good.example/', 'evil.example'], ['http://evil.example?@good.example/', 'evil.example'], ['http://evil.example#@good.example/', 'evil.example'],
    ['http:evil.example', 'evil.example'], ['http:///evil.example', 'evil.example'], ['http:\\\\evil.example', 'evil.example'],
    ['http://a:b@c@evil.example', 'evil.example'], ['http://good.exa\tmple\n/', 'good.example'], ['http://ＥＶＩＬ.example', 'evil.example'],
    ['http://evil。example/', 'evil.example'], ['http://e\u00advil.example/', 'evil.example'], ['http://ﬀ.example/', 'ff.example'], ['http://①27.0.0.1/', '127.0.0.1'],
  ] as const) t.is(hostOf(readUrl(text)), host, text);
  for (const text of ['http://[fe80::1%25eth0]/', 'http://[fe80::1%eth0]/', 'http://[v1.x]/', 'http://a:99999/', 'http://a:b/', 'http://exa mple/', 'http://a%00b/', 'http://1.2.3.256/', 'http://0x100000000/']) {
    t.throws(() => readUrl(text), { message: /cannot be read/ }, text);
  }
  for (const text of [' http://a/', 'data:,x', 'blob:http://a/', 'view-source:http://a', 'httpx://a', 'http+unix://a', 'ht\ntp://a', 'http', 'unix:/a', 'jar:http://a!/']) {
    t.throws(() => readUrl(text), { message: /unsupported URL scheme/ }, text);
  }
  // Dots at the end, of which the resolver would take one and the check another.
  await t.throwsAsync(checkedAddresses(readUrl('http://127.0.0.1../'), async () => ['127.0.0.1'], []), { message: /not a public address/ });
  // What a resolver may hand out besides plain addresses.
  for (const address of ['fe80::1%eth0', '127.1', '2130706433', '0x7f.0.0.1', '::ffff:127.0.0.1', '127.0.0.1 ']) {
    await t.throwsAsync(checkedAddresses(readUrl('http://a.example/'), async () => [address], []), { message: /not a public address/ }, address);
  }
});
