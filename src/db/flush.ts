/** Writes what the interpreter changed. */
import { parentKey, nodeId } from '../engine/run.ts';
import type { Branch, Run } from '../engine/run.ts';
import type { Key } from './load.ts';
import { writeNodes } from './nodes.ts';
import type { NodeChange } from './nodes.ts';
import { command, query } from './statement.ts';

const lockInstances = query<{ id: string }>(`
  SELECT l.id FROM (SELECT DISTINCT k.id FROM unnest($1::text[]) k(id) ORDER BY 1) k
  CROSS JOIN LATERAL (
    SELECT i.id FROM df.instances i WHERE i.id = k.id AND i.status IN ('pending', 'running')
    FOR NO KEY UPDATE SKIP LOCKED) l`, 'text[]');
const lockInstance = query<{ status: string }>(
  'SELECT i.status FROM df.instances i WHERE i.id = $1 FOR NO KEY UPDATE', 'text');

// Rows are written one by one, by key; see nodes.ts for why.
const updateBranch = command(`
  UPDATE _df.branches b SET
    pc = $4, phase = $5, external = $5 = 'external', frames = $6, forks = $7,
    due_at = CASE WHEN $8 THEN to_timestamp($9) ELSE b.due_at END,
    waiting = $10, expires_at = to_timestamp($11), outcome_kind = $12, outcome = $13, attempts = $14, seq = b.seq + 1
  WHERE b.instance_id = $1 AND b.branch = $2 AND b.seq = $3`,
  'text', 'text', 'int4', 'int4', 'text', 'text', 'int4', 'bool', 'float8', 'text', 'float8', 'text', 'text', 'int4');

const insertBranch = command(`
  INSERT INTO _df.branches (instance_id, branch, role, lane, due_at, external, parent, fork, root, pc, phase, scope,
    frames, forks, waiting, expires_at, outcome_kind, outcome)
  SELECT r.instance_id, $2, r.role, hashtext(r.instance_id) & 31, to_timestamp($3), $4 = 'external', $5, $6, $7, $8, $4, $9,
    $10, $11, $12, to_timestamp($13), $14, $15
  FROM _df.runs r WHERE r.instance_id = $1`,
  'text', 'text', 'float8', 'text', 'text', 'int4', 'int4', 'int4', 'text', 'text', 'int4', 'text', 'float8', 'text', 'text');

// A branch of a lost race may be locked by the session that runs its step; that session finds it has no fork left.
const lockBranch = query('SELECT 1 AS one FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2 FOR UPDATE SKIP LOCKED', 'text', 'text');
const deleteBranch = command('DELETE FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2', 'text', 'text');

const updateInstance = command(`
  UPDATE df.instances i SET status = $2, updated_at = clock_timestamp(),
    completed_at = CASE WHEN $2 = 'completed' THEN clock_timestamp() END
  WHERE i.id = $1 AND i.status IN ('pending', 'running')`, 'text', 'text');

const updateOutput = command('UPDATE _df.runs r SET output = $2 WHERE r.instance_id = $1', 'text', 'text');

const clearSignals = command('DELETE FROM _df.signals s WHERE s.instance_id = ANY ($1::text[])', 'text[]');
const clearNames = command('DELETE FROM _df.names n WHERE n.instance_id = ANY ($1::text[])', 'text[]');
const clearBranchNames = command('DELETE FROM _df.names n WHERE n.instance_id = $1 AND n.branch = $2', 'text', 'text');
const setName = command(`
  INSERT INTO _df.names (instance_id, branch, name, value) VALUES ($1, $2, $3, $4)
  ON CONFLICT (instance_id, branch, name) DO UPDATE SET value = excluded.value`, 'text', 'text', 'text', 'text');

const insertRound = command(`
  INSERT INTO _df.rounds (instance_id, generation, began_at, ended_at, output)
  VALUES ($1, $2::int4, to_timestamp($3), to_timestamp($4), $5)`, 'text', 'int4', 'float8', 'float8', 'text');
const updateRound = command(`
  UPDATE _df.runs r SET generation = $2::int4, began_at = to_timestamp($3) WHERE r.instance_id = $1`, 'text', 'int4', 'float8');
const announce = query(`SELECT pg_notify('pg_durable', $1)`, 'text');

/** Locks an instance against every other change of its branches; waits for it. Returns its status, null if it is gone. */
export function lockOne(instance: string): string | null {
  return lockInstance(instance)[0]?.status ?? null;
}

