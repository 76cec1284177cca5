/** The disk of the cluster fills up and is freed. */
import test from 'ava';
import { hunt } from './hunt.ts';
import { SHAPES } from './shapes.ts';

const shapes = SHAPES.filter(({ scheduled }) => scheduled !== true);

test('the disk fills up and is freed', async (t) => {
  t.timeout(180_000);
  let possible = true;
  const report = await hunt({
    seed: 42, seconds: 10, workers: 2, shapes, smallDisk: true, say: (line) => t.log(line),
    instead: async (_world, _crew, adversary) => {
      possible = await adversary.do({ kind: 'fill the disk', after: 0, whom: 0, much: 0.5, manner: 0 });
    },
  });
  if (!possible) t.log('this machine allows no small file system: the disk was not filled');
  t.log(report.text);
  t.deepEqual(report.faults, []);
});
