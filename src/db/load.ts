/** Reads engine state: branches to claim, the runs they belong to, all branches of an instance. */
import type { Branch, Frame, InstanceStatus, Outcome, Phase, Run } from '../engine/run.ts';
import { DurableError } from '../graph/errors.ts';
import { programOf } from './programs.ts';
import { query } from './statement.ts';
import type { Query } from './statement.ts';

/** Where a branch is found again. */
export interface Key {
  readonly instance: string;
  readonly branch: string;
}

/** A locked branch row together with what decides whether it still counts. */
export interface Claimed {
  readonly instance: string;
  readonly branch: Branch;
  readonly lane: number;
  /** The instance's status, or null when its row is gone. */
  readonly status: InstanceStatus | null;
  /** The fork that made the branch goes on; true for the root branch. */
  readonly alive: boolean;
}

interface BranchRow {
  instance_id: string;
  branch: string;
  lane: number;
  due: number | null;
  root: number;
  pc: number;
  phase: Phase;
  scope: string;
  frames: string;
  forks: number;
  waiting: string | null;
  expires: number | null;
  outcome_kind: Outcome['kind'] | null;
  outcome: string | null;
  attempts: number;
  seq: number;
  address?: string;
}

export interface ClaimedRow extends BranchRow {
  status: InstanceStatus | null;
  alive: boolean;
}

const COLUMNS = `b.instance_id, b.branch, b.lane::int4, extract(epoch FROM b.due_at)::float8 * 1000 AS due, b.root, b.pc,
  b.phase, b.scope, b.frames, b.forks, b.waiting,
  extract(epoch FROM b.expires_at)::float8 * 1000 AS expires, b.outcome_kind, b.outcome, b.attempts, b.seq`;
// Subqueries and laterals, not joins: each row is looked up by its key, whatever the planner believes of the tables' sizes.
export const CLAIMED_COLUMNS = `${COLUMNS}, b.address, (SELECT i.status FROM df.instances i WHERE i.id = b.instance_id) AS status,
  b.parent IS NULL OR EXISTS (SELECT FROM _df.branches p WHERE p.instance_id = b.instance_id AND p.branch = b.parent
    AND p.phase = 'fork' AND p.forks = b.fork) AS alive`;

// Lanes are visited from $2 on; the inner queries run as far as the limit needs, so no more rows are locked than returned.
const dueBranches = query<ClaimedRow>(`
  SELECT ${CLAIMED_COLUMNS}
  FROM generate_series(0, 31) l(n)
  CROSS JOIN LATERAL (
    SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.role = $1 AND d.lane = ((l.n + $2) & 31)::int2 AND NOT d.external AND d.due_at <= to_timestamp($3)
    ORDER BY d.due_at LIMIT $4 FOR UPDATE SKIP LOCKED) b
  LIMIT $4`, 'oid', 'int4', 'float8', 'int4');

// What follows the key is written so that it fits no partial index: a plan made over an empty table would else go
// through everything that is due for the role, for each of the keys.
const heldBranches = query<ClaimedRow>(`
  SELECT ${CLAIMED_COLUMNS}
  FROM unnest($1::text[], $2::text[]) k(instance_id, branch)
  CROSS JOIN LATERAL (
    SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.instance_id = k.instance_id AND d.branch = k.branch AND d.role = $3 AND d.external IS DISTINCT FROM true
      AND coalesce(d.due_at <= to_timestamp($4), false)
    FOR UPDATE SKIP LOCKED) b`, 'text[]', 'text[]', 'oid', 'float8');

// Found first and locked then: the lock is held for as long as the step runs, and a search may lock what it does not return.
const externalBranch = query<ClaimedRow>(`
  SELECT ${CLAIMED_COLUMNS}
  FROM (SELECT e.instance_id, e.branch FROM _df.branches e
    WHERE e.role = $1 AND e.external AND e.phase = 'external' AND e.due_at <= to_timestamp($2) AND NOT _df.is_claimed(e.xmax)
    ORDER BY e.due_at LIMIT 1) k
  CROSS JOIN LATERAL (SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.instance_id = k.instance_id AND d.branch = k.branch AND d.external IS NOT DISTINCT FROM true
      AND d.phase = 'external' AND d.due_at <= to_timestamp($2)
    FOR UPDATE SKIP LOCKED) b`, 'oid', 'float8');

// A branch keeps its due time from step to step, so that it is the nodes which say when an instance last moved.
const overdueBranches = (external: boolean): Query<ClaimedRow> => query<ClaimedRow>(`
  SELECT ${CLAIMED_COLUMNS}
  FROM (SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.role = $1 AND ${external ? "d.external AND d.phase = 'external'" : 'NOT d.external'} AND d.due_at <= to_timestamp($2)
      AND NOT EXISTS (SELECT FROM df.nodes n WHERE n.instance_id = d.instance_id AND n.updated_at > to_timestamp($2))
    LIMIT $3 FOR UPDATE SKIP LOCKED) b`, 'oid', 'float8', 'int4');
const overdueHere = overdueBranches(false);
const overdueExternal = overdueBranches(true);

const allBranches = query<BranchRow>(`SELECT ${COLUMNS} FROM _df.branches b WHERE b.instance_id = $1`, 'text');

