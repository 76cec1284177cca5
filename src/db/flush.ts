/** Writes what the interpreter changed, one statement per kind of change for the whole batch. */
import { parentKey, nodeId } from '../engine/run.ts';
import type { Branch, Run } from '../engine/run.ts';
import type { Key } from './load.ts';
import { writeNodes } from './nodes.ts';
import type { NodeChange } from './nodes.ts';
import { command, query } from './statement.ts';
import type { Value } from './statement.ts';

interface Row { run: Run; branch: Branch }

const lockInstances = query<{ id: string }>(`
  SELECT i.id FROM df.instances i WHERE i.id = ANY ($1::text[]) AND i.status IN ('pending', 'running')
  ORDER BY i.id FOR NO KEY UPDATE SKIP LOCKED`, 'text[]');
const lockInstance = query<{ status: string }>(
  'SELECT i.status FROM df.instances i WHERE i.id = $1 FOR NO KEY UPDATE', 'text');

const updateBranches = command(`
  UPDATE _df.branches b SET
    pc = u.pc, phase = u.phase, external = u.phase = 'external', frames = u.frames, forks = u.forks,
    due_at = CASE WHEN u.moved THEN to_timestamp(u.due) ELSE b.due_at END,
    waiting = u.waiting, expires_at = to_timestamp(u.expires), outcome_kind = u.outcome_kind, outcome = u.outcome, attempts = u.attempts, seq = b.seq + 1
  FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::text[], $6::text[], $7::int4[], $8::boolean[],
    $9::float8[], $10::text[], $11::float8[], $12::text[], $13::text[], $14::int4[])
    u(instance_id, branch, seq, pc, phase, frames, forks, moved, due, waiting, expires, outcome_kind, outcome, attempts)
  WHERE b.instance_id = u.instance_id AND b.branch = u.branch AND b.seq = u.seq`,
  'text[]', 'text[]', 'int4[]', 'int4[]', 'text[]', 'text[]', 'int4[]', 'bool[]', 'float8[]', 'text[]', 'float8[]', 'text[]', 'text[]', 'int4[]');

const insertBranches = command(`
  INSERT INTO _df.branches (instance_id, branch, role, lane, due_at, external, parent, fork, root, pc, phase, scope,
    frames, forks, waiting, expires_at, outcome_kind, outcome)
  SELECT u.instance_id, u.branch, r.role, hashtext(u.instance_id) & 31, to_timestamp(u.due), u.phase = 'external',
    u.parent, u.fork, u.root, u.pc, u.phase, u.scope, u.frames, u.forks, u.waiting,
    to_timestamp(u.expires), u.outcome_kind, u.outcome
  FROM unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::int4[], $6::int4[], $7::text[], $8::text[],
    $9::text[], $10::int4[], $11::float8[], $12::text[], $13::float8[], $14::text[], $15::text[])
    u(instance_id, branch, parent, fork, root, pc, phase, scope, frames, forks, due, waiting, expires, outcome_kind, outcome)
  JOIN _df.runs r ON r.instance_id = u.instance_id`,
  'text[]', 'text[]', 'text[]', 'int4[]', 'int4[]', 'int4[]', 'text[]', 'text[]', 'text[]', 'int4[]', 'float8[]', 'text[]', 'float8[]', 'text[]', 'text[]');

// A branch of a lost race may be locked by the session that runs its step; that session finds it has no fork left.
const deleteBranches = command(`
  DELETE FROM _df.branches b USING (
    SELECT l.ctid FROM unnest($1::text[], $2::text[]) u(instance_id, branch)
    JOIN _df.branches l ON l.instance_id = u.instance_id AND l.branch = u.branch FOR UPDATE OF l SKIP LOCKED) l
  WHERE b.ctid = l.ctid`, 'text[]', 'text[]');

const updateInstances = command(`
  UPDATE df.instances i SET status = u.status, updated_at = clock_timestamp(),
    completed_at = CASE WHEN u.status = 'completed' THEN clock_timestamp() END
  FROM unnest($1::text[], $2::text[]) u(id, status)
  WHERE i.id = u.id AND i.status IN ('pending', 'running')`, 'text[]', 'text[]');

const updateOutputs = command(`
  UPDATE _df.runs r SET output = u.output FROM unnest($1::text[], $2::text[]) u(id, output)
  WHERE r.instance_id = u.id`, 'text[]', 'text[]');

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

