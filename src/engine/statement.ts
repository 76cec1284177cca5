/**
 * What one SQL statement is, told from its text: enough to choose how a step runs it.
 *
 * The step loop opens a statement as a cursor when it returns rows and executes it otherwise. What PL/pgSQL's
 * `FOR r IN EXECUTE` opens was tried on PostgreSQL 15:
 *
 * | opens                                                             | 42P11 `cannot open … as cursor`                 |
 * |-------------------------------------------------------------------|-------------------------------------------------|
 * | SELECT, VALUES, TABLE, in parentheses and after WITH too           | SELECT … INTO                                   |
 * | INSERT, UPDATE, DELETE, MERGE with RETURNING at their own level    | the same without it, data-changing WITH or not   |
 * | SHOW, EXPLAIN of anything, FETCH                                  | MOVE and every other utility statement          |
 * | CALL with output arguments, EXECUTE of a statement that returns rows | CALL and EXECUTE otherwise: `returnsRows` null |
 *
 * An empty statement and two statements are refused as well. PostgreSQL refuses before it runs anything, so for the
 * undecided ones (and for a view whose rules turn one command into another) it is safe to try the cursor first.
 */
export interface Statement {
  /** The first word in upper case, behind parentheses and stray semicolons; '' if there is none. */
  readonly keyword: string;
  /** The word that decides: `keyword`, or the command that WITH leads to. */
  readonly verb: string;
  /** Whether `FOR r IN EXECUTE` accepts it; null when the text does not tell (CALL, EXECUTE). */
  readonly returnsRows: boolean | null;
  /** A SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE or MERGE that may share a transaction with other steps. */
  readonly shareable: boolean;
  /** There is a second statement behind a semicolon. */
  readonly multiple: boolean;
  /** SELECT … INTO, which creates a table. */
  readonly selectInto: boolean;
}

interface Token {
  /** An unquoted word in upper case, one character of punctuation, or '' for a literal, number or quoted name. */
  readonly text: string;
  readonly depth: number;
}

const QUERIES: ReadonlySet<string> = new Set(['SELECT', 'VALUES', 'TABLE']);
const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
const OPENED: ReadonlySet<string> = new Set(['SHOW', 'EXPLAIN', 'FETCH']);
const UNDECIDED: ReadonlySet<string> = new Set(['CALL', 'EXECUTE']);

