import * as df from '../../graph/compose.ts';
import { DurableError } from '../../graph/errors.ts';
import { excerpt, parseJson } from '../../graph/json.ts';
import type { Argument, Expression, ValueType } from './expression.ts';
import { intervalSeconds } from './interval.ts';

/** What the composers need to know of the caller. Each call may raise a DurableError. */
export interface ComposerEnv {
  /** The setting pg_durable.http. */
  httpMode(): df.HttpMode;
  /** Whether the caller has EXECUTE on df.http or df.http_multipart. */
  mayCall(name: 'http' | 'http_multipart'): boolean;
  /** Raises `Invalid cron expression '…'`. */
  validateCron(expr: string): void;
}

/** A value; `text` is null for NULL, and seconds as decimal text for an interval. */
export interface Value {
  readonly type: ValueType;
  readonly text: string | null;
}

type Text = string | null;

interface Parameter {
  readonly name: string;
  readonly type: ValueType;
  /** Present where the argument may be left out. */
  readonly fallback?: Text;
}

interface Composer {
  readonly parameters: readonly Parameter[];
  /** NULL in, NULL out. */
  readonly strict: boolean;
  compose(args: readonly Text[], env: ComposerEnv): string;
}

const text = (name: string): Parameter => ({ name, type: 'text' });
const strict = (parameters: readonly Parameter[], compose: (args: readonly string[], env: ComposerEnv) => string): Composer => ({
  parameters,
  strict: true,
  compose: compose as Composer['compose'],
});
const [A, B, C] = [0, 1, 2] as const;
const at = (args: readonly string[], i: number): string => args[i] as string;
const of = (args: readonly Text[], i: number): Text => args[i] as Text;
const whole = (value: Text): number | null => (value === null ? null : Number(value));

const REQUEST = [{ name: 'headers', type: 'jsonb', fallback: null }, { name: 'timeout_seconds', type: 'integer', fallback: '30' }] as const;

/** The composers by name, each with its signatures (surface §3). */
const COMPOSERS: ReadonlyMap<string, readonly Composer[]> = new Map<string, readonly Composer[]>([
  ['sql', [strict([text('query')], (a) => df.sql(at(a, A)))]],
  ['seq', [strict([text('a'), text('b')], (a) => df.seq(at(a, A), at(a, B)))]],
  ['as', [strict([text('fut'), text('name')], (a) => df.as_(at(a, A), at(a, B)))]],
  ['sleep', [
    strict([{ name: 'seconds', type: 'bigint' }], (a) => df.sleep(at(a, A))),
    strict([{ name: 'duration', type: 'interval' }], (a) => df.sleepInterval(at(a, A))),
    strict([text('duration')], (a) => df.sleepInterval(convert({ type: 'unknown', text: at(a, A) }, 'interval').text as string)),
  ]],
  ['wait_for_schedule', [strict([text('cron_expr')], (a, env) => df.waitForSchedule(at(a, A), (expr) => env.validateCron(expr)))]],
  ['loop', [{
    parameters: [text('body'), { name: 'condition', type: 'text', fallback: null }],
    strict: false,
    compose: (a) => df.loop(of(a, A), of(a, B)),
  }]],
  ['break', [{ parameters: [{ name: 'value', type: 'text', fallback: null }], strict: false, compose: (a) => df.break_(of(a, A)) }]],
  ['if', [strict([text('condition'), text('then_branch'), text('else_branch')], (a) => df.if_(at(a, A), at(a, B), at(a, C)))]],
  ['if_rows', [strict([text('result_name'), text('then_branch'), text('else_branch')], (a) => df.ifRows(at(a, A), at(a, B), at(a, C)))]],
  ['join', [strict([text('a'), text('b')], (a) => df.join(at(a, A), at(a, B)))]],
  ['join3', [strict([text('a'), text('b'), text('c')], (a) => df.join3(at(a, A), at(a, B), at(a, C)))]],
  ['race', [strict([text('a'), text('b')], (a) => df.race(at(a, A), at(a, B)))]],
  ['http', [{
    parameters: [text('url'), { name: 'method', type: 'text', fallback: 'POST' }, { name: 'body', type: 'text', fallback: null }, ...REQUEST],
    strict: false,
    compose: ([url = null, method = null, body = null, headers = null, timeout = null], env) =>
      df.http({ url, method, body, headers, timeoutSeconds: whole(timeout) }, { mode: allowedMode('http', env) }),
  }]],
  ['http_multipart', [{
    parameters: [text('url'), { name: 'method', type: 'text', fallback: 'POST' }, { name: 'parts', type: 'jsonb', fallback: null }, ...REQUEST],
    strict: false,
    compose: ([url = null, method = null, parts = null, headers = null, timeout = null], env) =>
      df.httpMultipart({ url, method, parts, headers, timeoutSeconds: whole(timeout) }, { mode: allowedMode('http_multipart', env) }),
  }]],
  ['wait_for_signal', [{
    parameters: [text('name'), { name: 'timeout_seconds', type: 'integer', fallback: null }],
    strict: false,
    compose: (a) => df.waitForSignal(of(a, A), whole(of(a, B))),
  }]],
  ['as_op', [strict([text('fut'), text('name')], (a) => df.asOp(at(a, A), at(a, B)))]],
  ['if_then_op', [strict([text('condition'), text('then_branch')], (a) => df.ifThenOp(at(a, A), at(a, B)))]],
  ['if_else_op', [strict([text('partial_if'), text('else_branch')], (a) => df.ifElseOp(at(a, A), at(a, B)))]],
  ['loop_prefix_op', [strict([text('body')], (a) => df.loopPrefixOp(at(a, A)))]],
]);

