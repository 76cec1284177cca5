/** The part of PLV8's API that we use. */
interface Plv8Plan {
  execute(params?: readonly unknown[]): unknown;
}
interface Plv8 {
  execute(sql: string, params?: readonly unknown[]): unknown;
  prepare(sql: string, types?: readonly string[]): Plv8Plan;
  subtransaction<T>(body: () => T): T;
  elog(level: number, ...parts: string[]): void;
}
declare const plv8: Plv8;
declare const WARNING: number;
