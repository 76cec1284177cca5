/** What callers do to an instance that runs: signal and cancel it (surface §3, "Control"). */
import { DurableError } from '../graph/errors.ts';
import { isJson, quote } from '../engine/rawjson.ts';
import { numberSetting } from '../db/settings.ts';
import { command, query } from '../db/statement.ts';

// Both begin with an update under the caller's own rights and row-level security. It locks the instance, and to the
// engine's own function it is the proof that the caller may do this.
const touchInstance = command(`
  UPDATE df.instances i SET updated_at = clock_timestamp()
  WHERE i.id = $1 AND i.status IN ('pending', 'running')`, 'text');
const cancelInstance = command(`
  UPDATE df.instances i SET status = 'cancelled', updated_at = clock_timestamp()
  WHERE i.id = $1 AND i.status IN ('pending', 'running')`, 'text');
const visible = query('SELECT 1 AS one FROM df.instances i WHERE i.id = $1', 'text');
const keepSignal = query('SELECT _df.keep_signal($1, $2, $3)', 'text', 'text', 'text');
const endCancelled = query('SELECT _df.end_cancelled($1, $2)', 'text', 'text');

/**
 * Sends a signal to an instance. It is stored, so it may come before the wait; the first wait for its name consumes it. In: instance id, signal name, payload (JSON, or text that becomes a JSON string). Out: OK. Errors: empty id or name, "not found or access denied".
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} instance_id
 * @plv8ify_param {text} signal_name
 * @plv8ify_param {text} signal_data DEFAULT '{}'
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function signal(instanceId: string, signalName: string, signalData: string): string {
  if (instanceId === '') throw new DurableError('Instance id cannot be empty');
  if (signalName === '') throw new DurableError('Signal name cannot be empty');
  const data = isJson(signalData) ? signalData : quote(signalData);
  if (touchInstance(instanceId) === 1) keepSignal(instanceId, signalName, data);
  else if (visible(instanceId).length === 0) throw notFound(instanceId);
  return 'OK';
}

/**
 * Cancels an instance: no further step begins, and a step that runs now is rolled back. In: instance id and reason. Out: "Instance <id> cancelled: <reason>", also when it had ended already; then nothing changes. Error: "not found or access denied".
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} instance_id
 * @plv8ify_param {text} reason DEFAULT 'Cancelled by user'
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function cancel(instanceId: string, reason: string): string {
  if (cancelInstance(instanceId) === 1) endCancelled(instanceId, reason);
  else if (visible(instanceId).length === 0) throw notFound(instanceId);
  return `Instance ${instanceId} cancelled: ${reason}`;
}

/**
 * Checks the limit of a listing. In: the limit. Errors: below 1 or NULL, and above pg_durable.list_instances_max_limit.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name check_limit
 * @plv8ify_param {integer} limit_count
 * @plv8ify_return {void}
 */
export function checkLimit(limitCount: number | null): void {
  if (limitCount === null || limitCount < 1) {
    throw new DurableError(`limit_count must be at least 1, got ${limitCount ?? 'NULL'}`);
  }
  const most = numberSetting('list_instances_max_limit');
  if (limitCount > most) {
    throw new DurableError(`limit_count ${limitCount} exceeds list_instances_max_limit (${most})`, {
      hint: 'Page through the instances with after_cursor, or raise pg_durable.list_instances_max_limit.',
    });
  }
}

function notFound(instanceId: string): DurableError {
  return new DurableError(`Instance '${instanceId}' not found or access denied`, {
    code: '42704', hint: 'df.list_instances() shows the instances that you can reach.',
  });
}
