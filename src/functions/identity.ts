/** Whose session this is. Steps run in sessions that are authenticated as their submitter, and in no others (semantics §3). */
import { DurableError } from '../graph/errors.ts';
import { query } from '../db/statement.ts';

export interface Identity {
  readonly oid: number;
  readonly name: string;
  readonly login: boolean;
  /** pg_durable.loop_min_interval as it is set. */
  readonly interval: string | null;
}

const sessionUser = query<Identity>(`
  SELECT r.oid::int8::float8 AS oid, r.rolname::text AS name, r.rolcanlogin AS login,
    current_setting('pg_durable.loop_min_interval', true) AS interval
  FROM pg_roles r WHERE r.rolname = session_user`);

// What the backend noted of its user when it began, before anybody could SET SESSION AUTHORIZATION; start-up options and
// ALTER ROLE ... SET cannot change that setting. system_user says less: it knows only some ways to authenticate.
const authenticated = query<{ oid: number | null; name: string | null }>(`
  SELECT a.usesysid::int8::float8 AS oid, (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = a.usesysid) AS name
  FROM pg_stat_get_activity(pg_backend_pid()) a`);

/** The session user, null when it was dropped. */
export function identify(): Identity | null {
  return sessionUser()[0] ?? null;
}

/** Raises DurableError where the session user is not who logged in: a step could take that one's rights back. */
export function refuseBorrowed(me: Identity): void {
  const owner = authenticated()[0];
  if (owner?.oid === me.oid) return;
  const whose = owner === undefined ? 'this session did not' : `this session logged in as "${owner.name ?? owner.oid}"`;
  throw new DurableError(`steps of "${me.name}" run only in sessions that logged in as "${me.name}", and ${whose}`, {
    code: '42501', hint: `Log in as "${me.name}". After SET SESSION AUTHORIZATION a step could RESET it.`,
  });
}
