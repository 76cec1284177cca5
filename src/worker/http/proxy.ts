/**
 * Proxies: HTTP_PROXY for http, HTTPS_PROXY for https, each in lower case too, and NO_PROXY.
 *
 * Both kinds of request go through CONNECT to an address that the worker has resolved and checked. A proxy that is handed a name
 * resolves it by itself, and may come to another address than the one that was checked.
 */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { abortable } from './abort.ts';
import { AddressRangeError, isWithin, readRanges } from './address.ts';
import { RequestFailure } from './refusal.ts';
import { hostOf, portOf } from './target.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLES: Readonly<Record<string, string>> = { 'http:': 'HTTP_PROXY', 'https:': 'HTTPS_PROXY' };

/**
 * The proxy for a URL, or null. Of NO_PROXY's entries, separated by commas or blanks, `*` exempts every host, `name` the name and
 * all below it (`.name` and `*.name` are the same), an address or a range such as 10.0.0.0/8 the hosts that are addresses in it;
 * each may have a port.
 * @throws RequestFailure for a proxy that cannot be used
 */
export function proxyFor(url: URL, environment: Environment): URL | null {
  const variable = VARIABLES[url.protocol]!;
  const text = read(environment, variable);
  if (text === '' || read(environment, 'NO_PROXY').split(/[,\s]+/).some((entry) => exempts(entry.toLowerCase(), url))) return null;
  const full = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : null;
  // The value may hold a password: it is not repeated.
  if (proxy === null || !(proxy.protocol in VARIABLES)) throw new RequestFailure(`${variable} of the worker is no http:// or https:// url`);
  return proxy;
}

function read(environment: Environment, variable: string): string {
  return (environment[variable.toLowerCase()] || environment[variable] || '').trim();
}

function exempts(entry: string, url: URL): boolean {
  if (entry === '') return false;
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? ['', entry];
  if (port !== undefined && Number(port) !== portOf(url)) return false;
  const host = hostOf(url);
  const name = (bracketed ?? plain ?? '').replace(/^\*?\./, '').replace(/\.$/, '');
  if (name === '*') return true;
  if (isIP(host) === 0) return name !== '' && (host === name || host.endsWith(`.${name}`));
  try {
    return isWithin(host, readRanges(name));
  } catch (error) {
    if (error instanceof AddressRangeError) return false;
    throw error;
  }
}

/**
 * Has a proxy connect to an address.
 * @param carrier an open connection to the proxy, which is the connection to the address afterwards
 */
export async function tunnel(carrier: Socket, proxy: URL, address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const authority = `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
  const login = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const asked = request({
    method: 'CONNECT', path: authority, setHost: false, createConnection: () => carrier,
    headers: { Host: authority, ...(login !== ':' && { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` }) },
  });
  // An answer other than 200 comes as `connect` too.
  const answered = once(asked, 'connect') as Promise<[IncomingMessage, Socket]>;
  // Those that come after the first, or when nobody waits any more.
  asked.on('error', () => undefined);
  asked.end();
  const [response, socket] = await abortable(answered, signal);
  if (response.statusCode === 200) return socket;
  throw new RequestFailure(`the proxy ${proxy.host} answered ${response.statusCode ?? 0} to CONNECT ${authority}`);
}
