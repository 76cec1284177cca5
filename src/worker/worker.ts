/**
 * The pump: keeps sessions of submitting roles busy with `CALL df.work` while they have work that is due.
 *
 * control.ts says what is due, scheduler.ts decides who is served, session.ts does it; this file carries news between the three.
 * The worker keeps no state that matters: every session may be killed, and another worker may do the same at the same time.
 */
import { randomUUID } from 'node:crypto';
import { Bell } from './bell.ts';
import type { CancelTimer, Clock } from './clock.ts';
import { roleConnection } from './connection.ts';
import { Control } from './control.ts';
import type { Decision, Limits } from './decision.ts';
import { runExternal } from './external.ts';
import { classifyCall, classifyConnect } from './failures.ts';
import { HttpRunner } from './http/runner.ts';
import { errorFields, type Log } from './log.ts';
import type { WorkerOptions } from './options.ts';
import type { AgendaRow } from './protocol.ts';
import { Refusals } from './refusals.ts';
import { Retention } from './retention.ts';
import { Retries } from './retries.ts';
import { Scheduler } from './scheduler.ts';
import { Session } from './session.ts';
import type { ServerSettings } from './settings.ts';

/** A session is replaced when it is this old (ms): what its steps leave in its memory ends with it. */
const SESSION_LIFE = 30 * 60_000;
/** ms that a cancelled step is given to roll back. */
const CANCEL_TIME = 1_000;

interface OpenSession {
  readonly session: Session;
  readonly role: number;
  readonly openedAt: number;
  busy: boolean;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #control: Control;
  readonly #scheduler: Scheduler;
  readonly #http: HttpRunner;
  readonly #bell: Bell;
  readonly #sessions = new Map<number, OpenSession>();
  /** Connected, and not yet ready. */
  readonly #preparing = new Set<Session>();
  readonly #names = new Map<number, string>();
  readonly #retries: Retries;
  readonly #refusals: Refusals;
  readonly #retention: Retention;
  #settings: ServerSettings | null = null;
  #limits: Limits = { open: 1, busy: 1, perRole: 1, idle: 0, acquireTimeout: 1 };
  /** The extension has all that this worker does. */
  #whole = false;
  #watchClient = true;
  #stopping = false;
  /** Lets go of external steps that outlast the grace. */
  readonly #letGo = new AbortController();
  #bug: unknown = null;
  #cancelCheck: CancelTimer = () => undefined;
  /** --once: steps since the last reading of the agenda, null while one is awaited. */
  #roundSteps: number | null = null;

