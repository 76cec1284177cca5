/**
 * Throw-away PostgreSQL clusters: a private folder, a socket and no port, gone when the process ends.
 *
 * A cluster costs about a second; a database copied from its template, with PLV8 and pg_durable installed, some tens
 * of milliseconds. So a test file starts one cluster and gives every test a database of its own.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { until } from './poll.ts';

const run = promisify(execFile);
const PORT = 5432;
const TEMPLATE = 'durable_template';
const DEADLINE = 60_000;

export type StopMode = 'smart' | 'fast' | 'immediate';
const STOP_SIGNAL = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

export interface ClusterOptions {
  /** Server settings, over what suits tests: no fsync, 100 connections. */
  settings?: Record<string, string>;
  /** Writes to disk for real, as a benchmark needs. */
  durable?: boolean;
  /** The folder in which its files are made; the one for temporary files without. */
  folder?: string;
}

/** The folder of the server's programs: of `PG_CONFIG`, or of the pg_config on PATH. */
export function binDir(): string {
  return execFileSync(process.env.PG_CONFIG ?? 'pg_config', ['--bindir'], { encoding: 'utf8' }).trim();
}

export class Cluster {
  readonly socketDir: string;
  readonly port = PORT;
  readonly logFile: string;
  readonly #options: ClusterOptions;
  readonly #clients = new Set<pg.Client>();
  #server: ChildProcess | undefined;
  #template: Promise<void> | undefined;
  #databases = 0;

  constructor(dir: string, options: ClusterOptions) {
    this.socketDir = dir;
    this.logFile = path.join(dir, 'server.log');
    this.#options = options;
  }

