import { DurableError } from '../../graph/errors.ts';

/** A token of PostgreSQL's SQL. `at` is the offset of its first character. */
export type Token =
  | { readonly kind: 'string'; readonly value: string; readonly at: number }
  | { readonly kind: 'number'; readonly text: string; readonly at: number }
  /** `text` is folded to lower case unless it stood in double quotes. */
  | { readonly kind: 'word'; readonly text: string; readonly quoted: boolean; readonly at: number }
  | { readonly kind: 'operator'; readonly text: string; readonly at: number }
  /** `( ) [ ] , ; . : :: := =>`, `$1`, and single characters that SQL has no use for. */
  | { readonly kind: 'mark'; readonly text: string; readonly at: number };

const OPERATOR_RUN = /[-+*/<>=~!@#%^&|`?]+/y;
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const NUMBER = /(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const PARAMETER = /\$\d+/y;
const REST_OF_LINE = /[^\n\r]*/y;
const SPACE = /[ \t\n\r\f\v]+/y;
/** A literal goes on in another one behind white space that holds a line break. */
const CONTINUATION = /[ \t\f\v]*[\n\r][ \t\n\r\f\v]*'/y;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/**
 * Cuts SQL into tokens the way PostgreSQL does with standard_conforming_strings on; comments are left out.
 *
 * @throws DurableError (42601) for a literal, comment or name without an end, and for a bad escape.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const space = match(SPACE, text, at);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    if (text.startsWith('--', at)) {
      at += (match(REST_OF_LINE, text, at) as string).length;
      continue;
    }
    if (text.startsWith('/*', at)) {
      at = commentEnd(text, at);
      continue;
    }
    const start = at;
    const char = text[at] as string;
    const next = text[at + 1];
    if (char === "'") {
      const { value, end } = plainString(text, at);
      tokens.push({ kind: 'string', value, at: start });
      at = end;
    } else if ((char === 'e' || char === 'E') && next === "'") {
      const { value, end } = escapeString(text, at + 1);
      tokens.push({ kind: 'string', value, at: start });
      at = end;
    } else if (char === '$') {
      const tag = match(DOLLAR_TAG, text, at);
      if (tag === undefined) {
        const parameter = match(PARAMETER, text, at) ?? char;
        tokens.push({ kind: 'mark', text: parameter, at: start });
        at += parameter.length;
        continue;
      }
      const end = text.indexOf(tag, at + tag.length);
      if (end < 0) throw unterminated(`the ${tag} quoted string`, at);
      tokens.push({ kind: 'string', value: text.slice(at + tag.length, end), at: start });
      at = end + tag.length;
    } else if (char === '"') {
      const end = closing(text, at, '"');
      tokens.push({ kind: 'word', text: text.slice(at + 1, end).replace(/""/g, '"'), quoted: true, at: start });
      at = end + 1;
    } else {
      at = plainToken(text, at, tokens);
    }
  }
  return tokens;
}

function plainToken(text: string, at: number, tokens: Token[]): number {
  const word = match(WORD, text, at);
  if (word !== undefined) {
    tokens.push({ kind: 'word', text: word.replace(/[A-Z]/g, (letter) => letter.toLowerCase()), quoted: false, at });
    return at + word.length;
  }
  const number = match(NUMBER, text, at);
  if (number !== undefined) {
    tokens.push({ kind: 'number', text: number, at });
    return at + number.length;
  }
  const run = match(OPERATOR_RUN, text, at);
  if (run !== undefined) {
    const operator = operatorIn(run);
    tokens.push({ kind: operator === '=>' ? 'mark' : 'operator', text: operator, at });
    return at + operator.length;
  }
  const two = text.slice(at, at + 2);
  const mark = two === '::' || two === ':=' ? two : (text[at] as string);
  tokens.push({ kind: 'mark', text: mark, at });
  return at + mark.length;
}

/** The operator at the head of a run of operator characters: a comment ends it, and it ends in `+` or `-` only if it holds one of `~!@#%^&|?` or a backtick. */
function operatorIn(run: string): string {
  const comment = run.search(/--|\/\*/);
  let operator = comment > 0 ? run.slice(0, comment) : run;
  if (!/[~!@#%^&|`?]/.test(operator)) {
    while (operator.length > 1 && /[-+]$/.test(operator)) operator = operator.slice(0, -1);
  }
  return operator;
}

function commentEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      depth++;
      at += 2;
    } else if (text.startsWith('*/', at)) {
      depth--;
      at += 2;
      if (depth === 0) return at;
    } else {
      at++;
    }
  }
  throw unterminated('the comment', start);
}

/** The offset of the quote that ends what the quote at `start` begins; a doubled one stands for itself. */
function closing(text: string, start: number, quote: string): number {
  let at = start + 1;
  for (;;) {
    const end = text.indexOf(quote, at);
    if (end < 0) throw unterminated(quote === '"' ? 'the quoted name' : 'the string', start);
    if (text[end + 1] !== quote) return end;
    at = end + 2;
  }
}

function plainString(text: string, start: number): { value: string; end: number } {
  const end = closing(text, start, "'");
  const value = text.slice(start + 1, end).replace(/''/g, "'");
  return continued(text, value, end + 1, plainString);
}

function continued(
  text: string,
  value: string,
  end: number,
  read: (text: string, start: number) => { value: string; end: number },
): { value: string; end: number } {
  const gap = match(CONTINUATION, text, end);
  if (gap === undefined) return { value, end };
  const more = read(text, end + gap.length - 1);
  return { value: value + more.value, end: more.end };
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function escapeString(text: string, start: number): { value: string; end: number } {
  let value = '';
  let at = start + 1;
  for (;;) {
    const char = text[at];
    if (char === undefined) throw unterminated('the string', start);
    if (char === "'") {
      if (text[at + 1] !== "'") return continued(text, value, at + 1, escapeString);
      value += "'";
      at += 2;
    } else if (char === '\\') {
      const escape = /^\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(text.slice(at, at + 10));
      if (escape === null) {
        const letter = text[at + 1];
        if (letter === undefined) throw unterminated('the string', start);
        if (letter === 'u' || letter === 'U') throw syntax(`invalid Unicode escape; write \\uXXXX or \\UXXXXXXXX`, at);
        value += ESCAPES[letter] ?? letter;
        at += 2;
      } else {
        value += escaped(escape, at);
        at += escape[0].length;
      }
    } else {
      value += char;
      at++;
    }
  }
}

function escaped(escape: RegExpExecArray, at: number): string {
  const [, octal, hex, four, eight] = escape;
  if (octal !== undefined || hex !== undefined) {
    const byte = octal !== undefined ? parseInt(octal, 8) : parseInt(hex as string, 16);
    if (byte === 0 || byte > 0x7f) throw syntax('byte escapes stand for ASCII only here; write \\uXXXX or the character itself', at);
    return String.fromCharCode(byte);
  }
  const point = parseInt((four ?? eight) as string, 16);
  if (point === 0 || point > 0x10ffff) throw syntax('invalid Unicode escape value', at);
  return String.fromCodePoint(point);
}

function unterminated(what: string, at: number): DurableError {
  return syntax(`${what} has no end; close it`, at);
}

/** A syntax error, naming the place as the position of a character counted from 1. */
export function syntax(reason: string, at: number): DurableError {
  return new DurableError(`${reason} (at character ${at + 1})`, { code: '42601' });
}
