import test from 'ava';
import fc from 'fast-check';
import { raises } from './_raises.ts';
import { builtinKind, firstOf, hasRows, publicText, resultText, table } from '../../src/engine/rows.ts';
import type { Kind } from '../../src/engine/rows.ts';
import { padFraction, toUtc } from '../../src/engine/timestamp.ts';

const NEVER = (oid: number): Kind => { throw new Error(`asked for type ${oid}`); };
const one = (row: string, types: number[], kinds = NEVER): string => resultText({ rows: [row], types, kinds });
const wrapped = (row: string): string => `{"rows":[${row}],"row_count":1}`;

test('rows that need nothing pass through unchanged', (t) => {
  const rows = ['{"a":9223372036854775807,"b":"x"}', '{"a":null,"b":"y\\u0001"}'];
  t.is(resultText({ rows, types: [20, 25], kinds: NEVER }), `{"rows":[${rows.join(',')}],"row_count":2}`);
  t.is(resultText({ rows, kinds: NEVER }), `{"rows":[${rows.join(',')}],"row_count":2}`);
  t.is(resultText({ rows: [], kinds: NEVER }), '{"rows":[],"row_count":0}');
  t.is(one('{}', []), wrapped('{}'));
});

test('each type that to_json writes differently', (t) => {
  t.is(one('{"n":1.50,"m":"NaN","i":"Infinity","z":null}', [1700, 1700, 1700, 1700]), wrapped('{"n":"1.50","m":"NaN","i":"Infinity","z":null}'));
  t.is(one('{"a":1e+300,"b":"NaN","c":"-Infinity","d":0.1}', [701, 701, 700, 700]), wrapped('{"a":1e+300,"b":null,"c":null,"d":0.1}'));
  t.is(one('{"a":"4294967295","b":["1","2"],"c":[1,2]}', [26, 1013, 22]), wrapped('{"a":4294967295,"b":[1,2],"c":[1,2]}'));
  t.is(one('{"v":""}', [2278]), wrapped('{"v":null}'));
  t.is(one('{"a":"2024-06-15T12:30:00","b":"2024-06-15T12:30:00.12","c":"0044-03-15T01:02:03.5 BC","d":"infinity"}', [1114, 1114, 1114, 1114]),
    wrapped('{"a":"2024-06-15T12:30:00","b":"2024-06-15T12:30:00.120000","c":"0044-03-15T01:02:03.500000 BC","d":"infinity"}'));
  t.is(one('{"j":{"a": 1.0, "a":2},"k":"1.5"}', [114, 25]), wrapped('{"j":{"a": 1.0, "a":2},"k":"1.5"}'));
});

test('timestamptz comes out in UTC', (t) => {
  const cases = [
    ['2024-06-15T12:30:00.12-04:00', '2024-06-15T16:30:00.120000+00:00'],
    ['2024-12-31T23:59:59.999999-05:30', '2025-01-01T05:29:59.999999+00:00'],
    ['2024-03-01T00:30:00+01:00', '2024-02-29T23:30:00+00:00'],
    ['1850-01-01T00:00:00-04:56:02', '1850-01-01T04:56:02+00:00'],
    ['294276-12-31T18:59:59.999999-05:00', '294276-12-31T23:59:59.999999+00:00'],
    ['9999-12-31T23:00:00-05:00', '10000-01-01T04:00:00+00:00'],
    ['0044-03-15T00:00:00-04:56:02 BC', '0044-03-15T04:56:02+00:00 BC'],
    ['0001-12-31T23:00:00-04:56:02 BC', '0001-01-01T03:56:02+00:00'],
    ['0001-01-01T00:00:00+00:19:32', '0001-12-31T23:40:28+00:00 BC'],
    ['infinity', 'infinity'], ['-infinity', '-infinity'],
  ];
  for (const [local, utc] of cases) t.is(toUtc(`"${local}"`), `"${utc}"`);
  t.is(one('{"a":["2024-06-15T12:00:00+02:00",null]}', [1185]), wrapped('{"a":["2024-06-15T10:00:00+00:00",null]}'));
  raises(t, () => toUtc('"yesterday"'), '22007', /"yesterday"/);
});

test('toUtc agrees with Date wherever a Date can go', (t) => {
  const offset = fc.integer({ min: -15 * 3600, max: 15 * 3600 });
  fc.assert(fc.property(fc.integer({ min: -62135596800 + 86400, max: 253402300799 - 86400 }), offset, fc.integer({ min: 0, max: 999999 }), (utc, seconds, micro) => {
    const two = (n: number): string => String(n).padStart(2, '0');
    const size = Math.abs(seconds);
    const zone = `${seconds < 0 ? '-' : '+'}${two(Math.floor(size / 3600))}:${two(Math.floor(size / 60) % 60)}${size % 60 ? `:${two(size % 60)}` : ''}`;
    const fraction = micro === 0 ? '' : `.${String(micro).padStart(6, '0').replace(/0+$/, '')}`;
    const local = new Date((utc + seconds) * 1000).toISOString().slice(0, 19);
    const expected = `${new Date(utc * 1000).toISOString().slice(0, 19)}${micro === 0 ? '' : `.${String(micro).padStart(6, '0')}`}+00:00`;
    t.is(toUtc(`"${local}${fraction}${zone}"`), `"${expected}"`);
  }), { numRuns: 2000 });
  t.is(padFraction('"12:00"'), '"12:00"');
});

