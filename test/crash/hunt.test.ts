/** The short hunt of `make test`, with a fixed seed; `make crash` is the same for as long as it is told. */
import test from 'ava';
import { hunt } from './hunt.ts';

const SECONDS = 30;

test('half a minute of harm: every workflow ends as in an undisturbed run, every effect there once', async (t) => {
  t.timeout(300_000);
  const report = await hunt({ seed: 7, seconds: SECONDS, workers: 2, once: ['promote a standby'], say: (line) => t.log(line) });
  t.log(report.text);
  t.deepEqual(report.faults, []);
});
