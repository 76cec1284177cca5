import { describe, isObject } from './json.ts';
import { ROOT, type Place } from './path.ts';
import { NODE_TYPES, type Graph, type NodeType } from './types.ts';

const KNOWN: ReadonlySet<string> = new Set(NODE_TYPES);

/** Whether `text` names one of the twelve node types. */
export function isNodeType(text: unknown): text is NodeType {
  return typeof text === 'string' && KNOWN.has(text);
}

/** `Unknown node_type '…'` with the types that there are (surface §2). */
export function unknownType(value: unknown): string {
  const shown = typeof value === 'string' ? value : describe(value);
  return `Unknown node_type '${shown}'; use one of ${NODE_TYPES.join(', ')}`;
}

interface Work {
  readonly value: Record<string, unknown>;
  readonly graph: Graph;
  readonly place: Place;
}

/**
 * Turns a parsed JSON object into a `Graph`: picks the seven known keys, takes null for absent, ignores other keys.
 * Says nothing about meaning: a nested unknown `node_type` and fields at the wrong type pass, for `validateGraph` to name.
 * Works through a list rather than by recursion, since the nesting of the text is its author's choice.
 *
 * @param malformed makes the error for a place whose JSON has the wrong shape.
 */
export function decode(root: Record<string, unknown>, malformed: (place: Place, reason: string) => Error): Graph {
  const begin = (value: Record<string, unknown>, place: Place): Work => {
    const type = value.node_type;
    if (typeof type !== 'string') {
      throw malformed(place, type === undefined ? `node_type is missing; use one of ${NODE_TYPES.join(', ')}` : unknownType(type));
    }
    const work = { value, graph: { node_type: type as NodeType }, place };
    pending.push(work);
    return work;
  };
  const pending: Work[] = [];
  const first = begin(root, ROOT);
  for (let work = pending.pop(); work !== undefined; work = pending.pop()) {
    const { value, graph, place } = work;
    const left = value.left_node;
    if (left !== undefined && left !== null) {
      const at = { parent: place, step: 'left' };
      if (!isObject(left)) throw malformed(at, `Durofut children must be JSON objects, and left_node is ${describe(left)}`);
      graph.left_node = begin(left, at).graph;
    }
    const right = value.right_node;
    if (right !== undefined && right !== null) {
      const at = { parent: place, step: 'right' };
      if (!isObject(right)) throw malformed(at, `Durofut children must be JSON objects, and right_node is ${describe(right)}`);
      graph.right_node = begin(right, at).graph;
    }
    const condition = value.condition_node;
    if (condition !== undefined && condition !== null) {
      if (!isObject(condition)) throw malformed(place, `condition_node must be a Durofut JSON object, not ${describe(condition)}`);
      graph.condition_node = begin(condition, { parent: place, step: 'condition_node' }).graph;
    }
    const extras = value.extra_nodes;
    if (extras !== undefined && extras !== null) {
      if (!Array.isArray(extras)) {
        throw malformed(place, `extra_nodes entries must be Durofut JSON objects in an array, and extra_nodes is ${describe(extras)}`);
      }
      if (extras.length > 0) {
        graph.extra_nodes = extras.map((extra: unknown, i) => {
          if (!isObject(extra)) throw malformed(place, `extra_nodes entries must be Durofut JSON objects, and entry ${i} is ${describe(extra)}`);
          return begin(extra, { parent: place, step: `extra_nodes[${i}]` }).graph;
        });
      }
    }
    const query = value.query;
    if (query !== undefined && query !== null) {
      if (typeof query !== 'string') throw malformed(place, `query must be a string, not ${describe(query)}; put it in double quotes`);
      graph.query = query;
    }
    const name = value.result_name;
    if (name !== undefined && name !== null) {
      if (typeof name !== 'string') throw malformed(place, `result_name must be a string, not ${describe(name)}`);
      graph.result_name = name;
    }
  }
  return first.graph;
}
