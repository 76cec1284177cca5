/** HTTP steps in the database: which are due, who has claimed them, and what their submitter may do now. */
import { CLAIMED_COLUMNS, toClaimed } from './load.ts';
import type { Claimed, ClaimedRow, Key } from './load.ts';
import { command, query } from './statement.ts';

/** A locked branch at an HTTP step, and the role whose it is. */
export interface ClaimedRequest extends Claimed {
  readonly role: number;
}

/** The submitter as it is at this moment. */
export interface Submitter {
  readonly name: string;
  readonly login: boolean;
  readonly http: boolean;
  readonly multipart: boolean;
}

/** A line of the allow-list: `*.suffix` or a host, and a port or null for any. */
export interface Allowed {
  readonly host: string;
  readonly port: number | null;
}

const lives = query(`
  SELECT FROM df._worker_epoch w
  WHERE w.epoch_id = $1::uuid AND w.last_seen_at > clock_timestamp() - make_interval(secs => $2)`, 'text', 'float8');
const clock = query<{ now: number; interval: string | null }>(`
  SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now, current_setting('pg_durable.loop_min_interval', true) AS interval`);

const freeDead = command(`
  WITH dead AS (
    DELETE FROM _df.http_claims c WHERE NOT EXISTS (
      SELECT FROM df._worker_epoch w WHERE w.epoch_id = c.worker AND w.last_seen_at > clock_timestamp() - make_interval(secs => $1))
    RETURNING c.instance_id, c.branch)
  UPDATE _df.branches b SET due_at = clock_timestamp() FROM dead d
  WHERE b.instance_id = d.instance_id AND b.branch = d.branch AND b.phase = 'http'`, 'float8');

const dueRequests = query<ClaimedRow & { role: number }>(`
  SELECT ${CLAIMED_COLUMNS}, b.role::int8::float8 AS role
  FROM (SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.external AND d.phase = 'http' AND d.due_at <= clock_timestamp()
    ORDER BY d.due_at LIMIT $1 FOR UPDATE SKIP LOCKED) b`, 'int4');

const claimedRequest = query<ClaimedRow & { role: number }>(`
  SELECT ${CLAIMED_COLUMNS}, b.role::int8::float8 AS role
  FROM (SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.instance_id = $1 AND d.branch = $2 AND d.phase = 'http' FOR UPDATE SKIP LOCKED) b`, 'text', 'text');
const stands = query('SELECT FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2 AND b.phase = \'http\'', 'text', 'text');

const insertClaim = query<{ token: string }>(`
  INSERT INTO _df.http_claims AS c (instance_id, branch, worker, token) VALUES ($1, $2, $3::uuid, gen_random_uuid())
  ON CONFLICT (instance_id, branch) DO UPDATE SET worker = excluded.worker, token = excluded.token, claimed_at = excluded.claimed_at
  RETURNING c.token::text AS token`, 'text', 'text', 'text');
const lockClaim = query(`
  SELECT FROM _df.http_claims c WHERE c.instance_id = $1 AND c.branch = $2 AND c.token = $3::uuid FOR UPDATE`, 'text', 'text', 'text');
const deleteClaim = command('DELETE FROM _df.http_claims c WHERE c.instance_id = $1 AND c.branch = $2', 'text', 'text');
const setDue = command(`
  UPDATE _df.branches b SET due_at = clock_timestamp() + make_interval(secs => $3) WHERE b.instance_id = $1 AND b.branch = $2`, 'text', 'text', 'float8');
/** Seconds: a moment that does not come. Not infinity, which the engine's arithmetic on due times has no room for. */
const NEVER = 1000 * 365 * 86_400;

// No role: the claim is not the present one, or its branch is gone.
const standing = query<{ token: string; role: number | null; counts: boolean | null }>(`
  SELECT k.token, s.role, s.counts
  FROM unnest($1::text[], $2::text[], $3::text[]) k(instance_id, branch, token)
  LEFT JOIN LATERAL (
    SELECT b.role::int8::float8 AS role, b.phase = 'http' AND (SELECT i.status IN ('pending', 'running') FROM df.instances i WHERE i.id = b.instance_id)
      AND (b.parent IS NULL OR EXISTS (SELECT FROM _df.branches p WHERE p.instance_id = b.instance_id AND p.branch = b.parent
        AND p.phase = 'fork' AND p.forks = b.fork)) AS counts
    FROM _df.branches b WHERE b.instance_id = k.instance_id AND b.branch = k.branch
      AND EXISTS (SELECT FROM _df.http_claims c WHERE c.instance_id = b.instance_id AND c.branch = b.branch AND c.token = k.token::uuid)
    OFFSET 0) s ON true`, 'text[]', 'text[]', 'text[]');

