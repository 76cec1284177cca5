/** What counts as true in the condition of an IF or a LOOP (semantics §4). */
import { firstOf, table } from './rows.ts';
import { elements, kind, members, parseString } from './rawjson.ts';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * Whether a result counts as true. In: the result's JSON text.
 *
 * A result with rows counts by the first column of its first row, no rows (or a row without columns) being false; any
 * other result counts as a whole:
 *
 * | value            | true when                                                                          |
 * |------------------|------------------------------------------------------------------------------------|
 * | boolean          | true                                                                               |
 * | number           | not zero, however small                                                            |
 * | string, trimmed  | not empty and not `false`, `f` or `no` in any case; one that is a number, not zero |
 * | array, object    | not empty                                                                          |
 * | null             | never                                                                              |
 */
export function truth(result: string): boolean {
  const found = table(result);
  if (found === undefined) return truthOf(result.trim());
  const cell = firstOf(found);
  return cell !== undefined && truthOf(cell);
}

function truthOf(raw: string): boolean {
  switch (kind(raw)) {
    case 'true': return true;
    case 'false': case 'null': return false;
    case 'number': return isNotZero(raw);
    case 'array': return elements(raw).length > 0;
    case 'object': return members(raw).length > 0;
    case 'string': {
      const text = parseString(raw).trim();
      if (NUMBER.test(text)) return isNotZero(text);
      return !/^(?:false|f|no)?$/i.test(text);
    }
  }
}

/** On the digits, since a JavaScript number would make zero of 1e-400. */
function isNotZero(decimal: string): boolean {
  return /[1-9]/.test(decimal.split(/e/i, 1)[0]!);
}
