/**
 * What the engine holds in memory of one workflow instance while it moves it.
 *
 * A `Run` is the instance: what was fixed at its start (program, node ids, variables), the branches that are loaded,
 * and the changes that are not written yet. A `Branch` is one thread of control. A branch is named by its path: the
 * root is `''`, the child in slot s of the f-th fork of branch p is `p.f.s`, so that a fork in a later round of a
 * loop never meets a name of an earlier one.
 */
import type { NodeType, Program } from '../graph/types.ts';

export type Phase =
  | 'start'     // not entered yet
  | 'ready'     // at a SQL step whose node is not yet marked running
  | 'running'   // at a SQL step whose node is marked running
  | 'sleep'
  | 'schedule'
  | 'signal'
  | 'pause'     // between two rounds of a loop
  | 'external'  // at a SQL step that needs a connection of its own: autocommit, another database
  | 'http'      // at a request that the worker makes
  | 'fork'      // waits for its child branches
  | 'done';     // finished, waits for its siblings

/** How a node ended. `text` is the result as JSON text, or, of a failure, the message. */
export type Outcome =
  | { readonly kind: 'ok'; readonly text: string; readonly details?: Details }
  | { readonly kind: 'break'; readonly text: string }
  | { readonly kind: 'failed'; readonly text: string; readonly details?: Details };

/** What an operator wants to know of a step (semantics §3), kept in the node's `status_details` beside the stamp. */
export interface Details {
  /** Says of a step whose effects and checkpoint are not one transaction that it may run more than once. */
  readonly delivery?: 'at-least-once';
  readonly sqlstate?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly context?: string;
  readonly statement?: string;
}

/** A loop that the branch is inside of. */
export interface Frame {
  readonly pc: number;
  /** 1 in the first round. */
  generation: number;
  /** When this round began, ms since the epoch. */
  began: number;
  /** The body's result while the condition runs. */
  last?: string;
}

export interface Branch {
  readonly key: string;
  /** Index of the branch's root node in the program. */
  readonly root: number;
  /** Scope of the stamps, without a generation (semantics §5). */
  readonly scope: string;
  pc: number;
  phase: Phase;
  frames: Frame[];
  /** How many forks this branch has made. */
  forks: number;
  /** When it may go on, ms since the epoch; Infinity is never by itself, null is not by itself. */
  due: number | null;
  /** Name of the signal it waits for. */
  waiting: string | null;
  /** When that wait gives up, ms since the epoch, or null. `due` can be earlier: a signal may have come. */
  expires: number | null;
  outcome: Outcome | null;
  /** Failed tries of the present step that are worth repeating. */
  attempts: number;
  /** Version of the stored row that this state came from; 0 for a branch that is not stored yet. */
  seq: number;
  /** Where the row was when it was locked (its ctid), or null for one that is not locked. */
  address: string | null;
  state: 'clean' | 'dirty' | 'new' | 'gone';
}

export type NodeStatus = 'pending' | 'running' | 'completed' | 'failed';

export interface NodeWrite {
  readonly status: NodeStatus;
  /** JSON text; null clears the result. */
  readonly result: string | null;
  readonly error: string | null;
  readonly stamp: string;
  readonly details: Details | undefined;
}

export type InstanceStatus = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';

export interface Run {
  readonly id: string;
  readonly program: Program;
  /** The node ids in program order, eight characters each. */
  readonly nodeIds: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly label: string | null;
  /** The database its steps work in, or null for this one. */
  readonly database: string | null;
  status: InstanceStatus;
  /** The status is changed and must be written. */
  statusChanged: boolean;
  /** Where the instance's row was when it was locked (its ctid), or null while it is not. */
  address: string | null;
  /** The text behind a failed or cancelled instance. */
  output: string | null;
  branches: Map<string, Branch>;
  /** Every branch is in `branches`, and the instance is locked. */
  whole: boolean;
  nodes: Map<number, NodeWrite>;
  /** Named results by branch, loaded when asked for. */
  names: Map<string, Map<string, string>>;
  /** Name changes to write, in order: value null forgets all names of the branch. */
  nameWrites: { branch: string; name: string; value: string | null }[];
  /** Rounds of a root loop that ended since the run was loaded. */
  rounds: { generation: number; began: number; ended: number; result: string }[];
}

/** Node types whose result may carry a name; on the others it is accepted and ignored (semantics §6). */
const NAMED: ReadonlySet<NodeType> = new Set<NodeType>([
  'SQL', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL', 'THEN', 'IF', 'JOIN', 'RACE', 'LOOP',
]);

/** The id of the node at `pc`. */
export function nodeId(run: Run, pc: number): string {
  return run.nodeIds.slice(pc * 8, pc * 8 + 8);
}

/** The name under which the result of the node at `pc` is kept, or null. */
export function resultName(run: Run, pc: number): string | null {
  const node = run.program.nodes[pc]!;
  return node.name !== null && NAMED.has(node.type) ? node.name : null;
}

/** The path of the parent branch, or null for the root branch. */
export function parentKey(key: string): string | null {
  if (key === '') return null;
  return key.slice(0, key.lastIndexOf('.', key.lastIndexOf('.') - 1));
}

/** The path of the child in `slot` of the present fork of `branch`. */
export function childKey(branch: Branch, slot: number): string {
  return `${branch.key}.${branch.forks}.${slot}`;
}

/** Scope and generation in which `branch` now runs. */
export function position(run: Run, branch: Branch): { scope: string; generation: number } {
  let scope = branch.scope;
  let generation = 1;
  for (const frame of branch.frames) {
    if (frame.pc !== branch.root) scope = `${scope}::${generation}::${nodeId(run, frame.pc)}`;
    generation = frame.generation;
  }
  return { scope, generation };
}

/** A fresh branch at `root` that has not been entered. */
export function newBranch(key: string, root: number, scope: string, due: number): Branch {
  return {
    key, root, scope, pc: root, phase: 'start', frames: [], forks: 0, due, waiting: null, expires: null, outcome: null,
    attempts: 0, seq: 0, address: null, state: 'new',
  };
}
