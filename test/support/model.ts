/**
 * The semantics of a workflow once more, as plainly as they can be said: a recursive walk over the graph, in which a
 * failure and a break are exceptions, waiting is a `yield`, and a fork is a list of walks. Written from the contract
 * (semantics §4–§9), not from the interpreter, which is compared with it.
 *
 * A walk yields what it waits for; whoever drives the model says which of the waits is over, and so settles everything
 * that the contract leaves to chance. The rest happens at once. A fork starts its branches from the first to the last,
 * each as far as it gets without waiting; of several that end in that moment, the first in order ends first.
 */
import type { Graph, NodeType } from '../../src/graph/types.ts';

/** A node of the graph with its place in preorder (left, right, condition, extras). */
export interface ModelNode {
  readonly index: number;
  readonly type: NodeType;
  readonly parent: ModelNode | null;
  readonly graph: Graph;
  readonly left: ModelNode | null;
  readonly right: ModelNode | null;
  readonly condition: ModelNode | null;
  readonly extras: readonly ModelNode[];
}

export interface Stored {
  readonly status: 'pending' | 'running' | 'completed' | 'failed';
  /** JSON text of a completed node. A failed node's is its message as a JSON string. */
  readonly result: string | null;
  readonly error: string | null;
  readonly stamp: string | null;
}

/** What a walk waits for. `key` is `<node>@<stamp>`, which no two waits of a run share. */
export type Wait = { readonly key: string; readonly node: ModelNode } & (
  | { readonly kind: 'sql'; readonly statement: string; readonly stamp: string }
  | { readonly kind: 'sleep' | 'schedule' | 'pause'; readonly due: number }
  | { readonly kind: 'signal'; readonly name: string; readonly expires: number | null });

/** The wait `key` is over; `result` is what a statement gave, or the error that it failed with. */
interface Wake { readonly key: string; readonly result?: string | Error }
type Walk = Generator<Wait[], string, Wake>;
type Names = Map<string, string>;
/** Where stamps are made. `owner` is the node that opened the scope. */
interface Scope { readonly path: string; generation: number; readonly owner: ModelNode }

class Failed extends Error {}
class Broken extends Error {
  constructor(readonly value: string) { super('break'); }
}

const NAMED = new Set(['SQL', 'SIGNAL', 'THEN', 'IF', 'JOIN', 'RACE', 'LOOP']);

export interface Setting {
  readonly id: string;
  readonly nodeId: (index: number) => string;
  readonly variables: Readonly<Record<string, string>>;
  /** ms. */
  readonly loopInterval: number;
  /** The next moment that matches a cron expression, strictly after the given one. */
  readonly nextTick: (expression: string, after: number) => number;
}

export class Model {
  now = 0;
  readonly nodes: ModelNode[] = [];
  readonly stored: Stored[];
  /** Statements that may have begun: the stored node may already be `running` with this stamp. */
  readonly queued = new Map<number, string>();
  readonly signals: { name: string; data: string }[] = [];
  readonly rounds: { generation: number; began: number; ended: number; result: string }[] = [];
  ended: { status: 'completed' | 'failed'; text: string } | null = null;
  readonly #setting: Setting;
  #root: Strand | null = null;

  constructor(graph: Graph, setting: Setting) {
    this.#setting = setting;
    this.#number(graph, null);
    this.stored = this.nodes.map(() => ({ status: 'pending', result: null, error: null, stamp: null }));
  }

  /** What the instance waits for now. */
  get waits(): readonly Wait[] {
    return this.#root?.waits ?? [];
  }

  /** The instance begins. */
  start(): void {
    const root = this.nodes[0]!;
    this.#root = new Strand(this.#evaluate(root, { path: this.#setting.id, generation: 1, owner: root }, new Map()));
    this.#settle();
  }

  /** A statement has been marked running. */
  begin(key: string): void {
    const wait = this.waits.find((w) => w.key === key);
    if (wait?.kind !== 'sql') throw new Error(`no statement waits as ${key}`);
    this.#mark(wait.node, wait.stamp, 'running', null);
  }

