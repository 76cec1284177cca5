/** What the scheduler is told and what it decides. */

export interface Limits {
  /** Sessions at once, busy or warm. */
  readonly open: number;
  /** Sessions inside CALL df.work at once. */
  readonly busy: number;
  /** Sessions of one role at once. */
  readonly perRole: number;
  /** ms after which a warm session is closed. */
  readonly idle: number;
  /** ms that due work may wait for a session. */
  readonly acquireTimeout: number;
}

export type Decision =
  /** Run CALL df.work on this seat for `slice` ms. */
  | { readonly kind: 'run'; readonly seat: number; readonly role: number; readonly slice: number }
  /** Open a session for this role; it will be known by this seat. */
  | { readonly kind: 'open'; readonly seat: number; readonly role: number }
  /** Run one external step of this role, if there is one; report `closed` when it has ended. */
  | { readonly kind: 'external'; readonly seat: number; readonly role: number }
  /** Close this warm session. */
  | { readonly kind: 'close'; readonly seat: number; readonly role: number }
  /** What of this role's work is due for longer than the limit has not got a session in that time. */
  | { readonly kind: 'starved'; readonly role: number };

/** How a call of df.work ended. */
export interface Outcome {
  readonly steps: number;
  /** The role's next timer on the worker's clock, or null. */
  readonly nextDue: number | null;
  /** True when the call reached its bound with due work left. */
  readonly more: boolean;
}
