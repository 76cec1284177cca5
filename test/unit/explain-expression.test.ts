import test from 'ava';
import fc from 'fast-check';
import { evaluate, type ComposerEnv } from '../../src/engine/explain/evaluate.ts';
import { parseExpression, usesDsl } from '../../src/engine/explain/expression.ts';
import { intervalSeconds } from '../../src/engine/explain/interval.ts';
import { tokenize } from '../../src/engine/explain/tokens.ts';
import * as df from '../../src/graph/compose.ts';
import { DurableError } from '../../src/graph/errors.ts';
import { names, texts } from './graph-arbitrary.ts';

const env: ComposerEnv = {
  httpMode: () => 'all',
  mayCall: () => true,
  validateCron: (expr) => {
    if (expr === 'bad') throw new DurableError(`Invalid cron expression '${expr}'`);
  },
};
const value = (text: string, at: ComposerEnv = env): string | null => evaluate(parseExpression(tokenize(text)), at).text;
const failure = (text: string, at: ComposerEnv = env): string => {
  try {
    return `accepted: ${value(text, at)}`;
  } catch (error) {
    if (error instanceof DurableError) return error.message;
    throw error;
  }
};

test('operators have one precedence, left to right; the prefix takes what follows at once', (t) => {
  const same = (text: string, future: string): void => void t.is(value(text), future, text);
  same(`'a' ~> 'b' |=> 'x' ~> 'c'`, df.seq(df.as_(df.seq('a', 'b'), 'x'), 'c'));
  same(`@> 'a' ~> 'b'`, df.seq(df.loop('a', null), 'b'));
  same(`@> ('a' ~> 'b')`, df.loop(df.seq('a', 'b'), null));
  same(`'a' ~> @> 'b' ~> 'c'`, df.seq(df.seq('a', df.loop('b', null)), 'c'));
  same(`@> @> 'a'`, df.loop(df.loop('a', null), null));
  same(`'a' & 'b' | 'c'`, df.race(df.join('a', 'b'), 'c'));
  same(`'c' ?> 't' !> 'e'`, df.if_('c', 't', 'e'));
  same(`'a' ~> ('c' ?> 't' !> 'e')`, df.seq('a', df.if_('c', 't', 'e')));
  same(`'a'::text OPERATOR(pg_catalog.~>) 'b' OPERATOR(&) 'c'`, df.join(df.seq('a', 'b'), 'c'));
  same(`'SELECT ' || '1' ~> 'b';`, df.seq('SELECT 1', 'b'));
  same(`'a'&'b'--c`, df.join('a', 'b'));
  same(`'a'~>/* /* */ ; */'b'`, df.seq('a', 'b'));
  // Written together they are one operator, as PostgreSQL has it.
  t.regex(failure(`'a' ~>@> 'b'`), /'~>@>' where an operator or the end was expected \(at character 5\)/);
});

