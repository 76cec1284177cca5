/**
 * JSON text, read and written without ever turning a number into a JavaScript number.
 *
 * Results of steps stay JSON text inside the engine: `9223372036854775807` and `1.50` would not survive `JSON.parse`.
 * A *raw* value is the exact text of one JSON value with no white space around it; the functions here cut
 * raw values out of larger ones. They work on text that PostgreSQL wrote, in one pass and without recursion, so their
 * time is linear in the text and its nesting cannot exhaust the stack. On text that is not JSON they either
 * raise 22P02 or return pieces that are not JSON: what came from a user goes through `isJson` first.
 */
import { DurableError } from '../graph/errors.ts';

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'true' | 'false' | 'null';

/** A member of an object: its key, decoded, and its raw value. */
export type Member = [key: string, value: string];

/** jsonb takes 6,000 and 10,000 levels with PostgreSQL's default `max_stack_depth` of 2 MB; half of that is left to be safe. */
const MAX_DEPTH = 5000;
/** What numeric, and so jsonb, can hold: digits before and after the decimal point. */
const MAX_WHOLE_DIGITS = 131072;
const MAX_FRACTION_DIGITS = 16383;

const TAB = 9, NEWLINE = 10, RETURN = 13, SPACE = 32, QUOTE = 34, COMMA = 44, COLON = 58;
const ARRAY = 91, BACKSLASH = 92, ARRAY_END = 93, OBJECT = 123, OBJECT_END = 125;

function isSpace(code: number): boolean {
  return code === SPACE || code === NEWLINE || code === TAB || code === RETURN;
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function malformed(text: string, at: number): DurableError {
  const near = text.slice(Math.max(0, at - 20), at + 20);
  return new DurableError(`Malformed JSON at character ${at + 1}, near '${near}'`, { code: '22P02' });
}

/** The position behind the string whose opening quote is at `at`. */
function stringEnd(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = end;
    while (text.charCodeAt(slashes - 1) === BACKSLASH) slashes--;
    if ((end - slashes) % 2 === 0) return end + 1;
  }
  throw malformed(text, at);
}

/** The position behind the value that starts at `at`. Only the outline is checked: strings end, brackets balance. */
function valueEnd(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return stringEnd(text, at);
  if (first !== OBJECT && first !== ARRAY) {
    let end = at;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === COMMA || code === OBJECT_END || code === ARRAY_END || isSpace(code)) break;
    }
    if (end === at) throw malformed(text, at);
    return end;
  }
  let depth = 0;
  for (let i = at; i < text.length;) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = stringEnd(text, i);
      continue;
    }
    i++;
    if (code === OBJECT || code === ARRAY) depth++;
    else if ((code === OBJECT_END || code === ARRAY_END) && --depth === 0) return i;
  }
  throw malformed(text, at);
}

/** After an item of a list: the start of the next one, or -1 when the list closes with `close`. */
function nextItem(text: string, at: number, close: number): number {
  at = skipSpace(text, at);
  const code = text.charCodeAt(at);
  if (code === COMMA) return skipSpace(text, at + 1);
  if (code === close) return -1;
  throw malformed(text, at);
}

/** The position of the first item of the list that opens with `open`, or -1 for an empty one. */
function firstItem(text: string, open: number, close: number): number {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== open) throw malformed(text, at);
  at = skipSpace(text, at + 1);
  return text.charCodeAt(at) === close ? -1 : at;
}

/**
 * The members of an object, in the order of the text, duplicates included.
 * In: the text of a JSON object. Out: `[key, raw value]` pairs. Raises 22P02 if the text is not an object.
 */
