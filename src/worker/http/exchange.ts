/**
 * One request and its response, over a connection that is open.
 *
 * The client is Node's own: it is maintained with the runtime that the worker needs anyway, takes a connection that somebody else
 * has opened, follows no redirect, and reads no proxy variable by itself. What it lacks, decompression and limits, is here.
 */
import { request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { abortable } from './abort.ts';
import type { Response } from './envelope.ts';
import type { Message } from './message.ts';
import { RequestFailure } from './refusal.ts';

/** Encodings that are undone one after the other; nobody sends more in earnest. */
const MOST_ENCODINGS = 3;
const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream>> = {
  gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress,
};

/**
 * @param most bytes that the body may have, as sent and decompressed
 * @throws RequestFailure over the limit; the error of the connection; the signal's reason
 */
export async function exchange(socket: Socket, url: URL, method: string, message: Message, most: number, signal: AbortSignal): Promise<Response> {
  try {
    return await abortable(converse(socket, url, method, message, most), signal);
  } finally {
    socket.destroy();
  }
}

async function converse(socket: Socket, url: URL, method: string, message: Message, most: number): Promise<Response> {
  const asked = request({
    method, path: `${url.pathname}${url.search}`, setHost: false, createConnection: () => socket,
    headers: { Host: url.host, ...authorization(url, message), ...message.headers },
  });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // Whoever sends a response before it has read the request may reset the connection; the response counts.
    asked.on('response', resolve).on('error', reject);
    asked.on('upgrade', () => reject(new RequestFailure('the server switched to another protocol unasked')));
    asked.end(message.body ?? undefined);
  });
  const { body, decoded } = await read(response, most);
  const headers = { ...response.headers };
  // They spoke of the body as it was sent.
  if (decoded) for (const name of ['content-encoding', 'content-length']) delete headers[name];
  return { status: response.statusCode!, headers, body };
}

async function read(response: IncomingMessage, most: number): Promise<{ body: Buffer; decoded: boolean }> {
  const encodings = (response.headers['content-encoding'] ?? '').toLowerCase().split(',').map((word) => word.trim()).filter((word) => word !== '' && word !== 'identity');
  const announced = Number(response.headers['content-length'] ?? 0);
  if (announced > most) throw over(announced, most);
  const raw = await collect(response, most);
  const known = encodings.length <= MOST_ENCODINGS && encodings.every((word) => Object.hasOwn(DECODERS, word));
  if (encodings.length === 0 || !known || raw.length === 0) return { body: raw, decoded: false };
  let body = raw;
  for (const encoding of encodings.reverse()) {
    const decoder = DECODERS[encoding]!();
    decoder.end(body);
    try {
      body = await collect(decoder as unknown as Readable, most);
    } catch (error) {
      if (error instanceof RequestFailure) throw error;
      throw new RequestFailure(`the response is not what its Content-Encoding says (${encoding}): ${(error as Error).message}`);
    }
  }
  return { body, decoded: true };
}

async function collect(stream: Readable, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop destroys the stream.
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) throw over(size, most);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function over(size: number, most: number): RequestFailure {
  return new RequestFailure(`the response's body has at least ${size} bytes, which is over the limit of ${most} bytes`, 'An operator can raise pg_durable.http_max_bytes.');
}

/** User and password of the URL, unless the request has credentials of its own. */
function authorization(url: URL, { headers }: Message): { Authorization?: string } {
  if (url.username === '' && url.password === '') return {};
  if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return {};
  return { Authorization: `Basic ${Buffer.from(`${percentDecoded(url.username)}:${percentDecoded(url.password)}`).toString('base64')}` };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