test('every composer, by position and by name', (t) => {
  const same = (text: string, future: string): void => void t.is(value(text), future, text);
  same(`df.sql('a')`, df.sql('a'));
  same(`df.seq(b => 'b', a => 'a')`, df.seq('a', 'b'));
  same(`df."as"('a', 'x')`, df.as_('a', 'x'));
  same(`DF.As('a', name := 'x')`, df.as_('a', 'x'));
  same(`df.sleep(5)`, df.sleep(5));
  same(`df.sleep(9223372036854775807)`, df.sleep(9223372036854775807n));
  same(`df.sleep(seconds => '5')`, df.sleep(5));
  same(`df.sleep('5')`, df.sleep(5));
  same(`df.sleep('90 seconds')`, df.sleep(90));
  same(`df.sleep(duration => '0.5')`, df.sleepInterval('0.5'));
  same(`df.sleep('5'::bigint)`, df.sleep(5));
  same(`df.sleep(CAST('5' AS int8))`, df.sleep(5));
  same(`df.sleep(interval '1 minute 0.5 s')`, df.sleepInterval('60.5'));
  same(`df.sleep('1.5 hours'::pg_catalog.interval)`, df.sleepInterval('5400'));
  same(`df.wait_for_schedule('0 0 * * *')`, df.waitForSchedule('0 0 * * *', () => undefined));
  same(`df.loop('a')`, df.loop('a', null));
  same(`df.loop('a', condition => 'c')`, df.loop('a', 'c'));
  same(`df.loop('a', NULL)`, df.loop('a', null));
  same(`df.break()`, df.break_(null));
  same(`df.break('v')`, df.break_('v'));
  same(`df.if('c', 't', 'e')`, df.if_('c', 't', 'e'));
  same(`df.if_rows('r', 't', 'e')`, df.ifRows('r', 't', 'e'));
  same(`df.join('a', 'b')`, df.join('a', 'b'));
  same(`df.join3('a', 'b', 'c')`, df.join3('a', 'b', 'c'));
  same(`df.race('a', df.seq('b', 'c'))`, df.race('a', df.seq('b', 'c')));
  same(`df.wait_for_signal('go', 60)`, df.waitForSignal('go', 60));
  same(`df.wait_for_signal(name => 'go')`, df.waitForSignal('go', null));
  same(`df.as_op('a', 'x')`, df.as_('a', 'x'));
  same(`df.if_else_op(df.if_then_op('c', 't'), 'e')`, df.if_('c', 't', 'e'));
  same(`df.loop_prefix_op('a')`, df.loop('a', null));
  const call = { url: 'https://a.example', method: 'POST', body: null, headers: null, timeoutSeconds: 30 };
  same(`df.http('https://a.example')`, df.http(call, { mode: 'all' }));
  same(
    `df.http('https://a.example', 'get', headers => '{"a": "b"}'::jsonb, timeout_seconds => 5)`,
    df.http({ ...call, method: 'GET', headers: '{"a":"b"}', timeoutSeconds: 5 }, { mode: 'all' }),
  );
  same(
    `df.http_multipart('https://a.example', parts => '[{"name":"f","data_b64":"aGk="}]')`,
    df.httpMultipart({ url: 'https://a.example', method: 'POST', parts: '[{"name":"f","data_b64":"aGk="}]', headers: null, timeoutSeconds: 30 }, { mode: 'all' }),
  );
});

test('NULL goes through as PostgreSQL has it', (t) => {
  for (const text of [`df.sql(NULL)`, `df.seq('a', NULL)`, `'a' ~> NULL`, `NULL::text & 'a'`, `df.sleep(NULL::bigint)`, `df.sleep(NULL)`, `'a' || NULL ~> 'b'`]) t.is(value(text), null, text);
  t.regex(failure(`df.loop(NULL)`), /Loop body cannot be NULL/);
});

