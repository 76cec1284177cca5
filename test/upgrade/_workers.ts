/** Workers of every version of the line, as commands. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commandPath } from '../integration/worker-process.ts';
import { CURRENT } from './_line.ts';

/** The command as 0.2.2 was released with it; that of 0.2.3 differed from it in its version alone. */
const RELEASED = new URL('workers/worker-0.2.2.mjs', import.meta.url);

let folder: string | undefined;

/** A worker of the present sources which says that it is of `version`. */
export async function claiming(version: string): Promise<string> {
  return relabelled(readFileSync(await commandPath(), 'utf8'), CURRENT, version);
}

/** The worker of a version of the line. */
export async function workerOf(version: string): Promise<string> {
  return version === CURRENT ? commandPath() : relabelled(readFileSync(RELEASED, 'utf8'), '0.2.2', version);
}

function relabelled(source: string, from: string, to: string): string {
  const parts = source.split(`version: "${from}"`);
  if (parts.length !== 2) throw new Error(`the command says its version ${from} ${parts.length - 1} times`);
  if (folder === undefined) {
    const made = folder = mkdtempSync(path.join(tmpdir(), 'pg-durable-workers-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  const file = path.join(folder, `${from}-as-${to}.mjs`);
  writeFileSync(file, parts.join(`version: "${to}"`));
  return file;
}
