/** The interpreter against the model of the semantics: random workflows, answers, interleavings, signals and clocks. */
import test from 'ava';
import fc from 'fast-check';
import { Lockstep } from '../support/lockstep.ts';
import { plans } from '../support/model-plans.ts';

test('the interpreter does what the model foresees, transaction by transaction', (t) => {
  const seen = new Map<string, number>();
  fc.assert(fc.property(plans, (plan) => {
    const lockstep = new Lockstep(plan);
    lockstep.run();
    for (const [what, count] of lockstep.seen) seen.set(what, (seen.get(what) ?? 0) + count);
  }), { numRuns: 1000, includeErrorInReport: true });
  t.log(Object.fromEntries([...seen].sort()));
  t.pass();
});
