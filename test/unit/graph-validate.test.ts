import test from 'ava';
import fc from 'fast-check';
import { DurableError } from '../../src/graph/errors.ts';
import { parseGraph } from '../../src/graph/parse.ts';
import { printGraph } from '../../src/graph/print.ts';
import type { Graph } from '../../src/graph/types.ts';
import { validateGraph } from '../../src/graph/validate.ts';
import { graphs } from './graph-arbitrary.ts';

const SQL: Graph = { node_type: 'SQL', query: 'SELECT 1' };
const check = (text: string): void => validateGraph(parseGraph(text));
const refusal = (text: string): string => {
  try {
    check(text);
  } catch (error) {
    if (error instanceof DurableError) return error.message;
    throw error;
  }
  return 'accepted';
};

test('valid graphs pass, and parsing their text gives them back', (t) => {
  fc.assert(fc.property(graphs, (graph) => {
    t.notThrows(() => validateGraph(graph));
    t.deepEqual(parseGraph(printGraph(graph)), graph);
  }));
});

test('plain text is one SQL step; an unknown node_type is an error', (t) => {
  t.deepEqual(parseGraph('SELECT 1'), SQL);
  t.deepEqual(parseGraph('{stmt}'), { node_type: 'SQL', query: '{stmt}' });
  t.regex(refusal(' {"node_type":"NOPE"}'), /^Invalid durable function graph: root: Unknown node_type 'NOPE'; use one of SQL, THEN/);
  t.regex(refusal('{"node_type":5}'), /Unknown node_type/);
  t.regex(refusal(' \n'), /^Invalid durable function: the text is empty/);
});

