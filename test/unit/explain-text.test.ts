import test from 'ava';
import fc from 'fast-check';
import { explainGraph, explainInput, explainInstance, type ExplainEnv, type InstanceView } from '../../src/engine/explain.ts';
import * as df from '../../src/graph/compose.ts';
import { DurableError } from '../../src/graph/errors.ts';
import { flatten } from '../../src/graph/flatten.ts';
import { parseGraph } from '../../src/graph/parse.ts';
import { printGraph } from '../../src/graph/print.ts';
import { graphs } from './graph-arbitrary.ts';

const tree = (future: string): string => explainGraph(flatten(parseGraph(future)));
const lines = (...all: string[]): string => all.join('\n');

const view: InstanceView = {
  id: 'deadbeef',
  label: 'nightly',
  status: 'running',
  output: null,
  program: flatten(parseGraph(df.seq(df.as_('SELECT 1', 'a'), df.if_('SELECT $a > 0', df.sleep(5), 'SELECT 2')))),
  statuses: (index) => ['running', 'completed', 'running', 'running', 'skipped', 'failed'][index] as string,
};
const env: ExplainEnv = {
  httpMode: () => 'all',
  mayCall: () => true,
  validateCron: (expr) => {
    if (expr === 'bad') throw new DurableError(`Invalid cron expression '${expr}'`);
  },
  instance: (id) => (id === view.id ? view : null),
};

test('the drawing of the contract, byte for byte', (t) => {
  const future = df.seq(df.as_('SELECT 1', 'a'), df.if_('SELECT $a > 0', df.seq("SELECT 'yes'", df.sleep(5)), "SELECT 'no'"));
  const drawing = lines(
    "SQL: SELECT 1 |=> 'a'",
    '→ IF',
    '    ? condition:',
    '      └─SQL: SELECT $a > 0',
    '    ✓ then:',
    "      └─SQL: SELECT 'yes'",
    '      → SLEEP 5s',
    '    ✗ else:',
    "      └─SQL: SELECT 'no'",
  );
  t.is(tree(future), drawing);
  t.is(explainInput(`  ${future}\n`, env), drawing);
  t.is(explainInput("'SELECT 1' |=> 'a' ~> ('SELECT $a > 0' ?> ('SELECT ''yes''' ~> df.sleep(5)) !> 'SELECT ''no''')", env), drawing);
});

test('parts nest the same way at every level', (t) => {
  const future = df.loop(df.join3(df.race('a', df.seq('b', 'c')), df.loop('d', null), df.break_('v')), 'SELECT true');
  t.is(tree(future), lines(
    'LOOP (while)',
    '    ↻ body:',
    '      └─JOIN (3)',
    '          ║ branch 1:',
    '            └─RACE',
    '                ║ branch 1:',
    '                  └─SQL: a',
    '                ║ branch 2:',
    '                  └─SQL: b',
    '                  → SQL: c',
    '          ║ branch 2:',
    '            └─LOOP (infinite)',
    '                ↻ body:',
    '                  └─SQL: d',
    '          ║ branch 3:',
    "            └─BREAK 'v'",
    '    ? while:',
    '      └─SQL: SELECT true',
  ));
});

test('a chain is flat however it was parenthesised, and its name is its last step’s', (t) => {
  const flat = lines('SQL: a', '→ SQL: b', '→ SQL: c', '→ SQL: d');
  t.is(tree(df.seq(df.seq(df.seq('a', 'b'), 'c'), 'd')), flat);
  t.is(tree(df.seq('a', df.seq('b', df.seq('c', 'd')))), flat);
  t.is(tree(df.seq(df.seq('a', 'b'), df.seq('c', 'd'))), flat);
  t.is(tree(df.seq(df.as_(df.seq('a', df.as_('b', 'y')), 'x'), 'c')), lines('SQL: a', "→ SQL: b |=> 'y' |=> 'x'", '→ SQL: c'));
});

