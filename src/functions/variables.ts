/** Workflow variables: the caller's own namespace, for superusers too (surface §3, "Variables"). */
import { DurableError } from '../graph/errors.ts';
import { command, query } from '../db/statement.ts';
import { noteHelperCall, refuseInWorkflow } from './guard.ts';

const ME = 'quote_ident(current_user)::regrole';
const upsert = command(`
  INSERT INTO df.vars (name, value, owner) VALUES ($1, $2, ${ME})
  ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value`, 'text', 'text');
const remove = command(`DELETE FROM df.vars v WHERE v.owner = ${ME} AND v.name = $1`, 'text');
const removeAll = command(`DELETE FROM df.vars v WHERE v.owner = ${ME}`);
const read = query<{ value: string | null }>(`SELECT v.value FROM df.vars v WHERE v.owner = ${ME} AND v.name = $1`, 'text');

/**
 * Sets a variable of the caller; workflows started from now on see it as {name}. In: name, not empty, and value. Out: OK. Error: "cannot be called inside a workflow".
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} name
 * @plv8ify_param {text} value
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function setvar(name: string, value: string): string {
  refuseInWorkflow('setvar');
  if (name === '') throw new DurableError('Variable name cannot be empty');
  upsert(name, value);
  noteHelperCall('setvar');
  return 'OK';
}

/**
 * Reads a variable of the caller. In: its name. Out: its value, NULL if it is not set.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} name
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function getvar(name: string): string | null {
  return read(name)[0]?.value ?? null;
}

/**
 * Removes a variable of the caller. In: its name. Out: OK, also when it was not set. Error: "cannot be called inside a workflow".
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} name
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function unsetvar(name: string): string {
  refuseInWorkflow('unsetvar');
  remove(name);
  noteHelperCall('unsetvar');
  return 'OK';
}

/**
 * Removes all variables of the caller. Out: OK. Error: "cannot be called inside a workflow".
 *
 * @plv8ify_schema_name df
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function clearvars(): string {
  refuseInWorkflow('clearvars');
  removeAll();
  noteHelperCall('clearvars');
  return 'OK';
}
