import test from 'ava';
import { infer } from '../../src/engine/infer.ts';
import type { NodeState, StoredStatus } from '../../src/engine/infer.ts';
import { flatten } from '../../src/graph/flatten.ts';
import type { Graph } from '../../src/graph/types.ts';
import { NONE } from '../../src/graph/types.ts';

const sql: Graph = { node_type: 'SQL', query: 'SELECT 1' };
const two = (node_type: 'THEN' | 'JOIN' | 'RACE', left_node: Graph, right_node: Graph): Graph => ({ node_type, left_node, right_node });
const loop = (left_node: Graph): Graph => ({ node_type: 'LOOP', left_node });

const WORDS: Record<string, StoredStatus> = { p: 'pending', r: 'running', c: 'completed', f: 'failed' };

/** Stored states as `<first letter of the status> <stamp>` in preorder; the answer as `<inferred> <ancestor>`. */
function read(graph: Graph, ...stored: string[]): string[] {
  const states = stored.map((text): NodeState => {
    const [status, executionId = null] = text.split(' ') as [string, string?];
    return { status: WORDS[status]!, executionId };
  });
  return infer(flatten(graph), states).map(({ inferred, ancestor }) => (ancestor === NONE ? inferred : `${inferred} ${ancestor}`));
}

test('a clean run reads as stored', (t) => {
  t.deepEqual(read(two('THEN', sql, sql), 'c i::1', 'c i::1', 'c i::1'), ['completed', 'completed', 'completed']);
  t.deepEqual(read(two('THEN', sql, sql), 'r i::1', 'c i::1', 'p'), ['running', 'completed', 'pending']);
  t.deepEqual(read(two('THEN', sql, sql), 'p', 'p', 'p'), ['pending', 'pending', 'pending']);
});

test('the untaken arm of an IF is skipped once the IF ended', (t) => {
  const graph: Graph = { node_type: 'IF', condition_node: sql, left_node: sql, right_node: two('THEN', sql, sql) };
  t.deepEqual(read(graph, 'c i::1', 'c i::1', 'p', 'p', 'p', 'c i::1'), ['completed', 'completed', 'skipped 0', 'skipped 0', 'skipped 0', 'completed']);
  t.deepEqual(read(graph, 'r i::1', 'r i::1', 'p', 'p', 'p', 'c i::1'), ['running', 'running', 'pending', 'pending', 'pending', 'completed']);
});

test('everything right of a failed THEN is skipped, by the nearest that ended', (t) => {
  const graph = two('THEN', two('THEN', sql, sql), two('THEN', sql, sql));
  t.deepEqual(read(graph, 'f i::1', 'f i::1', 'f i::1', 'p', 'p', 'p', 'p'),
    ['failed', 'failed', 'failed', 'skipped 1', 'skipped 0', 'skipped 0', 'skipped 0']);
});

test('a race\'s loser is skipped, running or not begun; what it completed reads as stored', (t) => {
  const graph = two('RACE', sql, two('THEN', sql, sql));
  t.deepEqual(read(graph, 'c i::1', 'c i::1::aa::1', 'r i::1::bb::1', 'c i::1::bb::1', 'r i::1::bb::1'),
    ['completed', 'completed', 'skipped 0', 'completed', 'skipped 0']);
});

test('a second round: what is left of the first reads pending, and names the loop', (t) => {
  const graph = loop(two('THEN', sql, sql));
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'r i::2', 'c i::1'), ['running', 'running', 'running', 'pending 0']);
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'c i::2', 'c i::1'), ['running', 'running', 'completed', 'pending 0']);
  t.deepEqual(read(graph, 'c i::2', 'f i::2', 'f i::2', 'c i::1'), ['completed', 'failed', 'failed', 'skipped 1']);
});

test('a superseded terminal node skips nothing below it', (t) => {
  const graph = loop({ node_type: 'IF', condition_node: sql, left_node: sql, right_node: sql });
  t.deepEqual(read(graph, 'r i::2', 'c i::1', 'c i::1', 'p', 'c i::1'), ['running', 'pending 0', 'pending 0', 'pending', 'pending 0']);
});