test('each kind of node has its line', (t) => {
  t.is(tree(df.waitForSchedule('*/5 * * * *', () => undefined)), "WAIT '*/5 * * * *'");
  t.is(tree(df.waitForSignal('n', 60)), "SIGNAL 'n' (60s)");
  t.is(tree(df.waitForSignal("it's", null)), "SIGNAL 'it''s'");
  t.is(tree(df.break_(null)), 'BREAK');
  t.is(tree(df.break_('')), "BREAK ''");
  t.is(tree(df.sleepInterval('0.250000')), 'SLEEP 0.25s');
  const request = { url: `https://a.example/${'x'.repeat(40)}`, method: 'get', headers: null, timeoutSeconds: 30 };
  t.is(tree(df.as_(df.http({ ...request, body: null }, { mode: 'all' }), 'r')), `HTTP GET https://a.example/${'x'.repeat(22)}… |=> 'r'`);
  const parts = '[{"name":"f","data_b64":"aGk="}]';
  t.is(tree(df.httpMultipart({ ...request, url: 'http://a', method: 'PUT', parts }, { mode: 'all' })), 'HTTP_MULTIPART PUT http://a');
  t.is(tree(df.ifRows('r', 'a', 'b')), lines('IF', '    ? condition:', '      └─has rows: $r', '    ✓ then:', '      └─SQL: a', '    ✗ else:', '      └─SQL: b'));
});

test('a query is shown on one line and cut to 50 characters', (t) => {
  t.is(tree(df.sql('SELECT\n  1,\t2 ')), 'SQL: SELECT 1, 2');
  t.is(tree(df.sql('y'.repeat(50))), `SQL: ${'y'.repeat(50)}`);
  t.is(tree(df.sql('y'.repeat(51))), `SQL: ${'y'.repeat(50)}…`);
  t.is(tree(df.sql('💡'.repeat(51))), `SQL: ${'💡'.repeat(50)}…`);
});

test('an instance has a header, and marks behind its nodes', (t) => {
  t.is(explainInput(' deadbeef ', env), lines(
    'Instance: deadbeef (nightly)',
    'Status:   ⏳ running',
    '',
    "SQL: SELECT 1 |=> 'a' ✓",
    '→ IF ⏳',
    '    ? condition:',
    '      └─SQL: SELECT $a > 0 ✗',
    '    ✓ then:',
    '      └─SLEEP 5s ⏳',
    '    ✗ else:',
    '      └─SQL: SELECT 2 ⊘',
  ));
  const one = { ...view, label: null, program: flatten(parseGraph('a')), statuses: () => 'pending' };
  t.is(explainInstance({ ...one, status: 'pending' }), lines('Instance: deadbeef', 'Status:   ○ pending', '', 'SQL: a ○'));
  t.is(
    explainInstance({ ...one, status: 'failed', output: `line\n${'z'.repeat(80)}` }),
    lines('Instance: deadbeef', 'Status:   ✗ failed', `Output:   line ${'z'.repeat(55)}…`, '', 'SQL: a ○'),
  );
  t.true(explainInstance({ ...one, status: 'cancelled' }).includes('✗ cancelled'));
  t.true(explainInstance({ ...one, status: 'completed' }).includes('✓ completed'));
  t.throws(() => explainInstance({ ...one, status: 'odd' }), { message: /no mark for status 'odd'/ });
});

test('one SQL statement', (t) => {
  t.is(explainInput(' SELECT 1; ', env), 'SQL: SELECT 1;');
  t.is(explainInput('-- why\nINSERT INTO t VALUES (1)', env), 'SQL: -- why INSERT INTO t VALUES (1)');
  t.is(explainInput('(SELECT 1) UNION (SELECT 2)', env), 'SQL: (SELECT 1) UNION (SELECT 2)');
  t.is(explainInput("SELECT a & b, 'x' ~> 'y' FROM t", env), "SQL: SELECT a & b, 'x' ~> 'y' FROM t");
  t.is(explainInput("SELECT df.start('a')", env), "SQL: SELECT df.start('a')");
  t.regex(explainInput('CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END', env), /^SQL: CREATE FUNCTION/);
  t.regex(explainInput('SELECT 1; DROP TABLE t', env), /more than one SQL statement.*accepts/);
  t.regex(explainInput("SELECT 'a", env), /the string has no end; close it \(at character 8\)/);
});

