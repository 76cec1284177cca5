/**
 * The cluster that is hurt, behind one address: clients connect to the proxy, which leads to whoever is the primary.
 * A standby can be made and promoted; then the primary is another server with other files.
 */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { binDir, Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { Disk } from './disk.ts';
import { Proxy } from './proxy.ts';
import { ROLES_SQL, STAGE_SQL } from './stage.ts';

const run = promisify(execFile);

const SETTINGS = {
  max_connections: '120', min_wal_size: '48MB', max_wal_size: '96MB', wal_keep_size: '64MB', autovacuum_naptime: '5s',
  log_lock_waits: 'on', deadlock_timeout: '200ms',
};

export interface WorldOptions {
  /** On a small file system, if the machine allows one. */
  smallDisk?: boolean;
  /** Version of the extension to begin with; the current one without. */
  version?: string;
}

export class World {
  primary: Cluster;
  readonly proxy: Proxy;
  readonly database = 'crash';
  readonly disk: Disk | null;
  /** Why there is no small disk. */
  readonly noDisk: string;
  readonly #folder: string;
  #client: pg.Client | null = null;

  private constructor(primary: Cluster, proxy: Proxy, folder: string, disk: Disk | string) {
    this.primary = primary;
    this.proxy = proxy;
    this.#folder = folder;
    this.disk = typeof disk === 'string' ? null : disk;
    this.noDisk = typeof disk === 'string' ? disk : '';
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    const disk = options.smallDisk === true ? Disk.make() : 'no small file system was asked for';
    const place = typeof disk === 'string' ? tmpdir() : disk.path;
    const folder = mkdtempSync(path.join(place, 'pg-durable-crash-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    hand(folder);
    const primary = await startCluster({ settings: SETTINGS, folder: place });
    const world = new World(primary, await Proxy.start(folder, primary.socketDir), folder, disk);
    await primary.query(`CREATE DATABASE ${world.database}`);
    await primary.query(ROLES_SQL);
    const version = options.version === undefined ? '' : ` VERSION '${options.version}'`;
    await primary.query(`CREATE EXTENSION plv8; CREATE EXTENSION pg_durable${version};
      ALTER DATABASE ${world.database} SET pg_durable.loop_min_interval = '0.2'; ${STAGE_SQL}`, world.database);
    return world;
  }

  /** URL through the proxy; a worker's names its number to the sessions it opens. */
  url(role: string, worker?: number): string {
    const options = worker === undefined ? '' : `?options=${encodeURIComponent(`-c crash.worker=${worker}`)}`;
    return `postgresql://${encodeURIComponent(role)}@${encodeURIComponent(this.proxy.socketDir)}:5432/${this.database}${options}`;
  }

  /** Asks the primary directly, as the superuser, and keeps asking while it is away; for what may be asked twice. */
  async ask<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return until(`an answer to: ${sql}`, async () => {
      try {
        return await this.look<Row>(sql, values);
      } catch (error) {
        if (!isPassing(error)) throw error;
        return null;
      }
    }, 60_000);
  }

  /** Asks once, on a connection that is kept. Raises the connection's or the server's error. */
  async look<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    if (this.#client === null) {
      const client = new pg.Client({ host: this.primary.socketDir, port: 5432, user: 'postgres', database: this.database, application_name: 'onlooker' });
      client.on('error', () => { if (this.#client === client) this.#client = null; });
      client.on('end', () => { if (this.#client === client) this.#client = null; });
      await client.connect();
      this.#client = client;
    }
    const client = this.#client;
    try {
      const result = await client.query<Row>(sql, values) as pg.QueryResult<Row> | pg.QueryResult<Row>[];
      return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
    } catch (error) {
      if (isPassing(error) && this.#client === client) {
        this.#client = null;
        void client.end().catch(() => undefined);
      }
      throw error;
    }
  }

  /**
   * Ends a backend as the kernel would, and waits until the server has noticed, which shows in the loss of the connection
   * that `look` keeps. False when the backend had ended by itself before.
   */
  async crash(pid: number): Promise<boolean> {
    await this.ask('SELECT 1');
    const client = this.#client;
    try {
      process.kill(pid, 'SIGKILL');
      await until('the server to let go of its connections', () => this.#client !== client, 10_000);
      return true;
    } catch {
      return false;
    }
  }

  /** Waits until the primary takes connections, starting it when it has ended, and returns when that was (ms). */
  async accepts(patience = 60_000): Promise<number> {
    for (const end = Date.now() + patience; ; await pause(5)) {
      try {
        await this.look('SELECT 1');
        return Date.now();
      } catch (error) {
        if (!isPassing(error) || Date.now() > end) throw error;
        if (!this.primary.alive) await this.primary.start().catch(() => undefined);
      }
    }
  }

  /** Makes a synchronous standby: what the primary acknowledges from now on is there as well. */
  async makeStandby(): Promise<Cluster> {
    const folder = mkdtempSync(path.join(this.#folder, 'standby-'));
    hand(folder);
    const user = userInfo().uid === 0 ? ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'] : [];
    await run('setpriv', [...user, '--', path.join(binDir(), 'pg_basebackup'), '-h', this.primary.socketDir, '-U', 'postgres',
      '-D', path.join(folder, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync'], { cwd: '/' });
    const standby = new Cluster(folder, { settings: SETTINGS });
    await standby.start();
    await this.ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await this.ask('SELECT pg_reload_conf()');
    await until('the standby to be synchronous', async () =>
      (await this.ask("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")).length > 0);
    return standby;
  }

  /** Kills the primary and makes the standby the primary, to which the proxy leads from then on. */
  async promote(standby: Cluster): Promise<void> {
    const old = this.primary;
    await old.stop('immediate');
    await standby.query('SELECT pg_promote()');
    this.primary = standby;
    this.proxy.target = standby.socketDir;
    this.#client = null;
    await old.destroy();
  }

  /** What the servers logged that no disturbance excuses: a crash of their own. */
  complaints(): string[] {
    return [...this.primary.log().matchAll(/^.*(?:terminated by signal (?!9\b|3\b)|TRAP:|PANIC: (?!.*No space left)).*$/gm)].map(([line]) => `the server logged: ${line}`);
  }

  async destroy(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
    await this.proxy.stop();
    await this.primary.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
    this.disk?.remove();
  }
}

/** Whether an error means that the server or the connection is not there just now, or that there is no room. */
export function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return /^(08|53|57|58|40)/.test(code ?? '') || /^(ECONN|EPIPE|ENOENT|ETIMEDOUT|EAGAIN)/.test(code ?? '')
    || /connection terminated|timeout|not queryable|client was closed|connection error|Query read|could not write init file/i.test(message ?? '');
}

/** Gives a folder to the user as whom the server runs. */
function hand(folder: string): void {
  if (userInfo().uid === 0) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' })));
    chownSync(folder, uid as number, gid as number);
  }
  chmodSync(folder, 0o711);
}
