/**
 * What a worker does as itself besides listening: failing work that cannot run, and retention.
 *
 * Each duty has a connection of its own for as long as it takes: it may take long, and the control connection must stay quick.
 */
import pg from 'pg';
import { workerConnection, type Place } from './connection.ts';
import { errorFields } from './log.ts';
import { failOverdue, failRole, sweepRetention } from './protocol.ts';

/** Fails every step that the role has due, with this message. Returns how many. */
export function failAllDue(place: Place, role: number, message: string): Promise<number> {
  return asWorker(place, (client) => untilNone(() => failRole(client, role, message)));
}

/** Fails the steps that the role has had due for longer than `age` ms without anybody doing them. Returns how many. */
export function failLongDue(place: Place, role: number, message: string, age: number): Promise<number> {
  return asWorker(place, (client) => untilNone(() => failOverdue(client, role, message, age)));
}

/** Deletes old finished instances, batch by batch, until none is left or `stopped`. Returns how many. */
export function deleteOld(place: Place, stopped: () => boolean): Promise<number> {
  return asWorker(place, (client) => untilNone(async () => (stopped() ? 0 : sweepRetention(client))));
}

async function untilNone(batch: () => Promise<number>): Promise<number> {
  let total = 0;
  for (let count = await batch(); count > 0; count = await batch()) total += count;
  return total;
}

/**
 * Why nothing can run as a role, for its owner to read.
 * @param name  its name, as far as it was ever known
 * @param found what the catalog says of it now; null = it is gone
 * @param error the server's refusal, null if it was not asked
 */
export function refusalMessage(role: number, name: string | undefined, found: { canLogin: boolean } | null, error: unknown): string {
  const who = name === undefined ? `the role with OID ${role}` : `role "${name}"`;
  if (found === null) return `steps cannot run as ${who}: it no longer exists`;
  if (!found.canLogin) return `steps cannot run as ${who}: it has no LOGIN: ALTER ROLE … LOGIN, and start the workflow again`;
  const { message, code } = errorFields(error);
  return `steps cannot run as ${who}: the server refuses it: ${message}${code === undefined ? '' : ` (SQLSTATE ${code})`}`;
}

async function asWorker<T>(place: Place, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(workerConnection(place));
  let lost: Error | null = null;
  client.on('error', (error: Error) => {
    lost = error;
  });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    // Of a connection that was ended, the server's reason rather than "terminated".
    throw lost ?? error;
  } finally {
    // The duty is done or failed; how the connection ends adds nothing.
    void client.end().catch(() => undefined);
  }
}
