import test from 'ava';
import fc from 'fast-check';
import * as df from '../../src/graph/compose.ts';
import { DurableError } from '../../src/graph/errors.ts';
import { parseGraph } from '../../src/graph/parse.ts';
import { printGraph } from '../../src/graph/print.ts';
import type { Graph } from '../../src/graph/types.ts';
import { remembered } from '../../src/graph/wrap.ts';
import { graphs, loosePrint, names, texts } from './graph-arbitrary.ts';

const raises = (t: { throws: Function }, fragment: string, call: () => unknown): void => {
  const error = t.throws(call, { instanceOf: DurableError }) as DurableError;
  if (!error.message.includes(fragment)) throw new Error(`expected '${fragment}' in '${error.message}'`);
};

test('every composer writes its node in the order of keys', (t) => {
  const a = '{"node_type":"SQL","query":"a"}';
  const b = '{"node_type":"SQL","query":"b"}';
  const c = '{"node_type":"SQL","query":"c"}';
  t.is(df.sql('a'), a);
  t.is(df.seq('a', 'b'), `{"node_type":"THEN","left_node":${a},"right_node":${b}}`);
  t.is(df.as_('a', 'x'), '{"node_type":"SQL","query":"a","result_name":"x"}');
  t.is(df.sleep(5n), '{"node_type":"SLEEP","query":"5"}');
  t.is(df.waitForSchedule('*/5 * * * *', () => undefined), '{"node_type":"WAIT_SCHEDULE","query":"{\\"cron_expr\\":\\"*/5 * * * *\\"}"}');
  t.is(df.loop('a', null), `{"node_type":"LOOP","left_node":${a}}`);
  t.is(df.loop('a', 'b'), `{"node_type":"LOOP","left_node":${a},"condition_node":${b}}`);
  t.is(df.break_(null), '{"node_type":"BREAK","query":"{\\"break_value\\":null}"}');
  t.is(df.break_('done'), '{"node_type":"BREAK","query":"{\\"break_value\\":\\"done\\"}"}');
  t.is(df.if_('c', 'a', 'b'), `{"node_type":"IF","left_node":${a},"right_node":${b},"condition_node":${c}}`);
  t.is(df.ifRows('r', 'a', 'b'), `{"node_type":"IF","left_node":${a},"right_node":${b},"query":"{\\"condition_type\\":\\"result_has_rows\\",\\"result_name\\":\\"r\\"}"}`);
  t.is(df.join('a', 'b'), `{"node_type":"JOIN","left_node":${a},"right_node":${b}}`);
  t.is(df.join3('a', 'b', 'c'), `{"node_type":"JOIN","left_node":${a},"right_node":${b},"extra_nodes":[${c}]}`);
  t.is(df.race('a', 'b'), `{"node_type":"RACE","left_node":${a},"right_node":${b}}`);
  t.is(df.waitForSignal('go', null), '{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"go\\",\\"timeout_seconds\\":null}"}');
  t.is(df.waitForSignal('go', 60), '{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"go\\",\\"timeout_seconds\\":60}"}');
  t.is(df.loopPrefixOp('a'), df.loop('a', null));
  t.is(df.asOp('a', 'x'), df.as_('a', 'x'));
});

test('a text becomes a graph only if its node_type is known', (t) => {
  const spaced = ' {\n"query" : "SELECT 1", "node_type":\t"SQL" } ';
  t.is(df.wrap(spaced), '{"node_type":"SQL","query":"SELECT 1"}');
  for (const text of ['SELECT 1', '', '{', '{"a":1}', '[1]', '{"node_type":"NOPE"}', '{"node_type":5,"left_node":3}', '{"node_type":null}', '"SQL"', '{var}']) {
    t.is(df.wrap(text), JSON.stringify({ node_type: 'SQL', query: text }), text);
  }
  t.is(df.wrap('{"node_type":"SQL","query":"x","left_node":null,"extra_nodes":[]}'), '{"node_type":"SQL","query":"x"}');
  // Below the root an unknown type is kept, so that df.start can say where it is.
  t.is(df.wrap('{"node_type":"LOOP","left_node":{"node_type":"NOPE"}}'), '{"node_type":"LOOP","left_node":{"node_type":"NOPE"}}');
});

