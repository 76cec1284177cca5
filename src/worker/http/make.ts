/** Makes one request from its checks to its outcome (semantics §10). */
import { abortable } from './abort.ts';
import type { Range } from './address.ts';
import { open } from './connect.ts';
import { envelope, excerpt, type Response } from './envelope.ts';
import { exchange } from './exchange.ts';
import { compose, type HttpRequest } from './message.ts';
import { proxyFor } from './proxy.ts';
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
 * @param control aborts the request: a RequestFailure is how it then ends, any other reason is thrown on
 */
export async function make(request: HttpRequest, means: Means, control: AbortController): Promise<string> {
  const { signal } = control;
  const { timeout } = request;
  const timer = setTimeout(() => control.abort(new RequestFailure(`timed out after ${timeout}s`)), Math.min(timeout * 1000, LONGEST_TIMEOUT));
  let place = '';
  try {
    signal.throwIfAborted();
    const url = readUrl(request.url);
    place = `HTTP ${request.method} ${shown(url)}`;
    checkAllowed(url, request.allowed);
    const began = performance.now();
    const response = await send(url, request, means, signal);
    if (response.status < 500) return `r${envelope(response, performance.now() - began)}`;
    const said = excerpt(response);
    return failed(`${place} failed with status ${response.status}${said === '' ? '' : `: ${said}`}`);
  } catch (error) {
    const prefix = place === '' ? '' : `${place} failed: `;
    if (error instanceof RequestFailure) return failed(`${prefix}${error.message}`, error.hint);
    if (signal.aborted) throw error;
    return failed(`${prefix}${describe(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

async function send(url: URL, request: HttpRequest, means: Means, signal: AbortSignal): Promise<Response> {
  const addresses = await abortable(checkedAddresses(url, means.resolve, means.opened), signal);
  const message = compose(request, means.agent, means.mostBytes);
  const socket = await open(url, addresses, proxyFor(url, means.environment), signal);
  return exchange(socket, url, request.method, message, means.mostBytes, signal);
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
