/** The composers and the operators' functions: thin, over src/graph (surface §3, §4). */
import * as compose from '../graph/compose.ts';
import { validateCron } from '../engine/cron.ts';
import { httpMode } from '../db/settings.ts';
import { refuseHelpers } from './guard.ts';

/**
 * A workflow step that runs one SQL statement. In: the statement, which is never inspected here. Out: a future.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} query
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function sql(query: string): string {
  refuseHelpers(query);
  return compose.sql(query);
}

/**
 * Two steps in order (operator ~>). In: futures or SQL. Out: a THEN future whose result is the second step's.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} a
 * @plv8ify_param {text} b
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function seq(a: string, b: string): string {
  refuseHelpers(a, b);
  return compose.seq(a, b);
}

/**
 * Names a step's result, so that later steps can use $name (operator |=>). In: a future or SQL, and an identifier. Out: the future with that name. Errors: "not a valid identifier", "result name cannot be empty".
 *
 * @plv8ify_schema_name df
 * @plv8ify_name as
 * @plv8ify_param {text} fut
 * @plv8ify_param {text} name
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function as(fut: string, name: string): string {
  refuseHelpers(fut, name);
  return compose.as_(fut, name);
}

/**
 * A durable pause. In: whole seconds, not negative. Out: a SLEEP future, due at a fixed moment once it is reached.
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {bigint} seconds
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function sleep(seconds: bigint): string {
  return compose.sleep(seconds);
}

/**
 * A durable pause in decimal seconds, for df.sleep(interval).
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name sleep_for
 * @plv8ify_param {text} seconds
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function sleepFor(seconds: string): string {
  return compose.sleepInterval(seconds);
}

/**
 * Waits for the next tick of a schedule. In: a five-field cron expression in UTC. Out: a WAIT_SCHEDULE future. Error: "Invalid cron expression".
 *
 * @plv8ify_schema_name df
 * @plv8ify_name wait_for_schedule
 * @plv8ify_param {text} cron_expr
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function waitForSchedule(cronExpr: string): string {
  refuseHelpers(cronExpr);
  return compose.waitForSchedule(cronExpr, validateCron);
}

/**
 * Repeats a step while a condition holds, for ever without one; the body runs first (prefix operator @>). In: futures or SQL. Out: a LOOP future whose result is the break value or the last body result.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name loop
 * @plv8ify_param {text} body
 * @plv8ify_param {text} condition DEFAULT NULL
 * @plv8ify_return {text}
 */
export function loop(body: string | null, condition: string | null): string {
  refuseHelpers(body, condition);
  return compose.loop(body, condition);
}

/**
 * Leaves the nearest loop. In: the loop's result as a literal, JSON or text; not SQL. Out: a BREAK future.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name break
 * @plv8ify_param {text} value DEFAULT NULL
 * @plv8ify_return {text}
 */
export function break_(value: string | null): string {
  refuseHelpers(value);
  return compose.break_(value);
}

/**
 * Chooses between two steps by the truth of a third (operators ?> and !>). In: futures or SQL. Out: an IF future whose result is the taken branch's.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name if
 * @plv8ify_param {text} condition
 * @plv8ify_param {text} then_branch
 * @plv8ify_param {text} else_branch
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function if_(condition: string, thenBranch: string, elseBranch: string): string {
  refuseHelpers(condition, thenBranch, elseBranch);
  return compose.if_(condition, thenBranch, elseBranch);
}

/**
 * Chooses between two steps by whether a named result has rows; runs no SQL for it. In: the name, and futures or SQL. Out: an IF future.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name if_rows
 * @plv8ify_param {text} result_name
 * @plv8ify_param {text} then_branch
 * @plv8ify_param {text} else_branch
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function ifRows(resultName: string, thenBranch: string, elseBranch: string): string {
  refuseHelpers(resultName, thenBranch, elseBranch);
  return compose.ifRows(resultName, thenBranch, elseBranch);
}

/**
 * Two steps at once, waiting for both (operator &). In: futures or SQL. Out: a JOIN future whose result is a JSON array of theirs.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name join
 * @plv8ify_param {text} a
 * @plv8ify_param {text} b
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function join(a: string, b: string): string {
  refuseHelpers(a, b);
  return compose.join(a, b);
}

/**
 * Three steps at once, waiting for all. In: futures or SQL. Out: a JOIN future whose result is a JSON array of theirs.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name join3
 * @plv8ify_param {text} a
 * @plv8ify_param {text} b
 * @plv8ify_param {text} c
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function join3(a: string, b: string, c: string): string {
  refuseHelpers(a, b, c);
  return compose.join3(a, b, c);
}

/**
 * Two steps at once; the first to finish wins, by failing too (operator |). In: futures or SQL. Out: a RACE future whose result is the winner's.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name race
 * @plv8ify_param {text} a
 * @plv8ify_param {text} b
 * @plv8ify_return {text}
 * @plv8ify_strict
 */
export function race(a: string, b: string): string {
  refuseHelpers(a, b);
  return compose.race(a, b);
}

