/**
 * The worker's own connection: it listens, reads the agenda and keeps the heartbeat, and comes back by itself
 * when the server or the extension has been away.
 *
 * One loop owns the connection and does one thing at a time, so that a notification is never behind more than one short query.
 */
import pg from 'pg';
import { Backoff } from './backoff.ts';
import { Bell } from './bell.ts';
import type { Clock } from './clock.ts';
import { describePlace, workerConnection, type Place } from './connection.ts';
import { classifyConnect } from './failures.ts';
import { errorFields, type Log } from './log.ts';
import {
  CHANNEL, clockAndSettings, extensionVersion, heartbeat, listen, lookUpRole, readAgenda, retire, type AgendaRow,
} from './protocol.ts';
import { readSettings, SettingError, type ServerSettings } from './settings.ts';
import { whyIncompatible, whyPartial } from './versions.ts';

/** ms until a query on this connection is given up and the connection with it: it has died without a word. */
const QUERY_TIMEOUT = 15_000;
/** The longest pause between two tries, in ms: work goes on within a second of the server accepting connections. */
const LONGEST_PAUSE = 200;
/** A reading of the agenda that takes long, with thousands of roles, is followed by a pause of so many times as long, up to a second. */
const SWEEP_SHARE = 10;
const LONGEST_SWEEP = 1000;
/** ms between two log lines about a server that stays away. */
const REMIND = 60_000;

export interface ControlOptions {
  readonly place: Place;
  /** The worker's version. */
  readonly version: string;
  /** This worker's row in df._worker_epoch. */
  readonly epoch: string;
  /** ms between two readings of the agenda, when it is read fast. */
  readonly sweep: number;
  /** True: the first trouble ends the run, instead of being waited out. */
  readonly impatient: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ControlEvents {
  /** The engine is there, with all that this worker does or without some (`whole`), and notifications are heard; the agenda follows. */
  ready(settings: ServerSettings, whole: boolean): void;
  /** The settings as read with a heartbeat. */
  settings(settings: ServerSettings): void;
  agenda(rows: readonly AgendaRow[]): void;
  notified(role: number): void;
  /** The server (`server`) or the extension (`extension`) is away. */
  away(what: 'server' | 'extension'): void;
}

/** Thrown when the worker cannot begin, and waiting would not help. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

/** The extension went away in the middle of something. */
class EngineGone extends Error {
  override readonly name = 'EngineGone';
}

export class Control {
  readonly #options: ControlOptions;
  readonly #events: ControlEvents;
  readonly #bell: Bell;
  readonly #backoff = new Backoff(50, LONGEST_PAUSE);
  #client: pg.Client | null = null;
  #lost: Error | null = null;
  #stopping = false;
  #agendaAsked = false;
  #everReady = false;
  #said = '';
  #saidAt = 0;
  /** Server's clock minus the worker's, ms. */
  #offset = 0;
  /** ms between heartbeats. */
  #heartbeat = 0;

  constructor(options: ControlOptions, events: ControlEvents) {
    this.#options = options;
    this.#events = events;
    this.#bell = new Bell(options.clock);
  }

  /** The instant on the worker's clock that belongs to one on the server's. */
  toLocal(serverTime: number): number {
    return serverTime - this.#offset;
  }

  /** Has the agenda read soon; many requests in a row are one reading. */
  requestAgenda(): void {
    this.#agendaAsked = true;
    this.#bell.ring();
  }

  /** Connects anew, which reads all settings again. */
  reconnect(): void {
    this.#lost ??= new Error('reconnecting as asked');
    this.#bell.ring();
  }