test('each fault is named with its path', (t) => {
  const s = printGraph(SQL);
  for (const [text, message] of [
    [`{"node_type":"THEN","left_node":${s},"right_node":{"node_type":"NOPE"}}`, "root.right: Unknown node_type 'NOPE'"],
    [`{"node_type":"THEN","left_node":${s}}`, 'root: right_node is missing in THEN'],
    [`{"node_type":"THEN","left_node":5,"right_node":${s}}`, 'root.left: Invalid Durofut JSON: Durofut children must be JSON objects'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"condition_node":"x"}`, 'root: Invalid Durofut JSON: condition_node must be a Durofut JSON object'],
    [`{"node_type":"JOIN","left_node":${s},"right_node":${s},"extra_nodes":["x"]}`, 'root: Invalid Durofut JSON: extra_nodes entries must be Durofut JSON objects'],
    [`{"node_type":"THEN","left_node":${s},"right_node":${s},"condition_node":${s}}`, 'root: condition_node is not valid for THEN'],
    [`{"node_type":"SQL","query":"x","condition_node":${s}}`, 'root: condition_node is not valid for SQL'],
    [`{"node_type":"RACE","left_node":${s},"right_node":${s},"extra_nodes":[${s}]}`, 'root: extra_nodes is not valid for RACE'],
    [`{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"x","left_node":${s}}}`, 'root.left: left_node is not valid for SQL'],
    [`{"node_type":"LOOP","left_node":${s},"right_node":${s}}`, 'root: right_node is not valid for LOOP'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"query":"{\\"condition_node\\":\\"00000000\\"}"}`, 'root: condition_node in IF must be a first-class Durofut field'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"condition_node":${s},"query":"{\\"condition_node\\":\\"00000000\\"}"}`, 'root: condition_node in IF must be a first-class Durofut field'],
    [`{"node_type":"LOOP","left_node":${s},"query":"{\\"condition_node\\":\\"00000000\\"}"}`, 'root: condition_node in LOOP must be a first-class Durofut field'],
    [`{"node_type":"JOIN","left_node":${s},"right_node":${s},"query":"{\\"extra_nodes\\":[]}"}`, 'root: extra_nodes in JOIN must be a first-class Durofut field'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"condition_node":${s},"query":"SELECT 1"}`, 'root: query in IF must be valid JSON config'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s}}`, 'root: condition_node is missing in IF'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"query":"{}"}`, 'root: condition_node is missing in IF'],
    [`{"node_type":"IF","left_node":${s},"condition_node":${s}}`, 'root: right_node is missing in IF; it is the else branch'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"query":"{\\"condition_type\\":\\"x\\"}"}`, 'root: condition_type in IF must be "result_has_rows"'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"query":"{\\"condition_type\\":\\"result_has_rows\\"}"}`, 'root: result_name in the query of IF'],
    [`{"node_type":"IF","left_node":${s},"right_node":${s},"condition_node":${s},"query":"{\\"condition_type\\":\\"result_has_rows\\"}"}`, 'root: IF has both'],
    [`{"node_type":"THEN","left_node":${s},"right_node":${s},"query":"x"}`, 'root: query is not valid for THEN'],
    ['{"node_type":"SQL"}', 'root: query is missing in SQL'],
    ['{"node_type":"SQL","query":" "}', 'root: query in SQL is empty'],
    ['{"node_type":"SQL","query":"a\\u0000b"}', 'root: query in SQL holds U+0000'],
    ['{"node_type":"SQL","query":"a\\ud800b"}', 'root: query in SQL holds U+0000 or half'],
    ['{"node_type":"SQL","query":"x","result_name":"a b"}', "root: result name 'a b' is not a valid identifier"],
    ['{"node_type":"SQL","query":"x","result_name":""}', 'root: result name cannot be empty'],
    ['{"node_type":"SLEEP","query":"soon"}', "root: Sleep duration 'soon' is not a number"],
    ['{"node_type":"SLEEP","query":"-1"}', 'root: Sleep duration must be non-negative'],
    ['{"node_type":"SLEEP","query":5}', 'root: Invalid Durofut JSON: query must be a string'],
    ['{"node_type":"SLEEP"}', 'root: query is missing in SLEEP'],
    ['{"node_type":"BREAK","query":"x"}', 'root: query in BREAK must be a JSON object'],
    ['{"node_type":"BREAK","query":"{\\"break_value\\":5}"}', 'root: break_value in BREAK must be a string or null'],
    ['{"node_type":"WAIT_SCHEDULE","query":"{}"}', 'root: cron_expr in WAIT_SCHEDULE must be a string'],
    ['{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"\\"}"}', 'root: Signal name cannot be empty'],
    ['{"node_type":"SIGNAL","query":"{\\"signal_name\\":\\"a\\",\\"timeout_seconds\\":0}"}', 'root: Timeout must be positive'],
    ['{"node_type":"HTTP","query":"{\\"method\\":\\"GET\\"}"}', 'root: url in HTTP must be a string'],
    ['{"node_type":"HTTP","query":"{\\"url\\":\\"http://x\\",\\"method\\":\\"HEAD\\"}"}', 'root: Invalid HTTP method'],
    ['{"node_type":"HTTP","query":"{\\"url\\":\\"http://x\\",\\"method\\":\\"GET\\",\\"body\\":{}}"}', 'root: body in HTTP must be a string'],
    ['{"node_type":"HTTP","query":"{\\"url\\":\\"http://x\\",\\"method\\":\\"GET\\",\\"headers\\":[]}"}', 'root: headers must be a JSON object'],
    ['{"node_type":"HTTP_MULTIPART","query":"{\\"url\\":\\"http://x\\",\\"method\\":\\"PUT\\",\\"parts\\":[]}"}', 'root: parts needs at least one part'],
  ] as const) {
    const got = refusal(text);
    t.true(got.startsWith(`Invalid durable function graph: ${message}`), `${text}\n  gave: ${got}`);
  }
});

test('a path names every kind of step', (t) => {
  const bad: Graph = { node_type: 'SQL', query: '' };
  const inner: Graph = { node_type: 'IF', left_node: SQL, right_node: SQL, condition_node: { node_type: 'JOIN', left_node: SQL, right_node: SQL, extra_nodes: [bad] } };
  const root: Graph = { node_type: 'LOOP', left_node: { node_type: 'THEN', left_node: SQL, right_node: inner } };
  t.regex(refusal(printGraph(root)), /: root\.left\.right\.condition_node\.extra_nodes\[0\]: query in SQL is empty/);
});