const startRows = query<{
  instance_id: string; graph: string; node_ids: string; variables: string; label: string | null; database: string | null;
}>(`SELECT instance_id, graph, node_ids, variables, label, database FROM _df.runs WHERE instance_id = ANY ($1::text[])`, 'text[]');

const nextDue = query<{ due: number | null }>(`
  SELECT extract(epoch FROM min(b.due_at))::float8 AS due
  FROM generate_series(0, 31) l(n)
  CROSS JOIN LATERAL (
    SELECT d.due_at FROM _df.branches d
    WHERE d.role = $1 AND d.lane = l.n::int2 AND NOT d.external AND d.due_at > to_timestamp($2)
    ORDER BY d.due_at LIMIT 1) b`, 'oid', 'float8');

/** Locks up to `limit` due branches of a role that nobody else has locked, beginning in lane `lane`. `now` in ms. */
export function claimDue(role: number, lane: number, now: number, limit: number): Claimed[] {
  return dueBranches(role, lane, now / 1000, limit).map(toClaimed);
}

/** Locks those of the named branches that are still due and that nobody else has locked. */
export function claimHeld(keys: readonly Key[], role: number, now: number): Claimed[] {
  return heldBranches(keys.map((key) => key.instance), keys.map((key) => key.branch), role, now / 1000).map(toClaimed);
}

const revisitOwn = query<{ outcome: boolean | null }>('SELECT _df.revisit($1) AS outcome', 'oid');

/**
 * Sees to branches of the role that were locked when something came for them: true when some move now, false when they
 * are locked still, null when there are none.
 */
export function revisit(role: number): boolean | null {
  return revisitOwn(role)[0]!.outcome;
}

/** Locks one due branch of the role whose SQL step needs a connection of its own. */
export function claimExternal(role: number, now: number): Claimed[] {
  return externalBranch(role, now / 1000).map(toClaimed);
}

/** Locks branches of a role whose time came before `before` (ms) and whose instance has not moved since; `external` as stored. */
export function claimOverdue(role: number, before: number, limit: number, external: boolean): Claimed[] {
  return (external ? overdueExternal : overdueHere)(role, before / 1000, limit).map(toClaimed);
}

/** When the next branch of the role becomes due after `now`, in seconds since the epoch, or null. */
export function nextTimer(role: number, now: number): number | null {
  const due = nextDue(role, now / 1000)[0]!.due;
  return due === Infinity ? null : due;
}

/** All branches of an instance as they are stored, which is final only while the instance is locked. */
export function loadBranches(instance: string): Branch[] {
  return allBranches(instance).map(toBranch);
}

/** What was fixed when the instances started; kept for the session, since it never changes. */
const fixed = new Map<string, Pick<Run, 'id' | 'program' | 'nodeIds' | 'variables' | 'label' | 'database'>>();
const MOST_FIXED = 1024;

/**
 * A run per instance id, without branches, and per instance whose graph cannot be run the reason. Instances that the
 * engine does not know are in neither.
 */
export function loadRuns(instances: readonly string[]): { runs: Map<string, Run>; broken: Map<string, string> } {
  const broken = new Map<string, string>();
  // Room is made before it is looked up what is missing: a run that is left out counts as unknown to the engine.
  if (fixed.size + instances.length > MOST_FIXED) fixed.clear();
  const missing = instances.filter((id) => !fixed.has(id));
  if (missing.length > 0) {
    for (const row of startRows(missing)) {
      try {
        fixed.set(row.instance_id, {
          id: row.instance_id, program: programOf(row.graph), nodeIds: row.node_ids,
          variables: row.variables === '{}' ? NO_VARIABLES : (JSON.parse(row.variables) as Record<string, string>),
          label: row.label, database: row.database,
        });
      } catch (error) {
        if (!(error instanceof DurableError)) throw error;
        broken.set(row.instance_id, error.message);
      }
    }
  }
  const runs = new Map<string, Run>();
  for (const id of instances) {
    const start = fixed.get(id);
    if (start !== undefined) {
      // Written out, not spread: V8 gives an object that is spread first a hidden class of its own each time.
      runs.set(id, {
        id, program: start.program, nodeIds: start.nodeIds, variables: start.variables, label: start.label,
        database: start.database, status: 'running', statusChanged: false, address: null, output: null, branches: new Map(), whole: false,
        nodes: new Map(), names: new Map(), nameWrites: [], rounds: [],
      });
    }
  }
  return { runs, broken };
}

const NO_VARIABLES: Readonly<Record<string, string>> = {};

export function toClaimed(row: ClaimedRow): Claimed {
  return { instance: row.instance_id, branch: toBranch(row), lane: row.lane, status: row.status, alive: row.alive };
}

function toBranch(row: BranchRow): Branch {
  return {
    key: row.branch, root: row.root, scope: row.scope, pc: row.pc, phase: row.phase,
    frames: row.frames === '[]' ? [] : (JSON.parse(row.frames) as Frame[]), forks: row.forks, due: row.due,
    waiting: row.waiting, expires: row.expires,
    outcome: row.outcome_kind === null ? null : { kind: row.outcome_kind, text: row.outcome! },
    attempts: row.attempts, seq: row.seq, address: row.address ?? null, state: 'clean',
  };
}
