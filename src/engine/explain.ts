/** `df.explain` (semantics §12): what a workflow will do, or how far an instance has come, as text. */
import { DurableError } from '../graph/errors.ts';
import { flatten } from '../graph/flatten.ts';
import { excerpt, opensObject, parseObject } from '../graph/json.ts';
import { parseGraph, parseGraphJson } from '../graph/parse.ts';
import type { Graph, Program } from '../graph/types.ts';
import { validateGraph } from '../graph/validate.ts';
import { evaluate, type ComposerEnv } from './explain/evaluate.ts';
import { parseExpression, usesDsl } from './explain/expression.ts';
import { tokenize, type Token } from './explain/tokens.ts';
import { oneLine, renderTree } from './explain/tree.ts';

/** What `df.explain` shows of an instance. */
export interface InstanceView {
  readonly id: string;
  readonly label: string | null;
  /** pending, running, completed, failed or cancelled. */
  readonly status: string;
  /** The result of a completed instance, the error of a failed one; null if there is none. */
  readonly output: string | null;
  readonly program: Program;
  /** The inferred status of `program.nodes[index]`: completed, failed, running, pending or skipped. */
  readonly statuses: (index: number) => string;
}

export interface ExplainEnv extends ComposerEnv {
  /** The instance with this id (eight lower-case hex digits) if the caller may see it, else null. */
  instance(id: string): InstanceView | null;
}

const MARKS: ReadonlyMap<string, string> = new Map([
  ['completed', '✓'],
  ['failed', '✗'],
  ['cancelled', '✗'],
  ['running', '⏳'],
  ['pending', '○'],
  ['skipped', '⊘'],
]);

function markOf(status: string): string {
  const mark = MARKS.get(status);
  if (mark === undefined) throw new Error(`explain: no mark for status '${status}'`);
  return mark;
}

/** The tree of a program that has not been started. */
export function explainGraph(program: Program): string {
  return renderTree(program, () => '');
}

/** A header, a blank line, and the tree with a mark behind each node. */
export function explainInstance(view: InstanceView): string {
  const { id, label, status, output, program, statuses } = view;
  const head = [`Instance: ${id}${label === null || label === '' ? '' : ` (${label})`}`, `Status:   ${markOf(status)} ${status}`];
  if (output !== null) head.push(`Output:   ${oneLine(output, 60)}`);
  return `${head.join('\n')}\n\n${renderTree(program, (index) => ` ${markOf(statuses(index))}`)}`;
}

/**
 * Explains any input: an instance id, a graph as JSON, an expression over the DSL, or one SQL statement, tried in that
 * order. What is wrong with the input comes back as text too; only errors that are not the input's are thrown.
 */
export function explainInput(text: string, env: ExplainEnv): string {
  try {
    return explainText(text.trim(), env);
  } catch (error) {
    if (error instanceof DurableError) return error.message;
    throw error;
  }
}

function explainText(input: string, env: ExplainEnv): string {
  if (/^[0-9a-f]{8}$/.test(input)) {
    const view = env.instance(input);
    return view === null ? `Instance '${input}' not found` : explainInstance(view);
  }
  if (opensObject(input)) {
    const graph = parseGraphJson(input);
    if (graph !== null) return explainValid(graph, env);
    if (parseObject(input) === null && /^\{\s*"/.test(input)) {
      return 'Invalid durable function graph: root: the text begins as JSON but is not valid JSON; pass what a df function returned';
    }
    return refusal(input, 'it is JSON without a node_type');
  }
  let tokens: Token[];
  try {
    tokens = tokenize(input);
  } catch (error) {
    if (error instanceof DurableError) return refusal(input, error.message);
    throw error;
  }
  const word = firstWord(tokens);
  if (word !== null && STATEMENTS.has(word)) {
    if (holdsTwo(tokens)) return refusal(input, 'it holds more than one SQL statement, and a step is one');
    return explainValid({ node_type: 'SQL', query: input }, env);
  }
  if (usesDsl(tokens)) return explainExpression(tokens, env);
  if (tokens.length === 0) return refusal(input, 'it is empty');
  return refusal(input, 'it is none of these');
}

function explainExpression(tokens: readonly Token[], env: ExplainEnv): string {
  let future: string;
  try {
    const { text } = evaluate(parseExpression(tokens), env);
    if (text === null) return 'Failed to evaluate expression: the result is NULL, because a part of it is; replace the NULL';
    future = text;
  } catch (error) {
    if (error instanceof DurableError) return `Failed to evaluate expression: ${error.message}`;
    throw error;
  }
  return explainValid(parseGraph(future), env);
}

function explainValid(graph: Graph, env: ExplainEnv): string {
  validateGraph(graph, { validateCron: (expr) => env.validateCron(expr) });
  return explainGraph(flatten(graph));
}

function refusal(input: string, reason: string): string {
  return (
    `Cannot explain '${excerpt(input, 60)}': ${reason}. df.explain accepts an instance id (eight lower-case hex digits), a graph as JSON, ` +
    "an expression of our operators and df functions such as 'SELECT 1' ~> df.sleep(5), or one SQL statement."
  );
}

/** The words with which a SQL statement begins. */
const STATEMENTS: ReadonlySet<string> = new Set(
  (
    'abort alter analyse analyze begin call checkpoint close cluster comment commit copy create deallocate declare delete discard do drop end ' +
    'execute explain fetch grant import insert listen load lock merge move notify prepare reassign refresh reindex release reset revoke rollback ' +
    'savepoint security select set show start table truncate unlisten update vacuum values with'
  ).split(' '),
);

/** The first word behind any opening parentheses, or null. */
function firstWord(tokens: readonly Token[]): string | null {
  const first = tokens.find((token) => !(token.kind === 'mark' && token.text === '('));
  return first?.kind === 'word' && !first.quoted ? first.text : null;
}

/** Whether anything follows a semicolon. A function's BEGIN ATOMIC body holds semicolons of its own. */
function holdsTwo(tokens: readonly Token[]): boolean {
  const isWord = (token: Token | undefined, text: string): boolean => token?.kind === 'word' && token.text === text;
  if (isWord(tokens[0], 'create') && tokens.some((token, i) => isWord(token, 'begin') && isWord(tokens[i + 1], 'atomic'))) return false;
  const end = tokens.findIndex((token) => token.kind === 'mark' && token.text === ';');
  return end >= 0 && tokens.slice(end).some((token) => !(token.kind === 'mark' && token.text === ';'));
}
