/** Ids: eight random hex digits, claimed by inserting them. There is no look-then-insert (semantics §2). */
import { DurableError } from '../graph/errors.ts';
import { query } from './statement.ts';

/** How often an id is rolled before the claim is given up. */
export const MOST_ROLLS = 10;

const randomHex = query<{ ids: string }>('SELECT _df.random_ids($1) AS ids', 'int4');

/** `count` fresh ids from PostgreSQL's strong random source, one after the other in one text. */
export function rollIds(count: number): string {
  return randomHex(count)[0]!.ids;
}

/**
 * Claims what `roll` proposes: `insert` inserts it with ON CONFLICT DO NOTHING and says whether that took place; if
 * not, the next proposal is tried. Out: the claimed proposal, never one that is not. Raises DurableError 23505 with
 * the number of tries when all are used up; an error of `insert` itself is passed on.
 */
export function claimId<T>(what: string, roll: () => T, insert: (candidate: T) => boolean): T {
  for (let rolls = 1; ; rolls++) {
    const candidate = roll();
    if (insert(candidate)) return candidate;
    if (rolls === MOST_ROLLS) {
      throw new DurableError(`could not claim ${what}: ${MOST_ROLLS} tries met ids that are taken`, {
        code: '23505', hint: 'Run the statement again. If it persists, delete instances that have ended (pg_durable.retention_days).',
      });
    }
  }
}
