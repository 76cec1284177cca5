/** The way to a transaction of its own: an INSERT whose role the database vouches for (sql/78_launch.sql). */
import { numberSetting } from './settings.ts';
import { query } from './statement.ts';

const insert = query<{ id: string }>(`
  INSERT INTO _df.launches (graph, label, database, slots, patience) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
  'text', 'text', 'text', 'integer', 'integer');

/** Starts a workflow as the effective role in a transaction that has committed when the instance id is returned. */
export function launch(graph: string, label: string | null, database: string | null): string {
  return insert(graph, label, database, numberSetting('max_new_transaction_starts'), numberSetting('new_transaction_start_timeout'))[0]!.id;
}
