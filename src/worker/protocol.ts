/**
 * Every statement that the worker sends, in one place: its half of the protocol with the extension.
 *
 * As the submitter, and nothing else: `CALL df.work(max_seconds => …, dedicated => true)`, PREPARE before the first, and CLEAN.
 * As the worker's user: `_df.agenda()`, `_df.fail_role()`, `_df.heartbeat()`, `_df.retire()`, `_df.sweep_retention()`, LISTEN.
 *
 * The worker's user is powerful, so its calls of `_df` are guarded: each is an expression over pg_extension's row, evaluated
 * only if the extension is there in the same snapshot. Otherwise somebody allowed to create schemas could, when the extension
 * was dropped, put a `_df` of their own in its place and have the worker run it.
 */
import type { ClientBase, QueryConfig } from 'pg';
import { SETTING_NAMES } from './settings.ts';

/** The notification channel; the payload is the OID of the role whose work became due, as decimal text. */
export const CHANNEL = 'pg_durable';

/** What DISCARD ALL does, but for plans, which are the reason to keep a session warm, and in one message. */
export const CLEAN = `CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; DEALLOCATE ALL; UNLISTEN *; \
SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP`;

/**
 * A claim of no step at all: the server starts its JavaScript, loads the engine and plans the search, which takes ten times as long
 * as a call of df.work does afterwards.
 */
