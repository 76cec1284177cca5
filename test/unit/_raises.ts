import type { ExecutionContext } from 'ava';
import { DurableError } from '../../src/graph/errors.ts';

/** Asserts that `run` throws a DurableError with this SQLSTATE and a message that matches; returns it. */
export function raises(t: ExecutionContext, run: () => unknown, sqlstate: string, message: RegExp, note?: string): DurableError {
  const error = t.throws<DurableError>(run, { instanceOf: DurableError, message }, note);
  t.is(error.sqlstate, sqlstate, note);
  return error;
}