test('a bad cron expression is refused with the given check', (t) => {
  const graph: Graph = { node_type: 'WAIT_SCHEDULE', query: '{"cron_expr":"x"}' };
  t.notThrows(() => validateGraph(graph));
  t.throws(() => validateGraph(graph, { validateCron: (expr) => { throw new DurableError(`Invalid cron expression '${expr}'`); } }), { message: /graph: root: Invalid cron expression 'x'/ });
});

test('a fault put anywhere into a valid graph is found there', (t) => {
  const places = (graph: Graph, path: string): [Graph, string][] => {
    const found: [Graph, string][] = [[graph, path]];
    if (graph.left_node) found.push(...places(graph.left_node, `${path}.left`));
    if (graph.right_node) found.push(...places(graph.right_node, `${path}.right`));
    if (graph.condition_node) found.push(...places(graph.condition_node, `${path}.condition_node`));
    graph.extra_nodes?.forEach((extra, i) => found.push(...places(extra, `${path}.extra_nodes[${i}]`)));
    return found;
  };
  const faults: [(g: Graph) => void, RegExp][] = [
    [(g) => { (g as { node_type: string }).node_type = 'NOPE'; }, /Unknown node_type 'NOPE'/],
    [(g) => { g.result_name = 'no good'; }, /not a valid identifier/],
    [(g) => { if (g.left_node) delete g.left_node; else g.left_node = SQL; }, /left_node is (missing|not valid)/],
    [(g) => { if (g.node_type === 'JOIN') g.query = '{"extra_nodes":[]}'; else g.extra_nodes = [SQL]; }, /extra_nodes (is not valid for|in JOIN must be)/],
    [(g) => { if (g.node_type === 'IF' || g.node_type === 'LOOP') g.query = '{"condition_node":"x"}'; else g.condition_node = SQL; }, /condition_node (is not valid for|in (IF|LOOP) must be)/],
  ];
  fc.assert(fc.property(graphs, fc.nat(), fc.constantFrom(...faults), (original, n, [break_, message]) => {
    const graph = structuredClone(original);
    const all = places(graph, 'root');
    const [at, path] = all[n % all.length] as [Graph, string];
    break_(at);
    const error = t.throws(() => validateGraph(graph), { instanceOf: DurableError }) as DurableError;
    t.true(error.message.startsWith(`Invalid durable function graph: ${path}: `), error.message);
    t.regex(error.message, message);
  }));
});

const chain = (depth: number): string => '{"node_type":"LOOP","left_node":'.repeat(depth) + printGraph(SQL) + '}'.repeat(depth);

test('a depth of 256 passes, 257 and 100,000 do not, without exhausting a stack', (t) => {
  t.is(refusal(chain(256)), 'accepted');
  t.regex(refusal(chain(257)), /graph: root(\.left){257}: .*maximum nesting depth of 256/);
  t.regex(refusal(chain(100_000)), /maximum nesting depth of 256/);
  const inQuery = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  t.regex(refusal(JSON.stringify({ node_type: 'BREAK', query: `{"break_value":${inQuery}}` })), /break_value in BREAK must be a string or null, and is an array/);
  const malformed = '{"node_type":"LOOP","left_node":'.repeat(100_000) + '5' + '}'.repeat(100_000);
  const message = refusal(malformed);
  t.regex(message, /\(99701 more\).*Durofut children must be JSON objects/);
  t.true(message.length < 5000);
});

test('10,000 nodes pass, 10,001 do not', (t) => {
  const wide = (extras: number): string => printGraph({ node_type: 'JOIN', left_node: SQL, right_node: SQL, extra_nodes: Array.from({ length: extras }, () => SQL) });
  t.is(refusal(wide(9997)), 'accepted');
  t.regex(refusal(wide(9998)), /graph: root\.extra_nodes\[9997\]: .*maximum node count of 10000/);
});
