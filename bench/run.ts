/**
 * `make bench`: every figure beside its baseline, from one run on one private cluster with fsync on.
 * Arguments choose benchmarks (drain start latency scale upgrade). Sizes: see sizes.ts.
 */
import { startCluster } from '../test/support/cluster.ts';
import { benchDrain } from './drain.ts';
import { type Figure, isMet, toJson, toTable } from './figure.ts';
import { benchLatency } from './latency.ts';
import { benchScale } from './scale.ts';
import { benchStart } from './start.ts';
import { benchUpgrade } from './upgrade.ts';

const BENCHMARKS = { drain: benchDrain, start: benchStart, latency: benchLatency, scale: benchScale, upgrade: benchUpgrade };

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BENCHMARKS);
const cluster = await startCluster({ durable: true, settings: { shared_buffers: '512MB', max_wal_size: '8GB', checkpoint_timeout: '30min' } });
try {
  const figures: Figure[] = [];
  for (const name of chosen) {
    if (!(name in BENCHMARKS)) throw new Error(`unknown benchmark ${name}: there are ${Object.keys(BENCHMARKS).join(', ')}`);
    console.error(`${name} …`);
    figures.push(...await BENCHMARKS[name as keyof typeof BENCHMARKS](cluster));
  }
  const missed = figures.filter((figure) => !isMet(figure)).length;
  console.log(`${toTable(figures)}\n\n${figures.map(toJson).join('\n')}\n\n${figures.length - missed} of ${figures.length} targets met`);
} finally {
  await cluster.destroy();
}