  /** Process id of the postmaster. */
  get pid(): number {
    if (this.#server?.pid === undefined) throw new Error('the cluster is not running');
    return this.#server.pid;
  }

  /** Whether the postmaster runs. */
  get alive(): boolean {
    return this.#server !== undefined && this.#server.exitCode === null && this.#server.signalCode === null;
  }

  /** Starts the server, a stopped one too, and waits until it takes connections. */
  async start(): Promise<void> {
    const settings = {
      listen_addresses: '', unix_socket_directories: this.socketDir, max_connections: '100', log_line_prefix: '%m [%p] %u@%d ',
      ...(this.#options.durable === true ? {} : { fsync: 'off', full_page_writes: 'off', max_wal_size: '256MB' }),
      ...this.#options.settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const log = openSync(this.logFile, 'a');
    const [command, prefix] = asServerUser(['--pdeathsig', 'INT']);
    // In a process group of its own, so that Ctrl-C on a terminal is not a request to the server to stop.
    const server = spawn(command, [...prefix, path.join(binDir(), 'postgres'), '-D', dataDir(this.socketDir), '-p', String(PORT), ...args], { stdio: ['ignore', log, log], cwd: '/', detached: true });
    closeSync(log);
    // A test that has ended must not be kept waiting by the server; leaving the process ends the server.
    server.unref();
    this.#server = server;
    await until('the server to take connections', async () => {
      if (server.exitCode !== null || server.signalCode !== null) throw new Error(`the server did not start:\n${this.log()}`);
      const client = this.#newClient('postgres', 'postgres');
      try {
        await client.connect();
        await client.end();
        return true;
      } catch {
        return false;
      }
    }, DEADLINE);
  }

  /** Stops the server and keeps its files, so that start() brings it back. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.ref();
    const ended = new Promise((resolve) => { server.once('exit', resolve); });
    server.kill(STOP_SIGNAL[mode]);
    await ended;
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Stops the server and removes its files. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.end().catch(() => undefined)));
    await this.stop('immediate');
    rmSync(this.socketDir, { recursive: true, force: true });
  }

  /** Ends one backend as the kernel would; the server then restarts itself. */
  kill9Backend(pid: number): void {
    process.kill(pid, 'SIGKILL');
  }

  /** A connection URL over the socket, which psql understands as well. */
  connectionString(role = 'postgres', database = 'postgres'): string {
    return `postgresql://${encodeURIComponent(role)}@${encodeURIComponent(this.socketDir)}:${PORT}/${encodeURIComponent(database)}`;
  }

  /** PG* variables that lead any libpq program here. */
  environment(role = 'postgres', database = 'postgres'): Record<string, string> {
    return { PGHOST: this.socketDir, PGPORT: String(PORT), PGUSER: role, PGDATABASE: database };
  }

  #newClient(role: string, database: string): pg.Client {
    const client = new pg.Client({ host: this.socketDir, port: PORT, user: role, database, ssl: false });
    // A server that ends under an idle connection is what some tests are about, and nothing for the process to die of.
    client.on('error', () => undefined);
    return client;
  }

  /** A connected client; end it, or leave that to destroy(). */
  async client(role = 'postgres', database = 'postgres'): Promise<pg.Client> {
    const client = this.#newClient(role, database);
    await client.connect();
    this.#clients.add(client);
    client.once('end', () => this.#clients.delete(client));
    return client;
  }

  /** Runs SQL as the superuser, several statements too, and returns the rows of the last. */
  async query<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<Row[]> {
    const client = await this.client('postgres', database);
    try {
      const result = await client.query<Row>(sql) as pg.QueryResult<Row> | pg.QueryResult<Row>[];
      return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  /** Makes a fresh database, with pg_durable installed unless `template` names another one, and returns its name. */
  async createDatabase(template = TEMPLATE): Promise<string> {
    if (template === TEMPLATE) await (this.#template ??= this.#createTemplate());
    const name = `test_${(this.#databases += 1)}`;
    await this.query(`CREATE DATABASE ${name} TEMPLATE ${pg.escapeIdentifier(template)}`);
    return name;
  }

  async #createTemplate(): Promise<void> {
    await this.query(`CREATE DATABASE ${TEMPLATE}`);
    await this.query('CREATE EXTENSION pg_durable CASCADE', TEMPLATE);
    await this.query('CREATE EXTENSION IF NOT EXISTS pgtap', TEMPLATE);
    await this.query(`ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  }

  /** What the server has logged. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }
}

/** Makes and starts a cluster. As root the server runs as the user `postgres`. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dir = mkdtempSync(path.join(options.folder ?? tmpdir(), 'pg-durable-'));
  removeAtExit(dir);
  if (isRoot()) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })));
    chownSync(dir, uid as number, gid as number);
  }
  chmodSync(dir, 0o711);
  const [command, prefix] = asServerUser([]);
  await run(command, [...prefix, path.join(binDir(), 'initdb'), '-D', dataDir(dir), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'], { cwd: '/' });
  const cluster = new Cluster(dir, options);
  await cluster.start();
  return cluster;
}

function dataDir(dir: string): string {
  return path.join(dir, 'data');
}

function isRoot(): boolean {
  return userInfo().uid === 0;
}

/** The command, and its first arguments, that run what follows as a user whom the server accepts. */
function asServerUser(flags: string[]): [command: string, args: string[]] {
  const user = isRoot() ? ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'] : [];
  return ['setpriv', [...user, ...flags, '--']];
}

const leftovers = new Set<string>();

/** Whatever ends this process, no server and no file stays: a server whose parent dies by SIGKILL ends on its own. */
function removeAtExit(dir: string): void {
  if (leftovers.size === 0) {
    process.once('exit', removeLeftovers);
    for (const [signal, number] of [['SIGHUP', 1], ['SIGINT', 2], ['SIGTERM', 15]] as const) {
      process.once(signal, () => process.exit(128 + number));
    }
  }
  leftovers.add(dir);
}

function removeLeftovers(): void {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  for (const dir of leftovers) {
    const pidFile = path.join(dataDir(dir), 'postmaster.pid');
    if (existsSync(pidFile)) {
      const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
      try {
        process.kill(pid, 'SIGQUIT');
        for (let tries = 0; tries < 500 && existsSync(pidFile); tries += 1) Atomics.wait(sleep, 0, 0, 10);
      } catch {
        // It has ended by itself, which is what we want.
      }
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
