/**
 * The shapes in which a workflow graph travels.
 *
 * | shape     | where                                   | form                                          |
 * |-----------|-----------------------------------------|-----------------------------------------------|
 * | text      | what DSL functions pass around          | compact JSON, keys in the order of `Graph`    |
 * | `Graph`   | the same, parsed                        | nested objects                                |
 * | `Program` | what the engine walks                   | an array in preorder, children by index       |
 * | rows      | `df.nodes`                              | one row per node, children by 8-hex id        |
 */
export const NODE_TYPES = [
  'SQL', 'THEN', 'IF', 'JOIN', 'LOOP', 'BREAK', 'RACE', 'SLEEP', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL',
] as const;

export type NodeType = (typeof NODE_TYPES)[number];

/** Its members are in the order in which the text form has them (surface §2). */
export interface Graph {
  node_type: NodeType;
  left_node?: Graph;
  right_node?: Graph;
  condition_node?: Graph;
  extra_nodes?: Graph[];
  query?: string;
  result_name?: string;
}

/** No such child. */
export const NONE = -1;

/** One node of a `Program`. Children and parent are indexes into `Program.nodes`, or NONE. */
export interface ProgramNode {
  readonly type: NodeType;
  readonly parent: number;
  readonly left: number;
  readonly right: number;
  readonly condition: number;
  readonly extras: readonly number[];
  /** The node's own query, without the child ids that the stored form merges into it. */
  readonly query: string | null;
  readonly name: string | null;
}

/**
 * A validated graph in preorder: a node before its children, the children in the order left, right, condition,
 * extras. Index 0 is the root. The order is part of the stored engine state: it never changes.
 */
export interface Program {
  readonly nodes: readonly ProgramNode[];
}
