import { parseObject } from './json.ts';
import { NONE, type Graph, type Program, type ProgramNode } from './types.ts';

interface Slot {
  type: ProgramNode['type'];
  parent: number;
  left: number;
  right: number;
  condition: number;
  extras: number[];
  query: string | null;
  name: string | null;
}

/**
 * Lays a validated graph out in preorder: left, right, condition, extras. Linear, through a list.
 * An empty configuration (`{}`) of IF, LOOP or JOIN counts as none.
 */
export function flatten(root: Graph): Program {
  const nodes: Slot[] = [];
  const rest: { graph: Graph; parent: number; role: 'left' | 'right' | 'condition' | 'extras' }[] = [{ graph: root, parent: NONE, role: 'left' }];
  for (let work = rest.pop(); work !== undefined; work = rest.pop()) {
    const { graph, parent, role } = work;
    const index = nodes.length;
    const above = nodes[parent];
    if (above !== undefined) {
      if (role === 'extras') above.extras.push(index);
      else above[role] = index;
    }
    nodes.push({
      type: graph.node_type,
      parent,
      left: NONE,
      right: NONE,
      condition: NONE,
      extras: [],
      query: ownQuery(graph),
      name: graph.result_name ?? null,
    });
    const { left_node, right_node, condition_node, extra_nodes } = graph;
    if (extra_nodes !== undefined) {
      for (let i = extra_nodes.length - 1; i >= 0; i--) rest.push({ graph: extra_nodes[i] as Graph, parent: index, role: 'extras' });
    }
    if (condition_node !== undefined) rest.push({ graph: condition_node, parent: index, role: 'condition' });
    if (right_node !== undefined) rest.push({ graph: right_node, parent: index, role: 'right' });
    if (left_node !== undefined) rest.push({ graph: left_node, parent: index, role: 'left' });
  }
  return { nodes };
}

function ownQuery(graph: Graph): string | null {
  const { node_type, query } = graph;
  if (query === undefined) return null;
  if (node_type !== 'IF' && node_type !== 'LOOP' && node_type !== 'JOIN') return query;
  const config = parseObject(query);
  return config !== null && Object.keys(config).length === 0 ? null : query;
}

/** The graph of a program, the inverse of `flatten`. */
export function graphOf(program: Program): Graph {
  const graphs = program.nodes.map((node): Graph => ({ node_type: node.type }));
  program.nodes.forEach((node, i) => {
    const graph = graphs[i] as Graph;
    if (node.left !== NONE) graph.left_node = graphs[node.left] as Graph;
    if (node.right !== NONE) graph.right_node = graphs[node.right] as Graph;
    if (node.condition !== NONE) graph.condition_node = graphs[node.condition] as Graph;
    if (node.extras.length > 0) graph.extra_nodes = node.extras.map((extra) => graphs[extra] as Graph);
    if (node.query !== null) graph.query = node.query;
    if (node.name !== null) graph.result_name = node.name;
  });
  return graphs[0] as Graph;
}
