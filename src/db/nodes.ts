/**
 * The one place that changes a node's status. Every write names instance and node and has to meet exactly one row.
 */
import { DurableError } from '../graph/errors.ts';
import { publicText } from '../engine/rows.ts';
import type { NodeWrite } from '../engine/run.ts';
import { command } from './statement.ts';

/** A transition of one node. */
export interface NodeChange extends NodeWrite {
  readonly instance: string;
  readonly node: string;
}

// One row per statement: a join with a list of keys would leave it to the planner, and to statistics that may be gathered
// while the table is empty, whether the rows are looked up or the whole table is read for each batch.
const update = command(`
  UPDATE df.nodes n SET status = $3, result = $4::jsonb, error = $5, updated_at = clock_timestamp()
  WHERE n.instance_id = $1 AND n.id = $2`, 'text', 'text', 'text', 'text', 'text');

/** Writes node transitions. Raises DurableError when a node is not there exactly once. */
export function writeNodes(changes: readonly NodeChange[]): void {
  for (const { instance, node, status, result, error } of changes) {
    const kept = result === null || status === 'pending' || status === 'running' ? null : publicText(result);
    const changed = update(instance, node, status, kept, error);
    if (changed !== 1) {
      throw new DurableError(`update of node ${node} of instance ${instance} changed ${changed} rows, expected exactly 1`, {
        code: 'XX001', hint: 'A row of df.nodes was deleted while its instance ran. Cancel the instance.',
      });
    }
  }
}
