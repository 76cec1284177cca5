/** The drain again in a full house, and while somebody holds an old snapshot: each beside the same drain without. */
import type { Cluster } from '../test/support/cluster.ts';
import { type Figure, median } from './figure.ts';
import { fill } from './fill.ts';
import { rounds, sized } from './sizes.ts';
import { benchDatabase, drain } from './workload.ts';

const SESSIONS = 2;

export async function benchScale(cluster: Cluster): Promise<Figure[]> {
  const workflows = sized(2000);
  const [empty, full] = [await benchDatabase(cluster), await benchDatabase(cluster)];
  const finished = sized(1_000_000);
  const sleeping = sized(100_000);
  await fill(cluster, full, "'SELECT 1'", 'finished', 'a', finished);
  await fill(cluster, full, "df.sleep(864000) ~> 'SELECT 1'", 'sleeping', 'b', sleeping);

  for (const database of [empty, full]) await drain(cluster, database, SESSIONS, sized(100));

  const alone: number[] = [];
  const crowded: number[] = [];
  const held: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    alone.push(await drain(cluster, empty, SESSIONS, workflows));
    crowded.push(await drain(cluster, full, SESSIONS, workflows));
    const reader = await cluster.client('postgres', empty);
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await reader.query('SELECT count(*) FROM df.instances');
    held.push(await drain(cluster, empty, SESSIONS, workflows));
    await reader.query('COMMIT');
    await reader.end();
  }
  const figure = { benchmark: 'scale', baseline: median(alone), unit: 'steps/s' };
  return [
    { ...figure, case: `${finished.toLocaleString('en-US')} finished, ${sleeping.toLocaleString('en-US')} sleeping`, value: median(crowded), against: 'the same, empty', target: { ratioAtLeast: 0.9 } },
    { ...figure, case: 'REPEATABLE READ held open', value: median(held), against: 'the same without', target: { ratioAtLeast: 0.75 } },
  ];
}
