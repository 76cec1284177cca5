/** `pg-durable worker`: reads the command line, runs a worker, and turns signals into its end. */
import { systemClock } from '../worker/clock.ts';
import { PlaceError, readPlace } from '../worker/connection.ts';
import { CannotStart } from '../worker/control.ts';
import { createLog, LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../worker/log.ts';
import type { WorkerOptions } from '../worker/options.ts';
import { Worker } from '../worker/worker.ts';
import { describeFlags, duration, oneOf, readFlags, UsageError, wholeNumber, type Flag } from './flags.ts';

const FLAGS = {
  'database-url': {
    value: 'URL',
    help: 'Where the server is, as postgresql://user@host:5432/database or postgresql:///database?host=/socket/directory. ' +
      'Default: DATABASE_URL, else the PGHOST, PGPORT, PGUSER, PGDATABASE … variables, else this machine\'s server.',
  },
  'max-connections': {
    value: 'N', read: wholeNumber(1, 1000),
    help: 'Sessions of submitting roles at once, 1 to 1000. The worker itself has one connection more, now and then two. ' +
      'A step that cannot run in a transaction, or runs in another database, takes the place of a session and has two connections. ' +
      'Default: the setting pg_durable.max_user_connections, which also limits the steps running at once.',
  },
  'max-per-role': {
    value: 'N', read: wholeNumber(1, 1000),
    help: 'Sessions of one role at once. Default: four fifths of all, so that one role alone cannot keep all others waiting.',
  },
  idle: {
    value: 'SECONDS', read: duration(0, 86_400),
    help: 'How long a session is kept after its last work, so that the next step need not wait for a new one. 0 to 86400, default 60.',
  },
  grace: {
    value: 'SECONDS', read: duration(0, 86_400),
    help: 'On SIGTERM or SIGINT, how long running steps may go on before they are cancelled; a cancelled step is rolled back and ' +
      'done again by the next worker. 0 to 86400, default 10. A second signal ends the worker at once.',
  },
  sweep: {
    value: 'SECONDS', read: duration(0.1, 3600),
    help: 'How often to ask the server what is due, besides being notified. 0.1 to 3600, default 0.25. What a worker that died has left is found so. Where the answer takes long, it is asked for every second.',
  },
  once: { help: 'Do what is due now, then exit. Timers and signals are not waited for; trouble with the server is an error.' },
  'log-level': { value: 'LEVEL', read: oneOf(LOG_LEVELS), help: `How much to log on stderr: ${LOG_LEVELS.join(', ')}. Default info.` },
  'log-format': { value: 'FORMAT', read: oneOf(LOG_FORMATS), help: 'One line per event: json (default), or text for people.' },
  help: { short: 'h', help: 'Show this text.' },
} as const satisfies Readonly<Record<string, Flag>>;

export const WORKER_SUMMARY = 'run the steps of durable workflows';

export function workerHelp(): string {
  return `pg-durable worker: runs the steps of workflows that df.start has put into a PostgreSQL database.

Usage: pg-durable worker [flags]

It connects to one database, waits to be told of due work, and runs it in sessions that log in as the
role that started the workflow. So the server must let this machine log in as those roles without a
question: peer or trust authentication on a socket, certificates, or lines in the password file
(~/.pgpass, PGPASSFILE). The worker's own user must own the extension or have been granted its use.
Run as many workers as you like; each step is done exactly once. Stop one with SIGTERM or Ctrl-C;
SIGHUP makes it read the settings of the database again.

Flags:
${describeFlags(FLAGS)}

Settings of the database (ALTER DATABASE … SET) that the worker heeds: pg_durable.max_user_connections,
pg_durable.execution_acquire_timeout, pg_durable.reconcile_interval, pg_durable.retention_days, and for
HTTP steps pg_durable.http and those beginning with pg_durable.http_. Of its environment it heeds
HTTP_PROXY, HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS.

Exit status: 0 after a graceful stop, 1 when it cannot work, 2 for a wrong command line,
130 or 143 when a second signal ended it.

Examples:
  pg-durable worker --database-url postgresql://postgres@/app?host=/var/run/postgresql
  PGDATABASE=app pg-durable worker --max-connections 20 --log-format text
  pg-durable worker --once
`;
}

export interface WorkerCommand {
  readonly options: WorkerOptions;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/**
 * Reads the command line of `pg-durable worker`.
 * @returns null when help is asked for
 * @throws UsageError
 */
export function readWorkerCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  version: string,
): WorkerCommand | null {
  const given = readFlags(args, FLAGS);
  if (given['help'] === true) return null;
  const number = (name: keyof typeof FLAGS, fallback: number): number => (given[name] as number | undefined) ?? fallback;
  const maxConnections = (given['max-connections'] as number | undefined) ?? null;
  const maxPerRole = (given['max-per-role'] as number | undefined) ?? null;
  if (maxConnections !== null && maxPerRole !== null && maxPerRole > maxConnections) {
    throw new UsageError(`--max-per-role is ${maxPerRole}, but it cannot be more than --max-connections, which is ${maxConnections}`);
  }
  try {
    const url = (given['database-url'] as string | undefined) ?? (environment['DATABASE_URL'] || undefined);
    return {
      options: {
        place: readPlace(url, environment),
        version,
        maxConnections,
        maxPerRole,
        idle: number('idle', 60_000),
        grace: number('grace', 10_000),
        sweep: number('sweep', 250),
        once: given['once'] === true,
      },
      logLevel: (given['log-level'] as LogLevel | undefined) ?? 'info',
      logFormat: (given['log-format'] as LogFormat | undefined) ?? 'json',
    };
  } catch (error) {
    if (error instanceof PlaceError) throw new UsageError(error.message);
    throw error;
  }
}

const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;

/** Runs a worker until it ends. Returns the exit status. */
export async function runWorker(command: WorkerCommand): Promise<number> {
  const log = createLog(command.logLevel, command.logFormat, (line) => process.stderr.write(line));
  const worker = new Worker(command.options, systemClock, log);
  let signals = 0;
  const onSignal = (signal: keyof typeof EXIT_BY_SIGNAL): void => {
    signals += 1;
    // The server sees the connections end, and takes the unfinished steps back.
    if (signals > 1) process.exit(EXIT_BY_SIGNAL[signal]);
    worker.stop();
  };
  const onHangup = (): void => worker.reload();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
  try {
    await worker.run();
    return 0;
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    log.error('worker.cannot_start', { message: error.message });
    return 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup);
  }
}
