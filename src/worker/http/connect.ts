/**
 * The connection of a request: to an address that was checked, and to no other (semantics §10).
 *
 * Sockets are opened here, by address, and handed to Node's HTTP client, so that no second resolution takes place between
 * check and connection; the name is used for TLS only.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { RequestFailure } from './refusal.ts';
import { hostOf, portOf } from './target.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** ms that one of several addresses is given before the next one is tried. */
const ADDRESS_TIME = 5_000;
const PROXY_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Opens a connection for a URL, through the proxy if there is one for it.
 * @param addresses tried one after the other
 * @throws the error of the last address; RequestFailure when the proxy refuses
 */
export async function open(url: URL, addresses: readonly string[], proxy: URL | null, signal: AbortSignal): Promise<Socket> {
  let failure: unknown = null;
  for (const [at, address] of addresses.entries()) {
    let socket: Socket | null = null;
    try {
      const brief = at < addresses.length - 1 ? AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_TIME)]) : signal;
      socket = proxy === null ? await tcp(address, portOf(url), brief) : await tunnel(proxy, address, portOf(url), signal);
      return url.protocol === 'https:' ? await secure(socket, hostOf(url), signal) : socket;
    } catch (error) {
      socket?.destroy();
      signal.throwIfAborted();
      // A server that was reached and is not the right one is not looked for elsewhere.
      if (socket !== null || error instanceof RequestFailure) throw error;
      failure = error;
    }
  }
  throw failure;
}

/**
 * The proxy for a URL: HTTPS_PROXY for https, unless NO_PROXY names the host or a suffix of it.
 * @throws RequestFailure for a proxy that cannot be used
 */
export function proxyFor(url: URL, environment: Environment): URL | null {
  if (url.protocol !== 'https:') return null;
  const text = environment['https_proxy'] || environment['HTTPS_PROXY'] || '';
  if (text === '') return null;
  const host = hostOf(url);
  const exempt = (environment['no_proxy'] || environment['NO_PROXY'] || '').split(',').map((entry) => entry.trim().toLowerCase().replace(/^\*?\./, ''));
  if (exempt.some((entry) => entry === '*' || (entry !== '' && (host === entry || host.endsWith(`.${entry}`))))) return null;
  const proxy = URL.canParse(text) ? new URL(text) : null;
  if (proxy === null || !(proxy.protocol in PROXY_PORTS)) throw new RequestFailure('HTTPS_PROXY of the worker is no http:// or https:// url');
  return proxy;
}

async function tcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, noDelay: true });
  await settled(socket, 'connect', signal);
  return socket;
}

async function secure(socket: Socket, name: string, signal: AbortSignal): Promise<Socket> {
  // An address has no place in SNI; the certificate is checked against it all the same.
  const tls = connectTls({ socket, host: name, ...(isIP(name) === 0 && { servername: name }), ALPNProtocols: ['http/1.1'] });
  await settled(tls, 'secureConnect', signal);
  return tls;
}

async function settled(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
  // Between this moment and the one at which the HTTP client takes over, an error must not be unhandled.
  socket.on('error', () => undefined);
}

/** Has the proxy connect to the address. The proxy is the operator's choice and may be anywhere. */
async function tunnel(proxy: URL, address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const plain = await tcp(hostOf(proxy), Number(proxy.port || PROXY_PORTS[proxy.protocol]), signal);
  const carrier = proxy.protocol === 'https:' ? await secure(plain, hostOf(proxy), signal) : plain;
  const authority = `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
  const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const asked = request({
    method: 'CONNECT', path: authority, setHost: false, createConnection: () => carrier, signal,
    headers: { Host: authority, ...(login !== ':' && { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` }) },
  });
  asked.end();
  // An answer other than 200 comes as `connect` too.
  const [response, socket] = await once(asked, 'connect', { signal }) as [{ statusCode?: number }, Socket];
  if (response.statusCode !== 200) {
    socket.destroy();
    throw new RequestFailure(`the proxy ${proxy.host} answered ${response.statusCode ?? 0} to CONNECT`);
  }
  return socket;
}
