/** What an operator says of a worker. */
import type { Place } from './connection.ts';

export interface WorkerOptions {
  readonly place: Place;
  readonly version: string;
  /** Sessions of roles at once; null = pg_durable.max_user_connections. */
  readonly maxConnections: number | null;
  /** Sessions of one role at once; null = four fifths of maxConnections, so that one role alone cannot take them all. */
  readonly maxPerRole: number | null;
  /** ms a session stays warm. */
  readonly idle: number;
  /** ms that running steps are given on stop. */
  readonly grace: number;
  /** ms between two readings of the agenda. */
  readonly sweep: number;
  /** Do what is due, then end. */
  readonly once: boolean;
}
