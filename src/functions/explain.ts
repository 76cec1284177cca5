/** `df.explain` and `df.instance_nodes`: an instance with the inferred status of its nodes (semantics §5, §12). */
import { explainInput } from '../engine/explain.ts';
import type { InstanceView } from '../engine/explain.ts';
import { validateCron } from '../engine/cron.ts';
import { NONE } from '../graph/types.ts';
import { readInstance } from '../db/instance.ts';
import type { NodeRow } from '../db/instance.ts';
import { httpMode } from '../db/settings.ts';
import { query } from '../db/statement.ts';

const header = query<{ label: string | null; status: string; output: string | null }>(`
  SELECT i.label, i.status, _df.output(i) AS output FROM df.instances i WHERE i.id = $1`, 'text');

/**
 * Shows a workflow as a tree: an instance (by its id, with live status), a graph as JSON, an expression over df functions and operators, or one SQL statement. Out: text; problems with the input come back as text too. Nothing of the input is executed.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} input
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function explain(input: string): string {
  return explainInput(input, { validateCron, httpMode, instance: viewOf, mayCall: (name) => mayExecute(SIGNATURES[name])[0]!.may });
}

const mayExecute = query<{ may: boolean }>(`SELECT has_function_privilege($1, 'EXECUTE') AS may`, 'text');
const SIGNATURES = {
  http: 'df.http(text, text, text, jsonb, integer)',
  http_multipart: 'df.http_multipart(text, text, jsonb, jsonb, integer)',
} as const;

interface NodesRow {
  node_id: string;
  node_type: string;
  query: string | null;
  result_name: string | null;
  left_node: string | null;
  right_node: string | null;
  status: string;
  result: string | null;
  status_details: string | null;
  inferred_status: string;
  inferred_status_from_ancestor_id: string | null;
  updated_at: string;
}

/**
 * The nodes of an instance, for df.instance_nodes: in graph order, with inferred status; JSON as text, times as seconds since 1970 in text.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name nodes_of
 * @plv8ify_param {text} instance_id
 * @plv8ify_table {node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at text}
 * @plv8ify_strict
 */
export function nodesOf(instanceId: string): NodesRow[] {
  const found = readInstance(instanceId);
  if (found === null) return [];
  const shown = found.rows.map((row, index) => {
    const { inferred, ancestor } = found.inferred[index]!;
    return nodesRow(row, inferred, ancestor === NONE ? null : found.rows[ancestor]!.id);
  });
  return [...shown, ...found.loose.map((row) => nodesRow(row, row.status, null))];
}

function nodesRow(row: NodeRow, inferred: string, ancestor: string | null): NodesRow {
  return {
    node_id: row.id, node_type: row.node_type, query: row.query, result_name: row.result_name,
    left_node: row.left_node, right_node: row.right_node, status: row.status, result: row.result,
    status_details: row.status_details, inferred_status: inferred,
    inferred_status_from_ancestor_id: ancestor, updated_at: row.updated_at,
  };
}

function viewOf(id: string): InstanceView | null {
  const instance = header(id)[0];
  const found = instance === undefined ? null : readInstance(id);
  if (instance === undefined || found === null) return null;
  return { id, ...instance, program: found.program, statuses: (index) => found.inferred[index]!.inferred };
}
