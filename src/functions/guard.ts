/** What may not be called where: writers inside workflows, and helpers inside composers (surface §3, "Variables"). */
import { DurableError } from '../graph/errors.ts';
import { query } from '../db/statement.ts';

const inside = query<{ inside: boolean }>(
  `SELECT coalesce(current_setting('df.in_workflow', true), '') = 'true' AS inside`);
// A number, since how a timestamp is written depends on DateStyle.
const noteHelper = query(`SELECT set_config('df.helper_called', $1 || ' ' || extract(epoch FROM statement_timestamp()), true)`, 'text');
const helperCalled = query<{ name: string | null }>(`
  SELECT CASE WHEN split_part(called, ' ', 2) = extract(epoch FROM statement_timestamp())::text
    THEN split_part(called, ' ', 1) END AS name
  FROM current_setting('df.helper_called', true) called`);

/** What the helpers return: only an argument like this can come from one. */
const HELPER_RESULTS: ReadonlySet<string> = new Set(['OK', 'completed', 'failed', 'cancelled']);

/** Whether this is a running workflow's step. */
export function inWorkflow(): boolean {
  return inside()[0]!.inside;
}

/** Raises DurableError inside a running workflow's step. */
export function refuseInWorkflow(name: string): void {
  if (inWorkflow()) {
    throw new DurableError(`df.${name}() cannot be called inside a workflow`, {
      code: '55000', hint: 'Call it before df.start(); a step passes values on with |=> and $name.',
    });
  }
}

/** Remembers that a helper ran in this statement. */
export function noteHelperCall(name: string): void {
  noteHelper(name);
}

/** Raises DurableError if an argument of a composer is what a helper returned in the same statement. */
export function refuseHelpers(...args: (string | null)[]): void {
  if (!args.some((arg) => arg !== null && HELPER_RESULTS.has(arg))) return;
  const name = helperCalled()[0]!.name;
  if (name !== null) {
    throw new DurableError(`df.${name}() cannot be used as a workflow step: it ran while the graph was being built`, {
      hint: `Call df.${name}() in a statement of its own.`,
    });
  }
}