/** Sticky patterns, each for one kind of token at the present place. */
const SPACE_OR_COMMENT = /(?:[ \t\r\n\f\v]+|--[^\r\n]*)+/y;
const QUOTED_NAME = /"[^"]*(?:"|$)/y;
const PLAIN_STRING = /'[^']*(?:'|$)/y;
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /[0-9]+/y;

/**
 * Classifies a SQL text. `standardStrings` is the session's `standard_conforming_strings`: off, a backslash in '…'
 * escapes. Never throws: a text that PostgreSQL will refuse gets some answer, and PostgreSQL's own error. Linear time.
 */
export function classify(sql: string, standardStrings = true): Statement {
  const { first, multiple } = split(tokens(sql, standardStrings));
  const start = first.findIndex((token) => token.text !== '(');
  const keyword = start === -1 ? '' : first[start]!.text;
  const at = keyword === 'WITH' ? behindWith(first, start) : start;
  const main = first[at];
  const verb = main?.text ?? keyword;
  const query = QUERIES.has(verb);
  const change = CHANGES.has(verb);
  const selectInto = query && hasClause(first, at, 'INTO');
  let returnsRows: boolean | null = false;
  if (multiple) returnsRows = false;
  else if (query) returnsRows = !selectInto;
  else if (change) returnsRows = hasClause(first, at, 'RETURNING');
  else if (OPENED.has(verb)) returnsRows = true;
  else if (UNDECIDED.has(verb)) returnsRows = null;
  return { keyword, verb, returnsRows, shareable: (query || change) && !selectInto && !multiple, multiple, selectInto };
}

/** Whether the reserved word `clause` stands at the level of the command at `at`, and not as a label (`AS into`, `x.into`). */
function hasClause(all: readonly Token[], at: number, clause: string): boolean {
  const depth = all[at]!.depth;
  for (let i = at + 1; i < all.length; i++) {
    const token = all[i]!;
    if (token.text !== clause || token.depth !== depth) continue;
    const before = all[i - 1]!.text;
    if (before !== 'AS' && before !== '.') return true;
  }
  return false;
}

/** The index of the command that the WITH at `start` leads to. A name such as `insert` or `values` may be a CTE's. */
function behindWith(all: readonly Token[], start: number): number {
  const depth = all[start]!.depth;
  const level = (i: number): string | undefined => (all[i] === undefined ? undefined : all[i]!.depth === depth ? all[i]!.text : ')');
  const skipGroup = (i: number): number => {
    if (level(i) !== '(') return i;
    do i++; while (all[i] !== undefined && all[i]!.depth > depth);
    return i + 1;
  };
  let at = start + 1;
  if (level(at) === 'RECURSIVE') at++;
  for (;;) {
    at = skipGroup(at + 1); // the name, and its column list
    if (level(at) === 'AS') at++;
    if (level(at) === 'NOT') at++;
    if (level(at) === 'MATERIALIZED') at++;
    at = skipGroup(at);
    for (const [clause, last] of [['SEARCH', 'SET'], ['CYCLE', 'USING']] as const) {
      if (level(at) !== clause) continue;
      while (at < all.length && level(at) !== last) at++;
      at += 2; // the word and the column that it names
    }
    if (level(at) !== ',') break;
    at++;
  }
  while (all[at]?.text === '(') at++;
  return at;
}

/** The tokens of the first statement, and whether there is another one. */
function split(all: readonly Token[]): { first: Token[]; multiple: boolean } {
  const first: Token[] = [];
  let ended = false;
  // The body of a function in standard SQL, BEGIN ATOMIC … END, has semicolons of its own.
  let blocks = 0;
  for (const token of all) {
    if (token.text === ';' && token.depth === 0 && blocks === 0) {
      ended = first.length > 0;
      continue;
    }
    if (ended) return { first, multiple: true };
    first.push(token);
    if (token.text === 'ATOMIC' && first[0]!.text === 'CREATE' && first[first.length - 2]!.text === 'BEGIN') blocks++;
    else if (blocks > 0 && token.text === 'CASE') blocks++;
    else if (blocks > 0 && token.text === 'END') blocks--;
  }
  return { first, multiple: false };
}

/** Words and punctuation with their depth in parentheses; a parenthesis has the depth of what surrounds it. */
function tokens(sql: string, standardStrings: boolean): Token[] {
  const all: Token[] = [];
  let depth = 0;
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const char = sql[at]!;
    let piece = match(SPACE_OR_COMMENT);
    if (piece !== undefined) {
      at += piece.length;
      continue;
    }
    if (char === '/' && sql[at + 1] === '*') {
      at = commentEnd(sql, at);
      continue;
    }
    if (char === "'") {
      at = standardStrings ? at + match(PLAIN_STRING)!.length : escapeStringEnd(sql, at);
      all.push({ text: '', depth });
    } else if (char === '"') {
      at += match(QUOTED_NAME)!.length;
      all.push({ text: '', depth });
    } else if ((piece = match(WORD)) !== undefined) {
      at += piece.length;
      if ((piece === 'e' || piece === 'E') && sql[at] === "'") {
        at = escapeStringEnd(sql, at);
        all.push({ text: '', depth });
      } else if (/^[bnx]$/i.test(piece) && sql[at] === "'") {
        // The literal itself is the next token.
      } else {
        all.push({ text: /[^\w$]/.test(piece) ? '' : piece.toUpperCase(), depth });
      }
    } else if ((piece = match(NUMBER)) !== undefined) {
      at += piece.length;
      all.push({ text: '', depth });
    } else if (char === '$' && (piece = match(DOLLAR_TAG)) !== undefined) {
      const end = sql.indexOf(piece, at + piece.length);
      at = end === -1 ? sql.length : end + piece.length;
      all.push({ text: '', depth });
    } else {
      at++;
      if (char === ')' && depth > 0) depth--;
      all.push({ text: char, depth });
      if (char === '(') depth++;
    }
  }
  return all;
}

/** The position behind the comment at `at`; comments nest. */
function commentEnd(sql: string, at: number): number {
  let depth = 0;
  const mark = /\/\*|\*\//g;
  mark.lastIndex = at;
  for (let found = mark.exec(sql); found !== null; found = mark.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return sql.length;
}

/** The position behind a string in which a backslash escapes. The scan is by hand: a pattern over megabytes could exhaust the stack. */
function escapeStringEnd(sql: string, at: number): number {
  for (let i = at + 1; i < sql.length; i++) {
    const code = sql.charCodeAt(i);
    if (code === 92) i++;
    else if (code === 39) return i + 1;
  }
  return sql.length;
}
