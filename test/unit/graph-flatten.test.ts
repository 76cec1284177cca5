import test from 'ava';
import fc from 'fast-check';
import { flatten, graphOf, programFromRows, salvage, storedNodes, unflatten, type StoredNode } from '../../src/graph/flatten.ts';
import type { Graph } from '../../src/graph/types.ts';
import { explainGraph } from '../../src/engine/explain.ts';
import { graphs } from './graph-arbitrary.ts';

const hex = (n: number): string => n.toString(16).padStart(8, '0');
const sql = (query: string): Graph => ({ node_type: 'SQL', query });

test('the order is node, left, right, condition, extras', (t) => {
  const { nodes } = flatten({
    node_type: 'JOIN',
    left_node: { node_type: 'IF', left_node: sql('then'), right_node: sql('else'), condition_node: sql('if') },
    right_node: sql('b'),
    extra_nodes: [sql('c'), sql('d')],
  });
  t.deepEqual(nodes.map((n) => n.query), [null, null, 'then', 'else', 'if', 'b', 'c', 'd']);
  t.deepEqual(nodes[0], { type: 'JOIN', parent: -1, left: 1, right: 5, condition: -1, extras: [6, 7], query: null, name: null });
  t.deepEqual(nodes[1], { type: 'IF', parent: 0, left: 2, right: 3, condition: 4, extras: [], query: null, name: null });
  t.deepEqual(nodes[7], { type: 'SQL', parent: 0, left: -1, right: -1, condition: -1, extras: [], query: 'd', name: null });
});

test('graph, program and rows turn into each other', (t) => {
  fc.assert(fc.property(graphs, fc.nat(), (graph, salt) => {
    const program = flatten(graph);
    t.deepEqual(graphOf(program), graph);
    // Ids in no particular order, rows in no particular order.
    const ids = program.nodes.map((_, i) => hex(((i + 1) * 2654435761 + salt) >>> 0));
    const rows = storedNodes(program, ids);
    const shuffled = [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
    t.deepEqual(unflatten(shuffled, ids[0]), graph);
    t.deepEqual(programFromRows(shuffled), { program, ids });
  }));
});

test('the stored form merges child ids into what the query holds', (t) => {
  const graph: Graph = { node_type: 'IF', left_node: sql('a'), right_node: sql('b'), condition_node: sql('c'), query: '{"n":1.50} ' };
  t.deepEqual(storedNodes(flatten(graph), ['00000001', '00000002', '00000003', '00000004'])[0], {
    id: '00000001', node_type: 'IF', query: '{"n":1.50,"condition_node":"00000004"}', result_name: null, left_node: '00000002', right_node: '00000003',
  });
  t.is(storedNodes(flatten({ ...graph, query: '{}' }), ['1', '2', '3', '4'])[0]?.query, '{"condition_node":"4"}');
  const join: Graph = { node_type: 'JOIN', left_node: sql('a'), right_node: sql('b'), extra_nodes: [sql('c'), sql('d')] };
  t.is(storedNodes(flatten(join), ['1', '2', '3', '4', '5'])[0]?.query, '{"extra_nodes":["4","5"]}');
  t.throws(() => storedNodes(flatten(join), ['1']), { message: /1 ids for 5 nodes/ });
});

test('ids merged with other spacing or in another place are read as well', (t) => {
  const rows: StoredNode[] = [
    { id: '00000001', node_type: 'LOOP', query: '{"condition_node": "00000003", "k": 1}', result_name: null, left_node: '00000002', right_node: null },
    { id: '00000002', node_type: 'SQL', query: 'a', result_name: null, left_node: null, right_node: null },
    { id: '00000003', node_type: 'SQL', query: 'b', result_name: 'x', left_node: null, right_node: null },
  ];
  t.deepEqual(unflatten(rows), { node_type: 'LOOP', left_node: sql('a'), condition_node: { ...sql('b'), result_name: 'x' }, query: '{"k":1}' });
});

test('rows that are no tree are refused', (t) => {
  const leaf = (id: string): StoredNode => ({ id, node_type: 'SQL', query: 'q', result_name: null, left_node: null, right_node: null });
  const loop = (id: string, left: string): StoredNode => ({ ...leaf(id), node_type: 'LOOP', query: null, left_node: left });
  t.throws(() => unflatten([]), { message: /do not form one tree: 0 of them/ });
  t.throws(() => unflatten([leaf('1'), leaf('2')]), { message: /2 of them have no parent/ });
  t.throws(() => unflatten([leaf('1')], '2'), { message: /under root 2/ });
  t.throws(() => unflatten([loop('1', '2')]), { message: /Node 1 cannot be read: its child 2 does not exist/ });
  t.throws(() => unflatten([loop('1', '2'), loop('2', '1')]), { message: /do not form one tree/ });
  t.throws(() => unflatten([leaf('0'), loop('1', '2'), loop('2', '1')]), { message: /refer to each other in a ring/ });
  t.throws(() => unflatten([{ ...leaf('1'), node_type: 'THEN', query: null, left_node: '2', right_node: '2' }, leaf('2')]), { message: /has another parent/ });
  t.throws(() => unflatten([leaf('1'), leaf('1')]), { message: /two rows/ });
  t.throws(() => unflatten([{ ...leaf('1'), node_type: 'X' }]), { message: /Unknown node_type 'X'/ });
  t.throws(() => unflatten([{ ...loop('1', '2'), query: 'x' }, leaf('2')]), { message: /not a JSON object/ });
});

test('whatever is done to rows, what is left of the tree can be read, and every row once', (t) => {
  const edits = fc.array(fc.record({ row: fc.nat(), column: fc.constantFrom('left_node', 'right_node', 'query', 'delete'), to: fc.option(fc.nat()) }), { maxLength: 5 });
  fc.assert(fc.property(graphs, edits, (graph, changes) => {
    const program = flatten(graph);
    const ids = program.nodes.map((_, i) => hex(i));
    const whole = storedNodes(program, ids);
    t.deepEqual(salvage(whole, ids[0]!), { program, ids, loose: [] });
    const rows = new Map(whole.map((row) => [row.id, row]));
    for (const { row, column, to } of changes) {
      const id = ids[row % ids.length]!;
      const kept = rows.get(id);
      const other = to === null ? null : hex(to % (ids.length + 1));
      if (column === 'delete' && id !== ids[0]) rows.delete(id);
      else if (kept !== undefined) rows.set(id, { ...kept, [column]: column === 'query' ? `{"condition_node":"${other}","extra_nodes":["${other}"` : other });
    }
    const found = salvage([...rows.values()], ids[0]!)!;
    t.is(found.program.nodes.length, found.ids.length);
    t.deepEqual([...found.ids, ...found.loose].sort(), [...rows.keys()].sort());
    found.ids.forEach((id, i) => t.is(found.program.nodes[i]!.type, rows.get(id)!.node_type as Graph['node_type']));
    t.is(explainGraph(found.program).length > 0, true);
  }));
  t.is(salvage([], '00000000'), null);
});

test('a program of 10,000 nodes goes both ways', (t) => {
  const graph: Graph = { node_type: 'JOIN', left_node: sql('l'), right_node: sql('r'), extra_nodes: Array.from({ length: 9997 }, (_, i) => sql(`q${i}`)) };
  const program = flatten(graph);
  t.is(program.nodes.length, 10_000);
  t.deepEqual(unflatten(storedNodes(program, program.nodes.map((_, i) => hex(i)))), graph);
});