  /** One of the waits is over. */
  wake(key: string, result?: string | Error): void {
    this.#root!.send(result === undefined ? { key } : { key, result });
    this.#settle();
  }

  #settle(): void {
    const root = this.#root!;
    if (!root.done) return;
    if (root.thrown === null) this.ended = { status: 'completed', text: root.result! };
    else if (root.thrown instanceof Failed) this.ended = { status: 'failed', text: root.thrown.message };
    else throw root.thrown;
  }

  #number(graph: Graph, parent: ModelNode | null): ModelNode {
    const node = { index: this.nodes.length, type: graph.node_type, parent, graph } as { -readonly [K in keyof ModelNode]: ModelNode[K] };
    this.nodes.push(node);
    node.left = graph.left_node ? this.#number(graph.left_node, node) : null;
    node.right = graph.right_node ? this.#number(graph.right_node, node) : null;
    node.condition = graph.condition_node ? this.#number(graph.condition_node, node) : null;
    node.extras = (graph.extra_nodes ?? []).map((extra) => this.#number(extra, node));
    return node;
  }

  #mark(node: ModelNode, stamp: string, status: Stored['status'], result: string | null, error: string | null = null): void {
    this.queued.delete(node.index);
    this.stored[node.index] = { status, result, error, stamp };
  }

  *#evaluate(node: ModelNode, outer: Scope, names: Names): Walk {
    const inner = node.type === 'LOOP' && outer.owner !== node;
    const scope = inner ? { path: `${stampOf(outer)}::${this.#setting.nodeId(node.index)}`, generation: 1, owner: node } : outer;
    const keep = (value: string): void => {
      this.#mark(node, stampOf(scope), 'completed', value);
      if (node.graph.result_name !== undefined && NAMED.has(node.type)) names.set(node.graph.result_name, value);
    };
    // A statement may have to queue before it runs; a race's branch shows as running before the race can end.
    if (node.type !== 'SQL' || node.parent?.type === 'RACE') this.#mark(node, stampOf(scope), 'running', null);
    else this.queued.set(node.index, stampOf(scope));
    try {
      const result = yield* this.#perform(node, scope, names);
      keep(result);
      return result;
    } catch (thrown) {
      if (thrown instanceof Broken) keep(thrown.value);
      else if (thrown instanceof Failed) this.#mark(node, stampOf(scope), 'failed', null, thrown.message);
      throw thrown;
    }
  }

  *#perform(node: ModelNode, scope: Scope, names: Names): Walk {
    const query = node.graph.query;
    const key = `${node.index}@${stampOf(scope)}`;
    switch (node.type) {
      case 'THEN':
        yield* this.#evaluate(node.left!, scope, names);
        return yield* this.#evaluate(node.right!, scope, names);
      case 'IF': {
        const holds = node.condition ? isTrue(yield* this.#evaluate(node.condition, scope, names)) : this.#hasRows(query!, names);
        return yield* this.#evaluate(holds ? node.left! : node.right!, scope, names);
      }
      case 'LOOP':
        return yield* this.#loop(node, scope, names);
      case 'JOIN': case 'RACE': {
        const branches = [node.left!, node.right!, ...node.extras].map((child) => {
          const own = { path: `${stampOf(scope)}::${this.#setting.nodeId(child.index)}`, generation: 1, owner: child };
          const copy = new Map(names);
          return { child, scope: own, names: copy, strand: new Strand(this.#evaluate(child, own, copy)) };
        });
        const decided = (): boolean => (node.type === 'JOIN' ? branches.every((b) => b.strand.done) : branches.some((b) => b.strand.done));
        while (!decided()) {
          const wake = yield branches.flatMap((b) => b.strand.waits);
          branches.find((b) => b.strand.waits.some((wait) => wait.key === wake.key))!.strand.send(wake);
        }
        return node.type === 'JOIN' ? join(branches, names) : this.#race(branches, names);
      }
      case 'BREAK': {
        const { break_value: value } = JSON.parse(query!) as { break_value: string | null };
        if (!isInsideLoop(node)) throw new Failed(free('outside of a loop'));
        if (value === null) throw new Broken('null');
        const text = this.#substitute(value, names, false);
        throw new Broken(parses(text) ? text : JSON.stringify(text));
      }
      case 'SQL': {
        const wake = yield [{ kind: 'sql', key, node, statement: this.#substitute(query!, names, true), stamp: stampOf(scope) }];
        if (wake.result instanceof Error) throw new Failed(wake.result.message);
        return wake.result!;
      }
      case 'SLEEP':
        yield [{ kind: 'sleep', key, node, due: this.now + Number(query) * 1000 }];
        return `{"slept_seconds":${Number(query)}}`;
      case 'WAIT_SCHEDULE': {
        const { cron_expr } = JSON.parse(query!) as { cron_expr: string };
        yield [{ kind: 'schedule', key, node, due: this.#setting.nextTick(cron_expr, this.now) }];
        return '{"scheduled":true}';
      }
      case 'SIGNAL': {
        const { signal_name: name, timeout_seconds: timeout } = JSON.parse(query!) as { signal_name: string; timeout_seconds: number | null };
        const expires = timeout === null ? null : this.now + timeout * 1000;
        let data = this.#takeSignal(name);
        while (data === null && (expires === null || expires > this.now)) {
          yield [{ kind: 'signal', key, node, name, expires }];
          data = this.#takeSignal(name);
        }
        return `{"signal_name":${JSON.stringify(name)},"timed_out":${data === null},"data":${data}}`;
      }
      default:
        throw new Error(`the model knows nothing of ${node.type}`);
    }
  }

  *#loop(node: ModelNode, scope: Scope, names: Names): Walk {
    for (;;) {
      const began = this.now;
      let result: string;
      try {
        result = yield* this.#evaluate(node.left!, scope, names);
        if (node.condition && !isTrue(yield* this.#evaluate(node.condition, scope, names))) return result;
      } catch (thrown) {
        if (thrown instanceof Broken) return thrown.value;
        throw thrown;
      }
      if (node.parent === null) this.rounds.push({ generation: scope.generation, began, ended: this.now, result });
      const due = began + this.#setting.loopInterval;
      if (due > this.now) yield [{ kind: 'pause', key: `${node.index}@${stampOf(scope)}`, node, due }];
      scope.generation++;
      this.#mark(node, stampOf(scope), 'running', null);
      if (node.parent === null) names.clear();
    }
  }

  #race(branches: readonly Branch[], names: Names): string {
    const winner = branches.find((b) => b.strand.done)!;
    for (const { child, scope, strand } of branches) {
      if (!strand.done && child.type === 'LOOP') this.#mark(child, stampOf(scope), 'failed', null, free('lost the race'));
    }
    if (winner.strand.thrown instanceof Failed) {
      throw new Failed(`RACE ${winner === branches[0] ? 'left' : 'right'} branch failed: ${winner.strand.thrown.message}`);
    }
    return finish(winner, [winner], names);
  }

  #takeSignal(name: string): string | null {
    const at = this.signals.findIndex((signal) => signal.name === name);
    return at === -1 ? null : this.signals.splice(at, 1)[0]!.data;
  }

  #hasRows(query: string, names: Names): boolean {
    const { result_name: name } = JSON.parse(query) as { result_name: string };
    const count = names.has(name) ? (JSON.parse(names.get(name)!) as { row_count?: number } | null)?.row_count : undefined;
    if (count === undefined) throw new Failed(free(`'${name}'`));
    return count > 0;
  }

  /** The forms that the plans use: `{variable}`, `$name` and `$name?`. */
  #substitute(text: string, names: Names, sql: boolean): string {
    const expanded = text.replace(/\{([^}]*)\}/g, (whole, name: string) => this.#setting.variables[name] ?? whole);
    return expanded.replace(/\$([a-z]+)(\??)/g, (whole, name: string, optional: string) => {
      const result = names.get(name);
      if (result === undefined) return whole;
      const value = JSON.parse(result) as { rows?: Record<string, unknown>[] } | null;
      const cell = value?.rows === undefined ? (value === null && optional ? null : result) : Object.values(value.rows[0] ?? {})[0] ?? null;
      if (cell !== null) return sql ? literal(cell) : typeof cell === 'string' ? cell : JSON.stringify(cell);
      if (optional) return 'NULL';
      throw new Failed(free(`$${name}`));
    });
  }
}

interface Branch { readonly child: ModelNode; readonly scope: Scope; readonly names: Names; readonly strand: Strand }

/** All branches have ended: the first that failed or broke off decides, else all results in order. */
function join(branches: readonly Branch[], names: Names): string {
  const [at, branch] = [...branches.entries()].find(([, b]) => b.strand.thrown !== null) ?? [0, null];
  if (branch?.strand.thrown instanceof Failed) throw new Failed(`JOIN branch ${at + 1} failed: ${branch.strand.thrown.message}`);
  const last = branches.at(-1)!;
  return branch === null ? (finish(last, branches, names), `[${branches.map((b) => b.strand.result).join(',')}]`) : finish(branch, branches, names);
}

/** Merges what the branches changed of their copies of the names, in order, and ends as `decider` did. */
function finish(decider: Branch, branches: readonly Branch[], names: Names): string {
  const before = new Map(names);
  for (const branch of branches) for (const [name, value] of branch.names) if (value !== before.get(name)) names.set(name, value);
  if (decider.strand.thrown !== null) throw decider.strand.thrown;
  return decider.strand.result!;
}

/** A walk that goes on by itself as far as it can. */
class Strand {
  waits: readonly Wait[] = [];
  done = false;
  result: string | null = null;
  thrown: Error | null = null;
  readonly #walk: Walk;

  constructor(walk: Walk) {
    this.#walk = walk;
    this.#advance(() => walk.next());
  }

  send(wake: Wake): void {
    this.#advance(() => this.#walk.next(wake));
  }

  #advance(step: () => IteratorResult<Wait[], string>): void {
    this.waits = [];
    try {
      const next = step();
      if (next.done === true) [this.done, this.result] = [true, next.value];
      else this.waits = next.value;
    } catch (thrown) {
      if (!(thrown instanceof Failed || thrown instanceof Broken)) throw thrown;
      [this.done, this.thrown] = [true, thrown];
    }
  }
}

function stampOf({ path, generation }: Scope): string {
  return `${path}::${generation}`;
}

function isInsideLoop(node: ModelNode): boolean {
  return node.parent !== null && (node.parent.type === 'LOOP' || isInsideLoop(node.parent));
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Truth (semantics §4). */
export function isTrue(result: string): boolean {
  let value = JSON.parse(result) as unknown;
  if (typeof value === 'object' && value !== null && 'rows' in value) value = Object.values((value.rows as object[])[0] ?? {})[0] ?? null;
  if (value === null) return false;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'object') return Object.keys(value).length > 0;
  const text = (value as string).trim().toLowerCase();
  if (text === '' || ['false', 'f', 'no'].includes(text)) return false;
  return Number.isNaN(Number(text)) || Number(text) !== 0;
}

function literal(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll("'", "''");
  return text.includes('\\') ? `E'${text.replaceAll('\\', '\\\\')}'` : `'${text}'`;
}

/** A message of which the contract fixes only that it contains `fragment`. */
function free(fragment: string): string {
  return `\u0001${fragment}\u0002`;
}

/** Whether a message is the one that the model foresees. */
export function isMessage(text: string, foreseen: string): boolean {
  const pattern = foreseen.split(/[\u0001\u0002]/).map((part) => part.replace(/[^\w ]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`, 's').test(text);
}
