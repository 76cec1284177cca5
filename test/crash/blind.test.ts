/** Proof that the harness can see: an engine with a fault in it must not pass. */
import test from 'ava';
import { hunt } from './hunt.ts';
import { SHAPES } from './shapes.ts';
import { dropClaimLock, splitCheckpoint } from './surgery.ts';

const shapes = SHAPES.filter(({ name }) => ['sequence', 'long', 'join'].includes(name));
const options = { seed: 11, seconds: 6, workers: 3, shapes, patience: 1_000, once: ['terminate a session', 'kill a worker'] as const, weights: { 'terminate a session': 20, 'stop the server': 0, 'kill a backend': 0 } };

test.serial('a checkpoint in a transaction of its own is found out', async (t) => {
  t.timeout(120_000);
  const report = await hunt({ ...options, prepare: splitCheckpoint, say: (line) => t.log(line) });
  t.log(report.faults.slice(0, 3).join('\n'));
  t.true(report.duplicates > 0);
});

test.serial('a claim without a lock is found out', async (t) => {
  t.timeout(120_000);
  const report = await hunt({ ...options, prepare: dropClaimLock, say: (line) => t.log(line) });
  t.log(report.faults.slice(0, 3).join('\n'));
  t.true(report.faults.some((fault) => fault.includes('while another session was inside it')));
});