function allowedMode(name: 'http' | 'http_multipart', env: ComposerEnv): df.HttpMode {
  if (!env.mayCall(name)) throw new DurableError(`permission denied for function ${name}; ask for df.grant_usage with include_http`, { code: '42501' });
  return env.httpMode();
}

const OPERATORS: Readonly<Record<string, (left: string, right: string) => string>> = {
  '~>': df.seq,
  '|=>': df.asOp,
  '&': df.join,
  '|': df.race,
  '?>': df.ifThenOp,
  '!>': df.ifElseOp,
  '||': (left, right) => left + right,
};

/**
 * Evaluates an expression with our own composers; no part of it is ever given to SQL.
 *
 * @throws DurableError with what PostgreSQL or the composer would object to.
 */
export function evaluate(expression: Expression, env: ComposerEnv): Value {
  switch (expression.kind) {
    case 'literal':
      return { type: expression.type, text: expression.text };
    case 'cast':
      return cast(evaluate(expression.value, env), expression.type);
    case 'call':
      return call(expression.name, expression.args, env);
    default:
      return apply(expression.name, expression.left && evaluate(expression.left, env), evaluate(expression.right, env));
  }
}

function apply(name: string, left: Value | null, right: Value): Value {
  if (left === null && name !== '@>') return sign(name, right);
  for (const side of [left, right]) {
    if (side !== null && side.type !== 'text' && side.type !== 'unknown') {
      throw new DurableError(`operator ${name} takes text on both sides, not ${side.type}; put the SQL in quotes`, { code: '42883' });
    }
  }
  if (right.text === null || left?.text === null) return { type: 'text', text: null };
  if (left === null) return { type: 'text', text: df.loopPrefixOp(right.text) };
  return { type: 'text', text: (OPERATORS[name] as (l: string, r: string) => string)(left.text, right.text) };
}

function sign(name: string, value: Value): Value {
  if (value.type !== 'integer' && value.type !== 'bigint' && value.type !== 'numeric') {
    throw new DurableError(`a sign goes before a number, not ${value.type}`, { code: '42883' });
  }
  if (value.text === null || name === '+') return value;
  return { type: value.type, text: value.text.startsWith('-') ? value.text.slice(1) : `-${value.text}` };
}

