/** Reads an instance as its owner sees it: with the caller's rights, from df.instances and df.nodes. */
import { infer } from '../engine/infer.ts';
import type { Inferred, StoredStatus } from '../engine/infer.ts';
import { salvage } from '../graph/flatten.ts';
import type { StoredNode } from '../graph/flatten.ts';
import type { Program } from '../graph/types.ts';
import { query } from './statement.ts';

/** A row of df.nodes, JSON as text, and updated_at as a number in text, the seconds since 1970. */
export interface NodeRow extends StoredNode {
  readonly status: StoredStatus;
  readonly result: string | null;
  readonly status_details: string | null;
  readonly execution_id: string | null;
  readonly updated_at: string;
}

/** The nodes of an instance in program order, and what their status means now. */
export interface InstanceGraph {
  readonly program: Program;
  readonly rows: readonly NodeRow[];
  readonly inferred: readonly Inferred[];
  /** Rows that were written by hand and belong to no graph. */
  readonly loose: readonly NodeRow[];
}

const rootOf = query<{ root_node: string }>('SELECT i.root_node FROM df.instances i WHERE i.id = $1', 'text');
const nodesOf = query<NodeRow>(`
  SELECT n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result::text AS result,
    n.status_details::text AS status_details, n.status_details->>'execution_id' AS execution_id, extract(epoch FROM n.updated_at)::text AS updated_at
  FROM df.nodes n WHERE n.instance_id = $1`, 'text');

/** The graph of an instance that the caller may see, or null. Rows that were changed by hand are shown as far as they go. */
export function readInstance(id: string): InstanceGraph | null {
  const root = rootOf(id)[0]?.root_node;
  if (root === undefined) return null;
  const byId = new Map(nodesOf(id).map((row) => [row.id, row]));
  const found = salvage([...byId.values()], root);
  if (found === null) return null;
  const { program, ids, loose } = found;
  const rows = ids.map((node) => byId.get(node)!);
  const inferred = infer(program, rows.map((row) => ({ status: row.status, executionId: row.execution_id })));
  return { program, rows, inferred, loose: loose.map((node) => byId.get(node)!) };
}
