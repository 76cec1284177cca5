/** The built `pg-durable worker` as a child process against a database. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const COMMAND = fileURLToPath(new URL('../../dist/pg-durable.js', import.meta.url));

export class Worker {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  /** Starts a worker for the database at `url`, with further flags. It ends with this process at the latest. */
  constructor(url: string, flags: string[] = []) {
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, COMMAND, 'worker', '--database-url', url, ...flags], {
      cwd: path.dirname(COMMAND), stdio: ['ignore', 'ignore', 'pipe'], detached: true,
    });
    createInterface({ input: this.#child.stderr as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(line));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => { resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)); });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the worker did not start');
    return this.#child.pid;
  }

  /** Asks it to end, by SIGTERM or another signal, and gives its exit status once it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return this.#ended;
  }

  /** Its exit status, once it has ended by itself. */
  get ended(): Promise<number> {
    return this.#ended;
  }
}
