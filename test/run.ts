/**
 * The test runner: `node --import tsx test/run.ts [suite …]`, all suites without arguments.
 *
 * | suite       | what                                                                                     |
 * |-------------|------------------------------------------------------------------------------------------|
 * | unit        | test/unit, ava, no server                                                                |
 * | plv8        | plv8/test/run.sh, the language handler                                                   |
 * | pgtap       | test/pgtap/*.sql, each in a fresh database that has the extension; a file whose first    |
 * |             | line is `-- @worker` gets a worker on that database                                      |
 * | integration | test/integration, ava, a private cluster per file                                        |
 * | upgrade     | test/upgrade, ava, a private cluster per file                                            |
 * | crash       | test/crash, ava, two minutes with fixed seeds: the long hunt is `make crash`             |
 *
 * `--server` runs the pgtap suite on the server that the PG* variables name instead of a private cluster. Every suite
 * prints one line and what failed; the whole of its output goes to .tmp/test/<suite>.log. The last line is
 * `N passed, N failed`. Exit status 1 when anything failed or a suite ran nothing.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startCluster } from './support/cluster.ts';
import { NOTHING, readTap, sum, type Totals } from './support/tap.ts';
import { Worker } from './support/worker.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LOGS = path.join(ROOT, '.tmp/test');
/** No pgTAP file may take longer, in milliseconds. */
const FILE_DEADLINE = 300_000;

interface Report extends Totals {
  failures: string[];
  log: string;
}

interface Output {
  code: number | null;
  text: string;
}

/** Runs a command to its end and gathers both of its streams in the order they come. */
function capture(command: string, args: string[], env: Record<string, string> = {}, timeout?: number): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' });
    let text = '';
    child.stdout.on('data', (chunk) => { text += chunk; });
    child.stderr.on('data', (chunk) => { text += chunk; });
    child.once('error', reject);
    child.once('close', (code) => { resolve({ code, text }); });
  });
}

/** The files of a suite; an empty list when its folder is missing. */
function filesIn(folder: string, ending: string): string[] {
  const dir = path.join(ROOT, folder);
  if (!existsSync(dir)) return [];
  return readdirSync(dir).filter((name) => name.endsWith(ending)).sort().map((name) => path.join(folder, name));
}

/** A report whose exit status agrees with its counts: an end in failure without a failing test is one. */
function report(totals: Totals & { failures: string[] }, { code, text }: Output): Report {
  if (code === 0 || totals.failed > 0) return { ...totals, log: text };
  return { ...totals, failed: 1, failures: [`ended with ${code === null ? 'a signal' : `status ${code}`}`, ...text.trimEnd().split('\n').slice(-20)], log: text };
}

/** Files with servers run one after the other: deadlines are for machines that do one thing at a time. */
async function ava(folder: string, env: Record<string, string> = {}): Promise<Report> {
  const files = filesIn(folder, '.test.ts');
  if (files.length === 0) return { ...NOTHING, failures: [], log: '' };
  const output = await capture(process.execPath, ['node_modules/ava/entrypoints/cli.mjs', '--tap', '--timeout=5m', ...(folder === 'test/unit' ? [] : ['--concurrency=1']), ...files], env);
  return report(readTap(output.text), output);
}

async function plv8(): Promise<Report> {
  const output = await capture('bash', ['plv8/test/run.sh']);
  const match = /^plv8: \d+ tests, (\d+) passed, (\d+) skipped, (\d+) failed/m.exec(output.text);
  const [passed, skipped, failed] = (match?.slice(1) ?? ['0', '0', '0']).map(Number) as [number, number, number];
  const failures = failed > 0 || output.code !== 0 ? output.text.trimEnd().split('\n') : [];
  return report({ passed, skipped, failed, failures }, output);
}

/** One place to run pgTAP files in: makes databases and takes them away, with the roles that a file left behind. */
interface Server {
  create(): Promise<{ env: Record<string, string>; url: string }>;
  drop(env: Record<string, string>, sql: string): Promise<void>;
  end(): Promise<void>;
}

type Query = (sql: string) => Promise<{ rolname: string }[]>;

/** Drops the roles that are not in `before` and that `isOurs`, now that nothing but grants can depend on them. */
async function dropRoles(query: Query, before: ReadonlySet<string>, isOurs: (role: string) => boolean): Promise<void> {
  for (const { rolname } of await query('SELECT rolname FROM pg_catalog.pg_roles')) {
    if (before.has(rolname) || !isOurs(rolname)) continue;
    const role = pg.escapeIdentifier(rolname);
    await query(`DROP OWNED BY ${role}`);
    await query(`DROP ROLE ${role}`);
  }
}