test('nothing but DSL calls over literals is accepted', (t) => {
  for (const [text, message] of [
    [`df.start('a')`, 'df.start() does not compose a workflow'],
    [`df.seq('a', df.setvar('a', 'b'))`, 'df.setvar() does not compose a workflow'],
    [`'a' ~> pg_sleep(5)`, "'pg_sleep' is not part of the workflow language"],
    [`'a' ~> (SELECT 'b')`, "'select' is not part of the workflow language"],
    [`'a' ~> current_user`, "'current_user' is not part of the workflow language"],
    [`'a' ~> 'b', pg_sleep(1)`, "',' where an operator or the end was expected (at character 11)"],
    [`'a' ~> 'b'; SELECT 1`, "';' where an operator or the end"],
    [`'a' ~> 'b')`, "')' where an operator or the end"],
    [`('a' ~> 'b'`, "ends where ')' was expected"],
    [`'a' ~>`, 'ends where a literal or a df call was expected'],
    [`'a' ~> 'b' FROM t`, "'from' where an operator or the end"],
    [`'a' ~> "b"`, "'b' is not part of the workflow language"],
    [`'a' ~> $1`, "'$1' where a literal or a df call was expected"],
    [`'a' ~> 'b'::regclass`, "'regclass' where a type"],
    [`df.seq('a')`, 'function df.seq(unknown) does not exist; the arguments are df.seq(a text, b text)'],
    [`df.seq(a => 'a', 'b')`, 'does not exist'],
    [`df.seq('a', 'b', c => 'd')`, 'does not exist'],
    [`df.seq('a', a => 'b')`, 'does not exist'],
    [`df.seq('a', 5)`, 'function df.seq(unknown, integer) does not exist'],
    [`df.sleep('soon')`, "invalid input syntax for type interval: 'soon'"],
    [`df.sleep(5.5)`, 'function df.sleep(numeric) does not exist'],
    [`df.sleep(-5)`, 'Sleep duration must be non-negative, not -5'],
    [`df.sleep(interval 'soon')`, "invalid input syntax for type interval: 'soon'"],
    [`df.sleep('5 s'::interval::bigint)`, 'cannot cast type interval to bigint'],
    [`df.sleep('9223372036854775808'::bigint)`, 'out of range for type bigint'],
    [`df.wait_for_signal('go', 'x')`, "invalid input syntax for type integer: 'x'"],
    [`df.wait_for_schedule('bad')`, "Invalid cron expression 'bad'"],
    [`'a' ~> 5`, 'operator ~> takes text on both sides, not integer'],
    [`'a' !> 'b'`, 'left side of !> must be a ?> expression'],
    [`'a' |=> '1x'`, 'not a valid identifier'],
    [`df.constructor('a')`, 'df.constructor() does not compose'],
    [`df.sql('a')::constructor`, "'constructor' where a type"],
    [`df.`, 'ends where the name of a df function'],
    [`df.http('https://a', headers => '{')`, 'invalid input syntax for type jsonb'],
  ] as const) {
    t.true(failure(text).includes(message), `${text}\n  gave: ${failure(text)}`);
  }
});

test('http needs the privilege and the setting', (t) => {
  t.regex(failure(`df.http('https://a')`, { ...env, mayCall: (name) => name !== 'http' }), /permission denied for function http/);
  t.regex(failure(`df.http('https://a')`, { ...env, httpMode: () => 'off' }), /df\.http\(\) is disabled/);
});

test('literals are read as PostgreSQL reads them', (t) => {
  const query = (text: string): string => (JSON.parse(value(text) as string) as { query: string }).query;
  fc.assert(fc.property(texts, (text) => {
    t.is(query(`df.sql('${text.replace(/'/g, "''")}')`), text);
    t.is(query(`df.sql(E'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}')`), text);
    if (!text.includes('$q$')) t.is(query(`df.sql($q$${text}$q$)`), text);
  }));
  t.is(query(`df.sql('a'\n  'b')`), 'ab');
  t.is(query(`df.sql(E'a\\n\\t\\x41\\101\\u00e9\\U0001F600\\q'\n'\\\\')`), 'a\n\tAAé😀q\\');
  t.is(query(`df.sql($$a 'b' $x$ $$)`), "a 'b' $x$ ");
  t.is(query(`df.sql('a\\nb')`), 'a\\nb');
  for (const text of [`df.sql('a`, `df.sql(E'a\\'`, `df.sql($$a$)`, `df.sql($x$a$$)`, `df.sql('a') /* `, `df."sql('a')`]) t.regex(failure(text), /has no end/, text);
  t.regex(failure(`df.sql(E'\\u12')`), /invalid Unicode escape/);
  t.regex(failure(`df.sql(E'\\xff')`), /ASCII only/);
});

test('the DSL is recognised by its operators and its schema only', (t) => {
  for (const text of [`'a' ~> 'b'`, `@> 'a'`, `'a' & 'b'`, `df.sql('a')`, `"df"."as"('a','b')`, `'a' operator(pg_catalog.|) 'b'`]) t.true(usesDsl(tokenize(text)), text);
  for (const text of [`'a'`, `'a' || 'b'`, `'~>'`, `-- a ~> b`, `x.df`, `dfx.sql('a')`, `now()`]) t.false(usesDsl(tokenize(text)), text);
});

