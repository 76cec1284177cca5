/**
 * `npm run docs`: writes docs/contract.md, which says of everything that callers may rely on which test pins it.
 * A unit test holds the file against what this gives, and fails for an item that no test mentions.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AREAS, CONSTRAINTS, GRANTS, INDEXES, OPERATORS, POLICIES, TABLES } from './catalog.ts';
import { casesOf, pinnedBy, type Case, type Found } from './tests.ts';
import { SETTINGS, WORDS } from './words.ts';

export const FILE = fileURLToPath(new URL('../../docs/contract.md', import.meta.url));

interface Item { readonly name: string; readonly cells: readonly string[]; readonly found: Found | null }
interface Section { readonly title: string; readonly says: string; readonly columns: readonly string[]; readonly items: readonly Item[] }

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A fragment as tests write it: with quotes doubled, and with what a regular expression needs escaped or left out. */
function fragment(text: string): RegExp {
  const parts = text.split(/<[a-z]+>/).map((part) => [...part].map((char) => (char === "'" ? "(?:''?|\\\\')" : /\w/.test(char) ? char : `(?:\\\\?${escaped(char)}|\\.)`)).join(''));
  return new RegExp(parts.join('[^\\n]{0,40}?'));
}

/** Calls by which an overload is told from the other, and functions that callers reach by an operator. */
const CALLS: Readonly<Record<string, RegExp>> = {
  'df.sleep(duration interval)': /df\.sleep\(interval /,
  'df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL)': /df\.list_instances\([^,)]+, \w+, /,
  'df.instance_nodes(instance_id_param text, _last_n_executions integer)': /df\.instance_nodes\([^,)]+, \d/,
  'df.as_op(fut text, name text)': /' \|=> '/,
  'df.if_then_op(condition text, then_branch text)': /' \?> '/,
  'df.if_else_op(partial_if text, else_branch text)': /' !> '/,
  'df.loop_prefix_op(body text)': /@> '/,
};

function callOf(call: string): RegExp {
  const name = /^df\.("?\w+"?)\(/.exec(call)![1]!.replaceAll('"', '');
  return CALLS[call] ?? new RegExp(`df\\.(?:"${name}"|${name})\\(`);
}

/** The operator between, or before, operands. */
function useOf(operator: string): RegExp {
  const name = escaped(operator.slice(0, operator.indexOf('(')));
  return new RegExp(operator.includes('NONE') ? `${name} ['(]` : `['")\\w] ${name} ['"(\\w]`);
}

const HELD = 'test/integration/contract.test.ts';

export function sections(): Section[] {
  const read = new Map<string, Case[]>();
  const within = (file: string, pattern: RegExp): Found | null => {
    const cases = read.get(file) ?? casesOf(file);
    read.set(file, cases);
    return pinnedBy(cases, pattern);
  };
  // What the catalog says as a whole is pinned by the test of that name.
  const catalog = (of: string): Found | null => {
    const cases = casesOf(HELD).filter(({ title }) => title.startsWith(`${of}:`));
    return pinnedBy(cases, /./);
  };
  const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;
  const listed = (of: string, names: readonly string[]): Item[] => names.map((name) => ({ name, cells: [code(name)], found: catalog(of) }));
  return [
    {
      title: 'Functions', columns: ['function', 'returns', 'attributes'],
      says: `Names, arguments, defaults, result columns, attributes and comments are held by "functions" in ${HELD}. The test named here calls the function.`,
      items: AREAS.flatMap(({ file, functions }) => functions.map(({ call, result, attributes }) => ({ name: call, cells: [code(call), code(result), attributes], found: within(file, callOf(call)) }))),
    },
    {
      title: 'Operators', columns: ['operator', 'calls'],
      says: `On text and in pg_catalog; what they call is held by "operators" in ${HELD}. The test named here uses the operator.`,
      items: OPERATORS.map(({ operator, calls }) => ({ name: operator, cells: [code(operator), code(calls)], found: within('test/pgtap/composers_and_operators.sql', useOf(operator)) })),
    },
    {
      title: 'Tables', columns: ['table', 'columns'], says: '',
      items: Object.entries(TABLES).map(([name, columns]) => ({ name, cells: [code(name), columns.map(code).join(', ')], found: catalog('tables') })),
    },
    {
      title: 'Constraints', columns: ['constraint', 'definition'],
      says: `Definitions, and which are not validated, are held by "constraints" in ${HELD}. Where a row that breaks the rule is tried, the test named here tries it.`,
      items: Object.entries(CONSTRAINTS).map(([key, definition]) => {
        const name = key.split(' ')[1]!;
        return { name, cells: [code(name), code(definition.trim())], found: within('test/pgtap/03_tables.sql', new RegExp(`pg_temp\\.\\w+\\([^;]*, '${name}'`)) ?? catalog('constraints') };
      }),
    },
    { title: 'Indexes', columns: ['index'], says: '', items: listed('indexes', INDEXES) },
    { title: 'Policies', columns: ['policy'], says: '', items: listed('policies', POLICIES) },
    { title: 'Grants', columns: ['privilege'], says: 'What `df.grant_usage` gives. Its options are in the same test.', items: listed('grants', GRANTS) },
    {
      title: 'Settings', columns: ['setting', 'unset', 'range'], says: '',
      items: SETTINGS.map(({ name, unset, range, file }) => ({ name, cells: [code(name), unset, range], found: within(file, new RegExp(`\\b${escaped(name.slice('pg_durable.'.length))}\\b`)) })),
    },
    {
      title: 'Messages', columns: ['fragment', 'of'], says: 'Fragments of messages, and fixed texts, that callers match on.',
      items: WORDS.map(({ text, from, file }) => ({ name: text, cells: [code(text), from], found: within(file, fragment(text)) })),
    },
  ];
}

/** The text of docs/contract.md. */
export function document(): string {
  const out = ['# The contract and the tests that pin it', '',
    'What scripts may rely on, and for each item one test that fails when it changes. Generated from the tests by `npm run docs`; do not edit it by hand.', ''];
  for (const { title, says, columns, items } of sections()) {
    out.push(`## ${title}`, '', ...(says === '' ? [] : [says, '']), `| ${[...columns, 'test'].join(' | ')} |`, `|${'---|'.repeat(columns.length + 1)}`);
    for (const { cells, found } of items) {
      out.push(`| ${[...cells, found === null ? '**none**' : `${found.file}: ${found.title.replaceAll('|', '\\|')}`].join(' | ')} |`);
    }
    out.push('');
  }
  return out.join('\n');
}

/** The present text of docs/contract.md, empty when it is not there. */
export function written(): string {
  try {
    return readFileSync(FILE, 'utf8');
  } catch {
    return '';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, document());
