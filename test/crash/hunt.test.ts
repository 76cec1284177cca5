/** The two minutes of `make test`, with fixed seeds; `make crash` is the same for as long as it is told. */
import test from 'ava';
import { hunt } from './hunt.ts';

const SECONDS = 60;

for (const seed of [7, 8]) {
  test.serial(`${SECONDS} s of harm with seed ${seed}: every workflow ends as in an undisturbed run, every effect there once`, async (t) => {
    t.timeout(300_000);
    const report = await hunt({ seed, seconds: SECONDS, workers: 2, once: ['promote a standby'], say: (line) => t.log(line) });
    t.log(report.text);
    t.deepEqual(report.faults, []);
  });
}
