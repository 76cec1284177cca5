/**
 * `make demo`: a workflow that branches, joins, sleeps and waits for a signal, shown while it runs. In the middle of two
 * steps the worker is killed; another one finishes the work, and the row counts show that every step took effect once.
 * `make demo-shell` (`--shell`) sets up the same and opens psql instead. Everything is in a private cluster that is
 * gone afterwards.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import { type Cluster, startCluster } from '../../test/support/cluster.ts';
import { until } from '../../test/support/poll.ts';
import { Worker } from '../../test/support/worker.ts';
import { Screen, table } from './screen.ts';

const ROLE = 'shop';
const SHOP = readFileSync(fileURLToPath(new URL('shop.sql', import.meta.url)), 'utf8');
/** Milliseconds between two looks at the workflow. */
const REFRESH = 200;
/** How long the demo lets the audience look at a state, in milliseconds. */
const LOOK = 1500;

const screen = new Screen();

async function main(): Promise<void> {
  screen.title('pg_durable: a workflow in SQL that survives whatever happens to it');
  const cluster = await startCluster();
  const database = await cluster.createDatabase();
  await cluster.query(`CREATE ROLE ${ROLE} LOGIN; CREATE SCHEMA ${ROLE} AUTHORIZATION ${ROLE}; SELECT df.grant_usage('${ROLE}')`, database);
  const shop = await cluster.client(ROLE, database);
  await shop.query(SHOP);
  const worker = new Worker(cluster.connectionString('postgres', database));
  screen.say(`A private PostgreSQL cluster is up, on a socket in ${cluster.socketDir}, and a worker beside it (process ${worker.pid}).`);
  try {
    if (process.argv.includes('--shell')) await shell(cluster, database);
    else await story(cluster, database, shop, worker);
  } finally {
    await cluster.destroy();
  }
}

