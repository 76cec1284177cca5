import { DurableError } from './errors.ts';
import { compact, describe, excerpt, isObject, parseJson, quote } from './json.ts';
import { requirePositive } from './waiting.ts';
import { remember } from './wrap.ts';

/** The setting pg_durable.http (surface §7). */
export type HttpMode = 'off' | 'allowlist' | 'all';

/** Arguments of `df.http`; `headers` is JSON text. */
export interface HttpArgs {
  readonly url: string | null;
  readonly method: string | null;
  readonly body: string | null;
  readonly headers: string | null;
  readonly timeoutSeconds: number | null;
}

/** Arguments of `df.http_multipart`; `parts` and `headers` are JSON text. */
export interface MultipartArgs {
  readonly url: string | null;
  readonly method: string | null;
  readonly parts: string | null;
  readonly headers: string | null;
  readonly timeoutSeconds: number | null;
}

export const HTTP_METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'];
export const MULTIPART_METHODS: readonly string[] = ['POST', 'PUT', 'PATCH'];

/**
 * HTTP (`df.http`). The method is stored in upper case.
 *
 * @throws DurableError, in this order: `df.http() is disabled`, `unsupported URL scheme`, `Invalid HTTP method`,
 *   `Timeout must be positive`, headers that are no object of plain values.
 */
export function http(args: HttpArgs, settings: { mode: HttpMode }): string {
  const { url, method, timeout } = checkRequest(args, settings.mode, HTTP_METHODS, 'df.http');
  const body = args.body === null ? 'null' : quote(args.body);
  const headers = checkHeaders(args.headers);
  const config = `{"url":${quote(url)},"method":"${method}","body":${body},"headers":${headers},"timeout_seconds":${timeout}}`;
  return remember(`{"node_type":"HTTP","query":${quote(config)}}`);
}

/**
 * HTTP_MULTIPART (`df.http_multipart`).
 *
 * @throws DurableError as `http` does, and `parts is required`, `parts must be a JSON array`, `at least one part`, or what
 *   is wrong with which part.
 */
export function httpMultipart(args: MultipartArgs, settings: { mode: HttpMode }): string {
  const { url, method, timeout } = checkRequest(args, settings.mode, MULTIPART_METHODS, 'df.http_multipart');
  const parts = checkParts(args.parts);
  const headers = checkHeaders(args.headers);
  const config = `{"url":${quote(url)},"method":"${method}","parts":${parts},"headers":${headers},"timeout_seconds":${timeout}}`;
  return remember(`{"node_type":"HTTP_MULTIPART","query":${quote(config)}}`);
}

function checkRequest(
  args: { url: string | null; method: string | null; timeoutSeconds: number | null },
  mode: HttpMode,
  methods: readonly string[],
  caller: string,
): { url: string; method: string; timeout: number } {
  if (mode === 'off') {
    throw new DurableError('df.http() is disabled, and df.http_multipart() with it, because pg_durable.http is off', {
      code: '55000',
      hint: "An administrator can set pg_durable.http to 'allowlist' or 'all'.",
    });
  }
  const { url } = args;
  if (url === null) throw new DurableError(`unsupported URL scheme: the url of ${caller}() is NULL; it must begin with http:// or https://`);
  // With a variable in it, the scheme may be part of the variable: it is checked before the request.
  if (!url.includes('{') && !/^https?:\/\//i.test(url)) {
    throw new DurableError(`unsupported URL scheme in '${excerpt(url, 60)}'; it must begin with http:// or https://`);
  }
  const method = args.method === null ? 'NULL' : args.method.toUpperCase();
  if (!methods.includes(method)) {
    throw new DurableError(`Invalid HTTP method '${excerpt(args.method ?? 'NULL', 60)}' for ${caller}(); use one of ${methods.join(', ')}`);
  }
  if (args.timeoutSeconds === null) throw new DurableError('Timeout must be positive, not NULL; leave it out for 30 seconds');
  requirePositive(args.timeoutSeconds, 'leave it out for 30 seconds');
  return { url, method, timeout: args.timeoutSeconds };
}

/** What is wrong with the headers of a request, already parsed, or null. */
export function headersProblem(headers: unknown): string | null {
  if (headers === undefined || headers === null) return null;
  if (!isObject(headers)) return `headers must be a JSON object such as {"Accept": "text/plain"}, not ${describe(headers)}`;
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'object') return `headers must have plain values, and '${excerpt(name, 60)}' is ${describe(value)}; write it as a string`;
  }
  return null;
}

function checkHeaders(json: string | null): string {
  if (json === null) return 'null';
  const problem = headersProblem(parseAny(json, 'headers'));
  if (problem !== null) throw new DurableError(problem);
  return compact(json);
}

/** What is wrong with the parts of a multipart request, already parsed, or null (surface §3). */
export function partsProblem(parts: unknown): string | null {
  if (parts === undefined || parts === null) return 'parts is required; pass a JSON array of objects with name and data_b64';
  if (!Array.isArray(parts)) return `parts must be a JSON array of objects with name and data_b64, not ${describe(parts)}`;
  if (parts.length === 0) return 'parts needs at least one part, an object with name and data_b64';
  for (let i = 0; i < parts.length; i++) {
    const part: unknown = parts[i];
    if (!isObject(part)) return `parts[${i}] must be an object with name and data_b64, not ${describe(part)}`;
    for (const key of ['name', 'data_b64']) {
      const value = part[key];
      if (value === undefined || value === null) return `parts[${i}].${key} is required; it must be a string`;
      if (typeof value !== 'string') return `parts[${i}].${key} must be a string, not ${describe(value)}`;
    }
    if (part.name === '') return `parts[${i}].name cannot be empty; it is the name of the form field`;
    for (const key of ['filename', 'content_type']) {
      const value = part[key];
      if (value !== undefined && value !== null && typeof value !== 'string') {
        return `parts[${i}].${key} must be a string, not ${describe(value)}`;
      }
    }
  }
  return null;
}

function checkParts(json: string | null): string {
  const problem = partsProblem(json === null ? null : parseAny(json, 'parts'));
  if (problem !== null) throw new DurableError(problem);
  return compact(json as string);
}

/** Parses JSON text of an argument that PostgreSQL gives as jsonb: so it is JSON, unless somebody calls past SQL. */
function parseAny(json: string, argument: string): unknown {
  const value = parseJson(json);
  if (value === undefined) throw new DurableError(`${argument} is not valid JSON: '${excerpt(json, 60)}'`, { code: '22P02' });
  return value;
}
