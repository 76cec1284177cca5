/**
 * Makes the requests of HTTP steps: claims them, many at a time, and records how they ended.
 *
 * It has a connection of its own as the worker's user, so that large bodies do not hold up the agenda, and it never holds a
 * transaction while a request is under way. An outcome that cannot be recorded is kept until it can; if the worker is taken for
 * dead meanwhile, another one repeats the request, which its Idempotency-Key tells the receiver.
 */
import pg from 'pg';
import { Backoff } from '../backoff.ts';
import { Bell } from '../bell.ts';
import type { CancelTimer, Clock } from '../clock.ts';
import { workerConnection, type Place } from '../connection.ts';
import { errorFields, type Log } from '../log.ts';
import { SettingError } from '../settings.ts';
import { make } from './make.ts';
import { claimHttp, finishHttp, readHttpValues, type ClaimedRequest } from './protocol.ts';
import { HostQueues } from './queues.ts';
import { readHttpSettings, type HttpSettings } from './settings.ts';
import { systemResolve, type Resolve } from './target.ts';

/** ms between two looks for requests that a dead worker has left. */
const LOOK = 5_000;
/** Requests claimed in one call: their bodies come in one answer. */
const MOST_CLAIMED = 20;
const QUERY_TIMEOUT = 60_000;

export interface RunnerOptions {
  readonly place: Place;
  readonly version: string;
  /** The worker's row in df._worker_epoch, kept fresh by the control connection. */
  readonly epoch: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly resolve?: Resolve;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface RunnerEvents {
  /** A request's outcome is recorded. */
  finished(): void;
  /** Nothing is under way any more. */
  idle(): void;
}

export class HttpRunner {
  readonly #options: RunnerOptions;
  readonly #events: RunnerEvents;
  readonly #bell: Bell;
  readonly #stop = new AbortController();
  readonly #queues = new HostQueues<ClaimedRequest>();
  /** Claimed and not finished. */
  #held = 0;
  #client: Promise<pg.Client> | null = null;
  #settings: HttpSettings | null = null;
  #asked = false;
  #pulling = false;
  #serving = false;
  #stopping = false;
  #said = '';
  #cancelLook: CancelTimer = () => undefined;

  constructor(options: RunnerOptions, events: RunnerEvents) {
    this.#options = options;
    this.#events = events;
    this.#bell = new Bell(options.clock);
  }

  /** Requests and calls that are under way. */
  get busy(): number {
    return this.#held + (this.#pulling ? 1 : 0);
  }

  /** The engine is there: claims from now on. */
  serve(): void {
    this.#serving = true;
    this.#said = '';
    this.wake();
  }

  /** The engine or the server is away: claims nothing until `serve`. */
  pause(): void {
    this.#serving = false;
    this.#cancelLook();
  }

