import test from 'ava';
import fc from 'fast-check';
import { raises } from './_raises.ts';
import { expandVariables, substitute } from '../../src/engine/substitute.ts';
import type { Context } from '../../src/engine/substitute.ts';
import { stringLiteral } from '../../src/engine/literal.ts';

const RESULTS: Record<string, string> = {
  n: '{"rows":[{"id":7,"s":"it\'s","neg":-5,"nul":null,"b":true,"j":{"k": [1]},"back":"a\\\\b","num":"1.50","big":1e+300},{"id":8}],"row_count":2}',
  neg: '{"rows":[{"v":-5}],"row_count":1}', zero: '{"rows":[{"v":-0}],"row_count":1}',
  nul: '{"rows":[{"v":null}],"row_count":1}',
  none: '{"rows":[],"row_count":0}',
  cols: '{"rows":[],"row_count":0,"columns":{"id":"bigint","na\\"me":"text","ok":"boolean","p":"numeric"}}',
  bare: '{"rows":[{},{}],"row_count":2}',
  a: '{"rows":[{"x":1}],"row_count":1}',
  ab: '{"rows":[{"x":"$a {v}"}],"row_count":1}',
  http: '{"status":200,"body":"hi","ok":true,"headers":{"x":"y"},"gone":null}',
  list: '[1,"x\'y"]',
  five: '5', nothing: 'null', word: '"w"',
};
const VARIABLES: Record<string, string> = { v: 'value', ref: '$a', brace: '{v}', empty: '', sys_label: 'mine', '"k": {v': 'x' };
const context: Context = {
  sysInstanceId: '0a1b2c3d', sysLabel: '', names: Object.keys(RESULTS),
  variable: (name) => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined),
  result: (name) => RESULTS[name]!,
};
const sql = (text: string): string => substitute(text, 'sql', context);
const raw = (text: string): string => substitute(text, 'raw', context);

test('braces: system names, variables, and everything else left alone', (t) => {
  t.is(sql('{sys_instance_id}|{sys_label}|{v}|{empty}|{nope}|{ v }|{}'), '0a1b2c3d||value||{nope}|{ v }|{}');
  t.is(sql('{v'), '{v');
  t.is(sql('}{v}{'), '}value{');
  t.is(sql('{a {v} b}'), '{a {v} b}', 'up to the next closing brace is one name');
  t.is(sql('{brace}'), '{v}', 'what is inserted is not scanned again');
  t.is(sql('{constructor}{__proto__}'), '{constructor}{__proto__}');
});

test('the second pass sees what the first inserted, and not what it inserts itself', (t) => {
  t.is(sql('{ref}'), '1');
  t.is(sql('$ab'), "'$a {v}'");
});

test('unknown names and other dollars stay', (t) => {
  for (const text of ['$foo', '$1', '$$', '$', 'x$', '$abc', '$a1', '$ a', '$-', '$$a$$', '$foo.bar?', 'do $q$ begin end $q$']) t.is(sql(text), text);
  t.is(sql('$ab$a $a,$ab'), "'$a {v}'1 1,'$a {v}'", 'the longest name wins');
  t.is(sql('$$$a'), '$$1');
});

test('SQL: literals by kind of value', (t) => {
  t.is(sql('$n'), '7');
  t.is(sql('$n.id, $n.s, $n.b, $n.j, $n.num'), "7, 'it''s', true, '{\"k\": [1]}', '1.50'");
  t.is(sql('$n.back'), "E'a\\\\b'");
  t.is(sql('$n.id?$n?'), '77');
  t.is(sql('$a.'), '1.');
  t.is(sql('$a.5'), '1.5');
  t.is(sql('$a.*5'), '(VALUES (1)) AS "a"("x")5');
});

test('raw: the bare text', (t) => {
  t.is(raw('$n/$n.s/$n.b/$n.j/$n.back/$n.num/$n.neg'), '7/it\'s/true/{"k": [1]}/a\\b/1.50/-5');
  t.is(raw('$none?,$nul?,$nul.v?,$none.x?'), 'NULL,NULL,NULL,NULL');
  t.is(raw('$n.*'), RESULTS['n']!.slice(8, -15));
  t.is(raw('$none.*'), '[]');
  t.is(raw('$http|$list|$word|$nothing'), `${RESULTS['http']}|${RESULTS['list']}|"w"|null`);
  t.is(raw('$http.status $http.body $http.headers'), '200 hi {"x":"y"}');
});

