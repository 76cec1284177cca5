/** `df.run`: wakes the engine, and gives it instances whose rows somebody wrote by hand (surface §3, §6). */
import { DurableError } from '../graph/errors.ts';
import { graphOf, programFromRows } from '../graph/flatten.ts';
import type { StoredNode } from '../graph/flatten.ts';
import { printGraph } from '../graph/print.ts';
import { validateGraph } from '../graph/validate.ts';
import { validateCron } from '../engine/cron.ts';
import { command, query } from '../db/statement.ts';
import { checkReady, checkSubmitter } from './admission.ts';

interface Target {
  id: string;
  root: string;
  role: string;
  database: string | null;
  status: string;
  enrolled: boolean;
}

const COLUMNS = `i.id, i.root_node AS root, i.submitted_by::text AS role, i.database, i.status,
  EXISTS (SELECT FROM _df.runs r WHERE r.instance_id = i.id) AS enrolled`;
const instance = query<Target>(`SELECT ${COLUMNS} FROM df.instances i WHERE i.id = $1`, 'text');
const strangers = query<{ id: string }>(`
  SELECT i.id FROM df.instances i
  WHERE i.status = 'pending' AND NOT EXISTS (SELECT FROM _df.runs r WHERE r.instance_id = i.id) ORDER BY i.created_at, i.id`);
// Under the caller's own rights and row-level security: to _df.enroll it is the proof that the caller may do this. It
// waits for whoever adopts the same instance at this moment.
const touch = command(`UPDATE df.instances i SET updated_at = clock_timestamp() WHERE i.id = $1 AND i.status = 'pending'`, 'text');
const nodes = query<StoredNode>(`
  SELECT n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node FROM df.nodes n WHERE n.instance_id = $1`, 'text');
const enroll = query('SELECT _df.enroll($1, $2, $3)', 'text', 'text', 'text');
const wake = query(`
  SELECT pg_notify('pg_durable', w.role) FROM (
    SELECT DISTINCT i.submitted_by::oid::text AS role FROM df.instances i
    WHERE i.status IN ('pending', 'running') AND ($1 IS NULL OR i.id = $1)) w`, 'text');

/**
 * Wakes the engine. In: an instance id, or NULL for all that the caller can see. Drivers wake by themselves; this is for one that seems to have missed something, and for a pending instance whose rows were written by hand: its graph is checked as df.start checks one and begins to run. Out: OK. Errors: "not found or access denied"; for one instance those of df.start, for all of them a warning per instance that cannot run.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} instance_id DEFAULT NULL
 * @plv8ify_return {text}
 */
export function run(instanceId: string | null): string {
  if (instanceId === null) {
    for (const { id } of strangers()) tryAdopt(id);
  } else {
    const target = instance(instanceId)[0];
    if (target === undefined) {
      throw new DurableError(`Instance '${instanceId}' not found or access denied`, {
        code: '42704', hint: 'df.list_instances() shows the instances that you can reach.',
      });
    }
    if (target.status === 'pending' && !target.enrolled) adopt(instanceId);
  }
  wake(instanceId);
  return 'OK';
}

function tryAdopt(id: string): void {
  try {
    plv8.subtransaction(() => adopt(id));
  } catch (error) {
    // A cancelled query and the like are not this instance's fault.
    if (!(error instanceof DurableError)) throw error;
    plv8.elog(WARNING, `instance ${id} cannot run: ${error.message}`);
  }
}

function adopt(id: string): void {
  if (touch(id) === 0) return;
  const target = instance(id)[0]!;
  if (target.enrolled) return;
  checkSubmitter(target.role, target.database);
  const { program, ids } = programFromRows(nodes(id), target.root);
  const graph = graphOf(program);
  validateGraph(graph, { validateCron });
  checkReady();
  enroll(id, printGraph(graph), ids.join(''));
}
