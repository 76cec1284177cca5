/**
 * Assembles the extension's SQL scripts from the hand-written ones in `sql/`.
 *
 * | in `sql/`                 | becomes                                                                             |
 * |---------------------------|-------------------------------------------------------------------------------------|
 * | `NN_name.sql`             | the install script of the current version, in the order of the numbers              |
 * | `pg_durable--V.sql`       | itself: a released install script is frozen                                         |
 * | `pg_durable--U--V.sql`    | itself; the one to the current version may hold placeholder lines                   |
 *
 * The placeholder lines `-- @bundle` and `-- @functions` stand for the function that holds the bundle and for the
 * stubs; each occurs exactly once in the numbered files together. In the upgrade script to the current version, a line
 * `-- @file NN_name.sql` stands for a numbered file whose functions are to be replaced by what they are now.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Bundle } from './bundle.ts';
import { type FunctionSpec, SourceError } from './signatures.ts';
import { bundleSql, type Mode, stubSql } from './stubs.ts';

export interface Generated {
  bundle: Bundle;
  functions: FunctionSpec[];
}

const NUMBERED = /^\d{2}_[a-z0-9_]+\.sql$/;
const RELEASED = /^pg_durable--([0-9.]+)(?:--([0-9.]+))?\.sql$/;
const PLACEHOLDER = /^-- @(bundle|functions|file [0-9]{2}_[a-z0-9_]+\.sql)[ \t]*$/gm;

/**
 * All scripts of version `version` by file name, from the folder `sqlDir`. Raises SourceError for a file that fits no
 * line of the table above, a number used twice, a missing or repeated placeholder, a placeholder in a script of
 * another version, text that is not ASCII, and sources that no longer give what was released under this version.
 */
export function assembleScripts(sqlDir: string, version: string, generated: Generated): Map<string, string> {
  const files = readdirSync(sqlDir).filter((name) => name.endsWith('.sql')).sort();
  const read = (name: string): string => checked(`sql/${name}`, readFileSync(path.join(sqlDir, name), 'utf8'));
  const scripts = new Map<string, string>();
  for (const name of files) {
    const match = RELEASED.exec(name);
    if (match === null) {
      if (!NUMBERED.test(name)) throw new SourceError(`sql/${name}: expected NN_name.sql, pg_durable--V.sql or pg_durable--U--V.sql`);
      continue;
    }
    const target = match[2] ?? match[1];
    const text = read(name);
    if (text.search(PLACEHOLDER) >= 0 && target !== version) {
      throw new SourceError(`sql/${name}: leads to ${target}, which is not the current version (${version}), so it must not have placeholder lines: freeze it as it was released`);
    }
    scripts.set(name, expand(text, generated, 'replace', (file) => replacing(read(file))));
  }
  const fresh = installScript(files.filter((name) => NUMBERED.test(name)), read, version, generated);
  const name = `pg_durable--${version}.sql`;
  const released = scripts.get(name);
  if (released !== undefined && released !== fresh) {
    throw new SourceError(`sql/${name} is released and frozen, but the sources now give another script: raise the version in package.json and pg_durable.control`);
  }
  return scripts.set(name, fresh);
}

function installScript(files: string[], read: (name: string) => string, version: string, generated: Generated): string {
  if (files.length === 0) throw new SourceError('sql/: has no numbered file (NN_name.sql), so there is nothing to install');
  files.forEach((name, at) => {
    const before = files[at - 1];
    if (before?.slice(0, 2) === name.slice(0, 2)) throw new SourceError(`sql/${name}: has the same number as sql/${before}`);
  });
  const parts = files.map((name) => `${banner(name)}\n${read(name).trim()}\n`);
  const text = parts.join('\n');
  for (const placeholder of ['bundle', 'functions']) {
    const count = [...text.matchAll(PLACEHOLDER)].filter((match) => match[1] === placeholder).length;
    if (count !== 1) throw new SourceError(`sql/: the line "-- @${placeholder}" stands ${count} times in the numbered files, expected once`);
  }
  return [
    `-- pg_durable ${version}`,
    '\\echo Use "CREATE EXTENSION pg_durable" to load this file. \\quit',
    '',
    expand(text, generated, 'create', (file) => {
      throw new SourceError(`sql/: "-- @file ${file}" belongs into an upgrade script`);
    }),
  ].join('\n');
}

function banner(name: string): string {
  const rule = `-- ${'='.repeat(76)}`;
  return `${rule}\n-- ${name.slice(3, -4).replaceAll('_', ' ')}\n${rule}`;
}

function expand(text: string, { bundle, functions }: Generated, mode: Mode, file: (name: string) => string): string {
  return text.replace(PLACEHOLDER, (_, kind: string) => checked(`@${kind}`, kind === 'bundle' ? bundleSql(bundle, mode)
    : kind === 'functions' ? functions.map((spec) => stubSql(spec, bundle, mode)).join('\n')
      : file(kind.slice('file '.length))).trimEnd());
}

/** A numbered file that creates functions, so that it replaces them where they are. */
function replacing(text: string): string {
  return text.replace(/^CREATE (FUNCTION|PROCEDURE) /gm, 'CREATE OR REPLACE $1 ');
}

/** The text, if it is ASCII: a script is read in the encoding of the database, whichever that is. */
function checked(place: string, text: string): string {
  const at = text.search(/[^\x00-\x7f]/);
  if (at < 0) return text;
  const line = text.slice(0, at).split('\n').length;
  const near = text.slice(Math.max(0, at - 30), at + 10).replaceAll('\n', ' ');
  throw new SourceError(`${place}:${line}: "${text[at]}" is not ASCII (near "${near}"); a script must install into a database of any encoding`);
}
