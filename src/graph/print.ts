import { quote } from './json.ts';
import type { Graph } from './types.ts';

/**
 * The text form of a graph: compact JSON, keys in the order of `Graph`, absent ones omitted (surface §2).
 * The same graph always gives the same text. Works through a list, not by recursion.
 */
export function printGraph(root: Graph): string {
  let out = '';
  const rest: (Graph | string)[] = [root];
  for (let item = rest.pop(); item !== undefined; item = rest.pop()) {
    if (typeof item === 'string') {
      out += item;
      continue;
    }
    const { left_node, right_node, condition_node, extra_nodes, query, result_name } = item;
    out += `{"node_type":${quote(item.node_type)}`;
    // What comes last is pushed first.
    let tail = query === undefined ? '' : `,"query":${quote(query)}`;
    if (result_name !== undefined) tail += `,"result_name":${quote(result_name)}`;
    rest.push(`${tail}}`);
    if (extra_nodes !== undefined && extra_nodes.length > 0) {
      rest.push(']');
      for (let i = extra_nodes.length - 1; i >= 0; i--) {
        rest.push(extra_nodes[i] as Graph);
        if (i > 0) rest.push(',');
      }
      rest.push(',"extra_nodes":[');
    }
    if (condition_node !== undefined) rest.push(condition_node, ',"condition_node":');
    if (right_node !== undefined) rest.push(right_node, ',"right_node":');
    if (left_node !== undefined) rest.push(left_node, ',"left_node":');
  }
  return out;
}
