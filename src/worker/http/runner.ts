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
import { claimHttp, finishHttp, hideParameters, lostHttp, readHttpValues, type ClaimedRequest } from './protocol.ts';
import { HostQueues } from './queues.ts';
import { RequestFailure } from './refusal.ts';
import { readHttpSettings, type HttpSettings } from './settings.ts';
import { systemResolve, type Resolve } from './target.ts';

/** ms between two looks for requests that a dead worker has left, and for those whose notification was lost. */
const LOOK = 5_000;
/** ms between two looks for requests under way that are to be given up. */
const WATCH = 1_000;
/** Requests claimed in one call: their bodies come in one answer. */
const MOST_CLAIMED = 20;
/** Requests that may wait for their host, for each that may be under way: they must not keep those to other hosts from being claimed. */
const WAITING = 4;
/** Characters of requests that wait, above which nothing is claimed. */
const MOST_WAITING_SIZE = 64 * 1024 * 1024;
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

/** A request that is claimed and not finished. */
interface Held {
  readonly one: ClaimedRequest;
  /** Host and port, as far as the url can be read. */
  readonly host: string;
  readonly control: AbortController;
}

export class HttpRunner {
  readonly #options: RunnerOptions;
  readonly #events: RunnerEvents;
  readonly #bell: Bell;
  /** By token. */
  readonly #held = new Map<string, Held>();
  readonly #queues = new HostQueues<Held>();
  #waitingSize = 0;
  #underWay = 0;
  #client: Promise<pg.Client> | null = null;
  #settings: HttpSettings | null = null;
  #asked = false;
  #pulling = false;
  #serving = false;
  #stopping = false;
  /** The worker's end does not wait any longer. */
  #letGo = false;
  #said = '';
  #cancelLook: CancelTimer = () => undefined;
  #cancelWatch: CancelTimer | null = null;

  constructor(options: RunnerOptions, events: RunnerEvents) {
    this.#options = options;
    this.#events = events;
    this.#bell = new Bell(options.clock);
  }

  /** Requests and calls that are under way. */
  get busy(): number {
    return this.#held.size + (this.#pulling ? 1 : 0);
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
    this.#letGo = true;
    this.#cancelWatch?.();
    for (const { control } of this.#held.values()) control.abort(new GivenUp());
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
        const { mostRequests } = this.#settings;
        const room = this.#waitingSize < MOST_WAITING_SIZE ? Math.min(mostRequests - this.#underWay, (1 + WAITING) * mostRequests - this.#held.size) : 0;
        // With no room it still asks for none, which frees what dead workers hold.
        const claimed = await claimHttp(client, this.#options.epoch, Math.max(0, Math.min(room, MOST_CLAIMED)));
        for (const one of claimed) this.#hold(one);
        if (claimed.length > 0) this.#asked = true;
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

  #hold(one: ClaimedRequest): void {
    const { url } = one.request;
    const held = { one, host: URL.canParse(url) ? new URL(url).host : '', control: new AbortController() };
    this.#held.set(one.token, held);
    this.#queues.add(held.host, held);
    this.#waitingSize += one.size;
    this.#cancelWatch ??= this.#options.clock.after(WATCH, () => void this.#watch());
  }

  #begin(): void {
    const { mostRequests, mostPerHost } = this.#settings!;
    while (this.#underWay < mostRequests) {
      const held = this.#queues.take(mostPerHost)?.item;
      if (held === undefined) return;
      this.#waitingSize -= held.one.size;
      this.#underWay++;
      void this.#run(held, () => {
        this.#underWay--;
        this.#queues.leave(held.host);
        this.#begin();
      });
    }
  }

  /** @param made called once, when the request itself is over */
  async #run({ one, control }: Held, made: () => void): Promise<void> {
    const { log, version, resolve, environment } = this.#options;
    const { mostBytes, opened } = this.#settings!;
    try {
      const outcome = await make(one.request, {
        agent: `pg_durable/${version}`, mostBytes, opened, resolve: resolve ?? systemResolve, environment: environment ?? process.env,
      }, control).finally(made);
      const verdict = await this.#finish(one, outcome);
      log.debug('http.done', { role: one.role, instance: one.instance, method: one.request.method, ok: outcome.startsWith('r'), verdict });
      if (verdict === 'done') this.#events.finished();
    } catch (error) {
      if (error instanceof GivenUp) log.debug('http.given_up', { role: one.role, instance: one.instance });
      else log.error('http.fault', { instance: one.instance, ...errorFields(error) });
    }
    this.#held.delete(one.token);
    this.wake();
    this.#settled();
  }

  /** Gives up what is not to be made any more: the connection and the place are free for others. */
  async #watch(): Promise<void> {
    try {
      for (const { token, outcome } of await lostHttp(await this.#connected(), [...this.#held.values()].map(({ one }) => one))) {
        const held = this.#held.get(token);
        if (held === undefined) continue;
        held.control.abort(outcome === null ? new GivenUp() : new RequestFailure(outcome.message, outcome.hint));
        if (!this.#queues.remove(held.host, held)) continue;
        this.#waitingSize -= held.one.size;
        void this.#run(held, () => undefined);
      }
    } catch (error) {
      this.#complain(error);
      this.#drop();
    }
    this.#cancelWatch = this.#held.size > 0 && !this.#letGo ? this.#options.clock.after(WATCH, () => void this.#watch()) : null;
  }

  /** Records an outcome, for as long as it takes. */
  async #finish(one: ClaimedRequest, made: string): Promise<string> {
    const backoff = new Backoff(20, 1_000);
    let outcome = made;
    while (!this.#letGo) {
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
    // Others take it over when the worker's row is gone.
    throw new GivenUp();
  }

  /** The connection, opened when there is none. */
  #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = new pg.Client({ ...workerConnection(this.#options.place), query_timeout: QUERY_TIMEOUT });
    const opening: Promise<pg.Client> = client.connect().then(() => hideParameters(client)).then(() => client, (error: unknown) => {
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

/** Nobody waits for the request any more, or this worker must let go of it. */
class GivenUp extends Error {
  override readonly name = 'GivenUp';
}