  constructor(options: WorkerOptions, clock: Clock, log: Log) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#bell = new Bell(clock);
    this.#scheduler = new Scheduler(this.#limits);
    this.#scheduler.suspend();
    const { place, version, sweep, once } = options;
    const epoch = randomUUID();
    this.#retention = new Retention(place, clock, log);
    this.#retries = new Retries(this.#names, log);
    this.#http = new HttpRunner({ place, version, epoch, clock, log }, {
      finished: () => {
        if (this.#roundSteps !== null) this.#roundSteps++;
      },
      idle: () => {
        if (once) this.#control.requestAgenda();
      },
    });
    this.#control = new Control({ place, version, sweep, impatient: once, epoch, clock, log }, {
      ready: (settings, whole) => this.#ready(settings, whole),
      settings: (settings) => this.#apply(settings),
      agenda: (rows) => this.#agenda(rows),
      notified: (role) => this.#notified(role),
      away: (what) => this.#away(what),
    });
    this.#refusals = new Refusals(place, this.#names, this.#scheduler, log, {
      lookUp: (role) => this.#control.lookUp(role),
      delay: (role, failure) => this.#retries.delay(role, failure),
      now: () => clock.now(),
      changed: () => this.#pump(),
    });
  }

  /**
   * Works until `stop`, or with `once` until nothing is due.
   * @throws CannotStart; and whatever is a fault of the worker itself
   */
  async run(): Promise<void> {
    const { version, once, grace } = this.#options;
    this.#log.info('worker.started', { version, pid: process.pid, once });
    const control = this.#control.run().finally(() => this.stop());
    // Its rejection is awaited below; until then it must not count as unhandled.
    control.catch(() => undefined);
    while (!this.#stopping) await this.#bell.wait(Number.POSITIVE_INFINITY);
    await this.#drain(grace);
    await this.#control.finish();
    await control;
    if (this.#bug !== null) throw this.#bug;
    this.#log.info('worker.stopped');
  }

  /** Begins the graceful end: nothing new is begun, running steps get their grace. `run` returns when it is done. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#retention.stop();
    this.#scheduler.stop();
    this.#log.info('worker.stopping', { busy: this.#busy().length });
    this.#pump();
    this.#bell.ring();
  }

  /** Connects the control connection anew and reads all settings again. */
  reload(): void {
    this.#log.info('worker.reloading');
    this.#control.reconnect();
    this.#http.reload();
  }

  // --- news from the control connection -----------------------------------------------------------------------------

  #ready(settings: ServerSettings, whole: boolean): void {
    this.#whole = whole;
    this.#apply(settings);
    this.#scheduler.resume();
    if (whole) this.#http.serve();
    else this.#http.pause();
    this.#retries.clear();
    this.#pump();
  }

  #apply(settings: ServerSettings): void {
    const { maxConnections, maxPerRole, idle } = this.#options;
    this.#settings = settings;
    const open = maxConnections ?? settings.maxUserConnections;
    const busy = Math.min(open, settings.maxUserConnections);
    const perRole = Math.min(maxPerRole ?? Math.ceil(busy * 0.8), busy);
    this.#limits = { open, busy, perRole, idle, acquireTimeout: settings.acquireTimeout };
    this.#scheduler.setLimits(this.#limits);
    if (!this.#options.once) this.#retention.every(this.#whole ? settings.reconcileInterval : 0);
  }

  #agenda(read: readonly AgendaRow[]): void {
    const rows = this.#whole ? read : read.map((row) => ({ ...row, externalDue: false }));
    const now = this.#clock.now();
    const requests = this.#http.busy;
    const { quiet } = this.#scheduler;
    // HTTP steps are not on the agenda: their runner looks for itself. With --once it has done so if nothing was done since.
    if (this.#roundSteps !== 0) this.#http.wake();
    for (const { role, name, canLogin, due, externalDue, nextDue } of rows) {
      if (name !== null) this.#names.set(role, name);
      if (nextDue !== null) this.#scheduler.timer(role, this.#control.toLocal(nextDue) + 1);
      if (!due && !externalDue) continue;
      if (name === null || !canLogin) {
        this.#begin(this.#refusals.refuse(role, null));
        continue;
      }
      if (externalDue) this.#scheduler.externalDue(role, now);
      if (due) this.#scheduler.sweepDue(role, now);
    }
    if (this.#options.once) {
      const nothing = this.#scheduler.counts.busy === 0 && this.#http.busy === 0 && !rows.some((row) => row.due || row.externalDue);
      // Due, but not for us to do: another worker is at it.
      const stuck = this.#roundSteps === 0 && requests === 0 && quiet && this.#refusals.pending === 0;
      this.#roundSteps = 0;
      if (nothing || stuck) this.stop();
    }
    this.#pump();
  }

  #notified(role: number): void {
    // A warm session is called without any question in between. Without a session of that role the agenda is asked first: a
    // notification is cheap to forge, a session is not.
    if (!this.#scheduler.hasSeat(role)) return this.#control.requestAgenda();
    this.#scheduler.wake(role, this.#clock.now());
    this.#pump();
  }

  #away(what: 'server' | 'extension'): void {
    this.#scheduler.suspend();
    this.#http.pause();
    if (what === 'extension') {
      // Nothing of the old extension is kept, and nothing is called that may come in its place before it is known.
      for (const { session, busy } of this.#sessions.values()) if (!busy) session.close();
      this.#names.clear();
    }
    this.#pump();
  }

  // --- decisions ----------------------------------------------------------------------------------------------------

  #pump(): void {
    const now = this.#clock.now();
    for (let decision = this.#scheduler.next(now); decision !== null; decision = this.#scheduler.next(now)) this.#perform(decision);
    this.#cancelCheck();
    const at = this.#scheduler.nextCheck(this.#clock.now());
    this.#cancelCheck = at === Number.POSITIVE_INFINITY ? () => undefined : this.#clock.after(at - this.#clock.now(), () => this.#pump());
    this.#bell.ring();
    if (this.#options.once && this.#roundSteps !== null && this.#settings !== null && this.#scheduler.quiet && this.#http.busy === 0 && this.#refusals.pending === 0 && !this.#stopping) {
      this.#control.requestAgenda();
    }
  }

  #perform(decision: Decision): void {
    if (decision.kind === 'run') this.#begin(this.#run(decision.seat, decision.role, decision.slice));
    else if (decision.kind === 'open') this.#begin(this.#open(decision.seat, decision.role));
    else if (decision.kind === 'external') this.#begin(this.#external(decision.seat, decision.role));
    else if (decision.kind === 'close') this.#sessions.get(decision.seat)?.session.close();
    else this.#begin(this.#failStarved(decision.role));
  }

  async #open(seat: number, role: number): Promise<void> {
    try {
      const name = await this.#nameOf(role);
      if (name === null) {
        this.#scheduler.closed(seat);
        return await this.#refusals.refuse(role, null);
      }
      const began = this.#clock.now();
      const { place } = this.#options;
      const session = await Session.open({ ...roleConnection(place, name, this.#watchClient), host: place.host, port: place.port });
      this.#preparing.add(session);
      if (this.#stopping) session.close();
      try {
        // A part of its opening, so that no other one is opened behind it as behind a long step.
        await session.prepare();
        this.#opened(seat, role, session, this.#clock.now() - began);
      } catch (error) {
        session.close();
        this.#scheduler.closed(seat);
        await this.#callFailed(role, error);
      } finally {
        this.#preparing.delete(session);
      }
    } catch (error) {
      this.#scheduler.closed(seat);
      await this.#connectFailed('session.not_opened', role, error);
    }
    this.#pump();
  }

  /** The role's name, null when it is gone. */
  async #nameOf(role: number): Promise<string | null> {
    const known = this.#names.get(role);
    if (known !== undefined) return known;
    const found = await this.#control.lookUp(role);
    if (found !== null) this.#names.set(role, found.name);
    return found?.name ?? null;
  }

  #opened(seat: number, role: number, session: Session, took: number): void {
    const now = this.#clock.now();
    this.#sessions.set(seat, { session, role, openedAt: now, busy: false });
    this.#scheduler.opened(seat, now);
    session.onLost((error) => {
      this.#sessions.delete(seat);
      this.#scheduler.closed(seat);
      this.#log.debug('session.closed', { role: this.#names.get(role), pid: session.pid, message: error.message });
      this.#pump();
    });
    this.#log.debug('session.opened', { role: this.#names.get(role), pid: session.pid, ms: Math.round(took), ...this.#scheduler.counts });
  }

  async #run(seat: number, role: number, slice: number): Promise<void> {
    const open = this.#sessions.get(seat);
    if (open === undefined) throw new Error(`seat ${seat} has no session`);
    const { session } = open;
    open.busy = true;
    try {
      const { steps, nextDue, more } = await session.work(slice);
      if (nextDue === 'unreadable') this.#control.requestAgenda();
      const timer = typeof nextDue === 'number' ? this.#control.toLocal(nextDue) + 1 : null;
      // Kept even if the connection ends while it is cleaned.
      if (timer !== null) this.#scheduler.timer(role, timer);
      if (this.#roundSteps !== null) this.#roundSteps += steps;
      this.#retries.succeeded(role);
      if (steps > 0) {
        this.#log.debug('work.done', { role: this.#names.get(role), steps, more });
        await session.clean();
      }
      open.busy = false;
      // Its end may have been reported while the last answer was on its way.
      if (!this.#sessions.has(seat)) return;
      this.#scheduler.completed(seat, { steps, nextDue: timer, more }, this.#clock.now());
      if (this.#clock.now() - open.openedAt > SESSION_LIFE) session.close();
    } catch (error) {
      // Whatever it was, the session may not be what it was before. Its seat is free when its end is reported.
      session.close();
      await this.#callFailed(role, error);
    }
    this.#pump();
  }

  /** Runs one of the role's steps that need connections of their own. */
  async #external(seat: number, role: number): Promise<void> {
    try {
      const name = await this.#nameOf(role);
      const ran = name !== null && await runExternal(this.#options.place, (place) => roleConnection(place, name, this.#watchClient), () => {
        this.#scheduler.externalClaimed(seat, this.#clock.now());
        // There may be more, for another seat. To ask costs much less than to look with connections of its own.
        this.#control.requestAgenda();
      }, this.#letGo.signal);
      if (name === null) await this.#refusals.refuse(role, null);
      if (ran) {
        if (this.#roundSteps !== null) this.#roundSteps++;
        this.#log.debug('external.done', { role: name });
        this.#control.requestAgenda();
        // What follows the step is the engine's again.
        this.#scheduler.wake(role, this.#clock.now());
      }
      this.#retries.succeeded(role);
    } catch (error) {
      await this.#connectFailed('external.failed', role, error);
    }
    this.#scheduler.closed(seat);
    this.#pump();
  }

  // --- failures -----------------------------------------------------------------------------------------------------

  /** A session of the role could not be had, or (`external.failed`) was lost with its step. */
  async #connectFailed(event: 'session.not_opened' | 'external.failed', role: number, error: unknown): Promise<void> {
    const hold = (delay: number): void => this.#scheduler[event === 'external.failed' ? 'holdExternal' : 'holdOpening'](role, delay, this.#clock.now());
    if (this.#watchClient && (error as { code?: unknown }).code === '22023') {
      // A server on a platform that cannot watch its clients says so here; it is done without, for good.
      this.#watchClient = false;
      this.#log.warn('session.unwatched', { role: this.#names.get(role), ...errorFields(error) });
      return hold(0);
    }
    const failure = classifyConnect(error);
    if (failure === 'refused') return this.#refusals.refuse(role, error);
    hold(this.#retries.note(event, role, failure, error));
    if (failure !== 'crowded') return;
    // A connection that we only keep warm may be the one that is missing.
    const eviction = this.#scheduler.evict(this.#clock.now());
    if (eviction !== null) this.#perform(eviction);
  }

  async #callFailed(role: number, error: unknown): Promise<void> {
    const failure = classifyCall(error);
    if (this.#stopping) return this.#log.info('work.abandoned', { role: this.#names.get(role), ...errorFields(error) });
    if (failure === 'refused') return this.#refusals.refuse(role, error);
    const delay = this.#retries.note('work.failed', role, failure, error);
    if (failure === 'absent') this.#control.requestAgenda();
    this.#scheduler.holdRole(role, delay, this.#clock.now());
  }

  async #failStarved(role: number): Promise<void> {
    const { busy, perRole, acquireTimeout } = this.#limits;
    const own = perRole < busy ? ` (${perRole} of them for one role)` : '';
    const message = `connection limit reached: all sessions were busy, max_user_connections=${this.#settings?.maxUserConnections ?? busy}${own}. ` +
      `Timed out after ${acquireTimeout / 1000}s`;
    if (this.#whole) await this.#refusals.failOverdue(role, message, acquireTimeout);
    else this.#log.warn('role.starved', { role: this.#names.get(role), message });
  }

  // --- the end ------------------------------------------------------------------------------------------------------

  /** Lets running calls end within the grace, then cancels them, then lets go of them. */
  async #drain(grace: number): Promise<void> {
    const requests = this.#http.stop(grace);
    for (const session of this.#preparing) session.close();
    await this.#waitForSessions(grace);
    const late = this.#busy();
    if (late.length > 0) {
      this.#log.warn('worker.cancelling', { busy: late.length });
      await Promise.all(late.map(({ session }) => session.cancel(CANCEL_TIME).catch((error: unknown) => {
        this.#log.warn('session.not_cancelled', { pid: session.pid, ...errorFields(error) });
      })));
      await this.#waitForSessions(CANCEL_TIME);
    }
    this.#letGo.abort();
    // The server sees that they are gone, and takes their steps back.
    for (const { session } of this.#sessions.values()) session.close();
    this.#cancelCheck();
    await requests;
  }

  async #waitForSessions(limit: number): Promise<void> {
    const end = this.#clock.now() + limit;
    for (let left = limit; left > 0 && this.#scheduler.counts.open > 0; left = end - this.#clock.now()) await this.#bell.wait(left);
  }

  #busy(): OpenSession[] {
    return [...this.#sessions.values()].filter(({ busy }) => busy);
  }

  /** Lets something go on by itself. What it throws is a fault of the worker, and ends it. */
  #begin(task: Promise<void>): void {
    task.catch((error: unknown) => {
      this.#bug ??= error;
      this.#log.error('worker.fault', errorFields(error));
      this.stop();
    });
  }
}
