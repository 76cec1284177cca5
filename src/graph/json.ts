/** Whether a parsed JSON value is an object, neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON string literal. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

/** A JSON value as error messages name it, short however large the value is: `the number 5`, `an array`. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `the ${typeof value} ${excerpt(typeof value === 'string' ? quote(value) : String(value), 60)}`;
}

/** The first `length` characters (code points), with `…` behind them if there were more. */
export function excerpt(text: string, length: number): string {
  if (text.length <= length) return text;
  // A code point takes one or two units, so twice as many units hold enough of them.
  const points = Array.from(text.slice(0, 2 * length + 1));
  return points.length <= length ? points.join('') : `${points.slice(0, length).join('')}…`;
}

/** Parses JSON. Returns undefined for text that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Parses an object. Returns null for text that is not JSON or whose value is not an object. */
export function parseObject(text: string): Record<string, unknown> | null {
  const value = parseJson(text);
  return isObject(value) ? value : null;
}

/** Whether text can only be JSON if it is an object: its first character that is not JSON white space is `{`. */
export function opensObject(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0b && code !== 0x0c)) continue;
    return code === 0x7b;
  }
  return false;
}

/** The same JSON without the white space between its tokens. Takes valid JSON; digits and strings stay untouched. */
export function compact(json: string): string {
  let out = '';
  let from = 0;
  let inString = false;
  // A loop rather than a regular expression, which would keep a state per character of a long string.
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) {
      inString = true;
    } else if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      out += json.slice(from, i);
      from = i + 1;
    }
  }
  return out + json.slice(from);
}