const statusOf = query<{ status: string }>('SELECT i.status FROM df.instances i WHERE i.id = $1', 'text');

const submitter = query<Submitter>(`
  SELECT r.rolname::text AS name, r.rolcanlogin AS login,
    has_function_privilege(r.oid, 'df.http(text,text,text,jsonb,integer)'::regprocedure, 'EXECUTE') AS http,
    has_function_privilege(r.oid, 'df.http_multipart(text,text,jsonb,jsonb,integer)'::regprocedure, 'EXECUTE') AS multipart
  FROM pg_roles r WHERE r.oid = $1`, 'oid');
const allowed = query<Allowed>('SELECT a.host, a.port FROM df.http_allowlist a WHERE a.role IS NULL OR a.role::oid = $1', 'oid');

/** Whether the worker was heard of within `silence` seconds. */
export function workerLives(worker: string, silence: number): boolean {
  return lives(worker, silence).length > 0;
}

/** The server's time in ms since the epoch, and loop_min_interval as it is set. */
export function lookAtClock(): { now: number; interval: string | null } {
  return clock()[0]!;
}

/** Frees the requests of workers that are gone, or silent for `silence` seconds. */
export function freeDeadClaims(silence: number): void {
  freeDead(silence);
}

/** Locks up to `most` due requests of any role that nobody else has locked. */
export function claimRequests(most: number): ClaimedRequest[] {
  return dueRequests(most).map((row) => ({ ...toClaimed(row), role: row.role }));
}

/** Notes that the worker makes the request: until it is finished or the worker is gone it is not due. Returns the claim's token. */
export function keepClaim({ instance, branch }: Key, worker: string): string {
  setDue(instance, branch, NEVER);
  return insertClaim(instance, branch, worker)[0]!.token;
}

/** Leaves a request for a later moment, in seconds from now. */
export function postpone({ instance, branch }: Key, seconds: number): void {
  setDue(instance, branch, seconds);
}

/** Whether the claim is the present one; if so it stays locked. */
export function holdsClaim({ instance, branch }: Key, token: string): boolean {
  return lockClaim(instance, branch, token).length > 0;
}

/**
 * How the steps of claims stand, in the same order: the role (its OID) while the claim is the present one and the step counts,
 * otherwise `lost`.
 */
export function standingOf(claims: readonly (Key & { readonly token: string })[]): (number | 'lost')[] {
  const rows = standing(claims.map((c) => c.instance), claims.map((c) => c.branch), claims.map((c) => c.token));
  const byToken = new Map(rows.map((row) => [row.token, row]));
  return claims.map(({ token }) => {
    const { role, counts } = byToken.get(token)!;
    return role !== null && counts === true ? role : 'lost';
  });
}

/** Ends the claim. */
export function endClaim({ instance, branch }: Key): void {
  deleteClaim(instance, branch);
}

/** Locks the branch of a claim: itself, `busy` when somebody else has locked it, `gone` when it is at no request any more. */
export function lockRequest({ instance, branch }: Key): ClaimedRequest | 'busy' | 'gone' {
  const row = claimedRequest(instance, branch)[0];
  if (row !== undefined) return { ...toClaimed(row), role: row.role };
  return stands(instance, branch).length > 0 ? 'busy' : 'gone';
}

/** Whether the instance goes on, as far as is committed. */
export function isLive(instance: string): boolean {
  const status = statusOf(instance)[0]?.status;
  return status === 'pending' || status === 'running';
}

/** The submitting role, or null when it is gone. */
export function submitterOf(role: number): Submitter | null {
  return submitter(role)[0] ?? null;
}

/** What the allow-list has for the role. */
export function allowedFor(role: number): Allowed[] {
  return allowed(role);
}
