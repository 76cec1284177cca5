/** What the interpreter asks of the world around it. In the database it is `src/db`; in tests a few maps. */
import type { Branch, Run } from './run.ts';

export interface Port {
  /** The moment at which the present transaction works, ms since the epoch. */
  readonly now: number;
  /** `pg_durable.loop_min_interval`, ms. */
  readonly loopInterval: number;
  /** Locks the instance against every other change of its branches and loads them all. */
  lock(run: Run): void;
  /** The named results of a branch; the map is the run's own and is changed by the interpreter. */
  names(run: Run, branch: Branch): Map<string, string>;
  /** Removes the oldest stored signal of that name and returns its data as JSON text, or null. Needs the lock. */
  takeSignal(run: Run, name: string): string | null;
}