test('malformed children are an error that says where', (t) => {
  for (const [text, where] of [
    ['{"node_type":"THEN","left_node":"x","right_node":{"node_type":"SQL"}}', 'root.left: Durofut children must be JSON objects'],
    ['{"node_type":"NOPE","left_node":5}', 'root.left: Durofut children must be JSON objects'],
    ['{"node_type":"THEN","left_node":{"node_type":"LOOP","left_node":[]}}', 'root.left.left: Durofut children must be JSON objects'],
    ['{"node_type":"LOOP","left_node":{}}', 'root.left: node_type is missing'],
    ['{"node_type":"IF","condition_node":true}', 'root: condition_node must be a Durofut JSON object'],
    ['{"node_type":"JOIN","extra_nodes":[{"node_type":"SQL"},"x"]}', 'root: extra_nodes entries must be Durofut JSON objects'],
    ['{"node_type":"JOIN","extra_nodes":{}}', 'root: extra_nodes entries must be Durofut JSON objects'],
    ['{"node_type":"SLEEP","query":5}', 'root: query must be a string'],
    ['{"node_type":"SQL","query":"x","result_name":7}', 'root: result_name must be a string'],
  ] as const) {
    raises(t, `Invalid Durofut JSON: ${where}`, () => df.seq(text, 'x'));
  }
});

test('df.sql never inspects its argument', (t) => {
  const text = '{"node_type":"THEN","left_node":1}';
  t.deepEqual(JSON.parse(df.sql(text)), { node_type: 'SQL', query: text });
});

test('any key order and white space give the same text, and composing equals building the object', (t) => {
  fc.assert(fc.property(graphs, fc.infiniteStream(fc.integer({ min: 0, max: 1000 })), fc.constantFrom('', ' ', '\n\t '), (graph, numbers, space) => {
    const ranks = new Map<string, number>();
    const rank = (key: string): number => ranks.get(key) ?? (ranks.set(key, numbers.next().value), ranks.get(key) as number);
    t.is(df.wrap(loosePrint(graph, rank, space)), printGraph(graph));
  }));
  fc.assert(fc.property(graphs, graphs, graphs, (a, b, c) => {
    const [x, y, z] = [a, b, c].map(printGraph) as [string, string, string];
    const same = (text: string, graph: Graph): void => void t.is(text, printGraph(graph));
    same(df.seq(x, y), { node_type: 'THEN', left_node: a, right_node: b });
    same(df.if_(x, y, z), { node_type: 'IF', condition_node: a, left_node: b, right_node: c });
    same(df.ifElseOp(df.ifThenOp(x, y), z), { node_type: 'IF', condition_node: a, left_node: b, right_node: c });
    same(df.join3(x, y, z), { node_type: 'JOIN', left_node: a, right_node: b, extra_nodes: [c] });
    same(df.loop(x, y), { node_type: 'LOOP', left_node: a, condition_node: b });
  }));
});

const KEY_ORDER = ['node_type', 'left_node', 'right_node', 'condition_node', 'extra_nodes', 'query', 'result_name'];

test('the keys come in one order', (t) => {
  fc.assert(fc.property(graphs, (graph) => {
    const check = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Array.isArray(value)) {
        const keys = Object.keys(value);
        t.deepEqual(keys, KEY_ORDER.filter((key) => keys.includes(key)));
      }
      Object.values(value).forEach(check);
    };
    check(JSON.parse(printGraph(graph)));
  }));
});