test('arrays go element by element, through every dimension', (t) => {
  t.is(one('{"a":[[1.5,null],[2.50,"NaN"]],"b":[],"c":[1,"Infinity"]}', [1231, 1231, 1022]),
    wrapped('{"a":[["1.5",null],["2.50","NaN"]],"b":[],"c":[1,null]}'));
});

test('types that are not built in are asked for: domains, composites, arrays of them', (t) => {
  const asked: number[] = [];
  const kinds = (oid: number): Kind => {
    asked.push(oid);
    const known: Record<number, Kind> = { 50001: 'numeric', 50002: { array: { fields: ['integer', 'numeric', { array: 'oid' }] } }, 50003: 'plain' };
    return known[oid]!;
  };
  t.is(one('{"d":1.50,"c":[{"a":1,"n":2.0,"o":["7"]},null],"e":"red"}', [50001, 50002, 50003], kinds),
    wrapped('{"d":"1.50","c":[{"a":1,"n":"2.0","o":[7]},null],"e":"red"}'));
  t.deepEqual(asked, [50001, 50002, 50003]);
  t.is(builtinKind(50001), undefined);
  t.is(builtinKind(83), undefined, 'the row type of pg_class');
  t.is(builtinKind(2205), 'plain', 'regclass');
});

test('of duplicate column names the last wins', (t) => {
  t.is(one('{"a":1.0,"b":2,"a":3}', [1700, 23, 23]), wrapped('{"a":3,"b":2}'));
  t.is(resultText({ rows: ['{"a":1,"a":2}', '{"a":3,"a":4}'], types: [23, 23], kinds: NEVER }), '{"rows":[{"a":2},{"a":4}],"row_count":2}');
});

test('bytea is refused wherever it sits, and says where', (t) => {
  const kinds = (): Kind => ({ fields: ['integer', 'bytea'] });
  for (const [row, types] of [['{"x":1,"pic":"\\\\x01"}', [23, 17]], ['{"x":1,"pic":null}', [23, 1001]], ['{"x":1,"pic":{}}', [23, 60000]]] as const) {
    const error = raises(t, () => resultText({ rows: [row], types, kinds }), '0A000', /^Unsupported column type: column "pic"/);
    t.regex(error.hint!, /encode\(/);
  }
});

test('json that jsonb cannot hold is refused wherever a type lets it in, and says where', (t) => {
  const kinds = (): Kind => ({ fields: ['plain'] });
  for (const bad of ['"\\u0000"', '"\\ud800"', '1e200000', '{"a":[1e-20000]}', `${'['.repeat(6000)}${']'.repeat(6000)}`]) {
    for (const type of [114, 199, 2249, 2287, 60000]) {
      const error = raises(t, () => resultText({ rows: [`{"x":1,"doc":${bad}}`], types: [23, type], kinds }), '22P05', /^Unsupported value: column "doc"/);
      t.truthy(error.hint);
    }
  }
  t.is(one('{"x":"\\\\u0000","doc":["\\ud83d\\ude00",1e100000]}', [25, 114]), wrapped('{"x":"\\\\u0000","doc":["\\ud83d\\ude00",1e100000]}'));
});

test('an empty result can carry its columns, and hides them from users', (t) => {
  const text = resultText({ rows: [], types: [20, 1700, 16, 25, 701], kinds: NEVER, emptyRow: '{"a":null,"b":null,"c":null,"d \\"x":null,"e":null}' });
  t.is(publicText(text), '{"rows":[],"row_count":0}');
  t.deepEqual(table(text)!.columns, [
    { name: 'a', type: 'bigint' }, { name: 'b', type: 'text' }, { name: 'c', type: 'boolean' }, { name: 'd "x', type: 'text' }, { name: 'e', type: 'numeric' },
  ]);
  t.is(publicText('{"rows":[{"a":1}],"row_count":1}'), '{"rows":[{"a":1}],"row_count":1}');
  t.is(publicText('null'), 'null');
});

test('a column type that did not come from resultText never reaches SQL', (t) => {
  t.deepEqual(table('{"rows":[],"columns":{"x":"text) ; drop"}}')!.columns, [{ name: 'x', type: 'text' }]);
});

test('table, firstOf and hasRows', (t) => {
  t.is(firstOf(table('{"rows":[{"b":1.50,"a":2}],"row_count":1}')!), '1.50');
  t.is(firstOf(table('{"rows":[],"row_count":0}')!), undefined);
  t.is(firstOf(table('{"rows":[{}],"row_count":1}')!), undefined);
  for (const rowless of ['[1]', '5', '"rows"', '{"status":200}', '{"rows":5}', '{"rows":[1]}']) t.is(table(rowless), undefined, rowless);
  t.true(hasRows('{"rows":[{}],"row_count":1}', 'n'));
  t.false(hasRows('{"rows":[],"row_count":0}', 'n'));
  for (const bad of ['[1]', '{"status":200}', '{"row_count":"1"}', 'null']) raises(t, () => hasRows(bad, 'n'), '22023', /'n' has no row_count/, bad);
});
