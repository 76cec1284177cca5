/**
 * An error that a user caused and can mend. `sqlstate` is the SQLSTATE with which it leaves the database; `code` is the
 * same packed into an integer, the form in which PLV8 wants it on a thrown error; `detail` and `hint` become the
 * fields of the same name of the PostgreSQL error.
 */
export class DurableError extends Error {
  readonly sqlstate: string;
  readonly code: number;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  /** `options.code` is a five-character SQLSTATE, 22023 (invalid parameter value) without it. */
  constructor(message: string, options: { code?: string; detail?: string; hint?: string } = {}) {
    super(message);
    this.name = 'DurableError';
    this.sqlstate = options.code ?? '22023';
    this.code = packSqlState(this.sqlstate);
    this.detail = options.detail;
    this.hint = options.hint;
  }

  /** The message alone: PLV8 makes the database's error message of this, where a class name would be noise. */
  override toString(): string {
    return this.message;
  }
}

/** Six bits per character, the first in the lowest, as PostgreSQL's MAKE_SQLSTATE does. */
function packSqlState(sqlstate: string): number {
  let packed = 0;
  for (let at = 4; at >= 0; at--) packed = packed * 64 + ((sqlstate.charCodeAt(at) - 48) & 0x3f);
  return packed;
}
