/** One request from the worker's HTTP client to a real server on loopback. */
import type { ExecutionContext } from 'ava';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { readRanges } from '../../src/worker/http/address.ts';
import { make, type Means } from '../../src/worker/http/make.ts';
import type { HttpRequest } from '../../src/worker/http/message.ts';

const opened = readRanges('127.0.0.0/8');
const means: Means = { agent: 'test/1', mostBytes: 100_000, opened, resolve: async () => ['127.0.0.1'], environment: {} };
export const plain = { method: 'GET', body: null, parts: null, headers: [], timeout: 10, key: 'k', allowed: null };

/** Listens on a free port of 127.0.0.1 until the test ends. */
export async function listen(t: ExecutionContext, server: Server & { closeAllConnections?(): void }): Promise<number> {
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections?.(); server.close(); });
  return (server.address() as AddressInfo).port;
}

export const serve = (t: ExecutionContext, handler: RequestListener): Promise<number> => listen(t, createServer(handler));

export interface Envelope { status: number; body: string; encoding: string; headers: Record<string, string>; ok: boolean; duration_ms: number }

/** Makes a request with every name at 127.0.0.1, which is opened, and a limit of 100,000 bytes; `error` is empty when it succeeds. */
export async function ask(request: Partial<HttpRequest> & { url: string }, other: Partial<Means> = {}, control = new AbortController()): Promise<{ envelope: Envelope; error: string }> {
  const outcome = await make({ ...plain, ...request }, { ...means, ...other }, control);
  const value = JSON.parse(outcome.slice(1)) as Envelope & { message: string };
  return outcome.startsWith('r') ? { envelope: value, error: '' } : { envelope: {} as Envelope, error: value.message };
}
