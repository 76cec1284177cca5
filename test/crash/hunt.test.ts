/** The two minutes of `make test`, with fixed seeds; `make crash` is the same for as long as it is told. */
import test from 'ava';
import { hunt } from './hunt.ts';

for (const [seed, seconds] of [[7, 60], [8, 60]] as const) {
  test.serial(`${seconds} s of harm with seed ${seed}: every workflow ends as in an undisturbed run, every effect there once`, async (t) => {
    t.timeout(300_000);
    const report = await hunt({ seed, seconds, workers: 2, once: ['promote a standby'], say: (line) => t.log(line) });
    t.log(report.text);
    t.deepEqual(report.faults, []);
  });
}
