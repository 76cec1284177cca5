/**
 * Milliseconds from the commit of `df.start` to the visible completion of a one-step workflow on an idle system, with
 * the worker. The baseline is a job table with LISTEN and NOTIFY, served by the smallest Node.js program that could:
 * on a notification one statement that does the job and marks it done.
 */
import type { Client } from 'pg';
import type { Cluster } from '../test/support/cluster.ts';
import { until } from '../test/support/poll.ts';
import { Worker } from '../test/support/worker.ts';
import { type Figure, percentile } from './figure.ts';
import { sized } from './sizes.ts';
import { benchDatabase, ROLE } from './workload.ts';

const QUEUE = `
SET ROLE ${ROLE};
CREATE TABLE bench.job (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL DEFAULT 'pending');
RESET ROLE;
`;
/** Between two samples, in milliseconds: the system is idle when the next one comes. */
const PAUSE = 15;

const START = "SELECT df.start('SELECT 1') AS id";
const INSERT = "WITH job AS (INSERT INTO bench.job DEFAULT VALUES RETURNING id) SELECT id, pg_notify('bench_jobs', id::text) FROM job";

export async function benchLatency(cluster: Cluster): Promise<Figure[]> {
  const database = await benchDatabase(cluster);
  await cluster.query(QUEUE, database);
  const worker = new Worker(cluster.connectionString('postgres', database));
  const [starter, watcher, server] = await Promise.all([0, 1, 2].map(() => cluster.client(ROLE, database))) as [Client, Client, Client];
  try {
    await server.query('LISTEN bench_jobs');
    server.on('notification', ({ payload }) => { void server.query("WITH step AS (SELECT 1) UPDATE bench.job SET status = 'completed' FROM step WHERE id = $1", [Number(payload)]); });

    const sample = async (start: string, status: string): Promise<number> => {
      await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
      const { rows: [started] } = await starter.query<{ id: string }>(start);
      const from = performance.now();
      for (;;) {
        const { rows: [row] } = await watcher.query<{ status: string }>({ name: status, text: status, values: [started?.id] });
        if (row?.status === 'completed') return performance.now() - from;
        if (row?.status === 'failed' || performance.now() - from > 10_000) throw new Error(`the step is ${row?.status} after ${Math.round(performance.now() - from)} ms:\n${worker.lines.slice(-10).join('\n')}`);
      }
    };
    const ours = () => sample(START, 'SELECT status FROM df.instances WHERE id = $1');
    const bare = () => sample(INSERT, 'SELECT status FROM bench.job WHERE id = $1');
    await until('the worker to be there', async () => (await cluster.query('SELECT FROM df._worker_epoch', database)).length > 0);
    for (let warm = 0; warm < 20; warm += 1) {
      await ours();
      await bare();
    }
    const times: number[] = [];
    const baseline: number[] = [];
    for (let count = sized(400, 50); count > 0; count -= 1) {
      times.push(await ours());
      baseline.push(await bare());
    }
    return [{ at: 0.5, name: 'median', atMost: 5 }, { at: 0.95, name: '95th percentile', atMost: 15 }].map(({ at, name, atMost }) => ({
      benchmark: 'latency', case: name, value: percentile(times, at), baseline: percentile(baseline, at), unit: 'ms', against: 'bare LISTEN/NOTIFY queue', target: { atMost },
    }));
  } finally {
    await Promise.all([starter, watcher, server].map((client) => client.end()));
    await worker.stop();
  }
}
