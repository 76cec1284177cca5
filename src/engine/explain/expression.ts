import { excerpt } from '../../graph/json.ts';
import { syntax, type Token } from './tokens.ts';

/** Types that a value of an expression may have; `unknown` is a literal before a use gives it a type. */
export type ValueType = 'unknown' | 'text' | 'integer' | 'bigint' | 'numeric' | 'interval' | 'jsonb';

/** An expression over DSL calls. `height` counts the levels below and including this one. */
export type Expression = { readonly at: number; readonly height: number } & (
  | { readonly kind: 'literal'; readonly type: ValueType; readonly text: string | null }
  | { readonly kind: 'cast'; readonly value: Expression; readonly type: ValueType }
  | { readonly kind: 'operator'; readonly name: string; readonly left: Expression | null; readonly right: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Argument[] }
);

export interface Argument {
  /** The parameter's name if it was written `name => value`. */
  readonly name: string | null;
  readonly value: Expression;
}

/** Our binary operators (surface §4), and the concatenation of text. */
const BINARY: ReadonlySet<string> = new Set(['~>', '|=>', '&', '|', '?>', '!>', '||']);
const PREFIX = '@>';

const TYPES: Readonly<Record<string, ValueType>> = {
  text: 'text', varchar: 'text', integer: 'integer', int: 'integer', int4: 'integer', bigint: 'bigint', int8: 'bigint',
  numeric: 'numeric', decimal: 'numeric', interval: 'interval', jsonb: 'jsonb',
};

/** More levels than this make no graph that passes validation, and would only cost stack. */
const MOST_HEIGHT = 600;
/** The most parentheses, arguments and prefixes open at once: each takes several frames of the parser. */
const MOST_OPEN = 300;

/** Whether the tokens use one of our operators or a name in schema df. */
export function usesDsl(tokens: readonly Token[]): boolean {
  return tokens.some((token, i) => {
    if (token.kind === 'operator') return token.text === PREFIX || (token.text !== '||' && BINARY.has(token.text));
    const next = tokens[i + 1];
    return token.kind === 'word' && token.text === 'df' && next?.kind === 'mark' && next.text === '.';
  });
}

/**
 * Reads an expression over DSL calls: literals, casts of them, parentheses, our operators and `df` calls, with
 * PostgreSQL's precedence: `::` binds tightest, then a sign, then every operator alike, left to right, `@>` as a prefix
 * taking only what follows at once. Nothing is looked up and nothing is run, so that whatever else the text holds is
 * refused here.
 *
 * @throws DurableError (42601) naming the place.
 */
