/**
 * Which versions of the extension this worker can drive.
 *
 * What there is of the protocol (`df.work`, `_df.agenda`, …, see protocol.ts) stays within a line, that is as long as the first two
 * numbers of the version are the same, and a release may add to it. A worker drives every schema of its line: of an older one it
 * leaves out what that schema lacks, and says so; a newer one is told the worker's version with each heartbeat, and turns the
 * worker away if it would leave work undone.
 *
 * | extension    | has besides                                                                            |
 * |--------------|----------------------------------------------------------------------------------------|
 * | 0.2.2, 0.2.3 | –                                                                                      |
 * | 0.2.4        | HTTP steps, steps on connections of their own, retention, failing what waited too long |
 */

/** The first release with this protocol; nothing before it can be driven. */
const FIRST = [0, 2, 2] as const;

/** The first release with all that this worker does. */
const WHOLE = [0, 2, 4] as const;

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

/**
 * Says what an extension of this worker's line cannot have done, or nothing when it is all there.
 * @returns a sentence that names its version and the remedy, or null
 */
export function whyPartial(extension: string): string | null {
  const theirs = numbers(extension);
  if (theirs !== null && compare(theirs, WHOLE) >= 0) return null;
  return `pg_durable ${extension} has HTTP steps, steps of other databases and statements that need autocommit wait, and deletes nothing old; ` +
    `${WHOLE.join('.')} and later do not: run ALTER EXTENSION pg_durable UPDATE`;
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
