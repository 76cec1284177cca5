/** How quick this session has seen each statement to be: only quick ones share a commit with others. */
import { classify } from '../engine/statement.ts';
import type { Statement } from '../engine/statement.ts';

/** A run that takes longer, in ms, counts as slow. */
const QUICK = 5;
/**
 * A quick run adds one to a statement's score up to MOST_SCORE, a slow one takes two away: one slow run among many (the
 * processor was busy elsewhere) changes nothing, two in a row do.
 */
const MOST_SCORE = 4;
/** Statements that take as long as they are told to: how quick they were says nothing. */
const WAITING = /pg_sleep|advisory/i;
const MOST = 4096;

/** Scores by template (the step's text before substitution); -Infinity for what may never share. */
const scores = new Map<string, number>();

/** What `classify` said of statements, most of which come again word by word. */
const classes = new Map<string, Statement>();
const LONGEST = 4096;

/** `classify` with a memory. */
export function classified(statement: string): Statement {
  let found = classes.get(statement);
  if (found === undefined) {
    found = classify(statement);
    if (statement.length <= LONGEST) {
      if (classes.size >= MOST / 8) classes.clear();
      classes.set(statement, found);
    }
  }
  return found;
}

/** Whether the statement may share a commit. One that this session has not run yet may not. */
export function isQuick(template: string): boolean {
  return (scores.get(template) ?? 0) > 0;
}

/** Whether the statement has been quick often enough to begin and end in one transaction, without being seen running. */
export function isAlwaysQuick(template: string): boolean {
  return (scores.get(template) ?? 0) >= MOST_SCORE;
}

/** Records that the statement, filled in from `template`, took `ms`. */
export function noteDuration(template: string, ms: number, statement: string): void {
  let score = scores.get(template);
  if (score === undefined) {
    if (scores.size >= MOST) scores.clear();
    score = classified(statement).shareable && !WAITING.test(template) ? 0 : -Infinity;
  }
  scores.set(template, ms < QUICK ? Math.min(score + 1, MOST_SCORE) : Math.max(score - 2, score === -Infinity ? score : -MOST_SCORE));
}
