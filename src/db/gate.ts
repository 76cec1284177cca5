/** The way in for engine calls that a worker makes. */
import { query } from './statement.ts';

const look = query('SELECT FROM df.instances i LIMIT 0');

/**
 * Locks df.instances as any reader does. DROP EXTENSION locks the tables one after the other as they were made, this one
 * first. Whoever comes to it last, with locks on others, meets DROP EXTENSION in the middle: a deadlock, and it is DROP
 * EXTENSION that fails.
 */
export function enter(): void {
  look();
}