async function story(cluster: Cluster, database: string, shop: Client, first: Worker): Promise<void> {
  screen.say('The workflow, as somebody would type it into psql. ~> is "then", & is "both at once", |=> names a result:');
  screen.sql(/AS \$\$\s*(SELECT 'SELECT id[^]*?)\$\$;/.exec(SHOP)?.[1] ?? '');
  screen.say('Let it run for order 42, a telescope for 349:');
  screen.sql("SELECT df.setvar('order', '42');\nSELECT df.start(fulfil(), 'order 42');");
  await shop.query("SELECT df.setvar('order', '42')");
  const { rows: [started] } = await shop.query<{ id: string }>("SELECT df.start(fulfil(), 'order 42') AS id");
  const id = started?.id ?? '';
  const running = async (query: string): Promise<boolean> => (await shop.query('SELECT FROM df.nodes WHERE instance_id = $1 AND status = \'running\' AND query LIKE $2', [id, query])).rows.length > 0;

  screen.say(`That returned the id ${id} at once. SELECT df.explain('${id}') shows where it is:`);
  await watch(shop, id, first, async () => await running('%reserve%') && await running('%charge%'));
  await watchFor(shop, id, first, 700);

  const sessions = await kill(cluster, database, first);
  screen.say(`${screen.colour('red', `Both steps are in the middle of their work. kill -9 ${first.pid}:`)} the worker is gone, and its ${sessions} database session(s) with it.`);
  const { rows: [now] } = await shop.query<{ payments: string; calls: string }>('SELECT (SELECT count(*) FROM payments) AS payments, (SELECT last_value FROM charge_calls) AS calls');
  screen.say(`charge() has been called ${now?.calls} time(s), and there are ${now?.payments} payments: a step and the record that it was done are one transaction.`);
  await new Promise((resolve) => { setTimeout(resolve, LOOK); });

  const second = new Worker(cluster.connectionString('postgres', database));
  screen.say(`Another worker (process ${second.pid}) takes over, from where it was:`);
  await watch(shop, id, second, () => running('%picked_up%'));
  await watchFor(shop, id, second, LOOK);
  screen.say('Now it waits for a signal, which costs nothing for as long as it takes. Here it comes:');
  screen.sql(`SELECT df.signal('${id}', 'picked_up', '{"courier": "Ada"}');`);
  await shop.query('SELECT df.signal($1, \'picked_up\', \'{"courier": "Ada"}\')', [id]);
  await watch(shop, id, second, async () => /completed|failed|cancelled/.test((await shop.query<{ status: string }>('SELECT df.status($1) AS status', [id])).rows[0]?.status ?? ''));
  await second.stop();

  const { rows: [end] } = await shop.query<{ status: string; result: string }>('SELECT df.status($1) AS status, df.result($1) AS result', [id]);
  const effects = (await shop.query<{ step: string; called: string; took_effect: string }>('SELECT * FROM effects')).rows;
  screen.title(`${end?.status}: ${end?.result}`);
  screen.say('How often each function was called (a sequence counts, which no rollback undoes), and how often it took effect:');
  screen.say(table(effects));
  if (end?.status !== 'completed' || effects.some((row) => Number(row.took_effect) !== 1)) throw new Error('the workflow did not do what it must: every step once');
  screen.say(`${screen.colour('green', 'Every step took effect exactly once.')} Nothing is left of the cluster. Try it yourself: make demo-shell`);
}

/** Shows the workflow until `done`; a worker that ends by itself is an error, told with what it said. */
async function watch(shop: Client, id: string, worker: Worker, done: () => Promise<boolean>): Promise<void> {
  await until('the workflow to get there', async () => {
    const { rows: [row] } = await shop.query<{ tree: string }>('SELECT df.explain($1) AS tree', [id]);
    screen.show(row?.tree ?? '');
    if (await done()) return true;
    const { rows: [instance] } = await shop.query<{ status: string }>('SELECT df.status($1) AS status', [id]);
    if (instance?.status === 'failed') throw new Error('the workflow failed, as shown above');
    await Promise.race([new Promise((resolve) => { setTimeout(resolve, REFRESH); }), worker.ended.then((status) => { throw new Error(`the worker ended with status ${status}:\n${worker.lines.join('\n')}`); })]);
    return false;
  }, 60_000);
}

async function watchFor(shop: Client, id: string, worker: Worker, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  await watch(shop, id, worker, () => Promise.resolve(performance.now() >= end));
}

/** Kills the worker without a chance to say anything, and its sessions too, which would else end their step first. */
async function kill(cluster: Cluster, database: string, worker: Worker): Promise<number> {
  const gone = worker.stop('SIGKILL');
  const ended = await cluster.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}' AND usename = '${ROLE}' AND query ILIKE 'CALL df.work%'`, database);
  await gone;
  return ended.length;
}

async function shell(cluster: Cluster, database: string): Promise<void> {
  screen.say(`You are ${ROLE}, and there is a small shop (\\d). A few things to try:`);
  screen.sql(`SELECT df.start('SELECT 6 * 7' |=> 'n' ~> 'SELECT $n + 1', 'my first');
SELECT * FROM df.list_instances();
SELECT df.explain(fulfil());                        -- what order handling will do
SELECT df.setvar('order', '41');
SELECT df.start(fulfil(), 'order 41') AS id \\gset
SELECT df.explain(:'id') \\watch 1                   -- Ctrl-C ends the watching
SELECT df.signal(:'id', 'picked_up', '{"courier": "Ada"}');
SELECT df.await_instance(:'id'), df.result(:'id');`);
  screen.say('\\q ends it and takes the cluster away.');
  // Ctrl-C belongs to psql while it runs.
  process.removeAllListeners('SIGINT').on('SIGINT', () => undefined);
  const psql = spawn('psql', ['-X', '-v', 'PROMPT1=shop=> ', '-v', 'PROMPT2=shop-> ', '-P', 'null=∅', '-q'], { stdio: 'inherit', env: { ...process.env, ...cluster.environment(ROLE, database), PSQL_HISTORY: '/dev/null' } });
  await new Promise((resolve, reject) => {
    psql.once('error', reject);
    psql.once('close', resolve);
  });
}

await main();
