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
  readonly request: HttpRequest;
}

/** Claims up to `most` requests for this worker. */
export async function claimHttp(client: ClientBase, epoch: string, most: number): Promise<ClaimedRequest[]> {
  const { rows } = await client.query<Omit<ClaimedRequest, 'request'> & { request: string }>(
    `SELECT (s.c).instance AS instance, (s.c).branch AS branch, (s.c).token AS token, (s.c).role AS role, (s.c).request AS request
       FROM (SELECT _df.claim_http($1::pg_catalog.uuid, $2::pg_catalog.int4) AS c FROM ${GUARD} OFFSET 0) s`,
    [epoch, most],
  );
  return rows.map((row) => ({ ...row, request: JSON.parse(row.request) as HttpRequest }));
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
