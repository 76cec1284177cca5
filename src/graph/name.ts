import { excerpt } from './json.ts';

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What is wrong with a result name, or null if nothing is (surface §3, `df."as"`). */
export function nameProblem(name: string): string | null {
  if (name === '') return 'result name cannot be empty; use a letter or underscore followed by letters, digits and underscores';
  if (IDENTIFIER.test(name)) return null;
  return `result name '${excerpt(name, 60)}' is not a valid identifier; use a letter or underscore followed by letters, digits and underscores`;
}
