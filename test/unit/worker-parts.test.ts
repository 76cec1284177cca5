import test from 'ava';
import fc from 'fast-check';
import { Backoff } from '../../src/worker/backoff.ts';
import { Bell } from '../../src/worker/bell.ts';
import { systemClock } from '../../src/worker/clock.ts';
import { classifyCall, classifyConnect, PasswordMissing } from '../../src/worker/failures.ts';
import { createLog, errorFields } from '../../src/worker/log.ts';
import { readInstant } from '../../src/worker/protocol.ts';
import { readSettings, SettingError, SETTING_NAMES } from '../../src/worker/settings.ts';
import { whyIncompatible, whyPartial } from '../../src/worker/versions.ts';
import { FakeClock } from './worker-fake-clock.ts';

test('back-off doubles, with jitter, and never passes its limit', (t) => {
  const low = new Backoff(100, 1000, () => 0);
  t.deepEqual([1, 2, 3, 4, 5].map(() => Math.round(low.next())), [50, 100, 200, 333, 333]);
  t.is(low.failures, 5);
  low.reset();
  t.is(low.next(), 50);
  fc.assert(fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 2000 }), (random, failures) => {
    const backoff = new Backoff(50, 700, () => random);
    for (let i = 0; i < failures; i += 1) backoff.next();
    const delay = backoff.next();
    t.true(delay >= 25 && delay <= 700);
  }));
});

test('the bell wakes one loop, keeps a ring for it, and gives up in time', async (t) => {
  const clock = new FakeClock();
  const bell = new Bell(clock);
  bell.ring();
  await bell.wait(1e9);
  let woken = 0;
  const waiting = bell.wait(100).then(() => woken += 1);
  clock.advance(99);
  await Promise.resolve();
  t.is(woken, 0);
  clock.advance(1);
  await waiting;
  const forever = bell.wait(Number.POSITIVE_INFINITY);
  bell.ring();
  await forever;
  t.is(woken, 1);
});

test('a timer of months does not fire at once, and can be taken back', async (t) => {
  const fired: string[] = [];
  const cancel = systemClock.after(90 * 86_400_000, () => fired.push('months'));
  const early = systemClock.after(0, () => fired.push('taken back'));
  early();
  await new Promise<void>((resolve) => systemClock.after(5, resolve));
  cancel();
  t.deepEqual(fired, []);
});

test('a log line is one JSON object, or one line of text, from its level up', (t) => {
  const lines: string[] = [];
  const json = createLog('info', 'json', (line) => lines.push(line), () => 0);
  json.debug('unheard');
  json.info('role.refused', { role: 'a "b"\nc', failed: 2, code: undefined });
  t.deepEqual(lines, ['{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"role.refused","role":"a \\"b\\"\\nc","failed":2}\n']);
  const text = createLog('debug', 'text', (line) => lines.push(line), () => 0);
  text.warn('role.refused', { role: 'a b\nc', host: '/run/x:1', code: undefined });
  t.is(lines[1], '1970-01-01T00:00:00.000Z warn  role.refused role="a b\\nc" host=/run/x:1\n');
  json.error('long', { message: 'x'.repeat(2000) });
  t.true((lines[2]?.length ?? 0) < 700);
});

test('an error is logged by its message and code', (t) => {
  t.deepEqual(errorFields(Object.assign(new Error('no'), { code: '42501', detail: 'secret' })), { message: 'no', code: '42501' });
  t.deepEqual(errorFields('odd'), { message: 'odd' });
});

test('failures of connections and calls are told apart', (t) => {
  const error = (code: string, message = ''): Error => Object.assign(new Error(message), { code });
  for (const code of ['28000', '28P01', '3D000', '42501']) t.is(classifyConnect(error(code)), 'refused', code);
  t.is(classifyConnect(new PasswordMissing('none')), 'refused');
  for (const code of ['53300', '53200']) t.is(classifyConnect(error(code)), 'crowded', code);
  for (const code of ['57P03', '57P01', '08006', 'ECONNREFUSED', 'ENOENT', '55000']) t.is(classifyConnect(error(code)), 'away', code);
  t.is(classifyConnect(new Error('Connection terminated unexpectedly')), 'away');
  t.is(classifyConnect(error('XX000')), 'unknown');
  t.is(classifyCall(error('57014')), 'cancelled');
  t.is(classifyCall(error('42501')), 'refused');
  t.is(classifyCall(error('28000')), 'unknown');
  for (const code of ['3F000', '42883']) t.is(classifyCall(error(code)), 'absent', code);
  for (const code of ['40001', '40P01']) t.is(classifyCall(error(code)), 'conflict', code);
  for (const code of ['57P01', '57P05']) t.is(classifyCall(error(code)), 'away', code);
  t.is(classifyCall(undefined), 'unknown');
});

