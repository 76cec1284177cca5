/** Stamps and inferred statuses by their definition (semantics §5), without regard for time: to compare the engine with. */
import type { ModelNode, Stored } from './model.ts';

interface Level { readonly path: string; readonly generation: number; readonly id: string }
const known = new Map<string, readonly Level[]>();

/** The scopes of a stamp from the root inwards, each by its whole path, with the generation that the stamp embeds. */
function scopesOf(stamp: string): readonly Level[] {
  let scopes = known.get(stamp);
  if (scopes === undefined) {
    const parts = stamp.split('::');
    scopes = parts.flatMap((id, i) => (i % 2 === 1 ? [] : [{ path: parts.slice(0, i + 1).join('::'), generation: Number(parts[i + 1]), id }]));
    known.set(stamp, scopes);
  }
  return scopes;
}

/** Whether a node that was stamped `before` may not be stamped `after`, since that is an earlier generation. */
export function goesBack(before: string, after: string): boolean {
  for (const { path, generation } of scopesOf(after)) {
    const same = scopesOf(before).find((scope) => scope.path === path);
    if (same !== undefined && generation < same.generation) return true;
  }
  return false;
}

export interface NaiveInferred {
  readonly inferred: string;
  /** Nodes of which one is to be named; empty for none. */
  readonly ancestors: readonly number[];
}

/** The inferred status of every node. */
export function inferNaively(nodes: readonly ModelNode[], stored: readonly Pick<Stored, 'status' | 'stamp'>[], nodeId: (index: number) => string): NaiveInferred[] {
  const highest = new Map<string, number>();
  for (const { stamp } of stored) {
    for (const { path, generation } of stamp === null ? [] : scopesOf(stamp)) highest.set(path, Math.max(generation, highest.get(path) ?? 0));
  }
  const movedOn = stored.map(({ stamp }) => (stamp === null ? [] : scopesOf(stamp).filter(({ path, generation }) => highest.get(path)! > generation)));
  const isTerminal = stored.map(({ status }) => status === 'completed' || status === 'failed');
  const stands = (index: number): boolean => isTerminal[index]! && movedOn[index]!.length === 0;
  return nodes.map(({ index, parent }) => {
    const { status } = stored[index]!;
    if (stands(index)) return { inferred: status, ancestors: [] };
    for (let above = parent; above !== null; above = above.parent) {
      if (stands(above.index)) return { inferred: 'skipped', ancestors: [above.index] };
    }
    if (!isTerminal[index]) return { inferred: status, ancestors: [] };
    // The root scope is named after the instance and belongs to the root node.
    const owners = movedOn[index]!.map(({ id }) => Math.max(0, nodes.findIndex((node) => nodeId(node.index) === id)));
    return { inferred: 'pending', ancestors: owners };
  });
}
