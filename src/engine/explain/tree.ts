import { excerpt, parseObject } from '../../graph/json.ts';
import { NONE, type Program, type ProgramNode } from '../../graph/types.ts';

/** What stands behind a node's line: nothing, or a space and its status mark. */
export type MarkOf = (index: number) => string;

/**
 * A program as a tree of lines (semantics §12).
 *
 * A block is a sequence of steps, one line each, at one indentation: the first behind `lead`, the others behind `→ `.
 * What a step is made of stands below its line, each part under a heading four columns in, as a block two further in
 * led by `└─`. A chain of THEN is one block, however it was parenthesised; the name of such a chain, whose result is
 * its last step's, stands behind the last step.
 */
export function renderTree(program: Program, markOf: MarkOf): string {
  const lines: string[] = [];
  const block = (index: number, indent: string, lead: string): void => {
    const steps = stepsOf(program, index);
    steps.forEach((step, i) => {
      const node = nodeAt(program, step.index);
      const names = step.names.map((name) => ` |=> '${name}'`).join('');
      lines.push(`${indent}${i === 0 ? lead : '→ '}${labelOf(node)}${names}${markOf(step.index)}`);
      for (const [heading, child] of partsOf(node)) {
        if (child === NONE) continue;
        lines.push(`${indent}    ${heading}`);
        const within = `${indent}      `;
        if (typeof child === 'string') lines.push(`${within}└─${child}`);
        else block(child, within, '└─');
      }
    });
  };
  block(0, '', '');
  return lines.join('\n');
}

function nodeAt(program: Program, index: number): ProgramNode {
  return program.nodes[index] as ProgramNode;
}

interface Step {
  readonly index: number;
  readonly names: readonly string[];
}

/** The steps of a chain of THEN in order, each with its own name and those of the chains that end with it. */
function stepsOf(program: Program, root: number): Step[] {
  const steps: Step[] = [];
  const rest: Step[] = [{ index: root, names: [] }];
  for (let at = rest.pop(); at !== undefined; at = rest.pop()) {
    const node = nodeAt(program, at.index);
    const names = node.name === null ? at.names : [node.name, ...at.names];
    // Rows that were changed by hand may lack a child: what is there is shown.
    const children = node.type === 'THEN' ? [{ index: node.right, names }, { index: node.left, names: [] }].filter(({ index }) => index !== NONE) : [];
    if (children.length > 0) rest.push(...children);
    else steps.push({ index: at.index, names });
  }
  return steps;
}

/** The headings below a node's line, each with the index of its block or with a line that is no node. */
function partsOf(node: ProgramNode): (readonly [heading: string, child: number | string])[] {
  switch (node.type) {
    case 'IF':
      return [
        ['? condition:', node.condition === NONE ? `has rows: $${field(node, 'result_name')}` : node.condition],
        ['✓ then:', node.left],
        ['✗ else:', node.right],
      ];
    case 'LOOP':
      return node.condition === NONE ? [['↻ body:', node.left]] : [['↻ body:', node.left], ['? while:', node.condition]];
    case 'JOIN':
    case 'RACE':
      return [node.left, node.right, ...node.extras].map((child, i) => [`║ branch ${i + 1}:`, child] as const);
    default:
      return [];
  }
}

function labelOf(node: ProgramNode): string {
  const { type, query } = node;
  switch (type) {
    case 'SQL':
      return `SQL: ${oneLine(query ?? '', 50)}`;
    case 'SLEEP':
      return `SLEEP ${query ?? ''}s`;
    case 'WAIT_SCHEDULE':
      return `WAIT ${literal(field(node, 'cron_expr'))}`;
    case 'HTTP':
    case 'HTTP_MULTIPART':
      return `${type} ${field(node, 'method').toUpperCase()} ${oneLine(field(node, 'url'), 40)}`;
    case 'SIGNAL': {
      const timeout = field(node, 'timeout_seconds');
      return `SIGNAL ${literal(field(node, 'signal_name'))}${timeout === '' ? '' : ` (${timeout}s)`}`;
    }
    case 'BREAK':
      return parseObject(query ?? '')?.break_value === null ? 'BREAK' : `BREAK ${literal(field(node, 'break_value'))}`;
    case 'LOOP':
      return node.condition === NONE ? 'LOOP (infinite)' : 'LOOP (while)';
    case 'JOIN':
      return `JOIN (${2 + node.extras.length})`;
    default:
      return type;
  }
}

/** A member of the JSON in a node's query as text; empty if it is absent or null. */
function field(node: ProgramNode, key: string): string {
  const value = parseObject(node.query ?? '')?.[key];
  return value === undefined || value === null ? '' : String(value);
}

function literal(text: string): string {
  return `'${oneLine(text, 60).replace(/'/g, "''")}'`;
}

/** Text on one line, each run of white space as one space, cut to `length` characters with `…` behind a cut. */
export function oneLine(text: string, length: number): string {
  // Far more than can be shown, so that the cost does not grow with the text.
  const head = text.trimStart().slice(0, 50 * length);
  return excerpt(head.replace(/\s+/g, ' ').trimEnd(), length);
}
