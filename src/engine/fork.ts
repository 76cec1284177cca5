/**
 * JOIN and RACE: a branch divides into children, rests, and goes on when they have decided (semantics §8).
 *
 * All branches of a fork are entered before any of them can end it, so that a race's loser is stamped first.
 */
import { NONE } from '../graph/types.ts';
import { quote } from './rawjson.ts';
import { bind, mark, markRunning, touch, walk } from './interpreter.ts';
import { childKey, newBranch, nodeId, parentKey, position } from './run.ts';
import type { Branch, Outcome, Run } from './run.ts';
import type { Port } from './port.ts';

/** Divides `branch` at the JOIN or RACE at `pc`. Null: it rests; otherwise the fork has ended at once. */
export function fork(run: Run, branch: Branch, pc: number, port: Port): Outcome | null {
  const { scope, generation } = position(run, branch);
  const names = port.names(run, branch);
  branch.phase = 'fork';
  branch.pc = pc;
  branch.due = null;
  branch.forks++;
  const children = childRoots(run, pc).map((root, slot) => {
    const child = newBranch(childKey(branch, slot), root, `${scope}::${generation}::${nodeId(run, root)}`, port.now);
    run.branches.set(child.key, child);
    run.names.set(child.key, new Map(names));
    for (const [name, value] of names) run.nameWrites.push({ branch: child.key, name, value });
    return child;
  });
  // While they are entered the fork may not be settled: hold the parent in a phase that settleFork refuses.
  branch.phase = 'start';
  const race = run.program.nodes[pc]!.type === 'RACE';
  for (const child of children) {
    walk(run, child, child.root, null, port);
    // A statement may have to queue for so long that the race ends before it is marked.
    if (race && child.phase === 'ready' && child.pc === child.root) markRunning(run, child);
  }
  branch.phase = 'fork';
  return children.some((child) => child.phase === 'done') ? settleFork(run, branch, port) : null;
}

/** Null while the fork of `parent` goes on; otherwise its outcome, with the children gone and names merged. */
export function settleFork(run: Run, parent: Branch, port: Port): Outcome | null {
  if (parent.phase !== 'fork') return null;
  const roots = childRoots(run, parent.pc);
  const children = roots.map((_, slot) => run.branches.get(childKey(parent, slot))!);
  const race = run.program.nodes[parent.pc]!.type === 'RACE';
  const outcome = race ? settleRace(run, parent, children, port) : settleJoin(run, parent, children, port);
  if (outcome === null) return null;
  const prefix = `${parent.key}.${parent.forks}.`;
  for (const branch of [...run.branches.values()]) {
    if (branch.key.startsWith(prefix)) drop(run, branch);
  }
  touch(parent);
  parent.due = port.now;
  return outcome;
}

/** Whether `child` still counts: its parent waits for exactly the fork that made it. */
export function isAlive(run: Run, child: Branch): boolean {
  const above = parentKey(child.key);
  if (above === null) return true;
  const parent = run.branches.get(above);
  return parent !== undefined && parent.state !== 'gone' && parent.phase === 'fork'
    && child.key.startsWith(`${above}.${parent.forks}.`);
}

/** Takes a branch out of the instance. */
function drop(run: Run, branch: Branch): void {
  run.names.delete(branch.key);
  run.nameWrites.push({ branch: branch.key, name: '', value: null });
  if (branch.state === 'new') run.branches.delete(branch.key);
  else branch.state = 'gone';
}

function childRoots(run: Run, pc: number): number[] {
  const node = run.program.nodes[pc]!;
  return [node.left, node.right, ...node.extras].filter((child) => child !== NONE);
}

function settleJoin(run: Run, parent: Branch, children: Branch[], port: Port): Outcome | null {
  if (children.some((child) => child.phase !== 'done')) return null;
  for (const [slot, child] of children.entries()) {
    const outcome = child.outcome!;
    if (outcome.kind === 'failed') return { ...outcome, text: `JOIN branch ${slot + 1} failed: ${outcome.text}` };
    if (outcome.kind === 'break') {
      merge(run, parent, children, port);
      return outcome;
    }
  }
  merge(run, parent, children, port);
  return { kind: 'ok', text: `[${children.map((child) => child.outcome!.text).join(',')}]` };
}

function settleRace(run: Run, parent: Branch, children: Branch[], port: Port): Outcome | null {
  const slot = children.findIndex((child) => child.phase === 'done');
  if (slot === -1) return null;
  const winner = children[slot]!;
  for (const loser of children) {
    if (loser !== winner && loser.phase !== 'done' && run.program.nodes[loser.root]!.type === 'LOOP') {
      const lost = 'The loop lost the race';
      // The stamp is the loop's own, not that of a loop inside it.
      loser.frames.length = 1;
      mark(run, loser, loser.root, 'failed', quote(lost), lost);
    }
  }
  const outcome = winner.outcome!;
  if (outcome.kind === 'failed') {
    return { ...outcome, text: `RACE ${slot === 0 ? 'left' : 'right'} branch failed: ${outcome.text}` };
  }
  merge(run, parent, [winner], port);
  return outcome;
}

/**
 * Hands names of finished children back to their parent, in order. Only those that a child has changed: its copy of an
 * older value must not undo what a branch before it has bound.
 */
function merge(run: Run, parent: Branch, children: readonly Branch[], port: Port): void {
  const before = new Map(port.names(run, parent));
  for (const child of children) {
    for (const [name, value] of port.names(run, child)) {
      if (before.get(name) !== value) bind(run, parent, name, value, port);
    }
  }
}
