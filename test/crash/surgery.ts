/** Changes of the installed engine, in a cluster that is thrown away: doors to catch it at an instant, and faults to be found. */
import type { World } from './world.ts';

/** Replaces text of an installed routine. Throws when one of the places is not there: the engine has changed, and so must this. */
async function operate(world: World, routine: string, cuts: readonly (readonly [found: string | RegExp, replacement: string])[]): Promise<void> {
  const [row] = await world.ask<{ text: string }>('SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p WHERE p.oid = $1::regproc', [routine]);
  let text = row?.text ?? '';
  for (const [found, replacement] of cuts) {
    const before = text;
    text = text.replaceAll(found, () => replacement);
    if (text === before) throw new Error(`${routine} has no place that reads ${String(found)}`);
  }
  await world.ask(text);
}

const CLAIMED = "        outcomes := '{}';\n        durations := '{}';\n";
const STEPPED = "        verdict := 'done';\n        IF batch.shared THEN\n";
const FINISHED = "        IF verdict OPERATOR(pg_catalog.=) 'done' THEN\n            COMMIT;\n";

/** Puts doors into df.work: behind the claim, behind the step and behind the finish, before the commit. */
export function addGates(world: World): Promise<void> {
  const gate = (name: string) => `        PERFORM crash.gate('${name}');\n`;
  return operate(world, 'df.work', [[CLAIMED, gate('claimed') + CLAIMED], [STEPPED, gate('stepped') + STEPPED], [FINISHED, gate('finished') + FINISHED]]);
}

/** The checkpoint moves to a transaction of its own: a step that is interrupted in between runs again. */
export function splitCheckpoint(world: World): Promise<void> {
  return operate(world, 'df.work', [[STEPPED, `        COMMIT;\n${STEPPED}`]]);
}

/** The claim takes no lock: two sessions may be inside one step. */
export function dropClaimLock(world: World): Promise<void> {
  return operate(world, '_df.bundle', [
    ['ORDER BY d.due_at LIMIT $4 FOR UPDATE SKIP LOCKED', 'ORDER BY d.due_at LIMIT $4'],
    [/AND coalesce\(d\.due_at <= to_timestamp\(\$4\), false\)\s+FOR UPDATE SKIP LOCKED/g, 'AND coalesce(d.due_at <= to_timestamp($4), false)'],
  ]);
}
