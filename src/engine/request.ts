/**
 * An HTTP node's query with everything it refers to filled in (semantics §6): what the worker is to send.
 *
 * The values are the user's secrets as often as not: they go to the worker and nowhere else.
 */
import { DurableError } from '../graph/errors.ts';
import { elements, kind, members, parseString } from './rawjson.ts';

/** One field of a multipart request. */
export interface RequestPart {
  readonly name: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  readonly data: string;
}

/** A request ready to be sent. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly body: string | null;
  /** Null for a plain request. */
  readonly parts: readonly RequestPart[] | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Seconds, for everything together. */
  readonly timeout: number;
}

const DEFAULT_TIMEOUT = 30;
/** `{var}`, or `$name`, `$name?`, `$name.col`, `$name.col?`. */
const WHOLE_REFERENCE = /^\s*(?:\{[^{}]+\}|\$[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?\??)\s*$/;

/**
 * @param query      the node's query, JSON text
 * @param substitute into raw text
 * @param most       bytes that the body may have. What is far above is not even put together; the worker counts exactly.
 * @throws DurableError for a reference that cannot be filled in, or one inside `data_b64` that is not the whole value
 */
export function fillRequest(query: string, substitute: (text: string) => string, most: number): HttpRequest {
  const config = new Map(members(query));
  let size = 0;
  const fill = (template: string): string => {
    const filled = substitute(template);
    size += filled.length;
    // base64 and its line ends are a third and a little more; the rest is for headers.
    if (size > 2 * most + 65_536) {
      throw new DurableError(`the request has at least ${size} characters, which is over the limit of ${most} bytes for its body`, {
        hint: 'An operator can raise pg_durable.http_max_bytes.',
      });
    }
    return filled;
  };
  const parts = config.get('parts');
  const headers = config.get('headers');
  return {
    url: fill(text(config.get('url')) ?? '').trim(),
    method: (text(config.get('method')) ?? '').toUpperCase(),
    body: optional(config.get('body'), fill),
    parts: parts === undefined ? null : elements(parts).map((part, at) => fillPart(new Map(members(part)), at, fill)),
    headers: headers === undefined || kind(headers) === 'null' ? [] : members(headers).flatMap(([name, raw]) =>
      kind(raw) === 'null' ? [] : [[name, kind(raw) === 'string' ? fill(parseString(raw)) : raw] as const]),
    timeout: Number(config.get('timeout_seconds') ?? 0) || DEFAULT_TIMEOUT,
  };
}

function fillPart(part: ReadonlyMap<string, string>, at: number, fill: (text: string) => string): RequestPart {
  const data = text(part.get('data_b64')) ?? '';
  if (/[{$]/.test(data) && !WHOLE_REFERENCE.test(data)) {
    throw new DurableError(`Only a whole-value reference such as {variable} or $name can stand in data_b64, and parts[${at}].data_b64 mixes one with other text`, {
      hint: 'Put the pieces together in a SQL step before, and encode the outcome with encode(…, \'base64\').',
    });
  }
  return {
    name: fill(text(part.get('name')) ?? ''), filename: optional(part.get('filename'), fill),
    contentType: text(part.get('content_type')), data: fill(data),
  };
}

function optional(raw: string | undefined, fill: (text: string) => string): string | null {
  const found = text(raw);
  return found === null ? null : fill(found);
}

function text(raw: string | undefined): string | null {
  return raw === undefined || kind(raw) === 'null' ? null : parseString(raw);
}
