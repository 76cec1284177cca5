import { decode, isNodeType } from './decode.ts';
import { DurableError } from './errors.ts';
import { opensObject, parseObject, quote } from './json.ts';
import { pathOf } from './path.ts';
import { printGraph } from './print.ts';

/**
 * Futures that this session composed itself, so that handing one to the next composer costs a look-up instead of
 * a parse: of a chain of n steps each step would otherwise be parsed n times. The value is where `!>` inserts the
 * else branch if the text is the outcome of `?>`, else 0. Bounded in entries and characters; the oldest goes first.
 */
const known = new Map<string, number>();
let knownLength = 0;
const MOST_ENTRIES = 512;
const MOST_LENGTH = 1 << 20;

/** Marks `text` as a well-formed canonical future and returns it. */
export function remember(text: string, elseAt = 0): string {
  if (text.length > MOST_LENGTH / 4 || known.has(text)) return text;
  known.set(text, elseAt);
  knownLength += text.length;
  while (known.size > MOST_ENTRIES || knownLength > MOST_LENGTH) {
    const oldest = known.keys().next().value as string;
    known.delete(oldest);
    knownLength -= oldest.length;
  }
  return text;
}

/** Where the else branch of a remembered `?>` goes, 0 for any other remembered future, undefined if it is not remembered. */
export function elsePosition(text: string): number | undefined {
  return known.get(text);
}

/** How much the memory holds: entries and characters. */
export function remembered(): { entries: number; length: number } {
  return { entries: known.size, length: knownLength };
}

/** A SQL step; never looks at the text (`df.sql`). */
export function sql(query: string): string {
  return remember(`{"node_type":"SQL","query":${quote(query)}}`);
}

/**
 * A text argument of a composer as a canonical future (surface §2, "Auto-wrap"): JSON with a known `node_type` is
 * re-printed; anything else, an unknown `node_type` included, becomes a SQL step that holds the text verbatim.
 *
 * @throws DurableError `Invalid Durofut JSON: <path>: …` for JSON with a string `node_type` and malformed children.
 */
export function wrap(text: string): string {
  if (!opensObject(text)) return sql(text);
  if (known.has(text)) return text;
  const value = parseObject(text);
  if (value === null || typeof value.node_type !== 'string') return sql(text);
  const graph = decode(
    value,
    (place, reason) =>
      new DurableError(`Invalid Durofut JSON: ${pathOf(place)}: ${reason}`, {
        hint: 'Build the graph with the df functions, or use df.sql() if the text is meant as SQL.',
      }),
  );
  return isNodeType(graph.node_type) ? remember(printGraph(graph)) : sql(text);
}
