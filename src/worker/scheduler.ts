/**
 * Decides which role gets a session next. Pure: no connection, no timer; the time is an argument.
 *
 * A *lane* is what is known of one submitting role: how many more sessions its due work asks for, its timer, its back-off.
 * A *seat* is one session of a lane: opening, idle (warm), busy (inside CALL df.work) or closing.
 * The caller reports what happens (wake, opened, completed, …) and then asks `next` until it returns null;
 * `nextCheck` says when to ask again if nothing happens.
 *
 * The rules:
 * - A wake goes to a warm seat at once. Without one, a first seat is opened at once; with all seats busy a further one only
 *   after HESITATION, since most calls end within that time and the seat that comes free takes the wake.
 * - A call that ends with work left asks for its seat and one more; so a lane with much due work doubles up to its limit.
 * - A call that lasts is inside a long step, and may hide due work behind it: after PROBE one more seat looks.
 *   It ends with nothing found, or is inside a long step in its turn and the next one looks.
 * - A role's first session is opened at once; further ones one at a time in all lanes together, since opening takes processors from
 *   those that are at work.
 * - An external step takes a seat like a session, and a lane that asks for both gets them by turns. Until it is claimed, nobody
 *   knows of another one.
 * - When no further session may be opened, a warm one of another role is closed for a role's first at once. For a further one only if
 *   it has not been used for SETTLED, or its role has more sessions all the same, or the asking has gone on for SETTLED: a new session
 *   costs many times what a call does, and roles whose calls last would else close each other's sessions all the time.
 * - Fairness: of the lanes that ask, the one with the fewest seats at work, then the one served longest ago. Calls are slices of
 *   bounded time, and shorter ones when seats are scarce, so the next turn is never far.
 */
import type { Decision, Limits, Outcome } from './decision.ts';
import { anyIs, asksForExternal, byAge, countActive, NEVER, newLane, warmest, type Lane, type Seat, type SeatState } from './lane.ts';

/** ms that a wake waits for a busy seat before a further one is opened. */
export const HESITATION = 10;
/** ms after which a call counts as inside a long step. */
export const PROBE = 100;
/** ms of not being used after which a warm session may be closed for another role's further one, and of asking after which any may. */
export const SETTLED = 500;
/** ms after which a session that is still being opened holds up no other. */
export const SLOW_OPENING = 1000;
/** ms between two reports that a role's work is starved. */
export const STARVED_AGAIN = 1000;
/** Length of one call in ms, when there are seats to spare and when there are not. */
export const SLICE = 200;
export const SHORT_SLICE = 50;

