/**
 * SQL steps that need a connection of their own: statements which cannot run in a transaction block, and steps of another
 * database. They run at least once.
 *
 * Two sessions of the submitter work together. The first claims the step from the engine and holds its branch's row lock,
 * in an open transaction without a snapshot, so that VACUUM and CREATE INDEX CONCURRENTLY do not wait for it. The second runs
 * the statement in autocommit, and is closed at once, so that no database is kept from being dropped. When either ends
 * before the checkpoint is committed, the claim is free and the step runs again.
 */
import pg from 'pg';
import type { ClientConfig } from 'pg';
import type { Place } from './connection.ts';
import { classifyConnect } from './failures.ts';
import { claimExternal, finishExternal, type ExternalStep } from './protocol.ts';

/** Types whose text form is JSON as it is. */
const BARE: ReadonlySet<number> = new Set([20, 21, 23, 26, 114, 3802]);
const RECORD_SEPARATOR = '\u001e';

/** Derives a connection as the submitter. */
export type Connect = (place: Place) => ClientConfig;

/**
 * Runs one external step of a role, if one is due.
 * @param claimed called when there is one, before it runs
 * @param signal lets go of both sessions; the step is then run again
 * @returns whether there was one
 * @throws the error of a connection or an engine call; the step is then left to be claimed again
 */
export async function runExternal(place: Place, connect: Connect, claimed: () => void, signal: AbortSignal): Promise<boolean> {
  return withClient(connect(place), signal, async (engine) => {
    await engine.query('SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    const step = await claimExternal(engine);
    if (step === null) {
      await engine.query('COMMIT');
      return false;
    }
    claimed();
    const began = performance.now();
    const outcome = await execute(connect({ ...place, database: step.database ?? place.database }), step, signal);
    const verdict = await finishExternal(engine, outcome, performance.now() - began);
    await engine.query(verdict === 'done' ? 'COMMIT' : 'ROLLBACK');
    return true;
  });
}

/**
 * How the statement ended, as `_df.finish` reads it: what it raises fails the step, and so does a connection that is refused.
 * @throws when the connection cannot be had for now, or was lost: the step is to be run again
 */
async function execute(config: ClientConfig, step: ExternalStep, signal: AbortSignal): Promise<string> {
  try {
    return await withClient({ ...config, options: `${config.options ?? ''} -c df.in_workflow=true` }, signal, (client) =>
      perform(client, step).catch((error: unknown) => {
        if (isLoss(error)) throw error;
        return failed(error);
      }));
  } catch (error) {
    if (classifyConnect(error) !== 'refused') throw error;
    return failed(error);
  }
}

/** Whether the error is about the connection; a statement may raise any SQLSTATE. */
function isLoss(error: unknown): boolean {
  const { severity } = error as { severity?: string };
  return severity === undefined || severity === 'FATAL' || severity === 'PANIC';
}

async function perform(client: pg.Client, step: ExternalStep): Promise<string> {
  // A statement whose rows can be selected from gives them as JSON of the server's making, with their types.
  const selectable = step.mode === 'rows' && /^(SELECT|VALUES|TABLE|WITH|INSERT|UPDATE|DELETE|MERGE)$/.test(step.keyword);
  if (selectable) {
    const wrapped = await select(client, step);
    if (wrapped !== null) return wrapped;
  }
  const { rows, fields: columns } = await client.query<(string | null)[]>({
    text: step.statement, rowMode: 'array', types: { getTypeParser: () => (text: string) => text },
  } as unknown as pg.QueryArrayConfig);
  if (columns.length === 0) return 'n';
  const names = columns.map((column) => JSON.stringify(column.name));
  const texts = rows.map((row) => `{${row.map((value, at) => `${names[at]}:${asJson(value, columns[at]!.dataTypeID)}`).join(',')}}`);
  // The types are left out: the values are in their final form already.
  return gathered(texts, '');
}

/** Runs the statement inside a query that turns its rows into JSON; null if its text cannot stand there. */
async function select(client: pg.Client, { statement, keyword }: ExternalStep): Promise<string | null> {
  const bare = statement.replace(/;\s*$/, '');
  // A WITH that changes data must stand at the top; it is run as it is, with its values in text form.
  if (keyword === 'WITH' && /\b(insert|update|delete|merge)\b/i.test(bare)) return null;
  const columns = "pg_catalog.to_json(step)::text AS row, pg_catalog.encode(pg_catalog.record_send(step), 'hex') AS sent";
  const { rows } = await client.query<Sent>(/^(SELECT|VALUES|TABLE|WITH)$/.test(keyword)
    ? `SELECT ${columns} FROM (\n${bare}\n) step` : `WITH step AS (\n${bare}\n) SELECT ${columns} FROM step`);
  return gathered(rows.map((row) => row.row), rows.length === 0 ? '' : columnTypes(rows[0]!.sent).join(','));
}

interface Sent { row: string; sent: string }

function gathered(rows: readonly string[], types: string): string {
  return [`r${rows.length}`, types, ...rows].join(RECORD_SEPARATOR);
}

/** The type OIDs in a row's binary form: a count, then per column OID, length and bytes. */
function columnTypes(hex: string): number[] {
  const sent = Buffer.from(hex, 'hex');
  const types: number[] = [];
  for (let at = 4, left = sent.readInt32BE(0); left > 0; left--) {
    types.push(sent.readUInt32BE(at));
    at += 8 + Math.max(0, sent.readInt32BE(at + 4));
  }
  return types;
}

function asJson(value: string | null, type: number): string {
  if (value === null || type === 2278) return 'null';
  if (type === 16) return value === 't' ? 'true' : 'false';
  if (BARE.has(type)) return value;
  if (type === 700 || type === 701) return /^-?[0-9]/.test(value) ? value : 'null';
  return JSON.stringify(value);
}

function failed(error: unknown): string {
  const { code, message, detail, hint, where } = error as { code?: string; message?: string; detail?: string; hint?: string; where?: string };
  return `e${JSON.stringify({
    sqlstate: /^[0-9A-Z]{5}$/.test(code ?? '') ? code : 'XX000', message: message ?? String(error), detail: detail ?? '', hint: hint ?? '',
    context: where ?? '',
  })}`;
}

async function withClient<T>(config: ClientConfig, signal: AbortSignal, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config);
  const letGo = (): void => void client.end().catch(() => undefined);
  signal.addEventListener('abort', letGo);
  let lost: Error | null = null;
  client.on('error', (error: Error) => {
    lost = error;
  });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw lost ?? error;
  } finally {
    signal.removeEventListener('abort', letGo);
    await client.end().catch(() => undefined);
  }
}