test('numbers keep their value under a cast and behind an operator', (t) => {
  t.is(sql('$neg'), '-5');
  t.is(sql('3 - $neg'), '3 - -5');
  t.is(sql('3 -$neg'), '3 -(-5)');
  t.is(sql('@<$neg 2^$neg 2*$neg'), '@<(-5) 2^(-5) 2*-5');
  t.is(sql('$neg::int $n.neg ::int2'), '(-5)::int (-5) ::int2');
  t.is(sql('$neg::text $n.big::pg_catalog.text $n::text $n.big::numeric'), "'-5'::text '1e+300'::pg_catalog.text '7'::text 1e+300::numeric");
  t.is(sql("'total: $neg'"), "'total: -5'");
  t.is(sql('$zero::float8 $zero'), "'-0'::float8 -0");
});

test('a string literal stays a token of its own', (t) => {
  t.is(sql("e$n.s U&$n.s ''$n.s''"), "e 'it''s' U& 'it''s' '' 'it''s' ''");
  t.is(sql('($n.s||$n.s)'), "('it''s'||'it''s')");
  t.is(sql('$n.s$n.s'), "'it''s' 'it''s'");
  raises(t, () => stringLiteral('a\0'), '22021', /U\+0000/);
});

test('where a reference stands decides what becomes of it', (t) => {
  t.is(sql('SELECT $n -- $n $nul /* $n\n, $n /* $n /* $n */ $n \' $nope */, $n'), 'SELECT 7 -- $n $nul /* $n\n, 7 /* $n /* $n */ $n \' $nope */, 7', 'in a comment nothing');
  t.is(sql(`'$n $n.b $nul?' "t_$n" E'\\'$n' '--$n' "/*$n"`), `'7 true NULL' "t_7" E'\\'7' '--7' "/*7"`, 'in quotes what needs none');
  for (const text of [`'$n.s'`, `"$n.s"`, `E'\\' $n.s'`, `e'\\\\\\'$n.j'`, `'it''s $http'`, `'$n.*'`, `'$n::text $n.s'`, `x'' '$n.num'`]) raises(t, () => sql(text), '42601', /inside quotes/);
  t.is(sql(`E'\\\\'||$n.s, date'' || $n.s, '/*' || $n.s, "--" || $n.s, 'it''s' || $n.s`), `E'\\\\'||'it''s', date'' || 'it''s', '/*' || 'it''s', "--" || 'it''s', 'it''s' || 'it''s'`);
  const dollars = (text: string, value: string): string => substitute(text, 'sql', { ...context, names: ['v'], result: () => `{"rows":[{"x":${JSON.stringify(value)}}],"row_count":1}` });
  t.is(dollars('DO $$ f($v, $v) $$', 'a$b'), `DO $$ f('a$b', 'a$b') $$`);
  t.is(dollars('DO $$ f($v) $$, $v', '$$;\\'), `DO $$ f(E'\\x24\\x24;\\\\') $$, E'$$;\\\\'`, 'no value ends a dollar-quoted text');
  t.is(dollars('DO $b$ f($v) $b$', '$$'), `DO $b$ f('$$') $b$`);
  t.is(dollars(`SELECT $b$it's "$v" -- $v $b$`, '$b$'), `SELECT $b$it's "E'\\x24b\\x24'" -- E'\\x24b\\x24' $b$`, 'a text may be anything, so quotes in it mean nothing');
  t.is(dollars("/* */ DO $b$ -- $v\n f($v) /* $v */ $$ $v $$ 'it' $b$", '$$!'), "/* */ DO $b$ -- $v\n f('$$!') /* $v */ $$ E'\\x24\\x24!' $$ 'it' $b$", 'but a body is code');
  raises(t, () => dollars("DO $b$ BEGIN RAISE NOTICE 'to $v'; END $b$", 'x'), '42601', /\$v inside quotes/);
  raises(t, () => dollars("create function f() returns text as $$ SELECT 'to $v' $$ language sql", 'x'), '42601', /\$v inside quotes/);
  t.is(dollars('DO $b$ FROM $v.* $b$', '$b$'), `DO $b$ FROM (VALUES (E'\\x24b\\x24')) AS "v"("x") $b$`);
  t.is(dollars('a$b$ $v', '$b$'), `a$b$ '$b$'`, 'a dollar within a name begins nothing');
});

test('a result without rows is one literal, and its keys are columns', (t) => {
  t.is(sql('$http'), `'${RESULTS['http']}'`);
  t.is(sql('$list'), `'[1,"x''y"]'`);
  t.is(sql('$five $word $nothing $five?'), "'5' '\"w\"' 'null' '5'");
  t.is(sql('$nothing?'), 'NULL');
  t.is(sql('$http.status $http.ok $http.headers $http.body $http.gone?'), `200 true '{"x":"y"}' 'hi' NULL`);
  raises(t, () => sql('$http.gone'), '22004', /\$http\.gone.*NULL/);
  raises(t, () => sql('$http.nope'), '42703', /\$http\.nope.*"status", "body", "ok"/);
  raises(t, () => sql('$list.x'), '42703', /\$list\.x.*not an object/);
  raises(t, () => sql('$http.*'), '42809', /\$http\.\*/);
});

