import { flatten } from './program.ts';
import { unmerge, type StoredNode, type StoredProgram } from './rows.ts';
import type { Graph, NodeType } from './types.ts';

/** What can be read of an instance's rows: the tree that hangs on the root, and the rows that do not. */
export interface Salvaged extends StoredProgram {
  readonly loose: readonly string[];
}

/**
 * Reads the rows of `df.nodes` as `programFromRows` does, but for those who look and do not run: whatever was changed by
 * hand, the rest is still to be seen. A reference to a row that is not there, or that is in the tree already, counts as
 * none; so does a configuration that cannot be read. Null if there is no row for the root.
 */
export function salvage(rows: readonly StoredNode[], rootId: string): Salvaged | null {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const ids = new Set<string>();
  let root: Graph | undefined;
  const rest: { id: string | null; attach: (graph: Graph) => void }[] = [{ id: rootId, attach: (graph) => { root = graph; } }];
  for (let work = rest.pop(); work !== undefined; work = rest.pop()) {
    const row = work.id === null ? undefined : byId.get(work.id);
    if (row === undefined || ids.has(row.id)) continue;
    ids.add(row.id);
    const { query, condition, extras } = readable(row);
    const graph: Graph = { node_type: row.node_type as NodeType };
    if (query !== null) graph.query = query;
    if (row.result_name !== null) graph.result_name = row.result_name;
    work.attach(graph);
    // What comes first is pushed last.
    for (const id of [...extras].reverse()) rest.push({ id, attach: (extra) => { (graph.extra_nodes ??= []).push(extra); } });
    rest.push({ id: condition, attach: (child) => { graph.condition_node = child; } });
    rest.push({ id: row.right_node, attach: (child) => { graph.right_node = child; } });
    rest.push({ id: row.left_node, attach: (child) => { graph.left_node = child; } });
  }
  if (root === undefined) return null;
  return { program: flatten(root), ids: [...ids], loose: rows.map(({ id }) => id).filter((id) => !ids.has(id)) };
}

function readable(row: StoredNode): ReturnType<typeof unmerge> {
  try {
    return unmerge(row);
  } catch {
    return { query: row.query, condition: null, extras: [] };
  }
}