test('a loop in a branch moves its own scope only', (t) => {
  const graph = two('JOIN', loop(two('THEN', sql, sql)), two('THEN', sql, sql));
  t.deepEqual(read(graph, 'r i::1', 'r i::1::l::3', 'r i::1::l::3', 'c i::1::l::3', 'c i::1::l::2', 'c i::1::b::1', 'c i::1::b::1', 'c i::1::b::1'),
    ['running', 'running', 'running', 'completed', 'pending 1', 'completed', 'completed', 'completed']);
});

test('branches in a loop: the loop\'s round supersedes what is in them', (t) => {
  const graph = loop(two('JOIN', sql, loop(sql)));
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'c i::2::a::1', 'c i::1::b::9', 'c i::1::b::9'),
    ['running', 'running', 'completed', 'pending 0', 'pending 0']);
});

test('a loop in a loop: each supersedes its own', (t) => {
  const graph = two('THEN', sql, loop(two('THEN', sql, loop(two('THEN', sql, sql)))));
  const states = ['r i::1', 'c i::1', 'r i::1::o::2', 'r i::1::o::2', 'c i::1::o::2', 'r i::1::o::2::n::4', 'r i::1::o::2::n::4', 'r i::1::o::2::n::4'];
  t.deepEqual(read(graph, ...states, 'c i::1::o::2::n::3').slice(5), ['running', 'running', 'running', 'pending 5']);
  t.deepEqual(read(graph, ...states, 'c i::1::o::1::n::8').slice(5), ['running', 'running', 'running', 'pending 2']);
  // Superseded by the inner loop's later round and, outside of that, by the outer loop's: the outer one decides.
  t.deepEqual(read(graph, ...states.slice(0, 7), 'r i::1::o::1::n::9', 'c i::1::o::1::n::8')[8], 'pending 2');
  t.deepEqual(read(graph, ...states, 'c i::1::o::2::n::4').slice(5), ['running', 'running', 'running', 'completed']);
});

test('nothing reads pending or running once the root ended', (t) => {
  const graph = loop(two('RACE', loop(sql), two('THEN', sql, sql)));
  const done = read(graph, 'c i::3', 'r i::3', 'f i::2::l::5', 'c i::1::l::2', 'r i::3::b::1', 'c i::2::b::1', 'p');
  t.deepEqual(done, ['completed', 'skipped 0', 'skipped 0', 'skipped 0', 'skipped 0', 'skipped 0', 'skipped 0']);
});

test('a stamp that cannot be parsed, or none, is never superseded', (t) => {
  const graph = loop(two('THEN', sql, sql));
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'c old-style', 'c'), ['running', 'running', 'completed', 'completed']);
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'c i::x::b::1', 'c i::1::b'), ['running', 'running', 'completed', 'completed']);
  t.deepEqual(read(graph, 'r i::2', 'r i::2', 'c ::1', 'c ::'), ['running', 'running', 'completed', 'completed']);
});

test('a stamp deeper than the program names the node\'s own scope', (t) => {
  t.deepEqual(read(loop(sql), 'r i::1', 'c i::1::x::1::y::1'), ['running', 'completed']);
  t.deepEqual(read(loop(two('THEN', sql, sql)), 'r i::1', 'p', 'r i::1::x::2', 'c i::1::x::1'), ['running', 'pending', 'running', 'pending 0']);
});

test('the number of states must fit', (t) => {
  t.throws(() => infer(flatten(sql), []), { instanceOf: RangeError, message: /0 states for 1 nodes/ });
});

test('10,000 nodes at the bottom of 250 loops', (t) => {
  let graph: Graph = { node_type: 'JOIN', left_node: sql, right_node: sql, extra_nodes: Array<Graph>(9_700).fill(sql) };
  for (let i = 0; i < 250; i++) graph = loop(graph);
  const program = flatten(graph);
  let stamp = 'i::2';
  const states = program.nodes.map((node, i): NodeState => {
    if (node.type === 'LOOP' && i > 0) stamp += `::n${i}::2`;
    if (node.type === 'SQL') return { status: 'completed', executionId: `${i % 2 ? stamp.replace('::2', '::1') : stamp}::b${i}::1` };
    return { status: 'running', executionId: stamp };
  });
  const found = infer(program, states);
  t.is(found.filter(({ inferred }) => inferred === 'pending').length, states.filter(({ executionId }) => executionId!.startsWith('i::1')).length);
  t.true(found.every(({ inferred, ancestor }) => inferred !== 'pending' || ancestor === 0));
});