export function members(text: string): Member[] {
  const found: Member[] = [];
  for (let at = firstItem(text, OBJECT, OBJECT_END); at !== -1;) {
    if (text.charCodeAt(at) !== QUOTE) throw malformed(text, at);
    const keyEnd = stringEnd(text, at);
    const key = parseString(text.slice(at, keyEnd));
    const colon = skipSpace(text, keyEnd);
    if (text.charCodeAt(colon) !== COLON) throw malformed(text, colon);
    const start = skipSpace(text, colon + 1);
    const end = valueEnd(text, start);
    found.push([key, text.slice(start, end)]);
    at = nextItem(text, end, OBJECT_END);
  }
  return found;
}

/** The elements of an array as raw values. In: the text of a JSON array. Raises 22P02 if the text is not an array. */
export function elements(text: string): string[] {
  const found: string[] = [];
  for (let at = firstItem(text, ARRAY, ARRAY_END); at !== -1;) {
    const end = valueEnd(text, at);
    found.push(text.slice(at, end));
    at = nextItem(text, end, ARRAY_END);
  }
  return found;
}

/** What a raw value is, told by its first character. White space in front is skipped. Raises 22P02 for what starts no JSON value. */
export function kind(raw: string): JsonKind {
  const at = skipSpace(raw, 0);
  const code = raw.charCodeAt(at);
  switch (code) {
    case OBJECT: return 'object';
    case ARRAY: return 'array';
    case QUOTE: return 'string';
    case 116: return 'true';
    case 102: return 'false';
    case 110: return 'null';
    default:
      if (code === 45 || isDigit(code)) return 'number';
      throw malformed(raw, at);
  }
}

/** The text that a raw JSON string stands for. Raises 22P02 if `raw` is not a string. */
export function parseString(raw: string): string {
  if (raw.length < 2 || raw.charCodeAt(0) !== QUOTE || raw.charCodeAt(raw.length - 1) !== QUOTE) throw malformed(raw, 0);
  if (raw.indexOf('\\') === -1) return raw.slice(1, -1);
  try {
    return JSON.parse(raw) as string;
  } catch {
    throw malformed(raw, 0);
  }
}

/**
 * Text as a JSON string that jsonb accepts. Raises 22P05 for U+0000 and for half of a surrogate pair, neither of
 * which PostgreSQL can store.
 */
export function quote(text: string): string {
  if (text.indexOf('\0') !== -1) {
    throw new DurableError('A text with the character U+0000 cannot be kept as JSON', {
      code: '22P05', hint: 'Remove the character, or encode the text, for example as base64.',
    });
  }
  const json = JSON.stringify(text);
  // JSON.stringify escapes lone surrogates; the second look tells them from a text that spells out such an escape.
  if (json.indexOf('\\ud') !== -1 && /[\ud800-\udfff]/u.test(text)) {
    throw new DurableError('A text with half of a surrogate pair cannot be kept as JSON', {
      code: '22P05', hint: 'Send the text as valid Unicode.',
    });
  }
  return json;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function digitsEnd(text: string, at: number): number {
  while (isDigit(text.charCodeAt(at))) at++;
  return at;
}

/** The position behind the number at `at`, or -1 if it breaks JSON's grammar or does not fit numeric. */
function numberEnd(text: string, at: number): number {
  const whole = text.charCodeAt(at) === 45 ? at + 1 : at;
  let end = digitsEnd(text, whole);
  if (end === whole || (text.charCodeAt(whole) === 48 && end > whole + 1)) return -1;
  const wholeDigits = end - whole;
  let fraction = '';
  if (text.charCodeAt(end) === 46) {
    const start = end + 1;
    end = digitsEnd(text, start);
    if (end === start) return -1;
    fraction = text.slice(start, end);
  }
  let exponent = 0;
  if ((text.charCodeAt(end) | 32) === 101) {
    let start = end + 1;
    const sign = text.charCodeAt(start);
    if (sign === 43 || sign === 45) start++;
    end = digitsEnd(text, start);
    if (end === start) return -1;
    exponent = Number(text.slice(start, end)) * (sign === 45 ? -1 : 1);
  }
  if (fraction.length - exponent > MAX_FRACTION_DIGITS || exponent > MAX_WHOLE_DIGITS + MAX_FRACTION_DIGITS) return -1;
  if (wholeDigits + exponent > MAX_WHOLE_DIGITS) {
    // Leading zeros do not count: 0.001e131074 fits.
    const zeros = /^0*/.exec(text.slice(whole, whole + wholeDigits) + fraction)![0].length;
    if (zeros < wholeDigits + fraction.length && wholeDigits + exponent - zeros > MAX_WHOLE_DIGITS) return -1;
  }
  return end;
}

/** The position behind the string at `at`, or -1 if jsonb would refuse it. */
function strictStringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i + 1;
    if (code < SPACE) return -1;
    if (code !== BACKSLASH) continue;
    const escaped = text[++i]!;
    if (escaped === 'u') {
      const unit = hexUnit(text, i + 1);
      if (unit <= 0) return -1;
      i += 4;
      if (unit >= 0xdc00 && unit <= 0xdfff) return -1;
      if (unit >= 0xd800 && unit <= 0xdbff) {
        const low = text.startsWith('\\u', i + 1) ? hexUnit(text, i + 3) : -1;
        if (low < 0xdc00 || low > 0xdfff) return -1;
        i += 6;
      }
    } else if (escaped === undefined || !'"\\/bfnrt'.includes(escaped)) {
      return -1;
    }
  }
  return -1;
}

