/**
 * Kills workers, sessions, backends and the server at random while workflows run, for CRASH_SECONDS, and then counts:
 * every effect of every workflow must be there exactly once. CRASH_SEED repeats the choices of a run, though not its
 * timing.
 */
import test from 'ava';
import type { Client } from 'pg';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { Worker } from '../support/worker.ts';

const SECONDS = Number(process.env.CRASH_SECONDS ?? 20);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
const ROLE = 'crash dummy';
const WORKERS = 2;
/** Workflows that may be under way at once. */
const MOST_OPEN = 40;
/** After the last kill everything must be over within this time, in milliseconds. */
const DEADLINE = 120_000;

const insert = (step: string) => `'INSERT INTO effects SELECT {sys_label}, ''${step}'' FROM pg_sleep(random() / 50)'`;
const WORKFLOW = `${insert('first')}
    ~> (${insert('left')} & ${insert('right')})
    ~> df.sleep(interval '30 milliseconds')
    ~> df."loop"(${insert('round')}, 'SELECT count(*) < 3 FROM effects WHERE workflow = {sys_label} AND step = ''round''')
    ~> ${insert('last')}`;
const EXPECTED = { first: 1, left: 1, right: 1, round: 3, last: 1 };

/** A small generator with a seed (mulberry32): numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, ms); });

/** Uses a connection as long as it lives and makes another one when it does not: losing it is what this is about. */
class Sturdy {
  #client: Client | undefined;
  constructor(readonly cluster: Cluster, readonly role: string, readonly database: string) {}

  /** The rows, or undefined when the connection or the server was lost, in which case the outcome is unknown. */
  async query<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[] | undefined> {
    try {
      this.#client ??= await this.cluster.client(this.role, this.database);
      return (await this.#client.query<Row>(sql, values)).rows;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      // Class 57 and 08, no code at all: the connection or the server is gone. Anything else is a fault.
      if (code !== undefined && !/^(57|08|53300|E[A-Z]+$)/.test(code)) throw error;
      if (code === undefined && !/terminated|ended|closed|not queryable/i.test(message)) throw error;
      const lost = this.#client;
      this.#client = undefined;
      await lost?.end().catch(() => undefined);
      return undefined;
    }
  }
}

test(`${SECONDS} s of kills, seed ${SEED}: every effect exactly once`, async (t) => {
  t.timeout((SECONDS + 240) * 1000);
  const random = generator(SEED);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const cluster = await startCluster({ settings: { restart_after_crash: 'on' } });
  t.teardown(() => cluster.destroy());
  const database = await cluster.createDatabase();
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.loop_min_interval = 0; CREATE ROLE "${ROLE}" LOGIN; SELECT df.grant_usage('${ROLE}');
    CREATE TABLE effects (workflow integer NOT NULL, step text NOT NULL); CREATE INDEX ON effects (workflow); GRANT ALL ON effects TO "${ROLE}"`, database);
  const admin = new Sturdy(cluster, 'postgres', database);
  const user = new Sturdy(cluster, ROLE, database);

  const newWorker = () => new Worker(cluster.connectionString('postgres', database), ['--log-level', 'warn', '--grace', '1']);
  const workers = Array.from({ length: WORKERS }, newWorker);
  t.teardown(() => Promise.all(workers.map((worker) => worker.stop('SIGKILL'))));
  const replace = async (signal: NodeJS.Signals): Promise<void> => {
    const at = Math.floor(random() * workers.length);
    await workers[at]?.stop(signal);
    workers[at] = newWorker();
  };
  const sessions = async () => (await admin.query<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE usename = $1 AND query ILIKE 'CALL df.work%' ORDER BY pid", [ROLE]))?.map(({ pid }) => pid) ?? [];
  const onSession = async (end: (pid: number) => unknown): Promise<void> => {
    const pids = await sessions();
    if (pids.length > 0) await end(pick(pids));
  };
  const killings: [name: string, weight: number, kill: () => Promise<unknown>][] = [
    ['worker, SIGKILL', 4, () => replace('SIGKILL')],
    ['worker, SIGTERM', 2, () => replace('SIGTERM')],
    ['session, cancelled', 4, () => onSession((pid) => admin.query('SELECT pg_cancel_backend($1)', [pid]))],
    ['session, terminated', 6, () => onSession((pid) => admin.query('SELECT pg_terminate_backend($1)', [pid]))],
    ['backend, SIGKILL', 2, () => onSession((pid) => { try { cluster.kill9Backend(pid); } catch { /* it ended first */ } })],
    ['server, immediate stop', 1, () => cluster.restart('immediate')],
  ];
  const urn = killings.flatMap((killing) => Array.from({ length: killing[1] }, () => killing));
  const counts = new Map<string, number>();

  let started = 0;
  const end = performance.now() + SECONDS * 1000;
  const starting = (async () => {
    while (performance.now() < end) {
      const [open] = await admin.query<{ n: number }>("SELECT count(*)::integer AS n FROM df.instances WHERE status IN ('pending', 'running')") ?? [];
      if (open !== undefined && open.n < MOST_OPEN) await user.query(`SELECT df.start(${WORKFLOW}, $1)`, [String((started += 1))]);
      else await pause(20);
    }
  })();
  while (performance.now() < end) {
    await pause(100 + random() * 900);
    const [name, , kill] = pick(urn);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await kill();
  }
  await starting;

  await until('all workflows to end', async () => (await admin.query<{ n: number }>("SELECT count(*)::integer AS n FROM df.instances WHERE status IN ('pending', 'running')"))?.[0]?.n === 0, DEADLINE)
    .catch(async (error: Error) => { throw new Error(`${error.message}\n${JSON.stringify(await admin.query('SELECT b.*, i.status FROM _df.branches b LEFT JOIN df.instances i ON i.id = b.instance_id LIMIT 5'), null, 1)}\n${workers.flatMap((worker) => worker.lines.slice(-5)).join('\n')}`); });
  const [summary] = await admin.query<{ completed: number; others: string | null }>(`
    SELECT count(*) FILTER (WHERE status = 'completed')::integer AS completed,
           string_agg(format('%s: %s %s', i.label, i.status, r.output), E'\\n') FILTER (WHERE status <> 'completed') AS others
    FROM df.instances i LEFT JOIN _df.runs r ON r.instance_id = i.id`) ?? [];
  t.is(summary?.others, null, 'every workflow completes');
  t.true((summary?.completed ?? 0) > 0, 'workflows ran');
  const wrong = await admin.query(`
    SELECT i.label, e.step, e.expected, (SELECT count(*) FROM effects f WHERE f.workflow = i.label::integer AND f.step = e.step)::integer AS there
    FROM df.instances i CROSS JOIN json_each_text('${JSON.stringify(EXPECTED)}') AS e(step, expected)
    WHERE (SELECT count(*) FROM effects f WHERE f.workflow = i.label::integer AND f.step = e.step) <> e.expected::integer`);
  t.deepEqual(wrong, [], 'every effect exactly once');
  t.deepEqual(await admin.query('SELECT workflow FROM effects WHERE NOT EXISTS (SELECT FROM df.instances i WHERE i.label = workflow::text)'), [], 'no effect of a workflow that was never started');
  t.deepEqual(await admin.query('SELECT * FROM _df.branches'), [], 'nothing is left in the engine');
  t.log(`${summary?.completed} workflows of ${started} attempts to start; killed: ${[...counts].map(([name, count]) => `${name} ${count}×`).join(', ')}`);
});