/** Locks those of the instances that are live and that nobody else has locked, and returns them. */
export function lockFree(instances: readonly string[]): Set<string> {
  return new Set(lockInstances(instances).map((row) => row.id));
}

/** Removes branches that no longer count, those that nobody else has locked. */
export function discard(keys: readonly Key[]): void {
  for (const { instance, branch } of keys) {
    if (lockBranch(instance, branch).length === 1) deleteBranch(instance, branch);
  }
}

/** Ends an instance that cannot be run at all. */
export function failInstance(instance: string, problem: string): void {
  updateInstance(instance, 'failed');
  updateOutput(instance, problem);
}

/** Tells the drivers that a role has work which another session could take. */
export function announceWork(role: number): void {
  announce(String(role));
}

/** Raised when a branch changed although this session had locked it, which only a caller outside `df.work` can cause. */
export class LostClaim extends Error {}

/** Writes all changes of `runs` and marks them as written. The instances whose status changes must be locked. */
export function flush(runs: readonly Run[]): void {
  const nodes: NodeChange[] = [];
  for (const run of runs) {
    for (const [pc, write] of run.nodes) nodes.push({ ...write, instance: run.id, node: nodeId(run, pc) });
  }
  writeNodes(nodes);
  for (const run of runs) {
    writeBranches(run);
    writeNames(run);
    if (run.statusChanged) updateInstance(run.id, run.status);
    if (run.statusChanged && run.output !== null) updateOutput(run.id, run.output);
    for (const round of run.rounds) {
      insertRound(run.id, round.generation, round.began / 1000, round.ended / 1000, round.result);
      updateRound(run.id, round.generation + 1, round.ended / 1000);
    }
  }
  const over = runs.filter(ended);
  if (over.length > 0) clearSignals(over.map((run) => run.id));
  for (const run of runs) settle(run);
}

function writeBranches(run: Run): void {
  for (const branch of run.branches.values()) {
    if (branch.state === 'gone' || ended(run)) {
      if (branch.state !== 'new') discard([{ instance: run.id, branch: branch.key }]);
    } else if (branch.state === 'dirty') {
      const changed = updateBranch(
        run.id, branch.key, branch.seq, branch.pc, branch.phase, framesText(branch), branch.forks,
        branch.due !== branch.storedDue, seconds(branch.due), branch.waiting, seconds(branch.expires),
        branch.outcome?.kind ?? null, branch.outcome?.text ?? null, branch.attempts);
      if (changed !== 1) throw new LostClaim(`branch '${branch.key}' of instance ${run.id} changed while this session held it`);
    } else if (branch.state === 'new') {
      insertBranch(
        run.id, branch.key, seconds(branch.due), branch.phase, parentKey(branch.key), forkNumber(branch.key),
        branch.root, branch.pc, branch.scope, framesText(branch), branch.forks, branch.waiting, seconds(branch.expires),
        branch.outcome?.kind ?? null, branch.outcome?.text ?? null);
    }
  }
}

function writeNames(run: Run): void {
  if (!hasNames(run)) return;
  if (ended(run)) {
    clearNames([run.id]);
    return;
  }
  for (const { branch, name, value } of run.nameWrites) {
    if (value === null) clearBranchNames(run.id, branch);
    else setName(run.id, branch, name, value);
  }
}

/** Brings the memory to what is stored now. */
function settle(run: Run): void {
  for (const branch of [...run.branches.values()]) {
    if (branch.state === 'gone') run.branches.delete(branch.key);
    else {
      if (branch.state === 'dirty') branch.seq++;
      if (branch.state === 'new') branch.seq = 1;
      branch.storedDue = branch.due;
      branch.state = 'clean';
    }
  }
  run.nodes.clear();
  run.nameWrites = [];
  run.rounds = [];
  run.statusChanged = false;
}

/** Whether the workflow gives names to results anywhere; the others need no row in `_df.names`. */
export function hasNames(run: Run): boolean {
  return run.program.nodes.some((node) => node.name !== null);
}

function ended(run: Run): boolean {
  return run.status !== 'pending' && run.status !== 'running';
}

function framesText(branch: Branch): string {
  return branch.frames.length === 0 ? '[]' : JSON.stringify(branch.frames);
}

function seconds(due: number | null): number | null {
  return due === null ? null : due / 1000;
}

function forkNumber(key: string): number | null {
  return key === '' ? null : Number(key.slice(0, key.lastIndexOf('.')).split('.').pop());
}
