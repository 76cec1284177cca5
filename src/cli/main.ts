#!/usr/bin/env node
/** The `pg-durable` command. */
import packageJson from '../../package.json' with { type: 'json' };
import { nearest } from './suggest.ts';
import { UsageError } from './flags.ts';
import { readWorkerCommand, runWorker, workerHelp, WORKER_SUMMARY } from './worker-command.ts';

const HELP = `pg-durable ${packageJson.version}: durable workflows written in SQL that live in PostgreSQL.

Usage: pg-durable <command> [flags]

Commands:
  worker   ${WORKER_SUMMARY}

Flags:
  -h, --help      Show this text; \`pg-durable <command> --help\` shows a command's.
  -V, --version   Show the version.
`;

/**
 * Runs the command line and returns the exit status: 0 well, 1 could not work, 2 not understood.
 * What was asked for goes to stdout, everything else to stderr.
 */
async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'worker': {
      const read = readWorkerCommand(rest, process.env, packageJson.version);
      if (read !== null) return runWorker(read);
      process.stdout.write(workerHelp());
      return 0;
    }
    case '-h':
    case '--help':
    case 'help':
      process.stdout.write(rest[0] === 'worker' ? workerHelp() : HELP);
      return 0;
    case '-V':
    case '--version':
      process.stdout.write(`pg-durable ${packageJson.version}\n`);
      return 0;
    case undefined:
      throw new UsageError('a command is missing: pg-durable worker, or see pg-durable --help');
    default: {
      const near = nearest(command.replace(/^-+/, ''), ['worker', 'help', 'version']);
      const meant = near === null ? '' : `: did you mean ${near === 'version' ? '--version' : near}?`;
      throw new UsageError(`unknown ${command.startsWith('-') ? 'flag' : 'command'} ${command}${meant} (see pg-durable --help)`);
    }
  }
}

try {
  // Not process.exit(): what is still to be written is written first.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError;
  process.stderr.write(`pg-durable: ${usage ? error.message : (error as Error).stack ?? String(error)}\n`);
  process.exitCode = usage ? 2 : 1;
}