/** A private cluster, on which every role that a file leaves is dropped, so that files cannot disturb each other. */
async function privateServer(): Promise<Server> {
  const cluster = await startCluster();
  const query: Query = (sql) => cluster.query(sql);
  const before = new Set((await query('SELECT rolname FROM pg_catalog.pg_roles')).map(({ rolname }) => rolname));
  return {
    create: async () => {
      const database = await cluster.createDatabase();
      return { env: cluster.environment('postgres', database), url: cluster.connectionString('postgres', database) };
    },
    drop: async ({ PGDATABASE }) => {
      await cluster.query(`DROP DATABASE ${PGDATABASE} WITH (FORCE)`);
      await dropRoles(query, before, () => true);
    },
    end: () => cluster.destroy(),
  };
}

/**
 * The server of the PG* variables. Databases called pg_durable_check_<pid>_<n> are made and dropped there, and roles
 * that were not there before and that the test file names in a CREATE ROLE; nothing else is touched.
 */
async function namedServer(): Promise<Server> {
  const admin = new pg.Client();
  await admin.connect();
  const query: Query = async (sql) => (await admin.query<{ rolname: string }>(sql)).rows;
  const before = new Set((await query('SELECT rolname FROM pg_catalog.pg_roles')).map(({ rolname }) => rolname));
  let count = 0;
  return {
    create: async () => {
      const database = `pg_durable_check_${process.pid}_${(count += 1)}`;
      await admin.query(`CREATE DATABASE ${database}`);
      const client = new pg.Client({ database });
      await client.connect();
      await client.query('CREATE EXTENSION pg_durable CASCADE; CREATE EXTENSION pgtap');
      await client.end();
      return { env: { PGDATABASE: database }, url: `postgresql:///${database}` };
    },
    drop: async ({ PGDATABASE }, sql) => {
      await admin.query(`DROP DATABASE ${PGDATABASE} WITH (FORCE)`);
      const named = [...sql.matchAll(/CREATE (?:ROLE|USER)\s+(?:"((?:[^"]|"")+)"|(\w+))/gi)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain?.toLowerCase());
      await dropRoles(query, before, (role) => named.includes(role));
    },
    end: () => admin.end(),
  };
}

async function pgtap(onNamedServer: boolean): Promise<Report> {
  const files = filesIn('test/pgtap', '.sql');
  if (files.length === 0) return { ...NOTHING, failures: [], log: '' };
  const server = await (onNamedServer ? namedServer() : privateServer());
  const reports: Report[] = [];
  try {
    for (const file of files) {
      const { env, url } = await server.create();
      const sql = readFileSync(path.join(ROOT, file), 'utf8');
      const worker = sql.startsWith('-- @worker') ? new Worker(url) : undefined;
      const output = await capture('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-f', file], env, FILE_DEADLINE);
      await worker?.stop('SIGKILL');
      await server.drop(env, sql);
      const one = report(readTap(output.text), output);
      reports.push({ ...one, failures: one.failures.length > 0 ? [file, ...one.failures] : [], log: `== ${file}\n${output.text}` });
    }
  } finally {
    await server.end();
  }
  return { ...sum(...reports), failures: reports.flatMap(({ failures }) => failures), log: reports.map(({ log }) => log).join('\n') };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { server: { type: 'boolean', default: false } } });
  const suites: Record<string, () => Promise<Report>> = {
    unit: () => ava('test/unit'), plv8, pgtap: () => pgtap(values.server), integration: () => ava('test/integration'),
    upgrade: () => ava('test/upgrade'), crash: () => ava('test/crash'),
  };
  const chosen = positionals.length > 0 ? positionals : Object.keys(suites).filter((name) => name === 'plv8' || existsSync(path.join(ROOT, 'test', name)));
  mkdirSync(LOGS, { recursive: true });
  let total = NOTHING;
  for (const name of chosen) {
    const suite = suites[name];
    if (suite === undefined) throw new Error(`unknown suite ${name}: there are ${Object.keys(suites).join(', ')}`);
    const started = performance.now();
    const result = await suite().catch((error: unknown): Report => {
      const log = error instanceof Error ? error.stack ?? error.message : String(error);
      return { ...NOTHING, failed: 1, failures: [log], log };
    });
    if (result.passed + result.failed === 0) {
      result.failed = 1;
      result.failures.push('no test ran');
    }
    writeFileSync(path.join(LOGS, `${name}.log`), result.log);
    for (const line of result.failures) console.log(`  ${line}`);
    const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : '';
    console.log(`${name.padEnd(12)} ${result.passed} passed, ${result.failed} failed${skipped}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
    total = sum(total, result);
  }
  const summary = `${total.passed} passed, ${total.failed} failed`;
  writeFileSync(path.join(LOGS, 'summary'), `${summary}\n`);
  console.log(summary);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

await main();
