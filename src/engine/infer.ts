/**
 * Inferred status (semantics §5): what a node's stored status means now, given the stamps of all nodes.
 *
 * | stored status and stamp         | a terminal ancestor that is not superseded | otherwise                              |
 * |---------------------------------|--------------------------------------------|----------------------------------------|
 * | terminal, not superseded        | as stored                                  | as stored                              |
 * | terminal, superseded            | `skipped`, naming the nearest one          | `pending`, naming the one that moved on |
 * | running                         | `skipped`, naming the nearest one          | `running`                              |
 * | pending                         | `skipped`, naming the nearest one          | `pending`                              |
 *
 * A node is superseded when one of the scopes in its stamp has been stamped, by any node, with a higher generation.
 */
import { NONE } from '../graph/types.ts';
import type { Program } from '../graph/types.ts';
import { parseStamp } from './scope.ts';

export type StoredStatus = 'pending' | 'running' | 'completed' | 'failed';
export type InferredStatus = StoredStatus | 'skipped';

export interface NodeState {
  readonly status: StoredStatus;
  /** The stamp, `status_details->>'execution_id'`; null for a node that was never moved. */
  readonly executionId: string | null;
}

export interface Inferred {
  readonly inferred: InferredStatus;
  /** Index of the node whose state explains this one, or NONE. */
  readonly ancestor: number;
}

/** One scope, the highest generation that it has been stamped with, and the scopes inside it. */
interface Scope {
  highest: number;
  /** The scope's place: 0 for the root, else one more than its parent's. */
  readonly level: number;
  /** By `<generation of this scope>::<id>`. */
  readonly inner: Map<string, Scope>;
}

/** A stamp resolved: per level the scope and the generation that the stamp embeds. */
interface Position {
  readonly scope: Scope;
  readonly generation: number;
  readonly outer: Position | null;
}

/**
 * The inferred status of every node.
 * In: a program, and the stored state of each of its nodes by index. Out: one entry per index. A stamp that cannot be
 * parsed never makes a node superseded. Time is linear in the nodes and the length of their stamps, times the depth of
 * scopes for the terminal ones. Raises RangeError when the two lengths differ.
 */
export function infer(program: Program, states: readonly NodeState[]): Inferred[] {
  const { nodes } = program;
  if (states.length !== nodes.length) throw new RangeError(`${states.length} states for ${nodes.length} nodes`);
  const positions = locate(states);
  const owners = scopeOwners(program);
  const out: Inferred[] = [];
  // Per node: the nearest terminal node that is not superseded, the node itself included.
  const terminal: number[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const { status } = states[i]!;
    const above = nodes[i]!.parent === NONE ? NONE : terminal[nodes[i]!.parent]!;
    const ended = status === 'completed' || status === 'failed';
    const movedOn = ended ? supersededBy(positions[i]!) : null;
    terminal[i] = ended && movedOn === null ? i : above;
    if (terminal[i] === i) out.push({ inferred: status, ancestor: NONE });
    else if (above !== NONE) out.push({ inferred: 'skipped', ancestor: above });
    else if (movedOn !== null) out.push({ inferred: 'pending', ancestor: ownerAt(owners[i]!, movedOn.level) });
    else out.push({ inferred: status, ancestor: NONE });
  }
  return out;
}

/** The outermost scope of a stamp that moved past the generation in the stamp, or null. */
function supersededBy(position: Position | null): Scope | null {
  let found: Scope | null = null;
  for (let at = position; at !== null; at = at.outer) {
    if (at.scope.highest > at.generation) found = at.scope;
  }
  return found;
}

/** Resolves the stamps, and notes in each scope the highest generation that any stamp gives it. */
function locate(states: readonly NodeState[]): (Position | null)[] {
  const roots = new Map<string, Scope>();
  const seen = new Map<string, Position | null>();
  return states.map(({ executionId }) => (executionId === null ? null : resolve(executionId, roots, seen)));
}

/**
 * The position of a stamp; null if it cannot be parsed. `seen` holds those of all stamps and of their outer parts, which
 * many nodes share, so that mostly one level is left to do.
 */
function resolve(stamp: string, roots: Map<string, Scope>, seen: Map<string, Position | null>): Position | null {
  const missing: { text: string; level: string }[] = [];
  let outer: Position | null | undefined;
  for (let text = stamp; text !== ''; ) {
    outer = seen.get(text);
    if (outer !== undefined) break;
    const cut = Math.max(0, text.lastIndexOf('::', text.lastIndexOf('::') - 1));
    missing.push({ text, level: cut === 0 ? text : text.slice(cut + 2) });
    text = text.slice(0, cut);
  }
  for (let i = missing.length - 1; i >= 0; i--) {
    const { text, level } = missing[i]!;
    outer = outer === null ? null : within(outer, level, roots);
    seen.set(text, outer);
  }
  return outer ?? null;
}

/** The position of one `<id>::<generation>` in the position around it, undefined for the outermost. */
function within(outer: Position | undefined, level: string, roots: Map<string, Scope>): Position | null {
  const levels = parseStamp(level);
  if (levels === null || levels.length !== 1) return null;
  const { id, generation } = levels[0]!;
  const holder = outer === undefined ? roots : outer.scope.inner;
  const key = outer === undefined ? id : `${outer.generation}::${id}`;
  let scope = holder.get(key);
  if (scope === undefined) {
    scope = { highest: generation, level: outer === undefined ? 0 : outer.scope.level + 1, inner: new Map() };
    holder.set(key, scope);
  }
  scope.highest = Math.max(scope.highest, generation);
  return { scope, generation, outer: outer ?? null };
}

/** A scope in the program: the node that opens it, and the scope around it. */
interface Owner {
  readonly node: number;
  readonly level: number;
  readonly outer: Owner | null;
}

/**
 * The scope in which each node is stamped, told from the program: the root, every branch of a JOIN or RACE and every
 * loop opens one, a loop that is a branch only one.
 */
function scopeOwners({ nodes }: Program): Owner[] {
  const owners: Owner[] = [];
  nodes.forEach((node, i) => {
    const outer = node.parent === NONE ? null : owners[node.parent]!;
    const parent = node.parent === NONE ? undefined : nodes[node.parent]!.type;
    const opens = outer === null || node.type === 'LOOP' || parent === 'JOIN' || parent === 'RACE';
    owners.push(opens ? { node: i, level: outer === null ? 0 : outer.level + 1, outer } : outer);
  });
  return owners;
}

/** The node that opens the scope at `level` around a place, or the nearest one for a stamp deeper than the program. */
function ownerAt(owner: Owner, level: number): number {
  let at = owner;
  while (at.level > level && at.outer !== null) at = at.outer;
  return at.node;
}
