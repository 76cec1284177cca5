/** Reads tests, to find the one that pins something. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export interface Found {
  /** Path in the repository. */
  readonly file: string;
  readonly title: string;
}

export interface Case extends Found { readonly text: string }

const ASSERTION = /^SELECT (?:ok|is|isnt|matches|doesnt_match|alike|unalike|cmp_ok|results_eq|set_eq|bag_eq|is_empty|isnt_empty|throws_ok|throws_like|throws_matching|lives_ok|has_\w+|hasnt_\w+|col_\w+|policies_are)\(/;
/** A literal in the last place of an assertion, alone or with something joined to it; what begins with % or ^ is a pattern. */
const TITLE = /, '((?![%^])(?:[^']|'')+)'( \|\| (?:(?!, ')[^;])+)?\)(?:\s*(?:FROM|WHERE)\b[^;]*)?;\s*$/;
const HEADING = /^-- (?!@)(.+?)(?: -{3,})?$/;

/** The assertions of a pgTAP file, then its parts under their headings, for cases that are rows of a table. */
function sqlCases(file: string, source: string): Case[] {
  const assertions: Case[] = [];
  const parts: { title: string; text: string }[] = [];
  let statement = '';
  let heading = false;
  for (const line of source.split('\n')) {
    const found = HEADING.exec(line)?.[1];
    if (found !== undefined && statement === '') {
      // A heading of several lines is known by its first.
      if (!heading) parts.push({ title: found.replace(/[.:;,]$/, ''), text: '' });
      heading = true;
      continue;
    }
    heading = false;
    const part = parts.at(-1);
    if (part !== undefined) part.text += `${line}\n`;
    if (statement === '' && !ASSERTION.test(line)) continue;
    statement += `${line}\n`;
    if (!line.endsWith(';')) continue;
    const [, title, more] = TITLE.exec(statement) ?? [];
    if (title !== undefined) assertions.push({ file, title: `${title.replaceAll("''", "'")}${more === undefined ? '' : '...'}`, text: statement });
    statement = '';
  }
  return [...assertions, ...parts.map((part) => ({ file, ...part }))];
}

/** The tests of an ava file, each with all that follows up to the next. */
function avaCases(file: string, source: string): Case[] {
  const starts = [...source.matchAll(/^ *test(?:\.serial)?\((['"`])(.+?)\1,/gm)];
  return starts.map((start, i) => {
    // The cases of a loop stand before it.
    const loop = source.lastIndexOf('\nfor (', start.index);
    const before = starts[i - 1]?.index ?? 0;
    const from = start[0].startsWith(' ') && loop > before ? loop : start.index;
    return { file, title: start[2]!.replace(/\$\{[^}]*\}/g, '...').replaceAll("\\'", "'"), text: source.slice(from, starts[i + 1]?.index) };
  });
}

/** The tests of one file. */
export function casesOf(file: string): Case[] {
  const source = readFileSync(path.join(ROOT, file), 'utf8');
  return file.endsWith('.sql') ? sqlCases(file, source) : avaCases(file, source);
}

/** The first test whose text the pattern meets; null if there is none. */
export function pinnedBy(cases: readonly Case[], pattern: RegExp): Found | null {
  const found = cases.find(({ text }) => pattern.test(text));
  return found === undefined ? null : { file: found.file, title: found.title };
}
