/** What the scheduler knows of one submitting role (a lane) and of one of its sessions (a seat). */

/**
 * `fresh`: opened, and about to make the call it was opened for. `claiming`: no session, but a step that brings connections of
 * its own, and is still to be claimed; `external`: it is.
 */
export type SeatState = 'opening' | 'fresh' | 'idle' | 'busy' | 'closing' | 'claiming' | 'external';

export interface Seat {
  readonly id: number;
  readonly lane: Lane;
  state: SeatState;
  /** Instant of the last change of state. */
  since: number;
  /** The turn in which its last call began. */
  turn: number;
}

export interface Lane {
  readonly role: number;
  readonly seats: Set<Seat>;
  /** How many seats the due work asks for; 0 when nothing is known to be due. */
  demand: number;
  /** Since when demand is unserved. */
  demandSince: number;
  /** The turn of the last wake, to tell whether a call that found nothing can have seen what woke us. */
  wokenTurn: number;
  /** No further seat is opened before this. */
  openFrom: number;
  /** After a failure: nothing is run before `retryFrom`, nothing opened before `reopenFrom`. */
  retryFrom: number;
  reopenFrom: number;
  probeAt: number;
  nextDue: number;
  /** Since when an external step waits to be run; NEVER when none is known to be due. */
  externalSince: number;
  /** After a failure: no external step is begun before this. */
  externalFrom: number;
  /** The turn in which an external step was begun. */
  externalTurn: number;
  /** The turn in which the lane was last served. */
  servedTurn: number;
}

export const NEVER = Number.POSITIVE_INFINITY;

export function newLane(role: number): Lane {
  return {
    role, seats: new Set(), demand: 0, demandSince: 0, wokenTurn: 0, openFrom: 0, retryFrom: 0, reopenFrom: 0,
    probeAt: NEVER, nextDue: NEVER, externalSince: NEVER, externalFrom: 0, externalTurn: 0, servedTurn: 0,
  };
}

/** Whether an external step may be begun now. */
export function asksForExternal(lane: Lane, now: number): boolean {
  return lane.externalSince !== NEVER && lane.externalFrom <= now && !anyIs('claiming', lane.seats);
}

/** Seats at work, or on their way to it. */
export function countActive(seats: Iterable<Seat>): number {
  let count = 0;
  for (const { state } of seats) if (state !== 'idle' && state !== 'closing') count += 1;
  return count;
}

/** Whether any of the seats is in this state. */
export function anyIs(state: SeatState, seats: Iterable<Seat>): boolean {
  for (const seat of seats) if (seat.state === state) return true;
  return false;
}

/** The warm seat used last: the others reach their end sooner, and its caches are the warmest. */
export function warmest(seats: Iterable<Seat>): Seat | undefined {
  let latest: Seat | undefined;
  for (const seat of seats) if (seat.state === 'idle' && (latest === undefined || seat.since >= latest.since)) latest = seat;
  return latest;
}

/** Orders seats by how long they have been as they are, the longest first. */
export function byAge(a: Seat, b: Seat): number {
  return a.since - b.since;
}