test('as replaces the name of the root and of nothing else', (t) => {
  fc.assert(fc.property(graphs, names, (graph, name) => {
    const { result_name: _, ...rest } = graph;
    t.is(df.as_(printGraph(graph), name), printGraph({ ...rest, result_name: name }));
  }));
  fc.assert(fc.property(texts, names, (text, name) => {
    t.deepEqual(JSON.parse(df.as_(df.sql(text), name)), { node_type: 'SQL', query: text, result_name: name });
  }));
  // Also over a hand-written name that is no identifier.
  t.is(df.as_('{"node_type":"SQL","query":"q","result_name":"a \\" b"}', 'x'), '{"node_type":"SQL","query":"q","result_name":"x"}');
  raises(t, 'result name cannot be empty', () => df.as_('a', ''));
  for (const name of ['1a', 'a b', 'a-b', 'é', ' ', "a'"]) raises(t, 'not a valid identifier', () => df.as_('a', name));
});

test('!> takes the outcome of ?> only', (t) => {
  raises(t, 'left side of !> must be a ?> expression', () => df.ifElseOp('a', 'b'));
  raises(t, 'left side of !> must be a ?> expression', () => df.ifElseOp(df.if_('c', 'a', 'b'), 'b'));
  raises(t, 'left side of !> must be a ?> expression', () => df.ifElseOp(df.seq('c', 'a'), 'b'));
  raises(t, 'left side of !> must be a ?> expression', () => df.ifElseOp('{"node_type":"IF","left_node":3}', 'b'));
  // Written by another session, spaced otherwise; and named in between.
  const other = `{ "condition_node": ${df.sql('c')}, "node_type": "IF", "left_node": ${df.sql('a')} }`;
  t.is(df.ifElseOp(other, 'b'), df.if_('c', 'a', 'b'));
  t.is(df.ifElseOp(df.as_(df.ifThenOp('c', 'a'), 'x'), 'b'), df.as_(df.if_('c', 'a', 'b'), 'x'));
});

test('sleeps keep every digit and drop needless zeros', (t) => {
  const seconds = (text: string): string => (JSON.parse(text) as { query: string }).query;
  t.is(seconds(df.sleep(9223372036854775807n)), '9223372036854775807');
  t.is(seconds(df.sleep('9223372036854775807')), '9223372036854775807');
  for (const [given, kept] of [['90.500000', '90.5'], ['0.000000', '0'], ['5.000000', '5'], ['-0.000000', '0'], ['0.000001', '0.000001'], ['100', '100'], ['007.10', '7.1'], ['10.0', '10']] as const) {
    t.is(seconds(df.sleepInterval(given)), kept);
  }
  raises(t, 'Sleep duration must be non-negative, not -1', () => df.sleep(-1n));
  raises(t, 'Sleep duration must be non-negative, not -0.5', () => df.sleepInterval('-0.500000'));
  raises(t, "'soon' is not a number", () => df.sleep('soon'));
  raises(t, 'whole number', () => df.sleep(1.5));
});

test('schedules, signals and loops refuse what they cannot use', (t) => {
  raises(t, 'Invalid cron', () => df.waitForSchedule('x', (expr) => { throw new DurableError(`Invalid cron expression '${expr}'`); }));
  raises(t, 'Signal name cannot be empty', () => df.waitForSignal('', null));
  raises(t, 'Signal name cannot be empty', () => df.waitForSignal(null, null));
  raises(t, 'Timeout must be positive', () => df.waitForSignal('go', 0));
  raises(t, 'Loop body cannot be NULL', () => df.loop(null, null));
  raises(t, 'not a valid identifier', () => df.ifRows('a b', 'x', 'y'));
});

const request = { url: 'https://a.example/x', method: 'get', body: null, headers: null, timeoutSeconds: 30 };

