/** Counting results in the Test Anything Protocol, as pgTAP and ava print them. */

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export const NOTHING: Totals = { passed: 0, failed: 0, skipped: 0 };

export function sum(...totals: Totals[]): Totals {
  return totals.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }), NOTHING);
}

/**
 * Counts the tests of one TAP stream. A missing plan, or one that was not reached, is one more failure. Failing TODO
 * tests are expected to fail and count as skipped. `failures` are the lines of failing tests with the comments after.
 */
export function readTap(text: string): Totals & { failures: string[] } {
  const totals = { ...NOTHING };
  const failures: string[] = [];
  let plan: number | undefined;
  let ran = 0;
  let failing = false;
  for (const line of text.split('\n')) {
    const planned = /^1\.\.(\d+)/.exec(line);
    if (planned !== null) plan = Number(planned[1]);
    const result = /^(not )?ok\b/.exec(line);
    if (result === null) {
      // What a failing test says about itself: comments from pgTAP, an indented block from ava.
      if (failing && /^(#|\s)/.test(line)) failures.push(line);
      continue;
    }
    ran += 1;
    const excused = /#\s*(skip|todo)\b/i.test(line);
    failing = result[1] !== undefined && !excused;
    if (failing) {
      totals.failed += 1;
      failures.push(line);
    } else if (excused) totals.skipped += 1;
    else totals.passed += 1;
  }
  if (plan === undefined || plan !== ran) {
    totals.failed += 1;
    failures.push(plan === undefined ? `no plan: the tests ended early, after ${ran}` : `planned ${plan} tests, ran ${ran}`);
  }
  return { ...totals, failures };
}
