/**
 * Which versions of the extension this worker can drive.
 *
 * The protocol (`df.work`, `_df.agenda`, …, see sql.ts) is fixed within a line, that is as long as the first two numbers of the
 * version are the same. A worker therefore drives any schema of its line, older or newer than itself.
 */

/** The first release with this protocol; nothing before it can be driven. */
const FIRST = [0, 2, 2] as const;

/**
 * Says why this worker cannot drive an extension, or nothing when it can.
 * @param worker    the worker's own version, such as `0.2.2`
 * @param extension the extension's, as `df.version()` reports it
 * @returns a sentence that names both and the version needed, or null
 */
export function whyIncompatible(worker: string, extension: string): string | null {
  const own = numbers(worker);
  const theirs = numbers(extension);
  if (own === null) throw new Error(`the worker's own version "${worker}" is not of the form 1.2.3`);
  const needed = `${own[0]}.${own[1]}.x` + (own[0] === FIRST[0] && own[1] === FIRST[1] ? `, ${FIRST.join('.')} or later` : '');
  if (theirs !== null && theirs[0] === own[0] && theirs[1] === own[1] && compare(theirs, FIRST) >= 0) return null;
  const line = theirs === null ? 'that matches it' : `${theirs[0]}.${theirs[1]}.x`;
  return `worker ${worker} needs pg_durable ${needed}, but this database has version ${extension} (df.version()): ` +
    `run ALTER EXTENSION pg_durable UPDATE, or start a worker of version ${line}`;
}

function numbers(version: string): readonly [number, number, number] | null {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:[-+.].*)?$/.exec(version);
  return match === null ? null : [Number(match[1]), Number(match[2]), Number(match[3])];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < 3; i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
