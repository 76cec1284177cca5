import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { describePlace, PlaceError, readPlace, roleConnection, workerConnection } from '../../src/worker/connection.ts';
import { PasswordMissing } from '../../src/worker/failures.ts';
import { findPassword, matchPassword } from '../../src/worker/passfile.ts';

const HOME = { HOME: '/nowhere' };

test('a place is read from a URL', (t) => {
  const place = readPlace('postgresql://ann:s%20ecret@db.example:6543/app%20one?connect_timeout=3&options=-c%20a%3Db', HOME);
  t.like(place, { host: 'db.example', port: 6543, user: 'ann', password: 's ecret', database: 'app one', connectTimeout: 3000, options: '-c a=b' });
  t.is(describePlace(place), 'ann@db.example:6543/app one');
});

test('a socket is named by host, in the query or percent-encoded', (t) => {
  for (const url of ['postgresql:///app?host=/run/pg&port=6000', 'postgresql://%2Frun%2Fpg:6000/app', 'postgresql://@/app?host=/run/pg&port=6000']) {
    t.like(readPlace(url, HOME), { host: '/run/pg', port: 6000, database: 'app', ssl: false }, url);
  }
});

test('what the URL leaves out comes from the PG variables, then from the defaults', (t) => {
  const environment = { ...HOME, PGHOST: 'h', PGPORT: '7000', PGUSER: 'u', PGDATABASE: 'd', PGPASSWORD: 'p', PGPASSFILE: '/f', PGOPTIONS: '-c x=y' };
  t.like(readPlace(undefined, environment), { host: 'h', port: 7000, user: 'u', database: 'd', password: 'p', passwordFile: '/f', options: '-c x=y' });
  t.like(readPlace('postgresql://other/', environment), { host: 'other', port: 7000, user: 'u', database: 'd' });
  t.like(readPlace(undefined, { ...HOME, PGHOST: 'h' }), { port: 5432, user: userInfo().username, database: userInfo().username, password: null });
});

test('what names no usable place is refused, without the password', (t) => {
  for (const [url, environment, says] of [
    ['host=/tmp dbname=x', {}, /must begin with postgresql:/],
    ['mysql://x/y', {}, /must begin with postgresql:/],
    ['postgresql://u:secret@[bad/y', {}, /cannot be read/],
    ['postgresql://h:5432/y?port=70000', {}, /port.*70000.*1 to 65535/],
    [undefined, { PGHOST: 'h', PGPORT: 'abc' }, /port.*abc/],
    [undefined, { PGSERVICE: 'x' }, /PGSERVICE/],
  ] as const) {
    const error = t.throws(() => readPlace(url, { ...HOME, ...environment }), { instanceOf: PlaceError }, String(url));
    t.regex(error?.message ?? '', says);
    t.false(error?.message.includes('secret'));
  }
});

test('sslmode means what it means everywhere', (t) => {
  t.is(readPlace('postgresql://h/d?sslmode=disable', HOME).ssl, false);
  t.deepEqual(readPlace('postgresql://h/d?sslmode=require', HOME).ssl, { rejectUnauthorized: false });
  t.deepEqual(readPlace('postgresql://h/d', { ...HOME, PGSSLMODE: 'verify-full' }).ssl, {});
  t.is(readPlace('postgresql://h/d', HOME).ssl, undefined);
});

test('a role\'s connection is the worker\'s but for the user, and never has its password', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pg-durable-pass-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const PGPASSFILE = join(directory, 'pass');
  const place = readPlace('postgresql://boss:secret@h:1/d?options=-c%20a%3Db', { PGPASSFILE, PGPASSWORD: 'other' });
  const ask = (password: unknown): Promise<string> => (password as () => Promise<string>)();
  t.is(await ask(workerConnection(place).password), 'secret');
  t.is(workerConnection(place).options, '-c a=b -c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off');
  const role = roleConnection(place, 'Role "x"', true);
  t.like(role, { host: 'h', port: 1, database: 'd', user: 'Role "x"', application_name: 'pg_durable worker' });
  t.is(role.options, '-c a=b -c client_connection_check_interval=100');
  t.is(roleConnection(place, 'x', false).options, '-c a=b');
  const missing = await t.throwsAsync(ask(role.password), { instanceOf: PasswordMissing });
  t.regex(missing?.message ?? '', /asks "Role "x"" for a password.*h:1:d:Role "x"/);
  writeFileSync(PGPASSFILE, '# all\n*:*:*:boss:no\n*:*:*:Role "x":yes:it\\:is\n', { mode: 0o600 });
  t.is(await ask(role.password), 'yes:it:is');
  chmodSync(PGPASSFILE, 0o644);
  await t.throwsAsync(findPassword(PGPASSFILE, { ...place, user: 'x' }), { message: /open to others/ });
});

test('a line of the password file matches by every field, the first one wins', (t) => {
  const key = { host: 'h', port: 5432, database: 'd', user: 'u' };
  t.is(matchPassword('x:*:*:*:1\nh:5433:*:*:2\nh:5432:d:u:3\n*:*:*:*:4', key), '3');
  t.is(matchPassword('localhost:*:*:*:socket', { ...key, host: '/run' }), 'socket');
  t.is(matchPassword('localhost:*:*:*:socket', key), null);
  t.is(matchPassword('h:5432:d:u', key), null);
  const text = fc.string({ minLength: 1 }).filter((value) => !/[\r\n]/.test(value) && !value.startsWith('#') && value !== '*');
  const escape = (value: string): string => value.replace(/[\\:]/g, (char) => `\\${char}`);
  fc.assert(fc.property(text, text, text, text, (host, database, user, password) => {
    t.is(matchPassword(`${escape(host)}:*:${escape(database)}:${escape(user)}:${escape(password)}`, { host, port: 1, database, user }), password);
  }));
});
