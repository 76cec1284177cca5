/** What a response becomes: the envelope of semantics §10 as JSON text, or the reason why the node fails. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Decompressed. */
  readonly body: Buffer;
}

/** Bytes of a body that an error message repeats. */
const EXCERPT = 512;
const TEXTUAL = /^(text\/.*|.*\+(json|xml|yaml)|application\/(json|xml|javascript|x-javascript|ecmascript|x-www-form-urlencoded|graphql|yaml|x-yaml)|.*\/(json|xml|javascript|graphql|yaml))$/;

/** The envelope: status, body, encoding, headers, ok, duration_ms. */
export function envelope({ status, headers, body }: Response, duration: number): string {
  const text = asText(headers['content-type'], body);
  return JSON.stringify({
    status, body: text ?? body.toString('base64'), encoding: text === null ? 'base64' : 'text',
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, clean(Array.isArray(value) ? value.join(', ') : value ?? '')])),
    ok: status >= 200 && status <= 299, duration_ms: Math.round(duration),
  });
}

/** At most 512 bytes of the body, for an error message; of binary bodies only the size. */
export function excerpt({ headers, body }: Response): string {
  if (body.length === 0) return '';
  if (asText(headers['content-type'], body) === null) return `(${body.length} bytes, not text)`;
  let end = Math.min(EXCERPT, body.length);
  // No character is cut in two.
  while (end > 0 && end < body.length && (body[end]! & 0xc0) === 0x80) end--;
  const text = decodeAs(headers['content-type'], body.subarray(0, end));
  for (let length = text.length; ; length--) if (Buffer.byteLength(text.slice(0, length)) <= EXCERPT) return wellFormed(text.slice(0, length));
}

/** The body as text, or null when it is to be base64. */
function asText(type: string | undefined, body: Buffer): string | null {
  // JSON in PostgreSQL has no place for this character, whatever the type promises.
  if (body.includes(0) && !/charset=["']?utf-?16/i.test(type ?? '')) return null;
  if (isTextual(type)) {
    const text = decodeAs(type, body);
    return text.includes('\0') ? null : text;
  }
  return isUtf8(body) ? body.toString('utf8') : null;
}

export function isTextual(type: string | undefined): boolean {
  return TEXTUAL.test((type ?? '').split(';')[0]!.trim().toLowerCase());
}

function decodeAs(type: string | undefined, body: Buffer): string {
  const charset = /;\s*charset=["']?([^"';\s]+)/i.exec(type ?? '')?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset, { ignoreBOM: true }).decode(body);
  } catch {
    // A charset that nobody knows.
    return body.toString('utf8');
  }
}

function clean(text: string): string {
  return wellFormed(text.replaceAll('\0', ''));
}

/** Half of a surrogate pair becomes U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
