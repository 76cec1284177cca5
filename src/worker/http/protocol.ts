/** What the worker sends to the database for HTTP steps. Guarded as in ../protocol.ts: nothing of `_df` is called but the extension's. */
import type { ClientBase } from 'pg';
import { HTTP_SETTING_NAMES } from './settings.ts';
import type { HttpRequest } from './message.ts';

const GUARD = "pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pg_durable'";

export interface ClaimedRequest {
  readonly instance: string;
  readonly branch: string;
  readonly token: string;
  /** The submitter's name. */
  readonly role: string;
  /** Characters of the request as it came. */
  readonly size: number;
  readonly request: HttpRequest;
}

/** A claimed request that is to be given up. */
export interface LostRequest {
  readonly token: string;
  /** How its step ends; null: its step does not count any more. */
  readonly outcome: { readonly message: string; readonly hint?: string } | null;
}

/** Keeps what requests and responses say out of the server's log, which may be set to log the parameters of every statement. */
export async function hideParameters(client: ClientBase): Promise<void> {
  await client.query('SET log_parameter_max_length_on_error = 0');
  // Superusers only, and whom they have granted it; for other workers it is as the server is set.
  await client.query('SET log_parameter_max_length = 0').catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== '42501') throw error;
  });
}

/** Claims up to `most` requests for this worker. */
export async function claimHttp(client: ClientBase, epoch: string, most: number): Promise<ClaimedRequest[]> {
  const { rows } = await client.query<Omit<ClaimedRequest, 'request' | 'size'> & { request: string }>(
    `SELECT (s.c).instance AS instance, (s.c).branch AS branch, (s.c).token AS token, (s.c).role AS role, (s.c).request AS request
       FROM (SELECT _df.claim_http($1::pg_catalog.uuid, $2::pg_catalog.int4) AS c FROM ${GUARD} OFFSET 0) s`,
    [epoch, most],
  );
  return rows.map((row) => ({ ...row, size: row.request.length, request: JSON.parse(row.request) as HttpRequest }));
}

/** Those of the claimed requests that are to be given up. */
export async function lostHttp(client: ClientBase, claimed: readonly ClaimedRequest[]): Promise<LostRequest[]> {
  const claims = claimed.map(({ instance, branch, token, request: { parts } }) => ({ instance, branch, token, multipart: parts !== null }));
  const { rows } = await client.query<{ token: string; outcome: string | null }>(
    `SELECT (s.l).token AS token, (s.l).outcome AS outcome FROM (SELECT _df.lost_http($1::pg_catalog.text) AS l FROM ${GUARD} OFFSET 0) s`,
    [JSON.stringify(claims)],
  );
  return rows.map(({ token, outcome }) => ({ token, outcome: outcome === null ? null : JSON.parse(outcome) as LostRequest['outcome'] }));
}

/** Records an outcome. Returns `done`, `gone` (it does not count any more) or `busy` (call again). */
export async function finishHttp(client: ClientBase, { instance, branch, token }: ClaimedRequest, outcome: string): Promise<string> {
  const { rows } = await client.query<{ verdict: string }>(
    `SELECT _df.finish_http($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text) AS verdict FROM ${GUARD}`,
    [instance, branch, token, outcome],
  );
  return rows[0]?.verdict ?? 'gone';
}

/** The settings that steer requests, as text by name. */
export async function readHttpValues(client: ClientBase): Promise<Map<string, string | null>> {
  const { rows } = await client.query<{ name: string; value: string | null }>(
    'SELECT name, pg_catalog.current_setting(name, true) AS value FROM pg_catalog.unnest($1::pg_catalog.text[]) AS name', [HTTP_SETTING_NAMES],
  );
  return new Map(rows.map(({ name, value }) => [name, value]));
}
