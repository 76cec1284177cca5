/** The worker's call for roles that cannot have a session: their steps fail, and their owners read why (semantics §2, §3). */
import { resume } from '../engine/interpreter.ts';
import { announceWork, flush } from '../db/flush.ts';
import { enter } from '../db/gate.ts';
import { claimOverdue } from '../db/load.ts';
import { Busy, DatabasePort, Over } from '../db/port.ts';
import { numberSetting } from '../db/settings.ts';
import { admit, failSteps } from './due.ts';

/** Branches per call: few enough that a call is short. */
const MOST = 500;

/**
 * Fails steps of a role that are due, because no session of that role can be had. Whoever holds one moves it, so what is locked is left alone. HTTP steps need no session. In: the role, why, and the moment before which the step must have been due and nothing of its instance have moved (NULL: now). Out: how many steps failed; call it until that is 0.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name fail_role
 * @plv8ify_param {oid} role_oid
 * @plv8ify_param {text} message
 * @plv8ify_param {timestamptz} due_before DEFAULT NULL
 * @plv8ify_return {bigint}
 * @plv8ify_security definer
 * @plv8ify_execute private
 */
export function failRole(roleOid: number | null, message: string | null, dueBefore: Date | null): number {
  if (roleOid === null || message === null) return 0;
  enter();
  const now = Date.now();
  const before = dueBefore?.getTime() ?? now;
  const runs = admit([...claimOverdue(roleOid, before, MOST, false), ...claimOverdue(roleOid, before, MOST, true)]);
  const port = new DatabasePort(now, numberSetting('loop_min_interval') * 1000, false);
  for (const run of [...runs.values()]) {
    try {
      for (const branch of [...run.branches.values()]) resume(run, branch, port);
      if (run.statusChanged) port.hold(run);
    } catch (error) {
      if (!(error instanceof Busy || error instanceof Over)) throw error;
      runs.delete(run.id);
    }
  }
  const failed = failSteps(runs, {
    kind: 'failed', text: `SQL execution failed: ${message}`, details: { sqlstate: dueBefore === null ? '28000' : '53300' },
  }, port);
  const outside = [...runs.values()].some((run) => [...run.branches.values()].some(({ phase, state }) => phase === 'http' && state !== 'clean'));
  flush([...runs.values()], roleOid);
  if (outside) announceWork('external');
  return failed;
}
