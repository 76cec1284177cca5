/** The part of PLV8's API that we use. */
interface Plv8Plan {
  execute(params?: readonly unknown[]): unknown;
  free(): void;
}
interface Plv8 {
  execute(sql: string, params?: readonly unknown[]): unknown;
  prepare(sql: string, types?: readonly string[]): Plv8Plan;
  subtransaction<T>(body: () => T): T;
  elog(level: number, ...parts: string[]): void;
  quote_ident(name: string): string;
  quote_literal(text: string): string;
}
declare const plv8: Plv8;
declare const WARNING: number;
declare const NOTICE: number;
/** The extension's version, put in at build time. */
declare const __PG_DURABLE_VERSION__: string;