test('instants are read from ISO text only, exactly', (t) => {
  t.is(readInstant('2024-06-15 12:30:00.5+02'), Date.parse('2024-06-15T10:30:00.500Z'));
  t.is(readInstant('2024-06-15 12:30:00.123456-03:30'), Date.parse('2024-06-15T16:00:00.123Z'));
  t.is(readInstant(null), null);
  t.is(readInstant('infinity'), null);
  for (const text of ['15.06.2024 12:30:00 UTC', 'Sat Jun 15 12:30:00 2024 UTC', '06/15/2024 12:30:00 UTC', '10000-01-01 00:00:00+00']) {
    t.is(readInstant(text), 'unreadable', text);
  }
});

const settings = (values: Record<string, string | null>): ReturnType<typeof readSettings> => readSettings(new Map(Object.entries(values)));

test('three heartbeats fit into the silence after which requests are taken over', (t) => {
  t.is(settings({ 'pg_durable.http_takeover': '3' }).heartbeat, 1_000);
  t.is(settings({ 'pg_durable.http_takeover': '1min' }).heartbeat, 5_000);
  t.throws(() => settings({ 'pg_durable.http_takeover': '2' }), { message: /http_takeover is "2", but it must be a whole number from 3 to 60 seconds/ });
});

test('settings have the defaults and ranges of the contract', (t) => {
  t.deepEqual(settings({}), { maxUserConnections: 10, acquireTimeout: 30_000, reconcileInterval: 3_600_000, heartbeat: 5_000 });
  t.deepEqual(
    settings({ 'pg_durable.max_user_connections': '3', 'pg_durable.execution_acquire_timeout': '2min', 'pg_durable.reconcile_interval': '0', 'pg_durable.retention_days': '' }),
    { maxUserConnections: 3, acquireTimeout: 120_000, reconcileInterval: 0, heartbeat: 5_000 },
  );
  t.is(SETTING_NAMES.length, 5);
});

for (const [name, value] of [
  ['max_user_connections', '0'], ['max_user_connections', '1001'], ['max_user_connections', 'ten'], ['max_user_connections', '1.5'],
  ['max_user_connections', '3s'], ['execution_acquire_timeout', '0'], ['execution_acquire_timeout', '2h'], ['reconcile_interval', '-1'],
  ['reconcile_interval', '86401'], ['retention_days', '36501'],
] as const) {
  test(`pg_durable.${name} = '${value}' is refused by name and value`, (t) => {
    const error = t.throws(() => settings({ [`pg_durable.${name}`]: value }), { instanceOf: SettingError });
    t.true(error?.message.includes(`pg_durable.${name} is "${value}"`), error?.message);
    t.regex(error?.message ?? '', /from \d+ to \d+/);
  });
}

test('a worker drives every extension of its line, and says what it needs otherwise', (t) => {
  for (const version of ['0.2.2', '0.2.4', '0.2.11']) t.is(whyIncompatible('0.2.3', version), null);
  for (const version of ['0.2.1', '0.3.0', '1.2.2', 'garbage']) {
    const why = whyIncompatible('0.2.3', version) ?? '';
    t.true(why.includes('worker 0.2.3 needs pg_durable 0.2.x, 0.2.2 or later') && why.includes(version), why);
  }
});

test('of an older extension of its line a worker says what cannot be done, and what does it', (t) => {
  for (const version of ['0.2.4', '0.2.11', '0.3.0']) t.is(whyPartial(version), null);
  for (const version of ['0.2.2', '0.2.3']) t.regex(whyPartial(version) ?? '', new RegExp(`^pg_durable ${version} .*HTTP steps.*autocommit.*0\\.2\\.4 .*ALTER EXTENSION pg_durable UPDATE$`));
});