/**
 * An HTTP request, made by the worker, at least once. In: url, method (GET POST PUT DELETE PATCH), body, headers as a JSON object, timeout in seconds. Out: an HTTP future. Errors, in this order: "df.http() is disabled", "unsupported URL scheme", "Invalid HTTP method", "Timeout must be positive".
 *
 * @plv8ify_schema_name df
 * @plv8ify_param {text} url
 * @plv8ify_param {text} method DEFAULT 'POST'
 * @plv8ify_param {text} body DEFAULT NULL
 * @plv8ify_param {jsonb} headers DEFAULT NULL
 * @plv8ify_param {integer} timeout_seconds DEFAULT 30
 * @plv8ify_return {text}
 * @plv8ify_execute private
 */
export function http(url: string | null, method: string | null, body: string | null, headers: string | null, timeoutSeconds: number | null): string {
  refuseHelpers(url, method, body);
  return compose.http({ url, method, body, headers, timeoutSeconds }, { mode: httpMode() });
}

/**
 * A multipart/form-data request, made by the worker, at least once. In: url, method (POST PUT PATCH), parts as a JSON array of objects with name and data_b64 and optional filename and content_type, headers as a JSON object, timeout in seconds. Out: an HTTP_MULTIPART future. Errors: those of df.http, and "parts is required", "parts must be a JSON array", "at least one part".
 *
 * @plv8ify_schema_name df
 * @plv8ify_name http_multipart
 * @plv8ify_param {text} url
 * @plv8ify_param {text} method DEFAULT 'POST'
 * @plv8ify_param {jsonb} parts DEFAULT NULL
 * @plv8ify_param {jsonb} headers DEFAULT NULL
 * @plv8ify_param {integer} timeout_seconds DEFAULT 30
 * @plv8ify_return {text}
 * @plv8ify_execute private
 */
export function httpMultipart(url: string | null, method: string | null, parts: string | null, headers: string | null, timeoutSeconds: number | null): string {
  refuseHelpers(url, method);
  return compose.httpMultipart({ url, method, parts, headers, timeoutSeconds }, { mode: httpMode() });
}

/**
 * Waits for a signal sent with df.signal, before or after the wait begins. In: its name, and seconds after which to go on without it. Out: a SIGNAL future whose result is {"signal_name", "timed_out", "data"}. Errors: "Signal name cannot be empty", "Timeout must be positive".
 *
 * @plv8ify_schema_name df
 * @plv8ify_name wait_for_signal
 * @plv8ify_param {text} name
 * @plv8ify_param {integer} timeout_seconds DEFAULT NULL
 * @plv8ify_return {text}
 */
export function waitForSignal(name: string | null, timeoutSeconds: number | null): string {
  refuseHelpers(name);
  return compose.waitForSignal(name, timeoutSeconds);
}

/**
 * Function of the operator |=>: names a step's result. In: a future or SQL, and an identifier. Out: the future with that name.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name as_op
 * @plv8ify_param {text} fut
 * @plv8ify_param {text} name
 * @plv8ify_return {text}
 * @plv8ify_volatility IMMUTABLE
 */
export function asOp(fut: string | null, name: string | null): string | null {
  if (fut === null || name === null) return null;
  refuseHelpers(fut, name);
  return compose.asOp(fut, name);
}

/**
 * Function of the operator ?>: a condition and what to run when it holds. In: futures or SQL. Out: an IF future without an else branch, which !> completes.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name if_then_op
 * @plv8ify_param {text} condition
 * @plv8ify_param {text} then_branch
 * @plv8ify_return {text}
 * @plv8ify_volatility IMMUTABLE
 */
export function ifThenOp(condition: string | null, thenBranch: string | null): string | null {
  if (condition === null || thenBranch === null) return null;
  refuseHelpers(condition, thenBranch);
  return compose.ifThenOp(condition, thenBranch);
}

/**
 * Function of the operator !>: completes a ?> with its else branch. In: what ?> returned, and a future or SQL. Out: an IF future. Error: "left side of !> must be a ?> expression".
 *
 * @plv8ify_schema_name df
 * @plv8ify_name if_else_op
 * @plv8ify_param {text} partial_if
 * @plv8ify_param {text} else_branch
 * @plv8ify_return {text}
 * @plv8ify_volatility IMMUTABLE
 */
export function ifElseOp(partialIf: string | null, elseBranch: string | null): string | null {
  if (partialIf === null || elseBranch === null) return null;
  refuseHelpers(partialIf, elseBranch);
  return compose.ifElseOp(partialIf, elseBranch);
}

/**
 * Function of the prefix operator @>: repeats a step for ever. In: a future or SQL. Out: a LOOP future.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name loop_prefix_op
 * @plv8ify_param {text} body
 * @plv8ify_return {text}
 * @plv8ify_volatility IMMUTABLE
 */
export function loopPrefixOp(body: string | null): string | null {
  if (body === null) return null;
  refuseHelpers(body);
  return compose.loopPrefixOp(body);
}
