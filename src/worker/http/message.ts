/** What is sent: headers and body, checked and within the limit (semantics §10). */
import { randomBytes } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { RequestFailure } from './refusal.ts';

/** A request as `_df.claim_http` fills it in. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly body: string | null;
  readonly parts: readonly { name: string; filename: string | null; contentType: string | null; data: string }[] | null;
  readonly headers: readonly (readonly [string, string])[];
  /** Seconds. */
  readonly timeout: number;
  /** Value of Idempotency-Key. */
  readonly key: string;
  readonly allowed: readonly { host: string; port: number | null }[] | null;
}

export interface Message {
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer | null;
}

const RAISE = 'An operator can raise pg_durable.http_max_bytes.';
/** Bytes that url and headers may have together; few servers read more. */
const MOST_HEAD = 65_536;
/** Set by the worker or by the connection: to let them be chosen would be to let one request hide another, or another host. */
const OWN: ReadonlySet<string> = new Set([
  'host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'expect', 'te', 'trailer', 'proxy-connection',
  'proxy-authorization',
]);

/**
 * @param agent the default User-Agent
 * @param most  bytes that the body may have
 * @throws RequestFailure for a header that cannot be sent, data that is not base64, and a body over the limit
 */
export function compose(request: HttpRequest, agent: string, most: number): Message {
  const headers = readHeaders(request.headers);
  let body: Buffer | null = null;
  if (request.parts !== null) {
    const form = multipart(request.parts, most);
    headers.set('content-type', ['Content-Type', [`multipart/form-data; boundary=${form.boundary}`]]);
    body = form.body;
  } else if (request.body !== null) {
    limit(Buffer.byteLength(request.body), most, 'body', RAISE);
    body = Buffer.from(request.body);
    preset(headers, 'Content-Type', looksLikeJson(request.body) ? 'application/json' : 'text/plain; charset=utf-8');
  }
  preset(headers, 'User-Agent', agent);
  preset(headers, 'Accept', '*/*');
  preset(headers, 'Accept-Encoding', 'gzip, deflate, br');
  preset(headers, 'Idempotency-Key', request.key);
  const head = [...headers.values()].flatMap(([name, values]) => values.map((value) => name.length + value.length + 4));
  limit(head.reduce((sum, size) => sum + size, request.url.length), MOST_HEAD, 'head (url and headers)', 'Send what is large as the body.');
  if (body !== null || request.method !== 'GET') headers.set('content-length', ['Content-Length', [String(body?.length ?? 0)]]);
  return { headers: Object.fromEntries([...headers.values()].map(([name, values]) => [name, values.length === 1 ? values[0]! : values])), body };
}

/**
 * A multipart/form-data body. Names and filenames are written as browsers write them: UTF-8, with quotes and line ends escaped.
 * @throws RequestFailure
 */
export function multipart(parts: NonNullable<HttpRequest['parts']>, most: number): { boundary: string; body: Buffer } {
  // Nobody who wrote a part can know it.
  const boundary = `pg-durable-${randomBytes(24).toString('hex')}`;
  const chunks: Buffer[] = [];
  let size = 0;
  const add = (chunk: Buffer): void => {
    limit(size += chunk.length, most, 'body', RAISE);
    chunks.push(chunk);
  };
  parts.forEach(({ name, filename, contentType, data }, at) => {
    if (contentType !== null) checkValue('Content-Type', contentType, `parts[${at}].content_type`);
    const type = contentType ?? (filename === null ? null : 'application/octet-stream');
    add(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${escape(name)}"`
      + `${filename === null ? '' : `; filename="${escape(filename)}"`}${type === null ? '' : `\r\nContent-Type: ${type}`}\r\n\r\n`));
    add(decode(data, at));
    add(Buffer.from('\r\n'));
  });
  add(Buffer.from(`--${boundary}--\r\n`));
  return { boundary, body: Buffer.concat(chunks) };
}

function decode(data: string, at: number): Buffer {
  const bare = data.replace(/\s+/g, '');
  if (bare.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bare)) {
    throw new RequestFailure(`parts[${at}].data_b64 is not base64`, "encode(…, 'base64') in a SQL step makes it.");
  }
  return Buffer.from(bare, 'base64');
}

function escape(text: string): string {
  return text.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22').replaceAll('\0', '%00');
}

type Headers = Map<string, [name: string, values: string[]]>;

function readHeaders(given: HttpRequest['headers']): Headers {
  const headers: Headers = new Map();
  for (const [name, value] of given) {
    const key = name.toLowerCase();
    try {
      validateHeaderName(name);
    } catch {
      throw new RequestFailure(`${JSON.stringify(name.slice(0, 60))} is not a valid header name`);
    }
    if (OWN.has(key)) throw new RequestFailure(`the header ${name} is set by the worker; leave it out`);
    // The value may be a secret: it is not repeated.
    checkValue(name, value, `the header ${name}`);
    const known = headers.get(key);
    // Names that differ in case only are one header.
    if (known === undefined) headers.set(key, [name, [value]]);
    else known[1].push(value);
  }
  return headers;
}

function checkValue(name: string, value: string, where: string): void {
  try {
    validateHeaderValue(name, value);
  } catch {
    throw new RequestFailure(`the value of ${where} has a character that no header may have, such as a line end`);
  }
}

function preset(headers: Headers, name: string, value: string): void {
  if (!headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), [name, [value]]);
}

function limit(size: number, most: number, what: string, hint: string): void {
  if (size > most) throw new RequestFailure(`the request's ${what} of ${size} bytes is over the limit of ${most} bytes`, hint);
}

function looksLikeJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
