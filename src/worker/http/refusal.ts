/** Why a request fails, in words for its submitter: it becomes the node's error. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
