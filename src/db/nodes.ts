/**
 * The one place that changes a node's status. Every write names instance and node and has to meet exactly one row.
 */
import { DurableError } from '../graph/errors.ts';
import { publicText } from '../engine/rows.ts';
import type { NodeWrite } from '../engine/run.ts';
import { query } from './statement.ts';

/** A transition of one node. */
export interface NodeChange {
  readonly instance: string;
  readonly node: string;
  /** Without a stamp: a node that is moved by hand and never had one. */
  readonly write: Omit<NodeWrite, 'stamp'> & { readonly stamp: string | null };
}

// A range and an order, so that only the primary key will do: by equality the index of the instance alone looks as good
// while a table is empty, and each node would be looked for among all of its instance.
const find = query<{ address: string }>(`
  SELECT l.address FROM unnest($1::text[], $2::text[]) u(instance_id, id)
  CROSS JOIN LATERAL (
    SELECT n.ctid::text AS address FROM df.nodes n WHERE n.instance_id = u.instance_id AND n.id BETWEEN u.id AND u.id
    ORDER BY n.id LIMIT 1) l`,
  'text[]', 'text[]');
const write = query<{ written: number }>(
  'SELECT _df.write_nodes($1, $2, $3, $4, $5)::float8 AS written', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]');

/** Writes node transitions. Raises DurableError when a node is not there exactly once. */
export function writeNodes(changes: readonly NodeChange[]): void {
  if (changes.length === 0) return;
  const addresses = find(changes.map((c) => c.instance), changes.map((c) => c.node)).map((row) => row.address);
  const written = addresses.length !== changes.length ? addresses.length : write(
    addresses, changes.map((c) => c.write.status),
    changes.map(({ write: w }) => (w.result === null || w.status === 'pending' || w.status === 'running' ? null : publicText(w.result))),
    changes.map((c) => c.write.error), changes.map((c) => detailsText(c.write)),
  )[0]!.written;
  if (written !== changes.length) {
    const named = changes.slice(0, 5).map((c) => `${c.node} of instance ${c.instance}`).join(', ');
    throw new DurableError(
      `update of node ${named}${changes.length > 5 ? ' and others' : ''} met ${written} rows, expected exactly ${changes.length}`,
      { code: 'XX001', hint: 'A row of df.nodes was deleted or changed by hand while its instance ran. Cancel the instance if this goes on.' },
    );
  }
}

/** `status_details` of a transition: the stamp, and of a failure what is known of it. */
function detailsText({ stamp, details }: NodeChange['write']): string | null {
  if (stamp === null) return null;
  // A stamp is made of hex ids, digits and colons, so it needs no escaping.
  return details === undefined ? `{"execution_id":"${stamp}"}` : JSON.stringify({ execution_id: stamp, ...details });
}