function hexUnit(text: string, at: number): number {
  const digits = text.slice(at, at + 4);
  return /^[0-9A-Fa-f]{4}$/.test(digits) ? parseInt(digits, 16) : -1;
}

/** The position behind the string, number, true, false or null at `at`, or -1. */
function scalarEnd(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return strictStringEnd(text, at);
  if (code === 116) return text.startsWith('true', at) ? at + 4 : -1;
  if (code === 102) return text.startsWith('false', at) ? at + 5 : -1;
  if (code === 110) return text.startsWith('null', at) ? at + 4 : -1;
  return numberEnd(text, at);
}

/**
 * Whether `text` is one JSON value that a cast to jsonb accepts, white space around it allowed. That is JSON's grammar
 * without what jsonb refuses: the escape `\u0000`, half a surrogate pair, a number beyond numeric, and nesting
 * deeper than 5,000 levels. Linear time, no recursion.
 */
export function isJson(text: string): boolean {
  const open: number[] = [];
  let at = skipSpace(text, 0);
  for (;;) {
    // A value starts here.
    const code = text.charCodeAt(at);
    if (code === OBJECT || code === ARRAY) {
      if (open.length === MAX_DEPTH) return false;
      at = skipSpace(text, at + 1);
      if (text.charCodeAt(at) === code + 2) {
        at++;
      } else {
        open.push(code);
        if (code === OBJECT && (at = keyEnd(text, at)) === -1) return false;
        continue;
      }
    } else if ((at = scalarEnd(text, at)) === -1) {
      return false;
    }
    // A value ended here: close what closes, until a comma asks for another one.
    for (;;) {
      at = skipSpace(text, at);
      const holder = open[open.length - 1];
      if (holder === undefined) return at === text.length;
      const next = text.charCodeAt(at);
      if (next === COMMA) {
        at = skipSpace(text, at + 1);
        if (holder === OBJECT && (at = keyEnd(text, at)) === -1) return false;
        break;
      }
      if (next !== holder + 2) return false;
      open.pop();
      at++;
    }
  }
}

/** The start of the value that belongs to the key at `at`, or -1 if there is no key with a colon. */
function keyEnd(text: string, at: number): number {
  if (text.charCodeAt(at) !== QUOTE) return -1;
  const end = strictStringEnd(text, at);
  if (end === -1) return -1;
  const colon = skipSpace(text, end);
  return text.charCodeAt(colon) === COLON ? skipSpace(text, colon + 1) : -1;
}
