import { isNodeType, unknownType } from './decode.ts';
import { nameProblem } from './name.ts';
import { ROOT, graphError, type Place } from './path.ts';
import { queryProblem } from './queries.ts';
import type { Graph, NodeType } from './types.ts';

/** The root has depth 0. */
const MOST_DEPTH = 256;
const MOST_NODES = 10_000;

/** What the children of each type are for; a child that is not listed is not valid there. */
const CHILDREN: Readonly<Record<NodeType, { left?: string; right?: string; condition?: true; extras?: true }>> = {
  SQL: {},
  THEN: { left: 'the first step', right: 'the second step' },
  IF: { left: 'the then branch', right: 'the else branch', condition: true },
  JOIN: { left: 'the first branch', right: 'the second branch', extras: true },
  LOOP: { left: 'the body', condition: true },
  BREAK: {},
  RACE: { left: 'the first branch', right: 'the second branch' },
  SLEEP: {},
  WAIT_SCHEDULE: {},
  HTTP: {},
  HTTP_MULTIPART: {},
  SIGNAL: {},
};

/** Half of a surrogate pair on its own, and U+0000: neither can be stored as PostgreSQL text. */
const UNSTORABLE = /[\u0000\u{d800}-\u{dfff}]/u;

export interface ValidateOptions {
  /** Raises an error for a bad cron expression: the engine's check, passed in because graphs know nothing of the engine. */
  readonly validateCron?: (expr: string) => void;
}

interface Work {
  readonly graph: Graph;
  readonly place: Place;
  readonly depth: number;
}

/**
 * Checks everything that can be known of a graph before it runs (surface §2, "Validation"). Preorder, through a list
 * rather than by recursion, linear in the size of the graph.
 *
 * @throws DurableError `Invalid durable function graph: <path>: …` for the first node at fault.
 */
export function validateGraph(root: Graph, options: ValidateOptions = {}): void {
  let count = 0;
  const rest: Work[] = [{ graph: root, place: ROOT, depth: 0 }];
  for (let work = rest.pop(); work !== undefined; work = rest.pop()) {
    const { graph, place, depth } = work;
    if (depth > MOST_DEPTH) {
      throw graphError(place, `the graph exceeds the maximum nesting depth of ${MOST_DEPTH}`, 'Start parts of the work as instances of their own, or nest steps as a balanced tree: a ~> b ~> c nests one level per step, and parentheses can split it.');
    }
    if (++count > MOST_NODES) {
      throw graphError(place, `the graph exceeds the maximum node count of ${MOST_NODES}`, 'Start parts of the work as instances of their own, or use a loop.');
    }
    checkNode(graph, place, options);
    const below = depth + 1;
    const { left_node, right_node, condition_node, extra_nodes } = graph;
    if (extra_nodes !== undefined) {
      for (let i = extra_nodes.length - 1; i >= 0; i--) {
        rest.push({ graph: extra_nodes[i] as Graph, place: { parent: place, step: `extra_nodes[${i}]` }, depth: below });
      }
    }
    if (condition_node !== undefined) rest.push({ graph: condition_node, place: { parent: place, step: 'condition_node' }, depth: below });
    if (right_node !== undefined) rest.push({ graph: right_node, place: { parent: place, step: 'right' }, depth: below });
    if (left_node !== undefined) rest.push({ graph: left_node, place: { parent: place, step: 'left' }, depth: below });
  }
}

function checkNode(graph: Graph, place: Place, options: ValidateOptions): void {
  const type = graph.node_type;
  if (!isNodeType(type)) throw graphError(place, unknownType(type));
  const may = CHILDREN[type];
  if (graph.condition_node !== undefined && may.condition === undefined) {
    throw graphError(place, `condition_node is not valid for ${type}; only IF and LOOP have a condition`);
  }
  if (graph.extra_nodes !== undefined && may.extras === undefined) {
    throw graphError(place, `extra_nodes is not valid for ${type}; only JOIN has further branches`);
  }
  checkChild(graph.left_node, may.left, 'left_node', type, place);
  if (type === 'IF' && graph.right_node === undefined) {
    throw graphError(place, 'right_node is missing in IF; it is the else branch', "Complete 'condition' ?> 'then' with !> 'else', or use df.if().");
  }
  checkChild(graph.right_node, may.right, 'right_node', type, place);
  if (graph.result_name !== undefined) {
    const problem = nameProblem(graph.result_name);
    if (problem !== null) throw graphError(place, problem);
  }
  if (graph.query !== undefined && UNSTORABLE.test(graph.query)) {
    throw graphError(place, `query in ${type} holds U+0000 or half of a surrogate pair, which PostgreSQL text cannot hold; remove it`);
  }
  const problem = queryProblem(graph, options.validateCron);
  if (problem !== null) throw graphError(place, problem);
}

function checkChild(child: Graph | undefined, role: string | undefined, key: string, type: NodeType, place: Place): void {
  if (role === undefined) {
    if (child !== undefined) throw graphError(place, `${key} is not valid for ${type}; remove it`);
  } else if (child === undefined) {
    throw graphError(place, `${key} is missing in ${type}; it is ${role}`);
  }
}
