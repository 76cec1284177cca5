/** The workers that are killed: real processes of the real command, each known to the server by its number. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { commandPath } from '../integration/worker-process.ts';
import { until } from '../support/poll.ts';

/** Lines of a worker's log that are kept. */
const KEPT = 200;

export interface LogLine { readonly event: string; readonly level: string; readonly message?: string; readonly [field: string]: unknown }

export class CrewMember {
  readonly number: number;
  readonly startedAt = Date.now();
  readonly lines: LogLine[] = [];
  readonly ended: Promise<void>;
  /** Raw lines that are no log: a crash of the process itself. */
  readonly noise: string[] = [];
  stopped = false;
  ready = false;
  readonly #child: ChildProcess;
  #expected = false;

  constructor(number: number, command: string, url: string, onError: (line: LogLine) => void, onLoss: (member: CrewMember) => void) {
    this.number = number;
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, command, 'worker', '--database-url', url, '--log-level', 'info'],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    createInterface({ input: this.#child.stderr as NodeJS.ReadableStream }).on('line', (text) => {
      if (!text.startsWith('{')) {
        this.noise.push(text);
        return;
      }
      const line = JSON.parse(text) as LogLine;
      if (line.event === 'server.ready') this.ready = true;
      if (line.level === 'error') onError(line);
      this.lines.push(line);
      if (this.lines.length > KEPT) this.lines.shift();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', () => {
        if (!this.#expected) onLoss(this);
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGKILL, a stopped one as well. */
  async kill(): Promise<void> {
    this.#expected = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGTERM, and its end in good order; by force when that takes too long. */
  async end(patience = 15_000): Promise<boolean> {
    this.#expected = true;
    this.go();
    this.#child.kill('SIGTERM');
    let forced = false;
    const timer = setTimeout(() => {
      forced = true;
      this.#child.kill('SIGKILL');
    }, patience);
    await this.ended;
    clearTimeout(timer);
    return !forced;
  }

  halt(): void {
    this.stopped = true;
    this.#child.kill('SIGSTOP');
  }

  go(): void {
    this.stopped = false;
    this.#child.kill('SIGCONT');
  }
}

/** Keeps the members, and replaces those that are gone. */
export class Crew {
  readonly members: CrewMember[] = [];
  /** What workers logged as errors, by event and message, with how often. */
  readonly errors = new Map<string, number>();
  /** Workers that ended without being told to. */
  readonly losses: string[] = [];
  readonly #url: (number: number) => string;
  #count = 0;

  /** @param url the database's URL for a worker with this number */
  constructor(url: (number: number) => string) {
    this.#url = url;
  }

  async add(): Promise<CrewMember> {
    this.#count += 1;
    const member = new CrewMember(this.#count, await commandPath(), this.#url(this.#count), (line) => {
      const what = `${line.event}: ${line.message ?? ''}`;
      this.errors.set(what, (this.errors.get(what) ?? 0) + 1);
    }, (lost) => {
      this.losses.push([...lost.noise, ...lost.lines.slice(-3).map((line) => JSON.stringify(line))].join('\n'));
      this.#forget(lost);
    });
    this.members.push(member);
    return member;
  }

  /** Those that are at work: alive and not halted. */
  get working(): CrewMember[] {
    return this.members.filter((member) => member.alive && !member.stopped);
  }

  async kill(member: CrewMember): Promise<void> {
    // Nobody else may choose it any more.
    this.#forget(member);
    await member.kill();
  }

  /** Ends one in good order; false when it had to be forced. */
  async end(member: CrewMember): Promise<boolean> {
    this.#forget(member);
    return member.end();
  }

  /** Waits until every working member has the server. */
  async ready(): Promise<void> {
    await until('the workers to be ready', () => this.working.every((member) => member.ready));
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.members].map((member) => this.kill(member)));
  }

  /** What no disturbance excuses: errors that workers logged, and workers that ended without being told to. */
  get complaints(): string[] {
    return [
      // A session that finds no room for its cache is refused without a SQLSTATE that would say so.
      ...[...this.errors].filter(([what]) => !what.includes('could not write init file')).map(([what, count]) => `workers logged ${count} times: ${what}`),
      ...this.losses.map((last) => `a worker ended by itself: ${last}`),
    ];
  }

  async endAll(): Promise<boolean> {
    const ends = await Promise.all([...this.members].map((member) => this.end(member)));
    return ends.every((good) => good);
  }

  #forget(member: CrewMember): void {
    const at = this.members.indexOf(member);
    if (at !== -1) this.members.splice(at, 1);
  }
}
