/** Catches a session at a chosen instant, harms it there, and lets the others go on. */
import { until } from '../support/poll.ts';
import type { Crew } from './crew.ts';
import { GATE } from './stage.ts';
import type { World } from './world.ts';

export const HARMS = ['terminate the session', 'kill the backend', 'stop the server', 'kill the worker'] as const;
export type Harm = (typeof HARMS)[number];

/**
 * Shuts a gate, waits until a session stands before it, harms it, and opens the gate when the session is gone. `crew` has
 * one worker, whose session it is; without one the harm is to the session or the server. `begin` is called once the gate is
 * shut, and must fail; returns its error, null without one.
 */
export async function harmAt(world: World, gate: string, harm: Harm, { crew, begin }: { crew?: Crew; begin?: () => Promise<unknown> }): Promise<Error | null> {
  const keeper = await world.primary.client('postgres', world.database);
  await keeper.query(`SELECT pg_advisory_lock(${GATE}, hashtext($1))`, [gate]);
  const failed = begin?.().then((result) => { throw new Error(`it was harmed and succeeded: ${JSON.stringify(result)}`); }, (error: Error) => error);
  const pid = await until(`a session before the gate "${gate}"`, async () => (await world.ask<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = ${GATE} AND objid = (hashtext($1)::bigint & 4294967295)::oid`, [gate]))[0]?.pid);
  if (harm === 'terminate the session') await world.ask('SELECT pg_terminate_backend($1)', [pid]);
  else if (harm === 'kill the worker') await replace(crew);
  else if (harm === 'stop the server') await world.primary.restart('immediate');
  else if (!await world.crash(pid)) throw new Error(`the backend ${pid} could not be killed`);
  await world.accepts();
  await until('the harmed session to be gone', async () => (await world.ask('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).length === 0);
  await keeper.end().catch(() => undefined);
  return await failed ?? null;
}

async function replace(crew?: Crew): Promise<void> {
  const [member] = crew?.working ?? [];
  if (crew === undefined || member === undefined) throw new Error('there is no worker to kill');
  await crew.kill(member);
  await crew.add();
}
