/**
 * The address guard: which addresses a request may be sent to (semantics §10).
 *
 * Only public unicast addresses are. What is special about an address is ipaddr.js's knowledge; what is added here is what
 * lies inside an IPv6 address that carries an IPv4 one, and that IPv6 is public in 2000::/3 only.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** A range of addresses that an operator has opened although they are not public. */
export type Range = [Address, number];

const GLOBAL_UNICAST: Range = ipaddr.parseCIDR('2000::/3');
/** Documentation (RFC 9637), and the outer ends of transition relays that no longer exist. */
const NOT_PUBLIC: readonly Range[] = ['3fff::/20', '192.88.99.0/24', '192.0.0.0/24'].map((cidr) => ipaddr.parseCIDR(cidr));

/** Thrown for a list of ranges that cannot be read. */
export class AddressRangeError extends Error {
  override readonly name = 'AddressRangeError';
}

/**
 * Reads ranges such as `10.1.0.0/16, fd00::/8, 127.0.0.1`.
 * @throws AddressRangeError naming the one that is none
 */
export function readRanges(text: string): Range[] {
  return text.split(/[,\s]+/).filter((word) => word !== '').map((word) => {
    const [base = '', bits] = word.split('/', 2);
    // ipaddr.js reads short and octal spellings too: 10/8 would be 0.0.0.0/8.
    if (isIP(base) !== 0 && !base.includes('%')) {
      try {
        return bits === undefined ? [ipaddr.parse(base), isIP(base) === 4 ? 32 : 128] : ipaddr.parseCIDR(word);
      } catch {
        // Too many bits, or something behind them.
      }
    }
    throw new AddressRangeError(`"${word}" is no range of addresses such as 10.1.0.0/16, fd00::/8 or 127.0.0.1`);
  });
}

/** Whether an address, without brackets, lies in one of the ranges. */
export function isWithin(text: string, ranges: readonly Range[]): boolean {
  return contains(ranges, ipaddr.parse(text));
}

/**
 * What the address is when it is not public and not opened: a word such as `loopback`; null when a request may go there.
 * @param text an address as the resolver or the URL parser writes it, without brackets
 */
export function notPublic(text: string, opened: readonly Range[]): string | null {
  const plainText = hexadecimal(text);
  if (plainText === null || isIP(plainText) === 0) return 'unreadable';
  const address = ipaddr.parse(plainText);
  if (contains(opened, address)) return null;
  if (address.kind() === 'ipv4') return plain(address as ipaddr.IPv4);
  const inner = carried(address as ipaddr.IPv6);
  if (inner !== null) {
    if (contains(opened, inner)) return null;
    const special = plain(inner);
    return special === null ? null : `${special} inside IPv6`;
  }
  const range = address.range();
  if (range !== 'unicast') return range;
  return within(address, GLOBAL_UNICAST) && !contains(NOT_PUBLIC, address) ? null : 'reserved';
}

/** IPv6 without a dotted end: ipaddr.js reads `::1.2.3.4` as `::ffff:1.2.3.4`, which is another address. */
function hexadecimal(text: string): string | null {
  if (!text.includes(':')) return text;
  const url = `http://[${text}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : null;
}

function plain(address: ipaddr.IPv4): string | null {
  const range = address.range();
  if (range !== 'unicast') return range;
  return contains(NOT_PUBLIC, address) ? 'reserved' : null;
}

/**
 * The IPv4 address that packets to an IPv6 one end up at: IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96). 6to4 and Teredo
 * are refused whole, by their range, whatever they carry: no network of today routes them.
 */
function carried(address: ipaddr.IPv6): ipaddr.IPv4 | null {
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return address.range() === 'rfc6052' ? new ipaddr.IPv4(address.toByteArray().slice(12)) : null;
}

function contains(ranges: readonly Range[], address: Address): boolean {
  return ranges.some((range) => within(address, range));
}

function within(address: Address, [base, bits]: Range): boolean {
  return address.kind() === base.kind() && (address as ipaddr.IPv4).match(base as ipaddr.IPv4, bits);
}
