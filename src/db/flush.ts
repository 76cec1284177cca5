/** Writes what the interpreter changed. */
import { parentKey, nodeId } from '../engine/run.ts';
import type { Branch, Run } from '../engine/run.ts';
import type { Key } from './load.ts';
import { writeNodes } from './nodes.ts';
import type { NodeChange } from './nodes.ts';
import { command, query } from './statement.ts';

interface Row { readonly run: Run; readonly branch: Branch }

const lockInstances = query<{ id: string; address: string }>(`
  SELECT l.id, l.address FROM (SELECT DISTINCT k.id FROM unnest($1::text[]) k(id) ORDER BY 1) k
  CROSS JOIN LATERAL (
    SELECT i.id, i.ctid::text AS address FROM df.instances i WHERE i.id = k.id AND i.status IN ('pending', 'running')
    FOR NO KEY UPDATE SKIP LOCKED) l`, 'text[]');
const lockInstance = query<{ status: string; address: string }>(
  'SELECT i.status, i.ctid::text AS address FROM df.instances i WHERE i.id = $1 FOR NO KEY UPDATE', 'text');

// An upsert finds its row through the key by itself. A due time that comes back unchanged, but for the rounding of a
// number of seconds, is left alone, so that no index entry moves.
const upsertBranches = command(`
  INSERT INTO _df.branches AS b (instance_id, branch, role, lane, due_at, external, parent, fork, root, pc, phase, scope,
    frames, forks, waiting, expires_at, outcome_kind, outcome, attempts, seq)
  SELECT u.instance_id, u.branch, $1, hashtext(u.instance_id) & 31, to_timestamp(u.due), u.phase IN ('external', 'http'), u.parent,
    u.fork, u.root, u.pc, u.phase, u.scope, u.frames, u.forks, u.waiting, to_timestamp(u.expires), u.outcome_kind, u.outcome,
    u.attempts, u.seq + 1
  FROM unnest($2::text[], $3::text[], $4::float8[], $5::text[], $6::int4[], $7::int4[], $8::int4[], $9::text[], $10::text[],
    $11::text[], $12::int4[], $13::text[], $14::float8[], $15::text[], $16::text[], $17::int4[], $18::int4[])
    u(instance_id, branch, due, parent, fork, root, pc, phase, scope, frames, forks, waiting, expires, outcome_kind, outcome,
      attempts, seq)
  ON CONFLICT (instance_id, branch) DO UPDATE SET
    due_at = CASE WHEN abs(extract(epoch FROM excluded.due_at - b.due_at)) < 0.00001 THEN b.due_at ELSE excluded.due_at END,
    external = excluded.external, pc = excluded.pc, phase = excluded.phase, frames = excluded.frames,
    forks = excluded.forks, waiting = excluded.waiting, expires_at = excluded.expires_at,
    outcome_kind = excluded.outcome_kind, outcome = excluded.outcome, attempts = excluded.attempts, seq = excluded.seq
  WHERE b.seq = excluded.seq - 1`,
  'oid', 'text[]', 'text[]', 'float8[]', 'text[]', 'int4[]', 'int4[]', 'int4[]', 'text[]', 'text[]', 'text[]', 'int4[]',
  'text[]', 'float8[]', 'text[]', 'text[]', 'int4[]', 'int4[]');

// A finished branch has no step that could hold its lock for long; but a claim that came upon it while it finished locks
// the row in passing, and skipping it then would leave it behind.
const waitForBranch = query<{ address: string }>(
  'SELECT b.ctid::text AS address FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2 FOR UPDATE', 'text', 'text');
// A branch of a lost race may be locked by the session that runs its step; that session finds it has no fork left.
const lockBranch = query<{ address: string }>(`
  SELECT b.ctid::text AS address FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2
  FOR UPDATE SKIP LOCKED`, 'text', 'text');

const writeInstances = query('SELECT _df.write_instances($1, $2, $3)', 'text[]', 'text[]', 'text[]');
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

/** Locks an instance against every other change of its branches; waits for it. Null if it is gone. */
export function lockOne(instance: string): { status: string; address: string } | null {
  return lockInstance(instance)[0] ?? null;
}