export const PREPARE = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
SELECT FROM _df.claim(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()), 0); COMMIT`;

/** What CALL df.work returns. */
export interface WorkResult {
  readonly steps: number;
  /** The role's next timer on the server's clock, ms since 1970; null = none; unreadable = the agenda has to say. */
  readonly nextDue: number | null | 'unreadable';
  readonly more: boolean;
}

/** One role with work that is due or waits for a timer. */
export interface AgendaRow {
  readonly role: number;
  /** Null when the role is gone. */
  readonly name: string | null;
  readonly canLogin: boolean;
  readonly due: boolean;
  /** A step that needs a connection of its own is due. */
  readonly externalDue: boolean;
  /** Server's clock, ms since 1970, or null. */
  readonly nextDue: number | null;
}

/** Values as the server wrote them. */
const AS_TEXT = { getTypeParser: () => (text: string): string => text };

/** Runs `CALL df.work` for at most `slice` ms (and the step it is in when they are over). */
export async function callWork(client: ClientBase, slice: number): Promise<WorkResult> {
  const { rows } = await client.query<{ steps?: string; next_due?: string | null; more?: string }>({
    text: `CALL df.work(max_seconds => ${slice / 1000}, dedicated => true)`, types: AS_TEXT,
  } as QueryConfig);
  const row = rows[0];
  return { steps: Number(row?.steps ?? 0), nextDue: readInstant(row?.next_due ?? null), more: row?.more === 't' };
}

/**
 * Reads a timestamptz as the server writes it in DateStyle ISO: ms since 1970, rounded down; null for null and infinity.
 * `unreadable` for anything else: a submitter may have another DateStyle, which must hold for the steps and so for the session.
 */
export function readInstant(text: string | null): number | null | 'unreadable' {
  if (text === null || text === 'infinity' || text === '-infinity') return null;
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(:\d\d)?$/.exec(text);
  const instant = match === null ? Number.NaN : Date.parse(`${match[1]}T${match[2]}${match[3]}${match[4] ?? ':00'}`);
  return Number.isNaN(instant) ? 'unreadable' : instant;
}

/** A SQL step that needs a connection of its own. */
export interface ExternalStep {
  readonly statement: string;
  /** Null: the database that the workflow lives in. */
  readonly database: string | null;
  readonly mode: string;
  /** The statement's first word, in upper case. */
  readonly keyword: string;
}

/** Claims one external step of the session's role for as long as the open transaction lasts; null if none is due. */
export async function claimExternal(client: ClientBase): Promise<ExternalStep | null> {
  const { rows } = await client.query<ExternalStep>(
    "SELECT c.statement, c.database, c.mode, c.keyword FROM _df.claim_external(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())) c",
  );
  return rows[0] ?? null;
}

/** Records how the claimed step ended. Returns `done` (commit) or `undo` (roll back: it does not count any more). */
export async function finishExternal(client: ClientBase, outcome: string, ms: number): Promise<string> {
  const { rows } = await client.query<{ verdict: string }>(
    `SELECT _df.finish(ARRAY[$1::pg_catalog.text], ARRAY[$2::pg_catalog.float8],
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())) AS verdict`,
    [outcome, ms],
  );
  return rows[0]?.verdict ?? 'undo';
}

/** Version of the extension in this database, or null when it is not there. */
export async function extensionVersion(client: ClientBase): Promise<string | null> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT extversion AS version FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'pg_durable'",
  );
  return rows[0]?.version ?? null;
}

/** The server's clock (ms since 1970) and the settings that steer the worker. */
export async function clockAndSettings(client: ClientBase): Promise<{ now: number; settings: Map<string, string | null> }> {
  const { rows } = await client.query<{ now: number; name: string; value: string | null }>(
    `SELECT (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000)::pg_catalog.float8 AS now,
            name, pg_catalog.current_setting(name, true) AS value
       FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name`,
    [SETTING_NAMES],
  );
  return { now: rows[0]?.now ?? Number.NaN, settings: new Map(rows.map((row) => [row.name, row.value])) };
}

/** Begins to hear notifications on this connection. */
export async function listen(client: ClientBase): Promise<void> {
  await client.query(`LISTEN ${CHANNEL}`);
}

const GUARD = "pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pg_durable'";

/** Every role with work that is due or waits for a timer. */
export async function readAgenda(client: ClientBase): Promise<AgendaRow[]> {
  const epoch = (column: string): string =>
    `CASE WHEN pg_catalog.isfinite(${column}) THEN pg_catalog.date_part('epoch', ${column}) OPERATOR(pg_catalog.*) 1000 END`;
  const { rows } = await client.query<{ role: number; name: string | null; can_login: boolean; due: boolean; external_due: boolean; next_due: number | null }>(
    // The set-returning call stands in the select list, behind the guard; in FROM the planner could run it first.
    `SELECT (s.a).role_oid AS role, (s.a).role_name AS name, (s.a).can_login AS can_login, (s.a).due AS due, (s.a).external_due AS external_due,
            ${epoch('(s.a).next_due')} AS next_due
       FROM (SELECT _df.agenda() AS a FROM ${GUARD} OFFSET 0) s`,
  );
  return rows.map((row) => ({ role: row.role, name: row.name, canLogin: row.can_login === true, due: row.due === true, externalDue: row.external_due === true, nextDue: row.next_due }));
}

/** The role's name and whether it may log in; null when it is gone. */
export async function lookUpRole(client: ClientBase, role: number): Promise<{ name: string; canLogin: boolean } | null> {
  const { rows } = await client.query<{ name: string; can_login: boolean }>(
    'SELECT rolname AS name, rolcanlogin AS can_login FROM pg_catalog.pg_roles WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid',
    [role],
  );
  const row = rows[0];
  return row === undefined ? null : { name: row.name, canLogin: row.can_login };
}

/**
 * Says that this worker lives, and of which version it is; null to an extension that does not ask. Returns false when the
 * extension is not there.
 * @throws the server's error, when the extension needs another worker
 */
export async function heartbeat(client: ClientBase, epoch: string, version: string | null): Promise<boolean> {
  const { rows } = version === null
    ? await client.query(`SELECT _df.heartbeat($1::pg_catalog.uuid) FROM ${GUARD}`, [epoch])
    : await client.query(`SELECT _df.heartbeat($1::pg_catalog.uuid, $2::pg_catalog.text) FROM ${GUARD}`, [epoch, version]);
  return rows.length > 0;
}

/** Takes this worker's row away. */
export async function retire(client: ClientBase, epoch: string): Promise<void> {
  await client.query(`SELECT _df.retire($1::pg_catalog.uuid) FROM ${GUARD}`, [epoch]);
}

/** Fails steps of the role that are due. Returns how many; 0 when all is done. */
export async function failRole(client: ClientBase, role: number, message: string): Promise<number> {
  return count(client, `_df.fail_role($1::pg_catalog.oid, $2::pg_catalog.text)`, [role, message]);
}

/** Fails steps of the role that have been due for longer than `age` ms and are not being done. Returns how many; 0 when all is done. */
export async function failOverdue(client: ClientBase, role: number, message: string, age: number): Promise<number> {
  return count(
    client,
    `_df.fail_role($1::pg_catalog.oid, $2::pg_catalog.text, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
       pg_catalog.make_interval(secs => $3::pg_catalog.float8))`,
    [role, message, age / 1000],
  );
}

/** Deletes one batch of old finished instances. Returns how many; 0 when all is done. */
export async function sweepRetention(client: ClientBase): Promise<number> {
  return count(client, '_df.sweep_retention()', []);
}

async function count(client: ClientBase, call: string, values: unknown[]): Promise<number> {
  const { rows } = await client.query<{ count: string | null }>(`SELECT ${call} AS count FROM ${GUARD}`, values);
  return Number(rows[0]?.count ?? 0);
}
