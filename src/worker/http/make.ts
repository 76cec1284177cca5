/** Makes one request from its checks to its outcome (semantics §10). */
import type { Range } from './address.ts';
import { open, proxyFor } from './connect.ts';
import { envelope, excerpt, type Response } from './envelope.ts';
import { exchange } from './exchange.ts';
import { compose, type HttpRequest } from './message.ts';
import { RequestFailure } from './refusal.ts';
import { checkAllowed, checkedAddresses, readUrl, shown, type Resolve } from './target.ts';

export interface Means {
  /** Default User-Agent. */
  readonly agent: string;
  /** Bytes that a request's and a response's body may have. */
  readonly mostBytes: number;
  /** Addresses that are allowed although they are not public. */
  readonly opened: readonly Range[];
  readonly resolve: Resolve;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const LONGEST_TIMEOUT = 2_147_483_647;

/**
 * The outcome as `_df.finish_http` reads it: `r` and the envelope, or `e` and message and hint as JSON.
 * @param stop aborts the request; its reason is thrown on
 */
export async function make(request: HttpRequest, means: Means, stop: AbortSignal): Promise<string> {
  let place = '';
  try {
    const url = readUrl(request.url);
    place = `HTTP ${request.method} ${shown(url)}`;
    checkAllowed(url, request.allowed);
    const began = performance.now();
    const response = await within(request.timeout, stop, (signal) => send(url, request, means, signal));
    if (response.status < 500) return `r${envelope(response, performance.now() - began)}`;
    const said = excerpt(response);
    return failed(`${place} failed with status ${response.status}${said === '' ? '' : `: ${said}`}`);
  } catch (error) {
    stop.throwIfAborted();
    const prefix = place === '' ? '' : `${place} failed: `;
    if (error instanceof RequestFailure) return failed(`${prefix}${error.message}`, error.hint);
    return failed(`${prefix}${describe(error)}`);
  }
}

async function send(url: URL, request: HttpRequest, means: Means, signal: AbortSignal): Promise<Response> {
  const addresses = await abortable(checkedAddresses(url, means.resolve, means.opened), signal);
  const message = compose(request, means.agent, means.mostBytes);
  const socket = await open(url, addresses, proxyFor(url, means.environment), signal);
  return exchange(socket, url, request.method, message, means.mostBytes, signal);
}

/** Runs something for at most `seconds`, everything together. */
async function within<T>(seconds: number, stop: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new RequestFailure(`timed out after ${seconds}s`)), Math.min(seconds * 1000, LONGEST_TIMEOUT));
  try {
    return await run(AbortSignal.any([stop, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/** What cannot be aborted itself is no longer waited for. */
function abortable<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}

function failed(message: string, hint?: string): string {
  // jsonb holds neither of what is taken out.
  const clean = (text: string): string => Buffer.from(text.replaceAll('\0', '')).toString();
  return `e${JSON.stringify({ message: clean(message), ...(hint !== undefined && { hint }) })}`;
}

function describe(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  const said = message || 'network error';
  return code === undefined || said.includes(code) ? said : `${said} (${code})`;
}
