/**
 * Where the server is, and how the connections of the worker and of the submitting roles are derived from that.
 *
 * The worker is told one place (a URL, or the PG* variables). A role's connection is the same but for the user, and never
 * carries the worker's password: how a role authenticates is PostgreSQL's business (peer, trust, a certificate, the password file).
 */
import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { ClientConfig } from 'pg';
import { parse } from 'pg-connection-string';
import { PasswordMissing } from './failures.ts';
import { findPassword } from './passfile.ts';

export const APPLICATION_NAME = 'pg_durable worker';

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** The worker's own user. */
  readonly user: string;
  /** The worker's own password, if one was given outright. */
  readonly password: string | null;
  /** Options for the server's command line, such as `-c name=value`. */
  readonly options: string;
  readonly ssl: ClientConfig['ssl'];
  /** ms for a connection to come about. */
  readonly connectTimeout: number;
  readonly passwordFile: string;
}

/** Thrown for a URL or variable that names no usable place. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the place from a URL, with what it leaves out taken from the PG* variables and PostgreSQL's own defaults.
 * @param url `postgresql://user@host:port/database?…`; a socket is `postgresql:///database?host=/directory`; undefined = PG* only
 * @throws PlaceError naming what is wrong, without the password
 */
export function readPlace(url: string | undefined, environment: Environment): Place {
  if (environment['PGSERVICE']) {
    throw new PlaceError('PGSERVICE is set, but service files are not read: give a URL in DATABASE_URL or --database-url');
  }
  const given = parseUrl(withSsl(url ?? 'postgresql:///', environment));
  const text = (key: string): string => (typeof given[key] === 'string' ? (given[key] as string) : '');
  const port = readNumber('port', text('port') || environment['PGPORT'] || '5432', 1, 65_535);
  const user = text('user') || environment['PGUSER'] || userInfo().username;
  const host = text('host') || environment['PGHOST'] || localHost(port);
  return {
    host,
    port,
    user,
    database: text('database') || environment['PGDATABASE'] || user,
    password: text('password') || environment['PGPASSWORD'] || null,
    options: text('options') || environment['PGOPTIONS'] || '',
    // A socket has no wire to protect, and the server offers no TLS on it.
    ssl: host.startsWith('/') ? false : (given['ssl'] as ClientConfig['ssl']),
    connectTimeout: 1000 * readNumber('connect_timeout', text('connect_timeout') || environment['PGCONNECT_TIMEOUT'] || '10', 1, 3600),
    passwordFile: environment['PGPASSFILE'] || join(environment['HOME'] || homedir(), '.pgpass'),
  };
}

/** The place in words, without secrets, for the log. */
export function describePlace(place: Place): string {
  return `${place.user}@${place.host}:${place.port}/${place.database}`;
}

/** Connection of the worker itself. Its calls lock rows and skip locked ones, whatever the database's defaults are. */
export function workerConnection(place: Place): ClientConfig {
  return connection(place, place.user, place.password, ['-c default_transaction_isolation=read\\ committed', '-c default_transaction_read_only=off']);
}

/**
 * Connection as a submitting role.
 * @param watchClient lets the server look ten times a second whether this worker is still there, also within a long step: a step of
 *   a worker that died is then freed for others at once. Not every server's platform can.
 */
export function roleConnection(place: Place, role: string, watchClient: boolean): ClientConfig {
  return connection(place, role, null, watchClient ? ['-c client_connection_check_interval=100'] : []);
}

function connection(place: Place, user: string, password: string | null, options: readonly string[]): ClientConfig {
  return {
    host: place.host,
    port: place.port,
    database: place.database,
    user,
    // A function, and never undefined: `pg` would fall back to PGPASSWORD, which is the worker's alone. Called when the server asks.
    password: () => askPassword(place, user, password),
    options: [place.options, ...options].filter((option) => option !== '').join(' '),
    ssl: place.ssl ?? false,
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: place.connectTimeout,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

async function askPassword(place: Place, user: string, password: string | null): Promise<string> {
  const found = password ?? await findPassword(place.passwordFile, { ...place, user });
  if (found !== null) return found;
  throw new PasswordMissing(
    `the server asks "${user}" for a password, and "${place.passwordFile}" has no line for ` +
    `${place.host}:${place.port}:${place.database}:${user}: add one, or allow the worker's machine another way in pg_hba.conf`,
  );
}

function parseUrl(url: string): Record<string, unknown> {
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new PlaceError('the database URL must begin with postgresql://, as in postgresql://user@host:5432/database');
  }
  try {
    // The same meaning of sslmode as in every other client of PostgreSQL.
    return parse(url, { useLibpqCompat: true });
  } catch (error) {
    throw new PlaceError(`the database URL cannot be read: ${(error as Error).message}`);
  }
}

const SSL_VARIABLES = { sslmode: 'PGSSLMODE', sslrootcert: 'PGSSLROOTCERT', sslcert: 'PGSSLCERT', sslkey: 'PGSSLKEY' } as const;

/** Adds the PGSSL* variables to a URL that does not speak of them, so that both go through one reader. */
function withSsl(url: string, environment: Environment): string {
  let full = url;
  for (const [key, variable] of Object.entries(SSL_VARIABLES)) {
    const value = environment[variable];
    if (value && !new RegExp(`[?&]${key}=`).test(full)) full += `${full.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`;
  }
  return full;
}

/** Where a server of this machine listens: its socket if there is one, as for psql. */
function localHost(port: number): string {
  return ['/var/run/postgresql', '/tmp'].find((directory) => existsSync(join(directory, `.s.PGSQL.${port}`))) ?? 'localhost';
}

function readNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new PlaceError(`${name} of the connection is "${text}", but it must be a whole number from ${least} to ${most}`);
}
