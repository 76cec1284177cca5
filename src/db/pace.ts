/** How long this session has seen each statement take: only quick ones share a commit with others. */
import { classify } from '../engine/statement.ts';

/** Statements that take longer, in ms, run alone. */
const QUICK = 2;
/** How fast a slow run is forgotten: what counts is the longest, discounted by this factor per run since. */
const FADE = 0.9;
const MOST = 4096;

/** Per template (the step's text before substitution): its pace in ms, or Infinity for what may never share. */
const pace = new Map<string, number>();

/** Whether the statement may share a commit. One that this session has not run yet may not. */
export function isQuick(template: string): boolean {
  return (pace.get(template) ?? Infinity) < QUICK;
}

/** Records that the statement, filled in from `template`, took `ms`. */
export function noteDuration(template: string, ms: number, statement: string): void {
  const before = pace.get(template);
  if (before === undefined) {
    if (pace.size >= MOST) pace.clear();
    pace.set(template, classify(statement).shareable ? ms : Infinity);
  } else {
    pace.set(template, Math.max(ms, before * FADE));
  }
}