test('the evaluator equals the composers', (t) => {
  interface Both { readonly text: string; readonly future: string }
  const literal = texts.map((text): Both => ({ text: `'${text.replace(/'/g, "''")}'`, future: text }));
  const binary = fc.constantFrom<[string, string, (a: string, b: string) => string]>(['~>', 'seq', df.seq], ['&', 'join', df.join], ['|', 'race', df.race]);
  const { expression } = fc.letrec<{ expression: Both }>((tie) => {
    const e = tie('expression');
    return {
      expression: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        literal,
        fc.tuple(e, binary, e).map(([a, [name, , compose], b]): Both => ({ text: `(${a.text}) ${name} (${b.text})`, future: compose(a.future, b.future) })),
        fc.tuple(e, binary, e).map(([a, [, name, compose], b]): Both => ({ text: `df.${name}(${a.text},${b.text})`, future: compose(a.future, b.future) })),
        fc.tuple(literal, binary, literal, binary, literal).map(([a, [n1, , f1], b, [n2, , f2], c]): Both => ({ text: `${a.text}${n1}${b.text} ${n2} ${c.text}`, future: f2(f1(a.future, b.future), c.future) })),
        fc.tuple(e, names).map(([a, name]): Both => ({ text: `(${a.text}) |=> '${name}'`, future: df.as_(a.future, name) })),
        fc.tuple(e, e, e).map(([a, b, c]): Both => ({ text: `(${a.text}) ?> (${b.text}) !> (${c.text})`, future: df.if_(a.future, b.future, c.future) })),
        e.map((a): Both => ({ text: `@> (${a.text})`, future: df.loop(a.future, null) })),
        fc.tuple(e, e).map(([a, b]): Both => ({ text: `df.loop(${a.text}, condition => ${b.text})`, future: df.loop(a.future, b.future) })),
      ),
    };
  });
  fc.assert(fc.property(expression, ({ text, future }) => {
    t.is(value(text), future, text);
  }));
});

test('deep and long expressions are refused, not a stack exhausted', (t) => {
  t.regex(failure(`${'('.repeat(100_000)}'a' ~> 'b'${')'.repeat(100_000)}`), /nests more than 300 levels/);
  t.regex(failure(`${'@> '.repeat(100_000)}'a'`), /nests more than 300 levels/);
  t.regex(failure(`'a'${` ~> 'b'`.repeat(100_000)}`), /nests more than 600 levels/);
  t.regex(failure(`'a' ~> 'b'${'::text'.repeat(100_000)}`), /nests more than 600 levels/);
  t.truthy(value(`${'('.repeat(255)}'a'${` ~> 'b')`.repeat(255)}`));
});

test('intervals count as extract(epoch) does', (t) => {
  for (const [text, seconds] of [
    ['5 seconds', '5.000000'], ['1 day', '86400.000000'], ['1 day 2 hours', '93600.000000'], ['01:30', '5400.000000'], ['01:30:00.25', '5400.250000'],
    ['2 days 01:00:01', '176401.000000'], ['1 mon', '2592000.000000'], ['1 year', '31557600.000000'], ['18 months', '47109600.000000'], ['90', '90.000000'],
    ['0.5', '0.500000'], ['-5 s', '-5.000000'], ['5 min ago', '-300.000000'], ['250 ms', '0.250000'], ['2 weeks', '1209600.000000'], ['1h30m', '5400.000000'], ['@ 1 minute', '60.000000'],
    ['-00:00:01', '-1.000000'], ['1.5 hours', '5400.000000'],
  ] as const) t.is(intervalSeconds(text), seconds, text);
  for (const text of ['', 'soon', '5 parsecs', '1.5 months', 'ago', '.', '1:99', 'P1D', '0.1234567 s', '1 day 1 day', '1 hour 01:00', '01:00 5 s']) t.is(intervalSeconds(text), null, text);
});