export function parseExpression(tokens: readonly Token[]): Expression {
  let next = 0;
  let open = 0;

  const peek = (): Token | undefined => tokens[next];
  const isMark = (text: string, ahead = 0): boolean => {
    const token = tokens[next + ahead];
    return token?.kind === 'mark' && token.text === text;
  };
  const isWord = (text: string, ahead = 0): boolean => {
    const token = tokens[next + ahead];
    return token?.kind === 'word' && !token.quoted && token.text === text;
  };
  const here = (): number => peek()?.at ?? (tokens[tokens.length - 1]?.at ?? 0) + 1;
  const refuse = (wanted: string): Error => {
    const token = peek();
    if (token === undefined) return syntax(`the expression ends where ${wanted} was expected`, here());
    return syntax(`${shown(token)} where ${wanted} was expected`, token.at);
  };
  const expect = (mark: string): void => {
    if (!isMark(mark)) throw refuse(`'${mark}'`);
    next++;
  };
  const grow = (at: number, ...parts: readonly (Expression | null)[]): { at: number; height: number } => {
    const height = 1 + parts.reduce((most, part) => Math.max(most, part?.height ?? 0), 0);
    if (height > MOST_HEIGHT) throw syntax(`the expression nests more than ${MOST_HEIGHT} levels, and a graph may have 256`, at);
    return { at, height };
  };
  const deeper = <T>(read: () => T): T => {
    if (++open > MOST_OPEN) throw syntax(`the expression nests more than ${MOST_OPEN} levels of parentheses, and a graph may have 256`, here());
    const value = read();
    open--;
    return value;
  };

  /** An operator token, or `OPERATOR(pg_catalog.~>)`; `wanted` says which operators will do. Null if there is none. */
  const operator = (wanted: (name: string) => boolean): { name: string; at: number } | null => {
    const token = peek();
    if (token?.kind === 'operator' && wanted(token.text)) {
      next++;
      return { name: token.text, at: token.at };
    }
    if (!isWord('operator') || !isMark('(', 1)) return null;
    const qualified = isWord('pg_catalog', 2) && isMark('.', 3) ? 2 : 0;
    const inner = tokens[next + 2 + qualified];
    if (inner?.kind !== 'operator' || !wanted(inner.text) || !isMark(')', 3 + qualified)) return null;
    next += 4 + qualified;
    return { name: inner.text, at: inner.at };
  };

  const expression = (): Expression => {
    let left = operand();
    for (;;) {
      const found = operator((name) => BINARY.has(name));
      if (found === null) return left;
      const right = operand();
      left = { kind: 'operator', name: found.name, left, right, ...grow(found.at, left, right) };
    }
  };

  const operand = (): Expression => {
    const prefix = operator((name) => name === PREFIX);
    if (prefix === null) return signed();
    const right = deeper(operand);
    return { kind: 'operator', name: PREFIX, left: null, right, ...grow(prefix.at, right) };
  };

  const signed = (): Expression => {
    const token = peek();
    if (token?.kind !== 'operator' || (token.text !== '-' && token.text !== '+')) return cast();
    next++;
    const value = deeper(signed);
    return { kind: 'operator', name: token.text, left: null, right: value, ...grow(token.at, value) };
  };

  const cast = (): Expression => {
    let value = primary();
    while (isMark('::')) {
      const at = here();
      next++;
      const type = typeName();
      if (type === null) throw refuse('a type such as text, bigint or interval');
      value = { kind: 'cast', value, type, ...grow(at, value) };
    }
    return value;
  };

  /** A type's name, or null, having read nothing. */
  const typeName = (): ValueType | null => {
    const skip = isWord('pg_catalog') && isMark('.', 1) ? 2 : 0;
    const token = tokens[next + skip];
    if (token?.kind !== 'word') return null;
    if (!token.quoted && token.text === 'character' && isWord('varying', skip + 1)) {
      next += skip + 2;
      return 'text';
    }
    const type = Object.prototype.hasOwnProperty.call(TYPES, token.text) ? TYPES[token.text] : undefined;
    if (type === undefined) return null;
    next += skip + 1;
    return type;
  };

  const primary = (): Expression => {
    const token = peek();
    if (token === undefined) throw refuse('a literal or a df call');
    const { at } = token;
    if (token.kind === 'string') {
      next++;
      return { kind: 'literal', type: 'unknown', text: token.value, at, height: 1 };
    }
    if (token.kind === 'number') {
      next++;
      return { kind: 'literal', type: numberType(token.text), text: token.text, at, height: 1 };
    }
    if (isMark('(')) {
      next++;
      const value = deeper(expression);
      expect(')');
      return value;
    }
    if (token.kind !== 'word') throw refuse('a literal or a df call');
    if (isWord('null')) {
      next++;
      return { kind: 'literal', type: 'unknown', text: null, at, height: 1 };
    }
    if (isWord('cast') && isMark('(', 1)) return castCall(at);
    if (token.text === 'df' && isMark('.', 1)) return call(at);
    const start = next;
    const type = typeName();
    const literal = peek();
    if (type !== null && literal?.kind === 'string') {
      next++;
      const value: Expression = { kind: 'literal', type: 'unknown', text: literal.value, at: literal.at, height: 1 };
      return { kind: 'cast', value, type, ...grow(at, value) };
    }
    next = start;
    throw syntax(
      `${shown(token)} is not part of the workflow language: df.explain evaluates literals, our operators and the df functions that compose, nothing else`,
      at,
    );
  };

  const castCall = (at: number): Expression => {
    next += 2;
    const value = deeper(expression);
    if (!isWord('as')) throw refuse('AS');
    next++;
    const type = typeName();
    if (type === null) throw refuse('a type such as text, bigint or interval');
    expect(')');
    return { kind: 'cast', value, type, ...grow(at, value) };
  };

  const call = (at: number): Expression => {
    const name = tokens[next + 2];
    if (name?.kind !== 'word' || !isMark('(', 3)) {
      next += 2;
      throw refuse('the name of a df function and its arguments');
    }
    next += 4;
    const args: Argument[] = [];
    if (!isMark(')')) {
      do {
        if (args.length > 0) next++;
        args.push(argument());
      } while (isMark(','));
    }
    expect(')');
    return { kind: 'call', name: name.text, args, ...grow(at, ...args.map((arg) => arg.value)) };
  };

  const argument = (): Argument => {
    const token = peek();
    const named = token?.kind === 'word' && (isMark('=>', 1) || isMark(':=', 1));
    if (named) next += 2;
    return { name: named ? token.text : null, value: deeper(expression) };
  };

  const whole = expression();
  if (isMark(';') && next === tokens.length - 1) next++;
  if (next < tokens.length) throw refuse('an operator or the end');
  return whole;
}

function shown(token: Token): string {
  return `'${excerpt(token.kind === 'string' ? token.value : token.text, 40)}'`;
}

function numberType(text: string): ValueType {
  if (!/^\d+$/.test(text)) return 'numeric';
  const value = BigInt(text);
  return value <= 2147483647n ? 'integer' : value <= 9223372036854775807n ? 'bigint' : 'numeric';
}
