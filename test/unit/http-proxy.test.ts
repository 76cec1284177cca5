/** Requests through a real proxy on loopback: what it is asked for, and when it is. */
import test from 'ava';
import { createServer as createTlsServer } from 'node:https';
import { proxyFor } from '../../src/worker/http/proxy.ts';
import { certificate } from '../support/certificate.ts';
import { startProxy } from '../support/http-proxy.ts';
import { ask, listen, serve } from './_http.ts';

test('a proxy is asked to connect to the address that was checked, for http as for https, and hears no name', async (t) => {
  const { port, asked } = await startProxy(t);
  const target = await serve(t, (request, response) => { response.end(`${request.url} of ${request.headers.host}`); });
  const environment = { http_proxy: `http://u:p%20w@127.0.0.1:${port}`, HTTPS_PROXY: `127.0.0.1:${port}` };
  const resolve = async (): Promise<string[]> => ['127.0.0.7'];
  const { envelope } = await ask({ url: `http://plain.example:${target}/path?q` }, { environment, resolve });
  t.is(envelope.body, `/path?q of plain.example:${target}`);
  t.deepEqual(asked, [`CONNECT 127.0.0.7:${target} for 127.0.0.7:${target} by Basic ${Buffer.from('u:p w').toString('base64')}`]);
  const secure = await listen(t, createTlsServer(certificate(t, 'tls.example'), (_, response) => { response.end(); }));
  t.regex((await ask({ url: `https://tls.example:${secure}/` }, { environment, resolve })).error, /self-signed certificate/);
  t.is(asked[1], `CONNECT 127.0.0.7:${secure} for 127.0.0.7:${secure} by nobody`);
});

test('a proxy is no way around the address guard', async (t) => {
  const { port, asked } = await startProxy(t);
  const environment = { HTTP_PROXY: `http://127.0.0.1:${port}`, HTTPS_PROXY: `http://127.0.0.1:${port}` };
  for (const scheme of ['http', 'https']) {
    t.regex((await ask({ url: `${scheme}://inside.example/` }, { environment, opened: [], resolve: async () => ['8.8.8.8', '10.0.0.1'] })).error, /leads to 10\.0\.0\.1/);
    t.regex((await ask({ url: `${scheme}://169.254.169.254/` }, { environment })).error, /not a public address/);
    // The worker resolves, not the proxy.
    t.regex((await ask({ url: `${scheme}://gone.example/` }, { environment, resolve: async () => { throw new Error('no such name'); } })).error, /no such name/);
  }
  t.deepEqual(asked, []);
});

test('an address that the proxy does not reach is followed by the next one', async (t) => {
  const target = await serve(t, (_, response) => { response.end('here'); });
  const { port, asked } = await startProxy(t, (authority) => (authority.startsWith('[') ? 502 : null));
  const environment = { HTTP_PROXY: `http://127.0.0.1:${port}` };
  const other = { environment, opened: [], resolve: async () => ['2606:4700::1', '8.8.8.8'] };
  t.is((await ask({ url: `http://two.example:${target}/` }, other)).envelope.body, 'here');
  t.deepEqual(asked.map((line) => line.split(' ')[1]), [`[2606:4700::1]:${target}`, `8.8.8.8:${target}`]);
});

test('a proxy that refuses, is silent, or is not there fails the request', async (t) => {
  const { port } = await startProxy(t, (authority) => (authority.endsWith(':1') ? 403 : 'silence'));
  const environment = { HTTP_PROXY: `http://u:secret@127.0.0.1:${port}` };
  const { error } = await ask({ url: 'http://a.example:1/' }, { environment });
  t.regex(error, /failed: the proxy 127\.0\.0\.1:\d+ answered 403 to CONNECT 127\.0\.0\.1:1$/);
  // The silent one is let go of without a word that nobody listens to, which would end the process.
  t.regex((await ask({ url: 'http://a.example/', timeout: 0.1 }, { environment })).error, /timed out after 0\.1s$/);
  await new Promise((resolve) => { setImmediate(resolve); });
  t.regex((await ask({ url: 'http://a.example/' }, { environment: { HTTP_PROXY: 'http://127.0.0.1:1' } })).error, /ECONNREFUSED/);
  for (const bad of ['socks5://u:secret@x', 'http://u:secret@']) {
    const message = (await ask({ url: 'http://a.example/' }, { environment: { HTTP_PROXY: bad } })).error;
    t.regex(message, /HTTP_PROXY of the worker is no http:\/\/ or https:\/\/ url/);
    t.false(message.includes('secret'));
  }
});

test('NO_PROXY names hosts, suffixes, addresses, ranges and ports', (t) => {
  const goes = (url: string, exempt: string): boolean => proxyFor(new URL(url), { HTTP_PROXY: 'proxy:3128', https_proxy: 'https://proxy', NO_PROXY: exempt }) !== null;
  for (const [url, exempt] of [
    ['http://a.example/', '*'], ['http://a.example/', 'a.example'], ['https://A.Example./', 'x, a.example.'], ['http://b.a.example/', 'a.example'],
    ['http://b.a.example/', '.a.example'], ['http://b.a.example/', '*.A.example'], ['http://a.example:8080/', 'a.example:8080'],
    ['https://a.example/', 'a.example:443'], ['http://10.1.2.3/', '10.0.0.0/8'], ['http://10.1.2.3/', '10.1.2.3'], ['http://[fd00::1]/', 'fd00::/8'],
    ['http://[fd00::1]:8080/', '[fd00::1]:8080'], ['http://[::1]/', '::1'], ['http://a.example/', 'x a.example'],
  ] as const) t.false(goes(url, exempt), `${url} ${exempt}`);
  for (const [url, exempt] of [
    ['http://a.example/', ''], ['http://a.example/', 'b.example,,'], ['http://xa.example/', 'a.example'], ['http://a.example/', 'b.a.example'],
    ['http://a.example/', 'a.example:8080'], ['http://10.1.2.3/', '11.0.0.0/8'], ['http://10.1.2.3/', '3'], ['http://a.example/', '.'], ['http://[fd00::1]/', '[fd00::1]:8080'],
  ] as const) t.true(goes(url, exempt), `${url} ${exempt}`);
  t.is(proxyFor(new URL('http://a.example/'), { HTTPS_PROXY: 'proxy' }), null);
  t.is(proxyFor(new URL('https://a.example/'), { HTTP_PROXY: 'proxy' }), null);
  // In lower case first, as other programs have it.
  t.is(proxyFor(new URL('http://a.example/'), { HTTP_PROXY: 'big', http_proxy: 'small:81' })?.href, 'http://small:81/');
});
