/**
 * An error that a user caused and can mend. `code` is the five-character SQLSTATE with which it leaves the
 * database; `detail` and `hint` become the fields of the same name of the PostgreSQL error.
 */
export class DurableError extends Error {
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, options: { code?: string; detail?: string; hint?: string } = {}) {
    super(message);
    this.name = 'DurableError';
    this.code = options.code ?? '22023';
    this.detail = options.detail;
    this.hint = options.hint;
  }
}
