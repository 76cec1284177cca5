/**
 * The one place that changes a node's status. Every write names instance and node and has to meet exactly one row.
 */
import { DurableError } from '../graph/errors.ts';
import { publicText } from '../engine/rows.ts';
import type { NodeWrite } from '../engine/run.ts';
import { query } from './statement.ts';

/** A transition of one node. */
export interface NodeChange extends NodeWrite {
  readonly instance: string;
  readonly node: string;
}

const update = query<{ n: number }>(`
  WITH changed AS (
    UPDATE df.nodes n SET status = u.status, result = u.result::jsonb, error = u.error, updated_at = clock_timestamp()
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) u(instance_id, id, status, result, error)
    WHERE n.instance_id = u.instance_id AND n.id = u.id
    RETURNING 1)
  SELECT count(*)::int4 AS n FROM changed`, 'text[]', 'text[]', 'text[]', 'text[]', 'text[]');

/** Writes node transitions. Raises DurableError when a node is not there exactly once. */
export function writeNodes(changes: readonly NodeChange[]): void {
  if (changes.length === 0) return;
  const { n } = update(
    changes.map((c) => c.instance), changes.map((c) => c.node), changes.map((c) => c.status),
    changes.map((c) => (c.result === null || c.status === 'pending' || c.status === 'running' ? null : publicText(c.result))),
    changes.map((c) => c.error),
  )[0]!;
  if (n !== changes.length) {
    const named = changes.slice(0, 5).map((c) => `${c.instance}/${c.node}`).join(', ');
    throw new DurableError(
      `update of node ${named}${changes.length > 5 ? ', …' : ''} changed ${n} rows, expected exactly ${changes.length}`,
      { code: 'XX001', hint: 'A row of df.nodes was deleted or duplicated while its instance ran. Cancel the instance.' },
    );
  }
}
