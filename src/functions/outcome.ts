/** What the outcome of a step's statement makes of its branch. */
import { failure, finishStep, makeExternal, touch } from '../engine/interpreter.ts';
import { resultText } from '../engine/rows.ts';
import type { Details, Outcome } from '../engine/run.ts';
import type { DatabasePort } from '../db/port.ts';
import { classified } from '../db/pace.ts';
import { kindOf } from '../db/types.ts';
import type { AtStep } from './due.ts';

/** Tries of a step that failed for a reason which passes by itself (serialization failure, deadlock). */
const MOST_ATTEMPTS = 10;
const RETRIED = new Set(['40001', '40P01']);
const SPLITTING = new Set(['40001', '40P01', '55P03', '57014']);
/** "cannot run inside a transaction block", "invalid transaction termination". */
const NEEDS_AUTOCOMMIT = new Set(['25001', '2D000']);
/** Statements about the transaction itself, for which the same SQLSTATEs mean that they are no steps. */
const TRANSACTIONAL = new Set(['SET', 'BEGIN', 'START', 'COMMIT', 'END', 'ROLLBACK', 'ABORT', 'SAVEPOINT', 'RELEASE', 'PREPARE']);

/** A step whose statement was handed out. */
export interface Step extends AtStep { readonly statement: string }

/**
 * Moves a branch on by what its step's statement did: `outcome` is as df.work reports it to _df.finish. True when the
 * step has not been done, and will have to run alone.
 */
export function conclude(step: Step, outcome: string, shared: boolean, port: DatabasePort): boolean {
  const { run, branch, statement } = step;
  const delivery: Details = branch.phase === 'external' ? { delivery: 'at-least-once' } : {};
  if (outcome.startsWith('e')) {
    const error = JSON.parse(outcome.slice(1)) as { sqlstate: string; message: string; detail: string; hint: string; context: string | null };
    if (shared && SPLITTING.has(error.sqlstate)) return true;
    if (RETRIED.has(error.sqlstate) && branch.attempts < MOST_ATTEMPTS) {
      branch.attempts++;
      branch.due = port.now + Math.min(2000, 10 * 2 ** branch.attempts) * (0.5 + Math.random() / 2);
      touch(branch);
    } else if (branch.phase !== 'external' && NEEDS_AUTOCOMMIT.has(error.sqlstate) && !isRaised(error.context) && !TRANSACTIONAL.has(classified(statement).keyword)) {
      makeExternal(run, branch);
    } else {
      finishStep(run, branch, { kind: 'failed', text: `SQL execution failed: ${error.message}`, details: { ...delivery, ...details(error, statement) } }, port);
    }
    return false;
  }
  const result = succeeded(outcome, statement);
  finishStep(run, branch, branch.phase === 'external' ? { ...result, details: { ...delivery, ...result.details } } : result, port);
  return false;
}

/** Whether PL/pgSQL's RAISE made the error, with a SQLSTATE of somebody's choice. */
function isRaised(context: string | null): boolean {
  return / RAISE$/.test((context ?? '').split('\n', 1)[0]!);
}

function succeeded(outcome: string, statement: string): Exclude<Outcome, { kind: 'break' }> {
  if (outcome === 'n') return { kind: 'ok', text: '{"rows":[],"row_count":0}' };
  const [count, types, ...rows] = outcome.slice(1).split('\u001e');
  const columns = types === '' ? [] : types!.split(',').map(Number);
  try {
    const text = resultText(count === '0'
      ? { rows: [], types: columns, kinds: kindOf, ...(rows[0] !== undefined && { emptyRow: rows[0] }) }
      : { rows, types: columns, kinds: kindOf });
    return { kind: 'ok', text };
  } catch (error) {
    const failed = failure(error) as Extract<Outcome, { kind: 'failed' }>;
    return { kind: 'failed', text: `SQL execution failed: ${failed.text}`, details: { ...failed.details, statement } };
  }
}

function details(error: { sqlstate: string; detail: string; hint: string }, statement: string): Details {
  return {
    sqlstate: error.sqlstate, statement,
    ...(error.detail !== '' && { detail: error.detail }), ...(error.hint !== '' && { hint: error.hint }),
  };
}