/** Locks those of the runs' instances that are live and that nobody else has locked. Returns how many. */
export function lockFree(runs: readonly Run[]): number {
  const addresses = new Map(lockInstances(runs.map((run) => run.id)).map((row) => [row.id, row.address]));
  for (const run of runs) run.address = addresses.get(run.id) ?? run.address;
  return addresses.size;
}

/** Removes branches that no longer count, those that nobody else has locked. */
export function discard(keys: readonly Key[]): void {
  const addresses = keys.flatMap(({ instance, branch }) => lockBranch(instance, branch).map((row) => row.address));
  if (addresses.length > 0) writeInstances([], [], addresses);
}

/** Ends an instance that cannot be run at all. */
export function failInstance(instance: string, problem: string): void {
  const locked = lockOne(instance);
  if (locked === null) return;
  writeInstances([locked.address], ['failed'], []);
  updateOutput(instance, problem);
}

/** Tells the drivers that there is work: the role (its OID) that has some to be taken, or `external`. */
export function announceWork(payload: string): void {
  announce(payload);
}

/** Raised when a branch changed although this session had locked it, which only a caller outside `df.work` can cause. */
class LostClaim extends Error {}

/**
 * Writes all changes of `runs`, which belong to `role`, and marks them as written. The instances whose status changes
 * must be locked.
 */
export function flush(runs: readonly Run[], role: number): void {
  const nodes: NodeChange[] = [];
  const kept: Row[] = [];
  const gone: string[] = [];
  for (const run of runs) {
    for (const [pc, write] of run.nodes) nodes.push({ instance: run.id, node: nodeId(run, pc), write });
    for (const branch of run.branches.values()) {
      if (branch.state === 'gone' || ended(run)) {
        if (branch.address !== null) gone.push(branch.address);
        else if (branch.phase === 'done') gone.push(...waitForBranch(run.id, branch.key).map((row) => row.address));
        else if (branch.state !== 'new') gone.push(...lockBranch(run.id, branch.key).map((row) => row.address));
      } else if (branch.state !== 'clean') {
        kept.push({ run, branch });
      }
    }
  }
  writeNodes(nodes);
  if (kept.length > 0) writeBranches(kept, role);
  const moved = runs.filter((run) => run.statusChanged);
  if (moved.length > 0 || gone.length > 0) {
    writeInstances(moved.map((run) => run.address), moved.map((run) => run.status), gone);
  }
  for (const run of runs) {
    writeNames(run);
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

function writeBranches(rows: readonly Row[], role: number): void {
  const column = (value: (row: Row) => string | number | null): (string | number | null)[] => rows.map(value);
  const written = upsertBranches(
    role, column((r) => r.run.id), column((r) => r.branch.key), column((r) => seconds(r.branch.due)),
    column((r) => parentKey(r.branch.key)), column((r) => forkNumber(r.branch.key)), column((r) => r.branch.root),
    column((r) => r.branch.pc), column((r) => r.branch.phase), column((r) => r.branch.scope),
    column((r) => framesText(r.branch)), column((r) => r.branch.forks), column((r) => r.branch.waiting),
    column((r) => seconds(r.branch.expires)), column((r) => r.branch.outcome?.kind ?? null),
    column((r) => r.branch.outcome?.text ?? null), column((r) => r.branch.attempts), column((r) => r.branch.seq));
  if (written !== rows.length) throw new LostClaim(`${rows.length - written} branches changed while this session held them`);
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
      branch.address = null;
      branch.state = 'clean';
    }
  }
  run.nodes.clear();
  run.nameWrites = [];
  run.rounds = [];
  run.statusChanged = false;
  run.address = null;
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

/** The last moment that a timestamptz holds with room to spare, in seconds since 1970: a sleep may be asked for longer. */
const END_OF_TIME = 9.2e12;

function seconds(due: number | null): number | null {
  return due === null ? null : Math.min(due / 1000, END_OF_TIME);
}

function forkNumber(key: string): number | null {
  return key === '' ? null : Number(key.slice(0, key.lastIndexOf('.')).split('.').pop());
}
