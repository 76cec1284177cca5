/**
 * The long hunt: `node --import tsx test/crash/run.ts [--seconds 600] [--seed N]`, or CRASH_SECONDS and CRASH_SEED.
 * Prints what it does as it does it, and at the end the report; exit status 1 when anything is wrong.
 */
import { parseArgs } from 'node:util';
import { hunt } from './hunt.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? process.env.CRASH_SECONDS ?? 600);
const seed = Number(values.seed ?? process.env.CRASH_SEED ?? Date.now() % 1_000_000);
if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Error(`seconds must be positive and the seed a whole number, got ${seconds} and ${seed}`);

const report = await hunt({
  seed, seconds, workers: 2, smallDisk: true,
  // Longer than any timeout of a worker, if there is time for that.
  longHalt: seconds >= 180 ? 75_000 : 0,
  once: ['promote a standby', 'fill the disk'],
  weights: { 'promote a standby': 1, 'fill the disk': 1 },
  say: (line) => console.log(`${new Date().toISOString().slice(11, 23)} ${line}`),
});
for (const fault of report.faults) console.log(`FAULT: ${fault}`);
console.log(report.text);
process.exitCode = report.faults.length > 0 ? 1 : 0;