  /** Requests may be due. */
  wake(): void {
    if (!this.#serving || this.#stopping) return;
    this.#asked = true;
    if (!this.#pulling) void this.#pull();
  }

  /** Connects anew, which reads all settings again. */
  reload(): void {
    this.#drop();
    this.wake();
  }

  /** Lets requests end within `grace` ms, then lets go of them; others take them over when the worker's row is gone. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    this.#cancelLook();
    const { clock } = this.#options;
    const end = clock.now() + grace;
    for (let left = grace; left > 0 && this.busy > 0; left = end - clock.now()) await this.#bell.wait(left);
    this.#stop.abort(new Error('the worker stops'));
    this.#drop();
  }

  async #pull(): Promise<void> {
    this.#pulling = true;
    this.#cancelLook();
    try {
      while (this.#asked && this.#serving && !this.#stopping) {
        this.#asked = false;
        const client = await this.#connected();
        this.#settings = readHttpSettings(await readHttpValues(client));
        const free = Math.max(0, this.#settings.mostRequests - this.#held);
        // With no room it still asks for none, which frees what dead workers hold.
        const claimed = await claimHttp(client, this.#options.epoch, Math.min(free, MOST_CLAIMED));
        for (const one of claimed) {
          this.#held++;
          this.#queues.add(hostKey(one), one);
        }
        if (claimed.length > 0 && claimed.length < free) this.#asked = true;
        this.#begin();
      }
      this.#said = '';
    } catch (error) {
      this.#complain(error);
      if (!(error instanceof SettingError)) this.#drop();
    }
    this.#pulling = false;
    if (this.#serving && !this.#stopping) this.#cancelLook = this.#options.clock.after(LOOK, () => this.wake());
    this.#settled();
  }

  #begin(): void {
    const { mostPerHost } = this.#settings!;
    for (let next = this.#queues.take(mostPerHost); next !== null; next = this.#queues.take(mostPerHost)) void this.#run(next.host, next.item);
  }

  async #run(host: string, one: ClaimedRequest): Promise<void> {
    const { log, version, resolve, environment } = this.#options;
    const { mostBytes, opened } = this.#settings!;
    try {
      const outcome = await make(one.request, {
        agent: `pg_durable/${version}`, mostBytes, opened, resolve: resolve ?? systemResolve, environment: environment ?? process.env,
      }, this.#stop.signal).finally(() => this.#queues.leave(host));
      this.#begin();
      const verdict = await this.#finish(one, outcome);
      log.debug('http.done', { role: one.role, instance: one.instance, method: one.request.method, ok: outcome.startsWith('r'), verdict });
      if (verdict === 'done') this.#events.finished();
    } catch (error) {
      // Aborted because the worker stops, or a fault of ours: the claim ends with the worker's row.
      if (!this.#stop.signal.aborted) log.error('http.fault', { instance: one.instance, ...errorFields(error) });
    }
    this.#held--;
    this.wake();
    this.#settled();
  }

  /** Records an outcome, for as long as it takes. */
  async #finish(one: ClaimedRequest, made: string): Promise<string> {
    const backoff = new Backoff(20, 1_000);
    let outcome = made;
    while (!this.#stop.signal.aborted) {
      try {
        const verdict = await finishHttp(await this.#connected(), one, outcome);
        if (verdict !== 'busy') return verdict;
      } catch (error) {
        const { code, message } = errorFields(error);
        if (outcome === made && /^(22|54)/.test(code ?? '')) {
          // The database cannot hold it, however often it is asked.
          outcome = `e${JSON.stringify({ message: `the response cannot be kept: ${message}` })}`;
          continue;
        }
        this.#complain(error);
        this.#drop();
      }
      await new Promise<void>((resolve) => { this.#options.clock.after(backoff.next(), resolve); });
    }
    throw this.#stop.signal.reason;
  }

  /** The connection, opened when there is none. */
  #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = new pg.Client({ ...workerConnection(this.#options.place), query_timeout: QUERY_TIMEOUT });
    const opening: Promise<pg.Client> = client.connect().then(() => client, (error: unknown) => {
      if (this.#client === opening) this.#client = null;
      throw error;
    });
    const lost = (): void => {
      if (this.#client === opening) this.#client = null;
    };
    client.on('error', lost);
    client.on('end', lost);
    return this.#client = opening;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = null;
    // It is given up: how its end goes does not matter.
    void client?.then((open) => open.end()).catch(() => undefined);
  }

  /** Says what is wrong, once while it stays the same. */
  #complain(error: unknown): void {
    const fields = errorFields(error);
    const word = `${fields.code ?? ''}${fields.message}`;
    const { log } = this.#options;
    if (word === this.#said) return log.debug('http.unavailable', fields);
    this.#said = word;
    if (error instanceof SettingError) log.error('setting.invalid', fields);
    else log.warn('http.unavailable', fields);
  }

  #settled(): void {
    this.#bell.ring();
    if (this.busy === 0) this.#events.idle();
  }
}

/** Requests are counted per host and port, as far as the url can be read. */
function hostKey({ request: { url } }: ClaimedRequest): string {
  return URL.canParse(url) ? new URL(url).host : '';
}
