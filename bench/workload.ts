/** The workload all benchmarks share: five steps, each an INSERT, and the bare loop that does the same by hand. */
import type { Client } from 'pg';
import type { Cluster } from '../test/support/cluster.ts';

export const ROLE = 'bench';
export const STEPS = 5;

const SCHEMA = `
CREATE SCHEMA bench AUTHORIZATION ${ROLE};
SET ROLE ${ROLE};
CREATE TABLE bench.sink (id bigint GENERATED ALWAYS AS IDENTITY, step integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE bench.checkpoint (id integer PRIMARY KEY, step bigint NOT NULL) WITH (fillfactor = 50);

-- The bare loop: what a step costs at the very least when it must not be lost and not run twice.
CREATE PROCEDURE bench.bare(p_id integer, p_steps integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..p_steps LOOP
        INSERT INTO bench.sink (step) VALUES (i);
        UPDATE bench.checkpoint SET step = i WHERE id = p_id;
        COMMIT;
    END LOOP;
END $$;

CREATE FUNCTION bench.workflow() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT ${Array.from({ length: STEPS }, (_, at) => `'INSERT INTO bench.sink (step) VALUES (${at + 1})'`).join(' ~> ')}
$$;
RESET ROLE;
`;

/** Makes a database that has the extension, the workload, and a role which may start workflows. */
export async function benchDatabase(cluster: Cluster): Promise<string> {
  const database = await cluster.createDatabase();
  if ((await cluster.query(`SELECT FROM pg_roles WHERE rolname = '${ROLE}'`)).length === 0) await cluster.query(`CREATE ROLE ${ROLE} LOGIN`);
  await cluster.query(`SELECT df.grant_usage('${ROLE}'); ${SCHEMA}`, database);
  return database;
}

/**
 * Lends `use` as many sessions as asked for. Each has done some work already, since what happens once per session
 * (loading libraries, making plans) happens once per hours in sessions that last; the sink is empty again.
 */
export async function withSessions<T>(cluster: Cluster, database: string, sessions: number, use: (clients: Client[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: sessions }, () => cluster.client(ROLE, database)));
  try {
    await Promise.all(clients.map(async (client) => {
      await client.query('SELECT df.start(bench.workflow()) FROM generate_series(1, 2)');
      await client.query('CALL bench.bare(-1, 1)');
      await work(client);
    }));
    await cluster.query('TRUNCATE bench.sink', database);
    return await use(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** Seconds that `work` takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Steps per second of the bare loop. */
export async function bareLoop(cluster: Cluster, database: string, sessions: number, steps: number): Promise<number> {
  const each = Math.ceil(steps / sessions);
  await cluster.query(`TRUNCATE bench.checkpoint; INSERT INTO bench.checkpoint SELECT i, 0 FROM generate_series(0, ${sessions - 1}) i`, database);
  await settle(cluster, database);
  const took = await withSessions(cluster, database, sessions, (clients) => seconds(
    () => Promise.all(clients.map((client, at) => client.query(`CALL bench.bare(${at}, ${each})`))),
  ));
  await expectSink(cluster, database, each * sessions);
  return (each * sessions) / took;
}

/** Steps per second of `workflows` workflows, started beforehand, which `sessions` sessions drain. */
export async function drain(cluster: Cluster, database: string, sessions: number, workflows: number): Promise<number> {
  await settle(cluster, database);
  const took = await withSessions(cluster, database, sessions, async (clients) => {
    await clients[0]?.query(`SELECT count(df.start(f)) FROM bench.workflow() f, generate_series(1, ${workflows})`);
    return seconds(() => Promise.all(clients.map(work)));
  });
  await expectSink(cluster, database, workflows * STEPS);
  return (workflows * STEPS) / took;
}

/** Calls df.work until it finds nothing due; what another session has claimed is that session's to finish. */
async function work(client: Client): Promise<void> {
  for (;;) {
    const { rows: [row] } = await client.query<{ more: boolean }>('CALL df.work(60, 1000000)');
    if (row?.more !== true) return;
  }
}

/** Every step exactly once, or the figure means nothing. */
async function expectSink(cluster: Cluster, database: string, expected: number): Promise<void> {
  const [row] = await cluster.query<{ n: string }>('SELECT count(*) AS n FROM bench.sink', database);
  if (Number(row?.n) !== expected) throw new Error(`expected ${expected} rows, there are ${row?.n}: a step ran twice or not at all`);
}

/** The same starting point for every measurement: statistics, no dead rows, nothing to be written back. */
export async function settle(cluster: Cluster, database: string): Promise<void> {
  await cluster.query('VACUUM ANALYZE', database);
  await cluster.query('CHECKPOINT');
}