test('problems come back as text', (t) => {
  t.regex(explainInput('{"node_type":"NOPE"}', env), /^Invalid durable function graph: root: Unknown node_type 'NOPE'/);
  t.regex(explainInput('{"node_type":"THEN","left_node":1}', env), /^Invalid durable function graph: root\.left: /);
  t.regex(explainInput("'c' ?> 'a'", env), /^Invalid durable function graph: root: right_node is missing in IF/);
  t.regex(explainInput('{"node_type":"SQL","query":', env), /^Invalid durable function graph: .*not valid JSON/);
  t.regex(explainInput('{"node_type":"WAIT_SCHEDULE","query":"{\\"cron_expr\\":\\"bad\\"}"}', env), /^Invalid durable function graph: root: Invalid cron expression 'bad'/);
  t.regex(explainInput("df.wait_for_schedule('bad')", env), /^Failed to evaluate expression: Invalid cron expression 'bad'/);
  t.regex(explainInput("'a' ~> pg_sleep(1)", env), /^Failed to evaluate expression: 'pg_sleep' is not part/);
  t.regex(explainInput("df.start('a')", env), /^Failed to evaluate expression: df\.start\(\) does not compose/);
  t.regex(explainInput("'a' ~> NULL", env), /^Failed to evaluate expression: the result is NULL/);
  t.regex(explainInput(`'a'${" ~> 'b'".repeat(300)}`, env), /^Invalid durable function graph: .*maximum nesting depth of 256/);
  for (const text of ['', '  ', "'SELECT 1'", 'hello', '{"a":1}', '{var}', 'now()', '[1]']) t.regex(explainInput(text, env), /^Cannot explain '.*df\.explain accepts/, text);
});

test('an error that is not the input’s is thrown', (t) => {
  const broken: ExplainEnv = { ...env, instance: () => { throw new TypeError('lost'); }, httpMode: () => { throw new TypeError('lost'); } };
  t.throws(() => explainInput('deadbeef', broken), { message: 'lost' });
  t.throws(() => explainInput("df.http('https://a')", broken), { message: 'lost' });
});

test('every graph has a line per node that is no THEN', (t) => {
  fc.assert(fc.property(graphs, (graph) => {
    const { nodes } = flatten(graph);
    const marked = explainInstance({ ...view, program: { nodes }, statuses: () => 'skipped' });
    t.is(marked.split('\n').filter((line) => line.endsWith(' ⊘')).length, nodes.filter((node) => node.type !== 'THEN').length);
    t.is(explainInput(printGraph(graph), env), explainGraph({ nodes }));
  }));
});

test('only an id as df.start gives it is looked up, in white space or not', (t) => {
  const asked: string[] = [];
  const asking: ExplainEnv = { ...env, instance: (id) => { asked.push(id); return null; } };
  for (const input of ['deadbeef', ' deadbeef\n', '\tdeadbeef ']) t.is(explainInput(input, asking), "Instance 'deadbeef' not found");
  t.deepEqual(asked.splice(0), ['deadbeef', 'deadbeef', 'deadbeef']);
  for (const input of [
    'DEADBEEF', 'Deadbeef', 'deadbee', 'deadbeef0', 'deadbeeg', 'dead beef', 'dead-beef', '0xdeadbe', '{deadbeef}', '"deadbeef"', "'deadbeef'", 'deadbeef;', 'deadbeef::1',
    'deadbeef\u0000', 'deadbeef deadbeef', '12345678.', '٠١٢٣٤٥٦٧', 'de\u0430dbeef', 'deadbeef-0000-4000-8000-000000000000', 'deadbeef-dead-beef-dead-beefdeadbeef', '{deadbeef-0000-4000-8000-000000000000}', '%', '________', '',
  ]) t.regex(explainInput(input, asking), /accepts an instance id \(eight lower-case hex digits\)/, JSON.stringify(input));
  t.deepEqual(asked, []);
});
