/** The address guard, in every form that an address can be written in (semantics §10). */
import test from 'ava';
import fc from 'fast-check';
import { notPublic, readRanges } from '../../src/worker/http/address.ts';
import { checkAllowed, checkedAddresses, hostOf, readUrl } from '../../src/worker/http/target.ts';

const REFUSED = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fdff::1'],
  linkLocal: ['169.254.169.254', 'fe80::1', 'febf::1'],
  carrierGradeNat: ['100.64.0.1', '100.127.255.255'],
  benchmark: ['198.18.0.1', '198.19.255.255', '2001:2::1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  reserved: ['240.0.0.1', '255.255.255.255', '192.0.0.8', '192.88.99.1', '2001:5::1', '2001:1ff::1', '4000::1', 'fec0::1', '::2', '100::1', '5f00::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  mapped: ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '::ffff:10.0.0.1', '::127.0.0.1'],
  nat64: ['64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b::10.0.0.1', '64:ff9b:1::7f00:1'],
  '6to4': ['2002:7f00:1::', '2002:a9fe:a9fe::1', '2002:a00:1::'],
  teredo: ['2001:0:4136:e378:8000:63bf:80ff:fffe', '2001::1'],
};

for (const [kind, addresses] of Object.entries(REFUSED)) {
  test(`not public: ${kind}`, (t) => {
    for (const address of addresses) t.not(notPublic(address, []), null, address);
  });
}

test('public addresses pass, IPv4-mapped and NAT64 forms of them too', (t) => {
  for (const address of ['1.1.1.1', '8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1', '198.20.0.1', '223.255.255.255',
    '2606:4700:4700::1111', '2a00:1450:4001::8a', '::ffff:8.8.8.8', '64:ff9b::808:808']) t.is(notPublic(address, []), null, address);
});

test('what is no address is refused', (t) => {
  for (const text of ['', 'localhost', '8.8', '010.8.8.8', '134744072', '8.8.8.8 ', '2606:4700::1%eth0', '999.1.1.1', '1.2.3.4.5', 'g::1']) t.is(notPublic(text, []), 'unreadable', text);
});

test('an IPv4 address is refused in every carrier exactly when it is refused bare', (t) => {
  fc.assert(fc.property(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), (bytes) => {
    const bare = bytes.join('.');
    const refused = notPublic(bare, []) !== null;
    for (const prefix of ['::ffff:', '64:ff9b::']) t.is(notPublic(prefix + bare, []) !== null, refused, prefix + bare);
    t.not(notPublic(`::${bare}`, []), null, `::${bare}`);
  }), { numRuns: 300 });
});

test('an operator opens ranges, and nothing beside them', (t) => {
  const opened = readRanges('10.1.0.0/16, fd00:1::/32 127.0.0.1');
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::5', '127.0.0.1']) t.is(notPublic(address, opened), null, address);
  for (const address of ['10.2.0.1', '127.0.0.2', 'fd00:2::1', '::1']) t.not(notPublic(address, opened), null, address);
  t.deepEqual(readRanges(' '), []);
  t.throws(() => readRanges('10.0.0.0/33'), { message: /"10\.0\.0\.0\/33" is no range/ });
  // Short and octal spellings would be other ranges than they look: 10/8 the addresses from 0.0.0.0.
  for (const bad of ['localhost', '10/8', '10.1', '010.0.0.0/8', '0x7f.0.0.1', '10.0.0.0/', '10.0.0.0/8/9', '10.0.0.0/-1', '10.0.0.0/a', 'fe80::1%eth0', 'fd00::/129', '*']) {
    t.throws(() => readRanges(`127.0.0.1, ${bad}`), { message: new RegExp(`^"${bad.replaceAll('*', '\\*')}" is no range`) }, bad);
  }
});

const never = async (): Promise<string[]> => { throw new Error('resolved'); };

test('every spelling of an address in a URL is that address', async (t) => {
  for (const host of ['127.0.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '127.1', '127.0.0.1.', '%31%32%37.0.0.1', '１２７.０.０.１', '127。0。0。1',
    '[::1]', '[::ffff:127.0.0.1]', '[0:0:0:0:0:0:0:1]', '0', '[::]', '169.254.169.254', '0xa9fea9fe', '[64:ff9b::a9fe:a9fe]', '[2002:7f00:1::]']) {
    await t.throwsAsync(checkedAddresses(readUrl(`http://${host}/`), never, []), { message: /not a public address/ }, host);
  }
});

test('one address that is not public refuses the name, wherever it stands', async (t) => {
  const resolve = (...addresses: string[]) => async (): Promise<string[]> => addresses;
  const url = readUrl('http://name.example/');
  t.deepEqual(await checkedAddresses(url, resolve('8.8.8.8', '2606:4700::1'), []), ['8.8.8.8', '2606:4700::1']);
  await t.throwsAsync(checkedAddresses(url, resolve('8.8.8.8', '10.0.0.1'), []), { message: /name\.example leads to 10\.0\.0\.1/ });
  await t.throwsAsync(checkedAddresses(url, resolve('::ffff:169.254.169.254', '8.8.8.8'), []), { message: /linkLocal inside IPv6/ });
  await t.throwsAsync(checkedAddresses(url, resolve(), []), { message: /has no address/ });
});

test('schemes', (t) => {
  for (const url of ['ftp://x/', 'file:///etc/passwd', 'gopher://x', '//x', 'x', '', 'javascript:1', 'ws://x', '$r.url']) t.throws(() => readUrl(url), { message: /unsupported URL scheme/ }, url);
  for (const url of ['http://', 'http://a b/', 'http://[::1', 'http://1.2.3.4.5/']) t.throws(() => readUrl(url), { message: /cannot be read/ }, url);
  t.is(readUrl('HTTPS://Ex%41mple.COM/').hostname, 'example.com');
});

test('the allow-list: hosts, suffixes, ports', (t) => {
  const list = [{ host: 'api.example', port: null }, { host: '*.suffix.example', port: 8443 }, { host: 'xn--bcher-kva.example', port: 443 }, { host: '127.0.0.1', port: null }];
  for (const url of ['http://api.example/', 'http://API.example.:81/', 'https://a.suffix.example:8443/', 'https://a.b.suffix.example:8443/', 'https://bücher.example/']) {
    t.notThrows(() => checkAllowed(readUrl(url), list), url);
  }
  for (const url of ['http://x.api.example/', 'https://suffix.example:8443/', 'https://evilsuffix.example:8443/', 'https://.suffix.example:8443/', 'https://a.suffix.example/', 'http://bücher.example/', 'http://api.example.evil/', 'http://api.example@evil.example/', 'http://evil.example#api.example', 'http://evil.example\\@api.example/']) {
    t.throws(() => checkAllowed(readUrl(url), list), { message: /not in the allowed endpoint list/ }, url);
  }
  for (const url of ['http://127.0.0.1/', 'http://2130706433/', 'http://[2606:4700::1]/', 'http://8.8.8.8./']) {
    t.throws(() => checkAllowed(readUrl(url), list), { message: /bare IP addresses are not permitted/ }, url);
  }
  t.notThrows(() => checkAllowed(readUrl('http://anything/'), null));
  t.is(hostOf(readUrl('http://Name.:80/')), 'name');
});