test('errors say which reference, and whether no rows or a NULL', (t) => {
  for (const mode of ['sql', 'raw'] as const) {
    const run = (text: string): string => substitute(text, mode, context);
    t.regex(raises(t, () => run('x $none'), '02000', /\$none:.*"none" has no rows/).hint!, /\$none\?/);
    raises(t, () => run('$none.c'), '02000', /\$none\.c:.*no rows/);
    raises(t, () => run('$nul'), '22004', /\$nul:.*"nul" is NULL/);
    raises(t, () => run('$nul.v'), '22004', /\$nul\.v: "v" .*NULL/);
    raises(t, () => run('$n.ID'), '42703', /\$n\.ID:.*no column "ID"; it has "id", "s"/);
    raises(t, () => run('$n.nope?'), '42703', /\$n\.nope\?:.*no column/);
    raises(t, () => run('$cols.nope?'), '42703', /it has "id"/);
    raises(t, () => run('$bare'), '42703', /no columns/);
  }
  t.is(sql('$none? $none.c? $nul? $nul.v? $cols.id?'), 'NULL NULL NULL NULL NULL');
});

test('.* as a relation', (t) => {
  const rows = (text: string): string => substitute('$r.*', 'sql', { ...context, names: ['r'], result: () => `{"rows":${text},"row_count":0}` });
  t.is(rows('[{"id":1,"na\\"me":"x"},{"id":-2,"na\\"me":null}]'), `(VALUES (1,'x'),(-2,NULL)) AS "r"("id","na""me")`);
  t.is(rows('[{"v":null},{"v":"1.5"},{"v":2},{"v":true},{"v":{"a":1}}]'), `(VALUES (NULL),('1.5'),('2'),('true'),('{"a":1}')) AS "r"("v")`);
  t.is(rows('[{"a":1},{"b":2}]'), `(VALUES (1,NULL),(NULL,2)) AS "r"("a","b")`);
  t.is(sql('$bare.*'), '(SELECT FROM pg_catalog.generate_series(1, 2)) AS "bare"');
  t.is(sql('$none.*'), '(SELECT WHERE false) AS "none"');
  t.is(sql('$cols.*'), '(SELECT NULL::pg_catalog.int8 AS "id", NULL::pg_catalog.text AS "na""me", NULL::pg_catalog.bool AS "ok", NULL::pg_catalog.numeric AS "p" WHERE false) AS "cols"');
});

test('.* takes 10,000 rows and no more', (t) => {
  const many = (count: number): Context => ({ ...context, names: ['m'], result: () => `{"rows":[${Array(count).fill('{"i":1}').join(',')}],"row_count":${count}}` });
  t.is(substitute('$m.*', 'sql', many(10_000)).length, '(VALUES ) AS "m"("i")'.length + 10_000 * 4 - 1);
  for (const mode of ['sql', 'raw'] as const) raises(t, () => substitute('$m.*', mode, many(10_001)), '54000', /\$m\.\*.*10001 rows.*10000/);
});

test('results are asked for only when used, and once', (t) => {
  const asked: string[] = [];
  substitute('$a $a.x $none.*', 'sql', { ...context, result: (name) => { asked.push(name); return RESULTS[name]!; } });
  t.deepEqual(asked, ['a', 'none']);
});

test('a text without references is returned as it is, whatever it holds', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    t.is(substitute(text, 'sql', { ...context, names: [], variable: () => undefined }).replace(/0a1b2c3d/g, ''), text);
  }));
});

test('expandVariables takes linear time over unclosed braces', (t) => {
  const open = '{'.repeat(1_000_000);
  t.is(expandVariables(open, context), open);
});

/** Reads a literal back as PostgreSQL's scanner does with standard_conforming_strings on or off. */
function readLiteral(literal: string): string {
  const [, escape, body] = /^(E?)'((?:[^']|'')*)'$/s.exec(literal.trim())!;
  const text = body!.replace(/''/g, "'");
  return escape ? text.replace(/\\([\\])/g, '$1') : text;
}

test('every string comes back from its literal', (t) => {
  const text = fc.string({ unit: fc.constantFrom("'", '\\', 'a', '\n', '$', '{', '}', 'é', '😀') });
  fc.assert(fc.property(text, (value) => {
    const literal = stringLiteral(value);
    t.is(readLiteral(literal), value);
    t.is(literal.includes('\\'), literal.startsWith('E'), 'a backslash only where its meaning does not depend on a setting');
  }));
});