/** Removes branches that no longer count. */
export function discard(keys: readonly Key[]): void {
  if (keys.length > 0) deleteBranches(keys.map((key) => key.instance), keys.map((key) => key.branch));
}

/** Ends an instance that cannot be run at all. */
export function failInstance(instance: string, problem: string): void {
  updateInstances([instance], ['failed']);
  updateOutputs([instance], [problem]);
}

/** Tells the drivers that a role has work which another session could take. */
export function announceWork(role: number): void {
  announce(String(role));
}

/** Raised when a branch changed although this session had locked it, which only a caller outside `df.work` can cause. */
export class LostClaim extends Error {}

/** Writes all changes of `runs` and marks them as written. The instances whose status changes must be locked. */
export function flush(runs: Iterable<Run>): void {
  const nodes: NodeChange[] = [];
  const changed: Row[] = [];
  const created: Row[] = [];
  const gone: Row[] = [];
  const statuses: Run[] = [];
  for (const run of runs) {
    for (const [pc, write] of run.nodes) nodes.push({ ...write, instance: run.id, node: nodeId(run, pc) });
    const over = ended(run);
    for (const branch of run.branches.values()) {
      if (branch.state === 'gone' || (over && branch.state !== 'new')) gone.push({ run, branch });
      else if (over) continue;
      else if (branch.state === 'dirty') changed.push({ run, branch });
      else if (branch.state === 'new') created.push({ run, branch });
    }
    if (run.statusChanged) statuses.push(run);
  }
  writeNodes(nodes);
  if (changed.length > 0 && updateBranches(...columns(changed, [
    (r) => r.run.id, (r) => r.branch.key, (r) => r.branch.seq, (r) => r.branch.pc, (r) => r.branch.phase,
    (r) => framesText(r.branch), (r) => r.branch.forks, (r) => r.branch.due !== r.branch.storedDue,
    (r) => seconds(r.branch.due), (r) => r.branch.waiting, (r) => seconds(r.branch.expires),
    (r) => r.branch.outcome?.kind ?? null, (r) => r.branch.outcome?.text ?? null, (r) => r.branch.attempts,
  ])) !== changed.length) throw new LostClaim('a branch changed while this session held it');
  if (created.length > 0) insertBranches(...columns(created, [
    (r) => r.run.id, (r) => r.branch.key, (r) => parentKey(r.branch.key), (r) => forkNumber(r.branch.key),
    (r) => r.branch.root, (r) => r.branch.pc, (r) => r.branch.phase, (r) => r.branch.scope, (r) => framesText(r.branch),
    (r) => r.branch.forks, (r) => seconds(r.branch.due), (r) => r.branch.waiting, (r) => seconds(r.branch.expires),
    (r) => r.branch.outcome?.kind ?? null, (r) => r.branch.outcome?.text ?? null,
  ]));
  if (gone.length > 0) deleteBranches(...columns(gone, [(r) => r.run.id, (r) => r.branch.key]));
  writeRest(runs, statuses);
  for (const run of runs) settle(run);
}

function writeRest(runs: Iterable<Run>, statuses: Run[]): void {
  if (statuses.length > 0) updateInstances(statuses.map((run) => run.id), statuses.map((run) => run.status));
  const over = statuses.filter(ended);
  const failed = over.filter((run) => run.output !== null);
  if (failed.length > 0) updateOutputs(failed.map((run) => run.id), failed.map((run) => run.output));
  if (over.length > 0) {
    clearSignals(over.map((run) => run.id));
    const named = over.filter((run) => hasNames(run)).map((run) => run.id);
    if (named.length > 0) clearNames(named);
  }
  for (const run of runs) {
    if (!ended(run)) {
      for (const { branch, name, value } of run.nameWrites) {
        if (value === null) clearBranchNames(run.id, branch);
        else setName(run.id, branch, name, value);
      }
    }
    for (const round of run.rounds) {
      insertRound(run.id, round.generation, round.began / 1000, round.ended / 1000, round.result);
      updateRound(run.id, round.generation + 1, round.ended / 1000);
    }
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

function columns(rows: readonly Row[], pick: readonly ((row: Row) => string | number | boolean | null)[]): Value[] {
  return pick.map((value) => rows.map(value));
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