function call(name: string, args: readonly Argument[], env: ComposerEnv): Value {
  const signatures = COMPOSERS.get(name);
  if (signatures === undefined) {
    throw new DurableError(`df.${name}() does not compose a workflow, so df.explain does not call it; use ${[...COMPOSERS.keys()].filter((n) => !n.endsWith('_op')).map((n) => `df.${n}`).join(', ')}`, { code: '42883' });
  }
  const values = args.map((arg) => ({ name: arg.name, value: evaluate(arg.value, env) }));
  const given = `df.${name}(${values.map((arg) => (arg.name === null ? '' : `${arg.name} => `) + arg.value.type).join(', ')})`;
  const fitting = signatures.flatMap((composer) => {
    const bound = bind(composer, values);
    return bound === null ? [] : [{ composer, bound }];
  });
  // A literal that fits several is text: only text takes it without a cast.
  const chosen = fitting.length > 1 ? fitting.find(({ composer }) => composer.parameters.every(({ type }) => type === 'text')) : fitting[0];
  if (chosen === undefined) {
    const forms = signatures.map(({ parameters }) => `df.${name}(${parameters.map((p) => `${p.name} ${p.type}${p.fallback === undefined ? '' : ' (optional)'}`).join(', ')})`);
    throw new DurableError(`function ${given} does not exist; the arguments are ${forms.join(' or ')}`, { code: '42883' });
  }
  const { composer, bound } = chosen;
  const texts = composer.parameters.map((parameter, i) => convert(bound[i] as Value, parameter.type).text);
  if (composer.strict && texts.includes(null)) return { type: 'text', text: null };
  return { type: 'text', text: composer.compose(texts, env) };
}

/** The arguments in the order of the parameters, or null if they do not fit. */
function bind(composer: Composer, args: readonly { name: string | null; value: Value }[]): Value[] | null {
  const { parameters } = composer;
  const bound: (Value | undefined)[] = parameters.map(() => undefined);
  let named = false;
  for (let i = 0; i < args.length; i++) {
    const { name, value } = args[i] as { name: string | null; value: Value };
    if (name !== null) named = true;
    else if (named) return null;
    const index = name === null ? i : parameters.findIndex((parameter) => parameter.name === name);
    const parameter = parameters[index];
    if (parameter === undefined || bound[index] !== undefined || !accepts(parameter.type, value.type)) return null;
    bound[index] = value;
  }
  const complete: Value[] = [];
  for (let i = 0; i < parameters.length; i++) {
    const { fallback, type } = parameters[i] as Parameter;
    const value = bound[i] ?? (fallback === undefined ? undefined : { type, text: fallback });
    if (value === undefined) return null;
    complete.push(value);
  }
  return complete;
}

/** Whether PostgreSQL takes a value of one type for a parameter of another without a cast. */
function accepts(parameter: ValueType, value: ValueType): boolean {
  return value === 'unknown' || value === parameter || (parameter === 'bigint' && value === 'integer');
}

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  integer: [-2147483648n, 2147483647n],
  bigint: [-9223372036854775808n, 9223372036854775807n],
};

/** An explicit cast. */
function cast(value: Value, type: ValueType): Value {
  const { type: from } = value;
  const fromText = from === 'unknown' || from === 'text';
  const numbers = (t: ValueType): boolean => t === 'integer' || t === 'bigint' || t === 'numeric';
  if (from === type) return value;
  if (type === 'text' && numbers(from)) return { type, text: value.text };
  if (fromText || (numbers(from) && numbers(type))) return convert(value, type);
  throw new DurableError(`cannot cast type ${from} to ${type} here`, { code: '42846' });
}

/** A literal, or a number, read as a value of `type`. */
function convert(value: Value, type: ValueType): Value {
  const { text: given } = value;
  if (given === null || value.type === type) return { type, text: given };
  const invalid = (hint: string): DurableError => new DurableError(`invalid input syntax for type ${type}: '${excerpt(given, 60)}'; ${hint}`, { code: '22P02' });
  switch (type) {
    case 'integer':
    case 'bigint': {
      if (!/^\s*[-+]?\d+\s*$/.test(given)) throw invalid('write a whole number');
      const number = BigInt(given.trim().replace(/^\+/, ''));
      const [least, most] = RANGES[type] as readonly [bigint, bigint];
      if (number < least || number > most) throw new DurableError(`${excerpt(given, 60)} is out of range for type ${type}`, { code: '22003' });
      return { type, text: String(number) };
    }
    case 'numeric':
      if (!/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/.test(given)) throw invalid('write a decimal number');
      return { type, text: given.trim() };
    case 'interval': {
      const seconds = intervalSeconds(given);
      if (seconds === null) throw invalid("df.explain reads intervals such as '90 seconds', '1 day 2 hours' or '01:30:00'");
      return { type, text: seconds };
    }
    case 'jsonb':
      if (parseJson(given) === undefined) throw invalid('write valid JSON');
      return { type, text: given };
    default:
      return { type, text: given };
  }
}
