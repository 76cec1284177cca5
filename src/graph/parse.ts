import { decode, isNodeType, unknownType } from './decode.ts';
import { DurableError } from './errors.ts';
import { opensObject, parseObject } from './json.ts';
import { ROOT, graphError } from './path.ts';
import type { Graph } from './types.ts';

/**
 * Reads a future as `df.start` and `df.explain` do: strictly (surface §2). JSON with a `node_type` must be a graph;
 * any other text is one SQL step. The outcome still has to pass `validateGraph`.
 *
 * @throws DurableError `Invalid durable function: …` for an empty text, `Invalid durable function graph: <path>: …` for
 *   an unknown `node_type` at the root (`Unknown node_type '<x>'`) and for children that are not objects.
 */
export function parseGraph(text: string): Graph {
  if (text.trim() === '') {
    throw new DurableError('Invalid durable function: the text is empty; pass one SQL statement or what a df function returned');
  }
  return parseGraphJson(text) ?? { node_type: 'SQL', query: text };
}

/** The strict reading of a graph in JSON; null if the text is no JSON object with a `node_type`. Raises what `parseGraph` raises. */
export function parseGraphJson(text: string): Graph | null {
  if (!opensObject(text)) return null;
  const value = parseObject(text);
  if (value === null || value.node_type === undefined) return null;
  if (!isNodeType(value.node_type)) throw graphError(ROOT, unknownType(value.node_type));
  return decode(value, (place, reason) => graphError(place, `Invalid Durofut JSON: ${reason}`));
}