test('http writes its request and checks in order', (t) => {
  const query = (text: string): string => (JSON.parse(text) as { query: string }).query;
  t.is(query(df.http(request, { mode: 'all' })), '{"url":"https://a.example/x","method":"GET","body":null,"headers":null,"timeout_seconds":30}');
  t.is(
    query(df.http({ ...request, body: '"b"', headers: '{"X-A": "b  \\" c", "n": 1.50}' }, { mode: 'allowlist' })),
    '{"url":"https://a.example/x","method":"GET","body":"\\"b\\"","headers":{"X-A":"b  \\" c","n":1.50},"timeout_seconds":30}',
  );
  const wrong = { url: 'ftp://x', method: 'HEAD', body: null, headers: '[]', timeoutSeconds: 0 };
  raises(t, 'df.http() is disabled', () => df.http(wrong, { mode: 'off' }));
  raises(t, "unsupported URL scheme in 'ftp://x'", () => df.http(wrong, { mode: 'all' }));
  raises(t, "Invalid HTTP method 'HEAD'", () => df.http({ ...wrong, url: 'HTTP://x' }, { mode: 'all' }));
  raises(t, 'Timeout must be positive', () => df.http({ ...wrong, url: '{base}/x', method: 'PATCH' }, { mode: 'all' }));
  raises(t, 'headers must be a JSON object', () => df.http({ ...request, headers: '[]' }, { mode: 'all' }));
  raises(t, "'a' is an object", () => df.http({ ...request, headers: '{"a":{}}' }, { mode: 'all' }));
  raises(t, 'unsupported URL scheme', () => df.http({ ...request, url: null }, { mode: 'all' }));
});

test('http_multipart checks each part', (t) => {
  const make = (parts: string | null, method = 'POST'): string => df.httpMultipart({ url: 'https://a.example', method, parts, headers: null, timeoutSeconds: 5 }, { mode: 'all' });
  t.is(
    (JSON.parse(make('[{"name": "f", "data_b64": "aGk="}]')) as { query: string }).query,
    '{"url":"https://a.example","method":"POST","parts":[{"name":"f","data_b64":"aGk="}],"headers":null,"timeout_seconds":5}',
  );
  raises(t, 'Invalid HTTP method', () => make('[]', 'GET'));
  raises(t, 'parts is required', () => make(null));
  raises(t, 'parts must be a JSON array', () => make('{}'));
  raises(t, 'at least one part', () => make('[]'));
  raises(t, 'parts[1] must be an object', () => make('[{"name":"a","data_b64":""},5]'));
  raises(t, 'parts[0].name is required', () => make('[{"data_b64":""}]'));
  raises(t, 'parts[0].data_b64 is required', () => make('[{"name":"a"}]'));
  raises(t, 'parts[0].data_b64 must be a string', () => make('[{"name":"a","data_b64":1}]'));
  raises(t, 'parts[0].name cannot be empty', () => make('[{"name":"","data_b64":""}]'));
  raises(t, 'parts[0].filename must be a string', () => make('[{"name":"a","data_b64":"","filename":1}]'));
  raises(t, 'df.http() is disabled', () => df.httpMultipart({ url: 'x', method: 'x', parts: null, headers: null, timeoutSeconds: 5 }, { mode: 'off' }));
});

test('a part of megabytes passes', (t) => {
  const data = 'QUJD'.repeat(1 << 20);
  const text = df.httpMultipart({ url: 'https://a.example', method: 'POST', parts: `[{"name": "f", "data_b64": "${data}"}]`, headers: null, timeoutSeconds: 5 }, { mode: 'all' });
  t.true(text.includes(data));
});

test('the memory of composed futures stays bounded', (t) => {
  for (let i = 0; i < 5000; i++) df.sql(`SELECT ${i} -- ${'x'.repeat(i)}`);
  t.true(remembered().entries <= 512);
  t.true(remembered().length <= 1 << 20);
  t.is(df.seq('a', 'b'), printGraph(parseGraph(df.seq('a', 'b'))));
});
