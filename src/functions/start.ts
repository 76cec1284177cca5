/** `df.start`: from a graph to an instance that is committed with the caller's transaction (semantics §2). */
import { DurableError } from '../graph/errors.ts';
import { flatten, storedNodes } from '../graph/flatten.ts';
import { parseGraph } from '../graph/parse.ts';
import { printGraph } from '../graph/print.ts';
import { validateGraph } from '../graph/validate.ts';
import { validateCron } from '../engine/cron.ts';
import type { Graph, Program } from '../graph/types.ts';
import { claimId, rollIds } from '../db/claim.ts';
import { launch } from '../db/launch.ts';
import { query } from '../db/statement.ts';
import { checkReady, checkSubmitter } from './admission.ts';
import { inWorkflow, refuseHelpers } from './guard.ts';

/** Nodes per INSERT: enough that 10,000 nodes are few statements, little enough that none is large. */
const NODES_PER_INSERT = 1000;

const insertInstance = query<{ id: string }>(`
  INSERT INTO df.instances (id, label, root_node, submitted_by, database)
  VALUES ($1, $2, $3, $4::regrole, $5) ON CONFLICT DO NOTHING RETURNING id`, 'text', 'text', 'text', 'text', 'text');

const insertNodes = query<{ id: string }>(`
  INSERT INTO df.nodes (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database)
  SELECT u.id, $1, u.node_type, u.query, u.result_name, u.left_node, u.right_node, $2::regrole, $3
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    u(id, node_type, query, result_name, left_node, right_node)
  ON CONFLICT DO NOTHING RETURNING id`,
  'text', 'text', 'text', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]', 'text[]');

const enroll = query('SELECT _df.enroll($1, $2, $3)', 'text', 'text', 'text');

const FOREIGN_KEY_VIOLATION = '23503';
/** The foreign keys between an instance and its nodes. */
const MUTUAL = ['nodes_instance_identity_fkey', 'nodes_left_node_same_instance_fkey', 'nodes_right_node_same_instance_fkey', 'instances_root_node_same_instance_fkey']
  .map((name) => `df.${name}`).join(', ');

/** How every complaint about the text itself begins. */
const UNREADABLE = 'Invalid durable function:';

/** An id was taken; the nodes inserted so far are undone and all ids but the root's are rolled again. */
class Taken extends Error {}

/**
 * Starts a workflow. In: a future or SQL, a label, the database its steps work in (default this one), and whether it belongs to the caller's transaction (caller) or commits by itself (new), which waits for a launch slot and cannot be inside a workflow. Out: the instance id, 8 hex digits. Errors before anything is written: "invalid transaction_mode", "Invalid durable function", "database ... does not exist", a role without LOGIN, a superuser where pg_durable.enable_superuser_instances is off.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} fut
 * @plv8ify_param {text} label DEFAULT NULL
 * @plv8ify_param {text} database DEFAULT NULL
 * @plv8ify_param {text} transaction_mode DEFAULT 'caller'
 * @plv8ify_return {text}
 */
export function start(fut: string | null, label: string | null, database: string | null, transactionMode: string | null): string {
  const mode = readMode(transactionMode);
  if (fut === null) {
    throw new DurableError('Invalid durable function: it is NULL', { hint: 'Pass SQL or the outcome of a df composer; a NULL argument makes a composer NULL.' });
  }
  refuseHelpers(fut, label, database);
  const graph = readGraph(fut);
  const { role } = checkSubmitter(null, database);
  validateGraph(graph, { validateCron });
  checkReady();
  if (mode === 'new') return launch(fut, label, database);
  const program = flatten(graph);
  const root = rollIds(1);
  const insert = (): string => {
    const id = claimId('an instance id', () => rollIds(1), (candidate) =>
      insertInstance(candidate, label, root, role, database).length === 1);
    const ids = claimNodes(program, id, root, role, database);
    enroll(id, printGraph(graph), ids.join(''));
    return id;
  };
  try {
    return insert();
  } catch (error) {
    if (!(error instanceof Error && (error as { sqlerrcode?: string }).sqlerrcode === FOREIGN_KEY_VIOLATION)) throw error;
    // The caller has SET CONSTRAINTS ... IMMEDIATE, and an instance and its nodes refer to each other.
    plv8.execute(`SET CONSTRAINTS ${MUTUAL} DEFERRED`);
    const id = insert();
    plv8.execute(`SET CONSTRAINTS ${MUTUAL} IMMEDIATE`);
    return id;
  }
}

function readMode(mode: string | null): 'caller' | 'new' {
  const wanted = (mode ?? '').toLowerCase();
  if (wanted !== 'caller' && wanted !== 'new') {
    throw new DurableError(`invalid transaction_mode: ${mode === null ? 'NULL' : `'${mode}'`}`, { hint: `Use 'caller' or 'new'.` });
  }
  if (wanted === 'new' && inWorkflow()) {
    throw new DurableError(`df.start() with transaction_mode 'new' cannot be called inside a workflow`, {
      code: '55000', hint: `Use 'caller': what a step starts then exists exactly if the step took effect.`,
    });
  }
  return wanted;
}

/** Reads the text strictly; whatever is wrong with it is said to be the durable function's fault (semantics §2). */
function readGraph(fut: string): Graph {
  try {
    return parseGraph(fut);
  } catch (error) {
    if (!(error instanceof DurableError) || error.message.startsWith(UNREADABLE)) throw error;
    const { sqlstate, detail, hint } = error;
    throw new DurableError(`${UNREADABLE} ${error.message}`, {
      code: sqlstate, ...(detail === undefined ? {} : { detail }), ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Inserts the instance's nodes under claimed ids, the root's being `root`, and returns the ids in program order. */
function claimNodes(program: Program, instance: string, root: string, role: string, database: string | null): string[] {
  return claimId(`ids for the nodes of instance ${instance}`, () => rollNodeIds(root, program.nodes.length), (ids) => {
    if (ids.length < program.nodes.length) return false;
    try {
      plv8.subtransaction(() => {
        const nodes = storedNodes(program, ids);
        for (let from = 0; from < nodes.length; from += NODES_PER_INSERT) {
          const part = nodes.slice(from, from + NODES_PER_INSERT);
          const claimed = insertNodes(instance, role, database, part.map((n) => n.id), part.map((n) => n.node_type),
            part.map((n) => n.query), part.map((n) => n.result_name), part.map((n) => n.left_node), part.map((n) => n.right_node));
          if (claimed.length < part.length) throw new Taken();
        }
      });
      return true;
    } catch (error) {
      if (error instanceof Taken) return false;
      throw error;
    }
  });
}

/** At most `count` different ids, the first of them `root`: fewer when the generator repeated itself. */
function rollNodeIds(root: string, count: number): string[] {
  const rolled = count > 1 ? rollIds(count - 1) : '';
  return [...new Set([root, ...rolled.match(/.{8}/g) ?? []])];
}
