/** Prepared statements, kept for the session: a plan is made at its first use and lives as long as the bundle. */

/** A value that a statement takes. Arrays become PostgreSQL arrays of the declared element type. */
export type Value = string | number | boolean | null | readonly (string | number | boolean | null)[];

/** A statement that returns rows. */
export interface Query<Row> {
  (...values: Value[]): Row[];
}

/** `sql` as a function that runs it with values of the given types and returns its rows. */
export function query<Row>(sql: string, ...types: string[]): Query<Row> {
  let plan: Plv8Plan | null = null;
  return (...values) => {
    plan ??= plv8.prepare(sql, types);
    return plan.execute(values) as Row[];
  };
}

/** `sql`, which returns no rows, as a function that runs it and returns how many rows it changed. */
export function command(sql: string, ...types: string[]): (...values: Value[]) => number {
  let plan: Plv8Plan | null = null;
  return (...values) => {
    plan ??= plv8.prepare(sql, types);
    return plan.execute(values) as number;
  };
}
