import { decode } from './decode.ts';
import { DurableError } from './errors.ts';
import { excerpt, parseObject, quote } from './json.ts';
import { nameProblem } from './name.ts';
import { printGraph } from './print.ts';
import { elsePosition, remember, wrap } from './wrap.ts';

/**
 * LOOP: the body, then the condition, again while that is true; for ever without one (`df."loop"`).
 *
 * @throws DurableError if the body is null.
 */
export function loop(body: string | null, condition: string | null): string {
  if (body === null) throw new DurableError('Loop body cannot be NULL; pass the future that each iteration runs', { code: '22004' });
  const condition_ = condition === null ? '' : `,"condition_node":${wrap(condition)}`;
  return remember(`{"node_type":"LOOP","left_node":${wrap(body)}${condition_}}`);
}

/** BREAK with a literal value, null for none (`df."break"`). */
export function break_(value: string | null): string {
  const config = `{"break_value":${value === null ? 'null' : quote(value)}}`;
  return remember(`{"node_type":"BREAK","query":${quote(config)}}`);
}

/** IF (`df."if"`). */
export function if_(condition: string, thenBranch: string, elseBranch: string): string {
  return remember(
    `{"node_type":"IF","left_node":${wrap(thenBranch)},"right_node":${wrap(elseBranch)},"condition_node":${wrap(condition)}}`,
  );
}

/**
 * IF on whether the named result has rows; runs no SQL (`df.if_rows`).
 *
 * @throws DurableError as `df."as"` does, for a name that no result can have.
 */
export function ifRows(resultName: string, thenBranch: string, elseBranch: string): string {
  const problem = nameProblem(resultName);
  if (problem !== null) throw new DurableError(problem, { code: resultName === '' ? '22023' : '42602' });
  const config = `{"condition_type":"result_has_rows","result_name":${quote(resultName)}}`;
  return remember(
    `{"node_type":"IF","left_node":${wrap(thenBranch)},"right_node":${wrap(elseBranch)},"query":${quote(config)}}`,
  );
}

/** `condition ?> thenBranch`: an IF that waits for its else branch. On its own it is no valid graph. */
export function ifThenOp(condition: string, thenBranch: string): string {
  const head = `{"node_type":"IF","left_node":${wrap(thenBranch)}`;
  return remember(`${head},"condition_node":${wrap(condition)}}`, head.length);
}

/**
 * `partialIf !> elseBranch`.
 *
 * @throws DurableError `left side of !> must be a ?> expression`.
 */
export function ifElseOp(partialIf: string, elseBranch: string): string {
  const at = elsePosition(partialIf);
  if (at !== undefined && at > 0) {
    return remember(`${partialIf.slice(0, at)},"right_node":${wrap(elseBranch)}${partialIf.slice(at)}`);
  }
  // Composed elsewhere, or named since: look at what it is.
  const misuse = (): DurableError =>
    new DurableError(`left side of !> must be a ?> expression, not '${excerpt(partialIf, 60)}'`, {
      hint: "Write 'condition' ?> 'then' !> 'else'. All operators have one precedence, left to right: put parentheses around a compound condition or branch.",
    });
  const value = parseObject(partialIf);
  if (value === null || value.node_type !== 'IF') throw misuse();
  const graph = decode(value, misuse);
  if (graph.left_node === undefined || graph.condition_node === undefined || graph.right_node !== undefined) throw misuse();
  const otherwise = wrap(elseBranch);
  const { left_node, condition_node, query, result_name } = graph;
  let text = `{"node_type":"IF","left_node":${printGraph(left_node)},"right_node":${otherwise},"condition_node":${printGraph(condition_node)}`;
  if (query !== undefined) text += `,"query":${quote(query)}`;
  if (result_name !== undefined) text += `,"result_name":${quote(result_name)}`;
  return remember(`${text}}`);
}

/** JOIN of two branches (`df."join"`, `&`). */
export function join(a: string, b: string): string {
  return remember(`{"node_type":"JOIN","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
}

/** JOIN of three branches (`df.join3`). */
export function join3(a: string, b: string, c: string): string {
  return remember(`{"node_type":"JOIN","left_node":${wrap(a)},"right_node":${wrap(b)},"extra_nodes":[${wrap(c)}]}`);
}

/** RACE of two branches (`df.race`, `|`). */
export function race(a: string, b: string): string {
  return remember(`{"node_type":"RACE","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
}
