import test from 'ava';
import fc from 'fast-check';
import { raises } from './_raises.ts';
import { elements, isJson, kind, members, parseString, quote } from '../../src/engine/rawjson.ts';

const strings = fc.string({ unit: fc.oneof(fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\n', '\u2028'), fc.string({ maxLength: 1 })) });

test('members keeps order, digits, duplicates and inner white space', (t) => {
  t.deepEqual(members(' { "a" : 1.50 ,"b":9223372036854775807,\n"a":{"x": [1, 2]} } '), [
    ['a', '1.50'], ['b', '9223372036854775807'], ['a', '{"x": [1, 2]}'],
  ]);
  t.deepEqual(members('{}'), []);
  t.deepEqual(members('{"__proto__":null,"q\\"\\u0041":true}'), [['__proto__', 'null'], ['q"A', 'true']]);
});

test('elements cuts an array at its own commas only', (t) => {
  t.deepEqual(elements('[ 1 , "a,]\\"" , [2,[3]],{"k":"}"} ]'), ['1', '"a,]\\""', '[2,[3]]', '{"k":"}"}']);
  t.deepEqual(elements(' [ ] '), []);
  t.deepEqual(elements('["\\\\","x"]'), ['"\\\\"', '"x"']);
});

test('text that is not a list is refused with its place', (t) => {
  for (const bad of ['', '[1', '{"a" 1}', '{"a":}', '{a:1}', '{"a":1', '{"a":1]', '["abc', '[1 2]', '5', '[{]']) {
    const read = bad.startsWith('[') ? elements : members;
    raises(t, () => read(bad), '22P02', /Malformed JSON at character \d+/, bad);
  }
});

test('kind', (t) => {
  t.deepEqual(['{}', '[]', '""', '-1', '0.5', 'true', 'false', 'null', ' 7'].map(kind),
    ['object', 'array', 'string', 'number', 'number', 'true', 'false', 'null', 'number']);
  raises(t, () => kind('x'), '22P02', /Malformed/);
});

test('members and elements agree with JSON.parse', (t) => {
  fc.assert(fc.property(fc.dictionary(strings, fc.jsonValue(), { noNullPrototype: true }), fc.constantFrom(0, 1), (object, indent) => {
    const text = JSON.stringify(object, null, indent);
    t.deepEqual(members(text).map(([k, v]) => [k, JSON.parse(v)]), Object.entries(JSON.parse(text)));
    const list = JSON.stringify(Object.values(object), null, indent);
    t.deepEqual(elements(list).map((raw) => JSON.parse(raw)), JSON.parse(list));
  }));
});

test('quote and parseString are each other\'s inverse', (t) => {
  fc.assert(fc.property(strings, (text) => {
    t.is(parseString(quote(text)), text);
    t.is(JSON.parse(quote(text)), text);
  }));
  t.is(parseString('"\\ud83d\\ude00\\n"'), '😀\n');
  t.is(quote('\\ud800'), '"\\\\ud800"');
});

test('quote refuses what PostgreSQL cannot store', (t) => {
  raises(t, () => quote('a\0b'), '22P05', /U\+0000/);
  raises(t, () => quote('a\ud800b'), '22P05', /surrogate/);
});

test('isJson agrees with JSON.parse on almost-JSON', (t) => {
  const token = fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"\\n"', '"\\x"', '1', '-', '0', '.5', 'e3', '01', 'true', 'nul', 'null', ' ', '\t', '\v', '"', '\\');
  fc.assert(fc.property(fc.oneof(fc.array(token, { maxLength: 8 }).map((all) => all.join('')), fc.json()), (text) => {
    let expected = true;
    try { JSON.parse(text); } catch { expected = false; }
    if (!/\\u(0000|d[89a-f])/i.test(text)) t.is(isJson(text), expected, text);
  }), { numRuns: 5000 });
});

test('isJson refuses exactly what jsonb refuses', (t) => {
  for (const good of ['"\\ud83d\\ude00"', '"\\u0001\x7f"', ' [1, 2]\r\n', '1e131071', '1e-16383', '0e131072', '0.001e131074', '-0', `0.${'1'.repeat(16383)}`, '"é"']) {
    t.true(isJson(good), good.slice(0, 40));
  }
  for (const bad of ['', ' ', '"\\u0000"', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\t"', '1e131072', '1e-16384', '10e131071', `0.${'1'.repeat(20000)}`, '1e99999999999', '\f1', '\u00a01', 'NaN', '{"a":1}{', '[1,]', '{"a":1,}', "'a'"]) {
    t.false(isJson(bad), bad.slice(0, 40));
  }
});

test('nesting costs no stack', (t) => {
  t.true(isJson('['.repeat(5000) + ']'.repeat(5000)));
  t.false(isJson('['.repeat(5001) + ']'.repeat(5001)));
  t.false(isJson('['.repeat(1_000_000)));
  const deep = '[{"a":'.repeat(100_000) + '1' + '}]'.repeat(100_000);
  t.is(elements(deep).length, 1);
  t.is(members(elements(deep)[0]!)[0]![1].length, deep.length - 8);
});

test('a string full of backslashes takes linear time', (t) => {
  const raw = `["${'\\\\'.repeat(500_000)}","${'\\"'.repeat(500_000)}"]`;
  t.is(elements(raw).length, 2);
  t.true(isJson(raw));
});