export class Scheduler {
  readonly #lanes = new Map<number, Lane>();
  readonly #seats = new Map<number, Seat>();
  #limits: Limits;
  #lastSeat = 0;
  #turn = 0;
  #suspended = false;
  #stopping = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  setLimits(limits: Limits): void {
    this.#limits = limits;
  }

  /** While suspended (the server or the engine is away) nothing is run or opened. */
  suspend(): void {
    this.#suspended = true;
  }

  /** The server is back: what held lanes back belongs to its absence. */
  resume(): void {
    this.#suspended = false;
    for (const lane of this.#lanes.values()) {
      lane.retryFrom = 0;
      lane.reopenFrom = 0;
    }
  }

  /** From now on warm seats are closed and nothing new begins. */
  stop(): void {
    this.#stopping = true;
  }

  /** Work of the role became due (notification, timer, or its session was lost). */
  wake(role: number, now: number): void {
    const lane = this.#lane(role);
    lane.wokenTurn = this.#nextTurn();
    this.#ask(lane, 1, now);
  }

  /** The sweep says that work of the role is due which nobody is at. */
  sweepDue(role: number, now: number): void {
    const lane = this.#lane(role);
    this.#ask(lane, 1, now);
  }

  /** An external step of the role may be due. */
  externalDue(role: number, now: number): void {
    const lane = this.#lane(role);
    lane.externalSince = Math.min(lane.externalSince, now);
  }

  /** The role has a timer at this instant (worker's clock). */
  timer(role: number, at: number): void {
    const lane = this.#lane(role);
    lane.nextDue = Math.min(lane.nextDue, at);
  }

  /** True when a warm session of the role could take a wake at once. */
  hasWarm(role: number): boolean {
    const lane = this.#lanes.get(role);
    return lane !== undefined && warmest(lane.seats) !== undefined;
  }

  /** True when the role has any session, whatever it does. */
  hasSeat(role: number): boolean {
    return (this.#lanes.get(role)?.seats.size ?? 0) > 0;
  }

  /** The session is there; it looks for work at once. */
  opened(seatId: number, now: number): void {
    const seat = this.#seat(seatId);
    this.#become(seat, 'fresh', now);
    this.#ask(seat.lane, 1, now);
  }

  /** The external step that took this seat is claimed: whether there is another one shows from now on. */
  externalClaimed(seatId: number, now: number): void {
    const seat = this.#seat(seatId);
    this.#become(seat, 'external', now);
    // What was said to be due while this one was being claimed may have been this one.
    seat.lane.externalSince = NEVER;
  }

  /** A call ended in good order and its seat is clean again. */
  completed(seatId: number, outcome: Outcome, now: number): void {
    const seat = this.#seat(seatId);
    const { lane, turn } = seat;
    this.#become(seat, 'idle', now);
    if (outcome.nextDue !== null) this.timer(lane.role, outcome.nextDue);
    lane.demandSince = now;
    if (outcome.more) {
      this.#ask(lane, 2, now);
      return;
    }
    lane.probeAt = NEVER;
    // What woke us after the call began may have come after its last look.
    lane.demand = lane.wokenTurn > turn ? 1 : 0;
  }

  /** The seat is gone: closed as decided, lost, or never opened. */
  closed(seatId: number): void {
    const seat = this.#seat(seatId);
    this.#seats.delete(seatId);
    seat.lane.seats.delete(seat);
  }

  /** After a failure nothing of the role is run for `delay` ms; its work stays due. */
  holdRole(role: number, delay: number, now: number): void {
    const lane = this.#lane(role);
    lane.retryFrom = now + delay;
    this.#ask(lane, 1, now);
    lane.demandSince = lane.retryFrom;
  }

  /** No session of the role is opened for `delay` ms; those it has go on. */
  holdOpening(role: number, delay: number, now: number): void {
    const lane = this.#lane(role);
    lane.reopenFrom = now + delay;
    this.#ask(lane, 1, now);
    lane.demandSince = lane.reopenFrom;
  }

  /** No external step of the role is begun for `delay` ms; then one is due. */
  holdExternal(role: number, delay: number, now: number): void {
    const lane = this.#lane(role);
    lane.externalFrom = now + delay;
    lane.externalSince = lane.externalFrom;
  }

  /** The role's due work is gone (failed as a whole). */
  settle(role: number): void {
    const lane = this.#lanes.get(role);
    if (lane === undefined) return;
    lane.demand = 0;
    lane.externalSince = NEVER;
  }

  /** Asks that the longest-idle warm session be closed, to free a connection of the server; null if none is warm. */
  evict(now: number): Decision | null {
    const victim = this.#warm().sort(byAge)[0];
    return victim === undefined ? null : this.#close(victim, now);
  }

  /** True when no work is known to be due and none is running. */
  get quiet(): boolean {
    for (const lane of this.#lanes.values()) if (lane.demand > 0 || lane.externalSince !== NEVER) return false;
    return countActive(this.#seats.values()) === 0;
  }

  /** Sessions by state, for the log. */
  get counts(): { open: number; busy: number } {
    return { open: this.#seats.size, busy: countActive(this.#seats.values()) };
  }

  /** The next thing to do, or null. Every decision counts as begun the moment it is returned. */
  next(now: number): Decision | null {
    for (const lane of this.#lanes.values()) {
      if (lane.nextDue <= now) {
        lane.nextDue = NEVER;
        this.wake(lane.role, now);
      }
      if (lane.probeAt <= now) {
        lane.probeAt = NEVER;
        if (countActive(lane.seats) > 0) this.#ask(lane, 1, now - HESITATION);
      }
      this.#forgetIfEmpty(lane, now);
    }
    const work = this.#suspended || this.#stopping ? this.#cool(now) : this.#runFresh(now) ?? this.#serve(now) ?? this.#starved(now);
    // Last, so that a seat whose time is over still takes the work that waits for one.
    return work ?? this.#expired(now);
  }

  /** When `next` may have something to say though nothing was reported; Infinity if never. */
  nextCheck(now: number): number {
    let at = NEVER;
    const warm = this.#warm();
    for (const { since } of warm) at = Math.min(at, since + this.#limits.idle);
    if (this.#suspended || this.#stopping) return at;
    // What frees a seat for a role that asks, whichever it is.
    const opening = this.#opening(now);
    const full = this.#seats.size >= this.#limits.open;
    for (const lane of this.#lanes.values()) {
      at = Math.min(at, lane.nextDue, lane.probeAt);
      if (!anyIs('claiming', lane.seats)) at = Math.min(at, lane.externalSince + this.#limits.acquireTimeout);
      if (lane.externalSince !== NEVER && lane.externalFrom > now) at = Math.min(at, lane.externalFrom);
      if (lane.demand === 0) continue;
      for (const { since } of opening) at = Math.min(at, since + SLOW_OPENING);
      at = Math.min(at, lane.demandSince + this.#limits.acquireTimeout);
      for (const from of [lane.openFrom, lane.retryFrom, lane.reopenFrom]) if (from > now) at = Math.min(at, from);
      if (full) for (const since of [lane.demandSince, ...warm.map((seat) => seat.since)]) if (since + SETTLED > now) at = Math.min(at, since + SETTLED);
    }
    return at;
  }

  /** A new session makes its first call, whoever else asks by now: two roles could otherwise close each other's for ever. */
  #runFresh(now: number): Decision | null {
    for (const seat of this.#seats.values()) if (seat.state === 'fresh') return this.#run(seat, this.#asking(now).length, now);
    return null;
  }

  /** Nothing is to begin: what was about to is merely warm. */
  #cool(now: number): null {
    for (const seat of this.#seats.values()) if (seat.state === 'fresh') this.#become(seat, 'idle', now);
    return null;
  }

  #asking(now: number): Lane[] {
    return [...this.#lanes.values()].filter((lane) => (lane.demand > 0 && lane.retryFrom <= now) || asksForExternal(lane, now));
  }

  #serve(now: number): Decision | null {
    if (countActive(this.#seats.values()) >= this.#limits.busy) return null;
    const asking = this.#asking(now)
      .sort((a, b) => countActive(a.seats) - countActive(b.seats) || a.servedTurn - b.servedTurn);
    for (const lane of asking) {
      const decision = this.#serveLane(lane, asking.length, now);
      if (decision !== null) return decision;
    }
    return null;
  }

  #serveLane(lane: Lane, asking: number, now: number): Decision | null {
    if (countActive(lane.seats) >= this.#limits.perRole) return null;
    if (asksForExternal(lane, now) && (lane.demand === 0 || lane.externalTurn < lane.servedTurn)) return this.#runExternal(lane, now);
    if (lane.demand === 0 || lane.retryFrom > now) return null;
    const warm = warmest(lane.seats);
    if (warm !== undefined) return this.#run(warm, asking, now);
    if (now < lane.openFrom || now < lane.reopenFrom || lane.seats.size >= this.#limits.perRole) return null;
    // The seat that is being opened will take the wake, and asks for another if there is more.
    if (anyIs('opening', lane.seats)) return null;
    if (lane.seats.size > 0 && this.#opening(now).length > 0) return null;
    return this.#seats.size < this.#limits.open ? this.#open(lane, now) : this.#makeRoom(lane, now);
  }

  #runExternal(lane: Lane, now: number): Decision | null {
    if (this.#seats.size >= this.#limits.open) return this.#makeRoom(null, now);
    lane.externalSince = NEVER;
    lane.externalTurn = lane.servedTurn = this.#nextTurn();
    return { kind: 'external', seat: this.#newSeat(lane, 'claiming', now).id, role: lane.role };
  }

  /** Closes a warm session for a session of the lane, or for an external step (null): of the lane that has most, the one used longest ago. */
  #makeRoom(lane: Lane | null, now: number): Decision | null {
    if (anyIs('closing', this.#seats.values())) return null;
    const urgent = lane === null || lane.seats.size === 0 || now >= lane.demandSince + SETTLED;
    const [victim] = this.#warm()
      .filter((seat) => urgent || now >= seat.since + SETTLED || seat.lane.seats.size > lane.seats.size + 1)
      .sort((a, b) => b.lane.seats.size - a.lane.seats.size || byAge(a, b));
    return victim === undefined ? null : this.#close(victim, now);
  }

  /** Seats that are being opened and hold up further ones. */
  #opening(now: number): Seat[] {
    return [...this.#seats.values()].filter(({ state, since }) => state === 'opening' && now < since + SLOW_OPENING);
  }

  #warm(): Seat[] {
    return [...this.#seats.values()].filter(({ state }) => state === 'idle');
  }

  #run(seat: Seat, asking: number, now: number): Decision {
    const { lane } = seat;
    this.#served(lane, now);
    lane.probeAt = now + PROBE;
    seat.turn = lane.servedTurn;
    this.#become(seat, 'busy', now);
    const scarce = asking > 1 || countActive(this.#seats.values()) >= this.#limits.busy;
    return { kind: 'run', seat: seat.id, role: lane.role, slice: scarce ? SHORT_SLICE : SLICE };
  }

  #open(lane: Lane, now: number): Decision {
    this.#served(lane, now);
    return { kind: 'open', seat: this.#newSeat(lane, 'opening', now).id, role: lane.role };
  }

  #newSeat(lane: Lane, state: SeatState, now: number): Seat {
    this.#lastSeat += 1;
    const seat: Seat = { id: this.#lastSeat, lane, state, since: now, turn: 0 };
    this.#seats.set(seat.id, seat);
    lane.seats.add(seat);
    return seat;
  }

  #close(seat: Seat, now: number): Decision {
    this.#become(seat, 'closing', now);
    return { kind: 'close', seat: seat.id, role: seat.lane.role };
  }

  #served(lane: Lane, now: number): void {
    lane.demand -= 1;
    lane.demandSince = now;
    lane.servedTurn = this.#nextTurn();
  }

  /** A warm seat whose time is over. */
  #expired(now: number): Decision | null {
    const age = this.#stopping ? 0 : this.#limits.idle;
    for (const seat of this.#seats.values()) {
      if (seat.state === 'idle' && now - seat.since >= age) return this.#close(seat, now);
    }
    return null;
  }

  #starved(now: number): Decision | null {
    const since = now - this.#limits.acquireTimeout;
    for (const lane of this.#lanes.values()) {
      // A lane in back-off, or with a seat about to open, is not short of seats.
      const demand = lane.demand > 0 && lane.retryFrom <= now && lane.reopenFrom <= now && !anyIs('opening', lane.seats)
        && lane.demandSince <= since;
      const external = lane.externalSince <= since && !anyIs('claiming', lane.seats);
      if (!demand && !external) continue;
      // Reported anew every second: what has waited less than the limit is not failed with the rest.
      if (demand) lane.demandSince = since + STARVED_AGAIN;
      if (external) lane.externalSince = since + STARVED_AGAIN;
      return { kind: 'starved', role: lane.role };
    }
    return null;
  }

  #ask(lane: Lane, seats: number, now: number): void {
    if (lane.demand === 0) {
      lane.demandSince = now;
      // Growth after a call with work left (seats > 1) has had its whole slice to hesitate.
      lane.openFrom = seats === 1 && countActive(lane.seats) > 0 ? now + HESITATION : now;
    }
    lane.demand = Math.max(lane.demand, Math.min(seats, this.#limits.perRole));
  }

  /** Events in their order, finer than any clock. */
  #nextTurn(): number {
    this.#turn += 1;
    return this.#turn;
  }

  #become(seat: Seat, state: SeatState, now: number): void {
    seat.state = state;
    seat.since = now;
  }

  #lane(role: number): Lane {
    let lane = this.#lanes.get(role);
    if (lane === undefined) {
      lane = newLane(role);
      this.#lanes.set(role, lane);
    }
    return lane;
  }

  #forgetIfEmpty(lane: Lane, now: number): void {
    if (lane.seats.size > 0 || lane.demand > 0 || lane.nextDue !== NEVER || lane.externalSince !== NEVER) return;
    if (lane.retryFrom > now || lane.reopenFrom > now || lane.externalFrom > now) return;
    this.#lanes.delete(lane.role);
  }

  #seat(id: number): Seat {
    const seat = this.#seats.get(id);
    if (seat === undefined) throw new Error(`the scheduler knows no seat ${id}`);
    return seat;
  }
}
