/**
 * What an error of a connection or of CALL df.work means for the role it happened to.
 *
 * | kind      | meaning                                                     | what the worker does                        |
 * |-----------|-------------------------------------------------------------|---------------------------------------------|
 * | refused   | the server will not have this role (authentication, CONNECT, EXECUTE) | fails the role's due work, naming the cause |
 * | crowded   | a limit on connections or memory is reached                 | keeps the work, tries again with back-off   |
 * | away      | the server or the connection is not there (any more)        | keeps the work, tries again                 |
 * | cancelled | somebody cancelled the call or it timed out; its step was rolled back | keeps the work, tries again with back-off |
 * | absent    | the engine's schema is not there                            | goes quiet until it is                      |
 * | conflict  | a transaction lost against another                          | tries again                                 |
 * | unknown   | anything else                                               | logs an error, tries again with back-off    |
 */

export type Failure = 'refused' | 'crowded' | 'away' | 'cancelled' | 'absent' | 'conflict' | 'unknown';

/** No password can be given where the server asks for one. */
export class PasswordMissing extends Error {
  override readonly name = 'PasswordMissing';
}

const REFUSED = new Set(['28000', '28P01', '3D000', '42501']);
const ABSENT = new Set(['3F000', '42883', '42P01', '42704']);
/** Ended from outside: administrator, crash of another backend, shutdown or start-up, idle limits, database dropped. */
const AWAY = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '25P03', '25P04', '55000']);
/** From the operating system, and what `pg` says (without a code) when a connection is gone. */
const SYSTEM = /^(ECONN|EPIPE|ENOENT|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|EACCES|EMFILE)/;
const LOST = /connection terminated|timeout expired|client has encountered a connection error|client was closed|not queryable/i;

/** Why a connection as a role could not be opened. Errors without a known cause are `unknown`. */
export function classifyConnect(error: unknown): Failure {
  const { code, message } = parts(error);
  if (error instanceof PasswordMissing || REFUSED.has(code)) return 'refused';
  return shared(code, message);
}

/** Why CALL df.work failed. What a step's own SQL raises never gets here: df.work keeps it with the step. */
export function classifyCall(error: unknown): Failure {
  const { code, message } = parts(error);
  if (code === '42501') return 'refused';
  if (ABSENT.has(code)) return 'absent';
  return shared(code, message);
}

function shared(code: string, message: string): Failure {
  if (code.startsWith('53')) return 'crowded';
  if (code === '57014') return 'cancelled';
  if (AWAY.has(code) || code.startsWith('08') || SYSTEM.test(code) || LOST.test(message)) return 'away';
  if (code.startsWith('40') || code === '55P03') return 'conflict';
  return 'unknown';
}

function parts(error: unknown): { code: string; message: string } {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return { code: typeof code === 'string' ? code : '', message: typeof message === 'string' ? message : String(error) };
}
