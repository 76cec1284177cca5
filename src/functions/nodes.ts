/** `df.update_node_status`: the hand-operated end of the one way in which nodes move (semantics §5). */
import { DurableError } from '../graph/errors.ts';
import { kind, parseString } from '../engine/rawjson.ts';
import { isStale, parseStamp } from '../engine/scope.ts';
import type { NodeStatus } from '../engine/run.ts';
import { query } from '../db/statement.ts';
import { writeNodes } from '../db/nodes.ts';

const STATUSES: ReadonlySet<string> = new Set<NodeStatus>(['pending', 'running', 'completed', 'failed']);

const current = query<{ stamp: string | null }>(`
  SELECT n.status_details->>'execution_id' AS stamp FROM df.nodes n
  WHERE n.instance_id = $1 AND n.id = $2 FOR UPDATE`, 'text', 'text');

/**
 * Moves a node of one of the caller's own instances. In: instance id and node id, both required; the status (pending, running, completed, failed); the result as JSON, dropped on a status that is not terminal; the stamp <scope>::<generation>. Out: what was done; a write with an older stamp than the node's is dropped and says so. Errors: "expected exactly 1" naming both ids when the row is not there, a NULL id, an unknown status.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name update_node_status
 * @plv8ify_param {text} instance_id
 * @plv8ify_param {text} node_id
 * @plv8ify_param {text} status
 * @plv8ify_param {jsonb} result
 * @plv8ify_param {text} execution_id
 * @plv8ify_return {text}
 * @plv8ify_execute private
 */
export function updateNodeStatus(
  instanceId: string | null, nodeId: string | null, status: string | null, result: string | null, executionId: string | null,
): string {
  if (instanceId === null) throw new DurableError('instance_id is required: a node id alone does not name a node', { code: '22004' });
  if (nodeId === null) throw new DurableError('node_id is required', { code: '22004' });
  if (status === null || !STATUSES.has(status)) {
    throw new DurableError(`unknown node status ${status === null ? 'NULL' : `'${status}'`}`, { hint: `Use ${[...STATUSES].join(', ')}.` });
  }
  if (executionId !== null && /["\\\u0000-\u001f]/.test(executionId)) {
    throw new DurableError('execution_id holds characters that no stamp has', { hint: 'It is <scope>::<generation>.' });
  }
  const row = current(instanceId, nodeId)[0];
  if (row !== undefined && executionId !== null && isStale(executionId, row.stamp)) {
    return `Node ${nodeId} of instance ${instanceId} keeps its status: the update of ${executionId} is older than ${row.stamp}`;
  }
  writeNodes([{
    instance: instanceId, node: nodeId,
    write: {
      status: status as NodeStatus, result,
      error: status === 'failed' && result !== null && kind(result) === 'string' ? parseString(result) : null,
      stamp: executionId ?? row?.stamp ?? null, details: undefined,
    },
  }]);
  const unreadable = executionId !== null && parseStamp(executionId) === null ? ' (its stamp cannot be read, so it was not fenced)' : '';
  return `Node ${nodeId} of instance ${instanceId} is ${status}${unreadable}`;
}
