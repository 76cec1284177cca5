/** The interpreter's port onto the database. */
import type { Port } from '../engine/port.ts';
import type { Branch, Run } from '../engine/run.ts';
import { hasNames, lockFree, lockOne } from './flush.ts';
import { loadBranches } from './load.ts';
import { query } from './statement.ts';

const names = query<{ name: string; value: string }>(
  'SELECT n.name, n.value FROM _df.names n WHERE n.instance_id = $1 AND n.branch = $2', 'text', 'text');
const oldestSignal = query<{ data: string }>(`
  DELETE FROM _df.signals s WHERE s.instance_id = $1 AND s.id = (
    SELECT o.id FROM _df.signals o WHERE o.instance_id = $1 AND o.name = $2 ORDER BY o.id LIMIT 1)
  RETURNING s.data`, 'text', 'text');

/** Somebody else has locked the instance; raised where waiting for it would keep other instances' work locked. */
export class Busy extends Error {}

/** The instance ended, by df.cancel or by hand, while its step ran. */
export class Over extends Error {}

export class DatabasePort implements Port {
  readonly now: number;
  readonly loopInterval: number;
  /** Whether to wait for an instance that is locked. */
  readonly #waits: boolean;

  constructor(now: number, loopInterval: number, waits: boolean) {
    this.now = now;
    this.loopInterval = loopInterval;
    this.#waits = waits;
  }

  /** Locks the instance against every other change. Raises Busy or Over. */
  hold(run: Run): void {
    if (!this.#waits) {
      if (lockFree([run]) === 0) throw new Busy(run.id);
      return;
    }
    const locked = lockOne(run.id);
    if (locked?.status !== 'pending' && locked?.status !== 'running') throw new Over(run.id);
    run.address = locked.address;
  }

  lock(run: Run): void {
    if (run.whole) return;
    this.hold(run);
    for (const branch of loadBranches(run.id)) {
      if (!run.branches.has(branch.key)) run.branches.set(branch.key, branch);
    }
    run.whole = true;
  }

  names(run: Run, branch: Branch): Map<string, string> {
    let known = run.names.get(branch.key);
    if (known === undefined) {
      known = new Map();
      if (branch.state !== 'new' && hasNames(run)) {
        for (const { name, value } of names(run.id, branch.key)) known.set(name, value);
      }
      run.names.set(branch.key, known);
    }
    return known;
  }

  takeSignal(run: Run, name: string): string | null {
    return oldestSignal(run.id, name)[0]?.data ?? null;
  }
}
