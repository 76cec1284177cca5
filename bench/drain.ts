/** Steps per second, of 1 to 16 sessions that run `CALL df.work()`, beside the bare loop. */
import type { Cluster } from '../test/support/cluster.ts';
import { type Figure, median } from './figure.ts';
import { rounds, sized } from './sizes.ts';
import { bareLoop, benchDatabase, drain, STEPS } from './workload.ts';

/** Enough work for each session that what a session does once, V8's compiling above all, is a small part of it. */
const CASES = [
  { sessions: 1, workflows: 1000, ratioAtLeast: 0.6 },
  { sessions: 2, workflows: 2000, ratioAtLeast: 0.6 },
  { sessions: 4, workflows: 4000, ratioAtLeast: 0.5 },
  { sessions: 16, workflows: 12000, ratioAtLeast: 0.4 },
];

export async function benchDrain(cluster: Cluster): Promise<Figure[]> {
  const database = await benchDatabase(cluster);
  const figures: Figure[] = [];
  // Tables that were never used have statistics that no real ones have.
  await drain(cluster, database, 1, sized(100));
  for (const { sessions, workflows, ratioAtLeast } of CASES) {
    const count = sized(workflows);
    const bare: number[] = [];
    const ours: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      bare.push(await bareLoop(cluster, database, sessions, count * STEPS));
      ours.push(await drain(cluster, database, sessions, count));
    }
    figures.push({
      benchmark: 'drain', case: `${sessions} session${sessions === 1 ? '' : 's'}`, value: median(ours), baseline: median(bare),
      unit: 'steps/s', against: 'bare loop', target: { ratioAtLeast },
    });
  }
  return figures;
}
