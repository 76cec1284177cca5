/** The short hunt of `make test`, with a fixed seed; `make crash` runs the same for as long as it is told. */
import test from 'ava';
import { hunt } from './hunt.ts';

const SECONDS = Number(process.env.CRASH_SECONDS ?? 40);
const SEED = Number(process.env.CRASH_SEED ?? 7);

test(`${SECONDS} s of harm, seed ${SEED}: every workflow ends as in an undisturbed run, every effect there once`, async (t) => {
  t.timeout((SECONDS + 300) * 1000);
  const report = await hunt({ seed: SEED, seconds: SECONDS, workers: 2, say: (line) => t.log(line) });
  t.log(report.text);
  t.deepEqual(report.faults, []);
});
