import { DurableError } from './errors.ts';
import { isNodeType, unknownType } from './decode.ts';
import { parseObject } from './json.ts';
import { flatten, graphOf } from './program.ts';
import { NONE, type Graph, type Program } from './types.ts';

/** The columns of `df.nodes` that hold the graph. */
export interface StoredNode {
  readonly id: string;
  readonly node_type: string;
  readonly query: string | null;
  readonly result_name: string | null;
  readonly left_node: string | null;
  readonly right_node: string | null;
}

/** A program read back from its rows: `ids[i]` is the node id of `program.nodes[i]`. */
export interface StoredProgram {
  readonly program: Program;
  readonly ids: readonly string[];
}

/**
 * The rows of `df.nodes` for a program (surface §2, "Stored form"), in the program's order.
 *
 * @param ids one 8-hex id per node.
 */
export function storedNodes(program: Program, ids: readonly string[]): StoredNode[] {
  if (ids.length !== program.nodes.length) {
    throw new Error(`storedNodes: ${ids.length} ids for ${program.nodes.length} nodes`);
  }
  const idOf = (index: number): string | null => (index === NONE ? null : (ids[index] as string));
  return program.nodes.map((node, i) => {
    let { query } = node;
    if (node.condition !== NONE) query = merge(query, `"condition_node":"${ids[node.condition]}"`);
    if (node.extras.length > 0) query = merge(query, `"extra_nodes":[${node.extras.map((extra) => `"${ids[extra]}"`).join(',')}]`);
    return {
      id: ids[i] as string,
      node_type: node.type,
      query,
      result_name: node.name,
      left_node: idOf(node.left),
      right_node: idOf(node.right),
    };
  });
}

/** Appends a member to the JSON object `config` (not empty) as text, so that nothing in it loses digits. */
function merge(config: string | null, member: string): string {
  if (config === null) return `{${member}}`;
  return `${config.slice(0, config.lastIndexOf('}'))},${member}}`;
}

/** What `merge` appended to a query, at its end, in our spelling. */
const MERGED = /(?:^\{|,)"(?:condition_node":"[0-9a-f]{8}"|extra_nodes":\[(?:"[0-9a-f]{8}",?)+\])\}$/;

interface Unmerged {
  readonly query: string | null;
  readonly condition: string | null;
  readonly extras: readonly string[];
}

/** Takes the child ids out of a row's query. Raises DurableError for a query that is not as `merge` leaves it. */
export function unmerge(row: StoredNode): Unmerged {
  const { query, node_type } = row;
  const none = { query, condition: null, extras: [] };
  if (query === null || (node_type !== 'IF' && node_type !== 'LOOP' && node_type !== 'JOIN')) return none;
  const config = parseObject(query);
  if (config === null) throw broken(row, `its query is not a JSON object: ${query}`);
  const { condition_node: condition = null, extra_nodes: extras = [], ...own } = config;
  if (condition === null && Array.isArray(extras) && extras.length === 0) return none;
  if (condition !== null && typeof condition !== 'string') throw broken(row, 'condition_node in its query is not an id');
  if (!Array.isArray(extras) || !extras.every((extra): extra is string => typeof extra === 'string')) {
    throw broken(row, 'extra_nodes in its query is not an array of ids');
  }
  const match = MERGED.exec(query);
  const rest = match === null ? JSON.stringify(own) : `${query.slice(0, match.index)}}`;
  return { query: Object.keys(own).length === 0 ? null : rest, condition, extras };
}

function broken(row: StoredNode, reason: string): DurableError {
  return new DurableError(`Node ${row.id} cannot be read: ${reason}`, { code: 'XX001', hint: 'Rows of df.nodes were changed by hand; cancel the instance and start it anew.' });
}

/**
 * The graph of one instance's rows of `df.nodes`, in any order; the inverse of `storedNodes`.
 *
 * @param rootId the instance's `root_node`; by default the row that no other row refers to.
 * @throws DurableError (XX001) for rows that do not form one tree.
 */
export function unflatten(rows: readonly StoredNode[], rootId?: string): Graph {
  return graphOf(programFromRows(rows, rootId).program);
}

/** As `unflatten`, but the outcome is a program along with each node's id. */
export function programFromRows(rows: readonly StoredNode[], rootId?: string): StoredProgram {
  const parts = new Map<string, { row: StoredNode; graph: Graph; unmerged: Unmerged }>();
  for (const row of rows) {
    if (!isNodeType(row.node_type)) throw broken(row, unknownType(row.node_type));
    if (parts.has(row.id)) throw broken(row, 'there are two rows with this id');
    const unmerged = unmerge(row);
    const graph: Graph = { node_type: row.node_type };
    if (unmerged.query !== null) graph.query = unmerged.query;
    if (row.result_name !== null) graph.result_name = row.result_name;
    parts.set(row.id, { row, graph, unmerged });
  }
  const referred = new Set<string>();
  const child = (row: StoredNode, id: string): Graph => {
    const part = parts.get(id);
    if (part === undefined) throw broken(row, `its child ${id} does not exist`);
    if (referred.has(id)) throw broken(row, `its child ${id} has another parent`);
    referred.add(id);
    return part.graph;
  };
  for (const { row, graph, unmerged } of parts.values()) {
    if (row.left_node !== null) graph.left_node = child(row, row.left_node);
    if (row.right_node !== null) graph.right_node = child(row, row.right_node);
    if (unmerged.condition !== null) graph.condition_node = child(row, unmerged.condition);
    if (unmerged.extras.length > 0) graph.extra_nodes = unmerged.extras.map((id) => child(row, id));
  }
  const roots = [...parts.values()].filter(({ row }) => !referred.has(row.id));
  const root = roots[0];
  if (root === undefined || roots.length > 1 || (rootId !== undefined && root.row.id !== rootId)) {
    throw new DurableError(
      `The ${rows.length} nodes of the instance do not form one tree${rootId === undefined ? '' : ` under root ${rootId}`}: ${roots.length} of them have no parent`,
      { code: 'XX001', hint: 'Rows of df.nodes were changed by hand; cancel the instance and start it anew.' },
    );
  }
  // Every node has at most one parent and only the root has none; what the root does not reach is a ring.
  const ids = idsInOrder(root.row.id, parts);
  if (ids.length !== rows.length) {
    throw new DurableError(`${rows.length - ids.length} nodes of the instance refer to each other in a ring`, { code: 'XX001' });
  }
  return { program: flatten(root.graph), ids };
}

function idsInOrder(rootId: string, parts: ReadonlyMap<string, { row: StoredNode; unmerged: Unmerged }>): string[] {
  const ids: string[] = [];
  const rest = [rootId];
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    ids.push(id);
    const { row, unmerged } = parts.get(id) as { row: StoredNode; unmerged: Unmerged };
    for (let i = unmerged.extras.length - 1; i >= 0; i--) rest.push(unmerged.extras[i] as string);
    if (unmerged.condition !== null) rest.push(unmerged.condition);
    if (row.right_node !== null) rest.push(row.right_node);
    if (row.left_node !== null) rest.push(row.left_node);
  }
  return ids;
}
