/** What claimed branches stand at: the runs that they belong to, the steps that may be run or must fail. */
import { finishStep } from '../engine/interpreter.ts';
import type { Branch, Outcome, Run } from '../engine/run.ts';
import { discard, failInstance } from '../db/flush.ts';
import { loadRuns } from '../db/load.ts';
import type { Claimed } from '../db/load.ts';
import { Busy, Over } from '../db/port.ts';
import type { DatabasePort } from '../db/port.ts';

/** A branch that stands at a SQL step. */
export interface AtStep { readonly run: Run; readonly branch: Branch }

/** The runs of claimed branches that still count; the other branches are removed. */
export function admit(claimed: readonly Claimed[]): Map<string, Run> {
  const stale = claimed.filter((c) => !c.alive || (c.status !== 'pending' && c.status !== 'running'));
  const live = claimed.filter((c) => !stale.includes(c));
  const { runs, broken } = loadRuns([...new Set(live.map((c) => c.instance))]);
  for (const { instance, branch, status } of live) {
    const run = runs.get(instance);
    if (run === undefined) continue;
    run.status = status!;
    run.branches.set(branch.key, branch);
  }
  for (const [instance, problem] of broken) failInstance(instance, problem);
  discard([...stale, ...live.filter((c) => !runs.has(c.instance))].map((c) => ({ instance: c.instance, branch: c.branch.key })));
  return runs;
}

/**
 * The branches that stand at a SQL step and that this session may run: those it has locked, made or moved. The others
 * of a run that was loaded whole may be running elsewhere at this moment. With `external` also those at external steps.
 */
export function steps(runs: Iterable<[string, Run]>, now: number, external = false): AtStep[] {
  const found = [];
  for (const [, run] of runs) {
    if (run.status !== 'running') continue;
    for (const branch of run.branches.values()) {
      if (branch.state === 'clean' && branch.address === null) continue;
      if ((branch.phase === 'ready' || branch.phase === 'running' || (external && branch.phase === 'external')) && branch.state !== 'gone'
        && branch.due !== null && branch.due <= now) found.push({ run, branch });
    }
  }
  return found;
}

/**
 * Fails the steps at which the runs stand, and those at which they come to stand thereby. Runs that are locked or over are
 * taken out of `runs`. Returns how many steps failed.
 */
export function failSteps(runs: Map<string, Run>, outcome: Outcome, port: DatabasePort): number {
  let failed = 0;
  for (const run of [...runs.values()]) {
    try {
      let ended = 0;
      for (let found = steps([[run.id, run]], port.now, true); found.length > 0; found = steps([[run.id, run]], port.now, true)) {
        for (const { branch } of found) {
          // A step that failed before it may have ended the race that this one was in.
          if (branch.state === 'gone') continue;
          finishStep(run, branch, outcome, port);
          ended++;
        }
      }
      if (run.statusChanged) port.hold(run);
      failed += ended;
    } catch (error) {
      if (!(error instanceof Busy || error instanceof Over)) throw error;
      runs.delete(run.id);
    }
  }
  return failed;
}
