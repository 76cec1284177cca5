/** How soon the step of a killed worker is begun by another, and how soon work goes on when the server is back: measured, not asserted. */
import test from 'ava';
import { hunt } from './hunt.ts';
import { SHAPES } from './shapes.ts';

const TIMES = 4;

test('the steps of killed workers are taken over', async (t) => {
  t.timeout(180_000);
  const report = await hunt({
    seed: 31, seconds: 60, workers: 2, rate: 0.7, shapes: SHAPES.filter(({ name }) => name === 'long'), say: (line) => t.log(line),
    instead: async (_world, crew, adversary) => {
      for (let k = 0; k < 3 * TIMES && adversary.takeovers.count < TIMES; k += 1) {
        await crew.ready();
        await adversary.untilBusy();
        await adversary.do({ kind: 'kill a worker', after: 0, whom: (k % 2) / 2, much: 0, manner: 0 });
      }
      await adversary.do({ kind: 'kill a backend', after: 0, whom: 0.5, much: 0, manner: 0 });
      await adversary.do({ kind: 'stop the server', after: 0, whom: 0, much: 0, manner: 0 });
    },
  });
  t.log(report.text);
  t.deepEqual(report.faults, []);
  t.is(report.adversary.takeovers.count, TIMES);
});
