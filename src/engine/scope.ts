/**
 * Stamps: where and in which generation a node was written (semantics §5).
 *
 * A stamp is `<scope>::<generation>`. The root scope is the instance id; a branch of a JOIN or RACE, and a loop that is
 * not the root, runs in `<parent scope>::<parent generation>::<node id>`. So a stamp is a list of levels, each an id and
 * a generation: `aaaaaaaa::3::bbbbbbbb::1` is the first generation of bbbbbbbb within the third of the instance.
 */

/** One level of a stamp: the instance, or a branch's root node or loop node within it, and its generation, from 1. */
export interface Level {
  readonly id: string;
  readonly generation: number;
}

/** The levels of a stamp from the root inwards, at least one; null for text that is no stamp. */
export function parseStamp(text: string): Level[] | null {
  const parts = text.split('::');
  if (parts.length % 2 !== 0) return null;
  const levels: Level[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const id = parts[i]!;
    const generation = parts[i + 1]!;
    if (!/^[^:\s]+$/.test(id) || !/^\d{1,15}$/.test(generation)) return null;
    levels.push({ id, generation: Number(generation) });
  }
  return levels;
}

/**
 * Whether a write stamped `newStamp` comes too late for a row stamped `rowStamp`: at the first level where they differ
 * in generation, while all ids up to there are the same, the new one is older.
 * Sibling scopes never fence each other, nor do a scope and the scopes inside it; a stamp that cannot be parsed, or
 * is not there, fences nothing and is not fenced.
 *
 * | new            | row            | stale                                                        |
 * |----------------|----------------|--------------------------------------------------------------|
 * | `i::1`         | `i::2`         | yes                                                          |
 * | `i::1::b::7`   | `i::2::c::1`   | yes: the instance moved on, whatever the branch              |
 * | `i::2::b::1`   | `i::2::c::5`   | no: siblings                                                 |
 * | `i::2`         | `i::2::b::1`   | no                                                           |
 */
export function isStale(newStamp: string | null, rowStamp: string | null): boolean {
  if (newStamp === null || rowStamp === null || newStamp === rowStamp) return false;
  const incoming = parseStamp(newStamp);
  const present = parseStamp(rowStamp);
  if (incoming === null || present === null) return false;
  for (let i = 0; i < incoming.length && i < present.length; i++) {
    const mine = incoming[i]!;
    const theirs = present[i]!;
    if (mine.id !== theirs.id) return false;
    if (mine.generation !== theirs.generation) return mine.generation < theirs.generation;
  }
  return false;
}