  /**
   * Looks a role up by its OID.
   * @throws the connection's error when the server is away
   */
  async lookUp(role: number): Promise<{ name: string; canLogin: boolean } | null> {
    if (this.#client === null) throw new Error('connection terminated: the server is away');
    return lookUpRole(this.#client, role);
  }

  /** Takes the worker's row away and ends the connection; `run` then returns. */
  async finish(): Promise<void> {
    this.#stopping = true;
    const client = this.#client;
    if (client !== null && this.#everReady) {
      try {
        await retire(client, this.#options.epoch);
      } catch (error) {
        // The row is removed by other workers' heartbeats in a minute.
        this.#options.log.debug('worker.not_retired', errorFields(error));
      }
    }
    this.#bell.ring();
  }

  /**
   * Keeps the connection until `finish`.
   * @throws CannotStart when it is refused or misconfigured before it ever worked (or, impatient, at any time)
   */
  async run(): Promise<void> {
    const { log, clock } = this.#options;
    while (!this.#stopping) {
      try {
        await this.#live();
      } catch (error) {
        if (this.#stopping) return;
        this.#events.away('server');
        this.#giveUpIfHopeless(error);
        const fields = { ...errorFields(error), server: describePlace(this.#options.place) };
        const word = `${fields.code ?? ''}${fields.message}`;
        const again = word === this.#said && clock.now() - this.#saidAt < REMIND;
        log[again ? 'debug' : 'warn']('server.away', { ...fields, attempts: this.#backoff.failures + 1 });
        if (!again) {
          this.#said = word;
          this.#saidAt = clock.now();
        }
        await this.#pause(this.#backoff.next());
      }
    }
  }

  /** One connection, from its first to its last moment. Returns when stopped, throws when it is lost. */
  async #live(): Promise<void> {
    const client = new pg.Client({ ...workerConnection(this.#options.place), query_timeout: QUERY_TIMEOUT });
    this.#lost = null;
    let given = false;
    const lose = (error: Error): void => {
      // What is still said of a connection that was given up is not about the one after it.
      if (given) return;
      this.#lost ??= error;
      this.#bell.ring();
    };
    client.on('error', lose);
    client.on('end', () => lose(new Error('connection terminated')));
    client.on('notification', ({ payload }) => this.#notified(payload ?? ''));
    try {
      await client.connect();
      this.#client = client;
      while (!this.#stopping) {
        const version = await extensionVersion(client);
        const reason = version === null
          ? `extension pg_durable is not in database "${this.#options.place.database}": CREATE EXTENSION pg_durable CASCADE`
          : whyIncompatible(this.#options.version, version);
        if (version === null || reason !== null) await this.#waitForEngine(reason ?? '', version !== null);
        else await this.#serve(client, version);
      }
    } finally {
      given = true;
      this.#client = null;
      // The connection is given up; how its end goes does not matter any more.
      void client.end().catch(() => undefined);
    }
  }

  async #waitForEngine(reason: string, wrongVersion: boolean): Promise<void> {
    const { log, sweep, impatient } = this.#options;
    if (impatient) throw new CannotStart(reason);
    this.#backoff.reset();
    this.#events.away('extension');
    if (this.#said !== reason) log[wrongVersion ? 'error' : 'warn'](wrongVersion ? 'extension.wrong_version' : 'extension.absent', { message: reason });
    this.#said = reason;
    await this.#rest(sweep);
  }

  /** Serves while the extension is there in this version. */
  async #serve(client: pg.Client, version: string): Promise<void> {
    const { clock, log, sweep, place } = this.#options;
    const partial = whyPartial(version);
    const beat = (): Promise<boolean> => heartbeat(client, this.#options.epoch, partial === null ? this.#options.version : null);
    try {
      const settings = await this.#measure(client);
      // LISTEN comes before the agenda: what commits in between is then seen by one of the two.
      await listen(client);
      await beat();
      this.#backoff.reset();
      this.#said = '';
      this.#everReady = true;
      log.info('server.ready', { server: describePlace(place), extension: version });
      if (partial !== null) log.warn('extension.older', { message: partial });
      this.#events.ready(settings, partial === null);
      let sweepAt = clock.now();
      let before = 0;
      let beatAt = clock.now() + this.#heartbeat;
      while (!this.#stopping) {
        const now = clock.now();
        if (now >= beatAt) {
          beatAt = now + this.#heartbeat;
          if (!await beat()) throw new EngineGone('the extension is gone');
          await this.#remeasure(client);
        }
        if (now >= sweepAt) {
          sweepAt = now + sweep;
          if (await extensionVersion(client) !== version) return;
          this.#agendaAsked = true;
        }
        if (this.#agendaAsked) {
          this.#agendaAsked = false;
          const asked = clock.now();
          const rows = await readAgenda(client);
          // The faster of two: the first finds cold caches, and any may have waited for a processor.
          const took = clock.now() - asked;
          sweepAt = Math.max(sweepAt, asked + Math.min(SWEEP_SHARE * Math.min(took, before), LONGEST_SWEEP));
          before = took;
          this.#events.agenda(rows);
        }
        if (!this.#agendaAsked) await this.#rest(Math.min(sweepAt, beatAt) - clock.now());
      }
    } catch (error) {
      // Dropped or updated between two looks? If it is there as it was, its schema is not what this worker knows.
      const answered = error instanceof EngineGone || error instanceof pg.DatabaseError;
      if (!answered || await extensionVersion(client).catch(() => version) === version) throw error;
    }
  }

  async #remeasure(client: pg.Client): Promise<void> {
    try {
      this.#events.settings(await this.#measure(client));
    } catch (error) {
      // Met at start, this ends the worker; met while it runs, the values that worked stay.
      if (!(error instanceof SettingError)) throw error;
      this.#options.log.error('setting.invalid', { message: error.message });
    }
  }

  /** Reads the settings, and how far the two clocks are apart. */
  async #measure(client: pg.Client): Promise<ServerSettings> {
    const { clock } = this.#options;
    const before = clock.now();
    const { now, settings } = await clockAndSettings(client);
    this.#offset = now - (before + clock.now()) / 2;
    const read = readSettings(settings);
    this.#heartbeat = read.heartbeat;
    return read;
  }

  /** Waits the whole delay, unless the worker stops. */
  async #pause(delay: number): Promise<void> {
    const end = this.#options.clock.now() + delay;
    for (let left = delay; left > 0 && !this.#stopping; left = end - this.#options.clock.now()) await this.#bell.wait(left);
  }

  /** Waits for a ring or the delay; throws when the connection was lost meanwhile. */
  async #rest(delay: number): Promise<void> {
    if (this.#lost === null) await this.#bell.wait(delay);
    if (this.#lost !== null && !this.#stopping) throw this.#lost;
  }

  #notified(payload: string): void {
    const role = /^\d{1,10}$/.test(payload) ? Number(payload) : 0;
    // Anybody may NOTIFY on any channel, with anything.
    if (payload === 'external') this.requestAgenda();
    else if (role === 0 || role > 0xffff_ffff) this.#options.log.debug('notification.ignored', { channel: CHANNEL });
    else this.#events.notified(role);
  }

  #giveUpIfHopeless(error: unknown): void {
    if (error instanceof CannotStart) throw error;
    const hopeless = error instanceof SettingError || classifyConnect(error) === 'refused';
    if (this.#options.impatient || (hopeless && !this.#everReady)) {
      const { message, code } = errorFields(error);
      throw new CannotStart(
        error instanceof SettingError ? message : `cannot work as ${describePlace(this.#options.place)}: ${message}${code === undefined ? '' : ` (${code})`}`,
        { cause: error },
      );
    }
  }
}
