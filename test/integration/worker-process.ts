/** A worker as a process of its own, as operators run it, with its log at hand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleCommand } from '../../build/bundle.ts';
import { until } from '../support/poll.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let built: Promise<string> | undefined;

/** Bundles the command as the build does, once per test process, and returns its path. */
export function commandPath(): Promise<string> {
  return built ??= (async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pg-durable-command-'));
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, 'pg-durable.mjs');
    await bundleCommand(join(ROOT, 'src/cli/main.ts'), path, ROOT);
    return path;
  })();
}

export interface Event {
  readonly event: string;
  readonly level: string;
  readonly message?: string;
  readonly [field: string]: unknown;
}

export class WorkerProcess {
  readonly #child: ChildProcess;
  #stderr = '';
  readonly exit: Promise<number | null>;

  /** Starts a worker on a database; of the present sources, unless `command` is another. */
  static async start(url: string, flags: readonly string[] = [], environment: Record<string, string> = {}, command?: string): Promise<WorkerProcess> {
    return new WorkerProcess(command ?? await commandPath(), url, flags, environment);
  }

  private constructor(command: string, url: string, flags: readonly string[], environment: Record<string, string>) {
    this.#child = spawn(process.execPath, [command, 'worker', '--database-url', url, '--log-level', 'debug', ...flags], {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code) => resolve(code));
    });
  }

  /** Whole lines of the log so far. */
  get events(): Event[] {
    return this.#stderr.split('\n').slice(0, -1).filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Event);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits for the nth event of a name and returns it. */
  async event(name: string, nth = 1): Promise<Event> {
    try {
      return await until(`event ${name} of the worker`, () => this.events.filter(({ event }) => event === name)[nth - 1], 20_000);
    } catch (error) {
      throw new Error(`${(error as Error).message}; its log:\n${this.#stderr}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it in good order, or for good if that takes too long, and returns the exit status. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), 20_000);
    const code = await this.exit;
    clearTimeout(timer);
    return code;
  }
}
