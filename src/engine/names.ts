/** Substitution at a node: the variables, the system names and the results that the branch knows (semantics §6). */
import { expandVariables, substitute } from './substitute.ts';
import type { Variables } from './substitute.ts';
import type { Branch, Run } from './run.ts';
import type { Port } from './port.ts';

/** `text` with `{…}` and `$…` filled in as SQL or as raw text. Throws DurableError for a reference that cannot be. */
export function substituteNode(run: Run, branch: Branch, text: string, mode: 'sql' | 'raw', port: Port): string {
  const braces = text.includes('{');
  if (!braces && !text.includes('$')) return text;
  const variables: Variables = {
    sysInstanceId: run.id,
    sysLabel: run.label ?? '',
    variable: (name) => (Object.hasOwn(run.variables, name) ? run.variables[name] : undefined),
  };
  // Names are loaded only for a text that can refer to them; a variable's value may be what refers.
  const names = (braces ? expandVariables(text, variables) : text).includes('$') ? port.names(run, branch) : EMPTY;
  return substitute(text, mode, {
    ...variables,
    names: [...names.keys()],
    result: (name) => names.get(name)!,
  });
}

const EMPTY: Map<string, string> = new Map();
