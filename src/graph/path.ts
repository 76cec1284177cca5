import { DurableError } from './errors.ts';

/** Where a node stands: the step that leads to it from its parent, up to the root, whose parent is null. */
export interface Place {
  readonly parent: Place | null;
  /** `root`, `left`, `right`, `condition_node` or `extra_nodes[n]`. */
  readonly step: string;
}

export const ROOT: Place = { parent: null, step: 'root' };

/** A path longer than this many steps is shown by its two ends: nesting far beyond the limit must not make a message of megabytes. */
const SHOWN_STEPS = 300;

/** `root.left.right.condition_node.extra_nodes[0]` (surface §2). */
export function pathOf(place: Place): string {
  const steps: string[] = [];
  for (let at: Place | null = place; at !== null; at = at.parent) steps.push(at.step);
  steps.reverse();
  if (steps.length <= SHOWN_STEPS) return steps.join('.');
  const hidden = steps.length - SHOWN_STEPS;
  return `${steps.slice(0, SHOWN_STEPS / 2).join('.')}.(${hidden} more).${steps.slice(-SHOWN_STEPS / 2).join('.')}`;
}

/** The error with which `df.start` and `df.explain` refuse a graph (surface §2, "Validation"). */
export function graphError(place: Place, reason: string, hint?: string): DurableError {
  return new DurableError(`Invalid durable function graph: ${pathOf(place)}: ${reason}`, hint === undefined ? {} : { hint });
}
