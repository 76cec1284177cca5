/** Where a request goes: the URL read once, checked in the contract's order (semantics §10), and resolved once. */
import { isIP } from 'node:net';
import { lookup } from 'node:dns/promises';
import { notPublic, type Range } from './address.ts';
import { RequestFailure } from './refusal.ts';

/** A line of the allow-list: a host or `*.suffix`, and a port or null for any. */
export interface Allowed {
  readonly host: string;
  readonly port: number | null;
}

/** All addresses of a name. Asked once per request. */
export type Resolve = (host: string) => Promise<string[]>;

/** The system's resolver, which reads /etc/hosts too. */
export const systemResolve: Resolve = async (host) => (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

const STANDARD_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/**
 * Reads a URL and checks its scheme. Node's parser turns decimal, octal, hexadecimal and short spellings of an address into the
 * plain one, and international names into their xn-- form, so what is checked is what is connected to.
 * @throws RequestFailure
 */
export function readUrl(text: string): URL {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') {
    throw new RequestFailure(`unsupported URL scheme in '${cut(text)}'; it must begin with http:// or https://`);
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '') throw new RequestFailure(`the url '${cut(text)}' cannot be read`);
  return url;
}

/** The name or address in the URL, without brackets and without a dot at the end. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

export function portOf(url: URL): number {
  return url.port === '' ? STANDARD_PORTS[url.protocol]! : Number(url.port);
}

/** The URL for messages: without user, password and fragment. */
export function shown(url: URL): string {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  return cut(bare.href, 500);
}

/**
 * @param allowed the allow-list for the submitter, or null when every host is allowed
 * @throws RequestFailure when the host is not on it, or is an address
 */
export function checkAllowed(url: URL, allowed: readonly Allowed[] | null): void {
  if (allowed === null) return;
  const host = hostOf(url);
  if (isIP(host) !== 0) {
    throw new RequestFailure(`bare IP addresses are not permitted while pg_durable.http is allowlist, and the url's host is ${host}`, 'Use the host name.');
  }
  const port = portOf(url);
  const fits = (entry: Allowed): boolean => (entry.port === null || entry.port === port)
    && (entry.host.startsWith('*.') ? host.endsWith(entry.host.slice(1)) && host.length > entry.host.length - 1 : host === entry.host);
  if (!allowed.some(fits)) {
    throw new RequestFailure(`${host}:${port} is not in the allowed endpoint list`, 'An administrator can add it to df.http_allowlist.');
  }
}

/**
 * The addresses to connect to, every one of them checked.
 * @throws RequestFailure when one is not public, or there are none
 */
export async function checkedAddresses(url: URL, resolve: Resolve, opened: readonly Range[]): Promise<string[]> {
  const host = hostOf(url);
  const addresses = isIP(host) !== 0 ? [host] : await resolve(host);
  if (addresses.length === 0) throw new RequestFailure(`the host ${host} has no address`);
  for (const address of addresses) {
    const special = notPublic(address, opened);
    if (special !== null) {
      throw new RequestFailure(`the host ${host} leads to ${address}, which is not a public address (${special})`,
        'An operator can open ranges of addresses with pg_durable.http_private_ranges.');
    }
  }
  return addresses;
}

function cut(text: string, most = 60): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
