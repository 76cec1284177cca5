/**
 * The composers of surface §3: text in, text out. Each argument that is a future may be any text (see `wrap`);
 * each result is the canonical text of a graph. Composing is concatenation: the parts are canonical already.
 */
import { DurableError } from './errors.ts';
import { nameProblem } from './name.ts';
import { loop } from './control.ts';
import { remember, wrap } from './wrap.ts';

export { sql, wrap } from './wrap.ts';
export { break_, ifElseOp, ifRows, ifThenOp, if_, join, join3, loop, race } from './control.ts';
export { sleep, sleepInterval, waitForSchedule, waitForSignal } from './waiting.ts';
export { http, httpMultipart, type HttpArgs, type HttpMode, type MultipartArgs } from './http.ts';

/** THEN: `a`, then `b` (`df.seq`, `~>`). */
export function seq(a: string, b: string): string {
  return remember(`{"node_type":"THEN","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
}

const NAME_KEY = ',"result_name":';

/**
 * `fut` with the result name `name`, in place of the one it may have (`df."as"`, `|=>`).
 *
 * @throws DurableError `result name cannot be empty`, `… is not a valid identifier`.
 */
export function as_(fut: string, name: string): string {
  const problem = nameProblem(name);
  if (problem !== null) throw new DurableError(problem, { code: name === '' ? '22023' : '42602' });
  const text = wrap(fut);
  return remember(`${text.slice(0, endOfUnnamed(text))}${NAME_KEY}"${name}"}`);
}

/**
 * Where the root's own `result_name` begins in a canonical future, or its closing brace. The name is the last key, and
 * its key cannot occur inside a string, where quotes are escaped: so the last occurrence decides, if only it is the root's.
 */
function endOfUnnamed(text: string): number {
  const end = text.length - 1;
  const at = text.lastIndexOf(NAME_KEY);
  return at >= 0 && /^"[^"\\]*(?:\\.[^"\\]*)*"\}$/.test(text.slice(at + NAME_KEY.length)) ? at : end;
}

/** `fut |=> 'name'`. */
export function asOp(fut: string, name: string): string {
  return as_(fut, name);
}

/** `@> body`: a loop without a condition. */
export function loopPrefixOp(body: string): string {
  return loop(body, null);
}
