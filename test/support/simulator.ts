/**
 * Runs a workflow with the real interpreter and no database: rows are maps, the clock is a number, SQL is a function.
 */
import { flatten } from '../../src/graph/flatten.ts';
import { finishStep, markRunning, resume } from '../../src/engine/interpreter.ts';
import { isAlive } from '../../src/engine/fork.ts';
import { substituteNode } from '../../src/engine/names.ts';
import { newBranch } from '../../src/engine/run.ts';
import type { Branch, NodeWrite, Outcome, Run } from '../../src/engine/run.ts';
import type { Port } from '../../src/engine/port.ts';
import type { Graph } from '../../src/graph/types.ts';

/** What a step's statement does: its result as JSON text, or an Error with the message it fails with. */
export type Sql = (statement: string) => string | Error;

export class Simulator implements Port {
  now = 1_000_000;
  loopInterval = 1000;
  readonly run: Run;
  /** The stored nodes by program index. */
  readonly nodes = new Map<number, NodeWrite>();
  /** Every transition in order. */
  readonly history: { pc: number; write: NodeWrite; at: number }[] = [];
  readonly statements: string[] = [];
  readonly signals: { name: string; data: string }[] = [];
  readonly #sql: Sql;

  constructor(graph: Graph, sql: Sql, variables: Record<string, string> = {}) {
    const program = flatten(graph);
    this.#sql = sql;
    this.run = {
      id: '0000abcd', program, nodeIds: program.nodes.map((_, i) => i.toString(16).padStart(8, '0')).join(''),
      variables, label: 'label', database: null, status: 'pending', statusChanged: false, address: null, output: null,
      branches: new Map([['', newBranch('', 0, '0000abcd', this.now)]]), whole: true, nodes: new Map(),
      names: new Map(), nameWrites: [], rounds: [],
    };
    this.run.branches.get('')!.state = 'clean';
  }

  lock(): void {}

  names(run: Run, branch: Branch): Map<string, string> {
    let known = run.names.get(branch.key);
    if (known === undefined) run.names.set(branch.key, known = new Map());
    return known;
  }

  takeSignal(_: Run, name: string): string | null {
    const at = this.signals.findIndex((signal) => signal.name === name);
    return at === -1 ? null : this.signals.splice(at, 1)[0]!.data;
  }

  /** Stores a signal and wakes who waits for it. */
  signal(name: string, data: string): void {
    this.signals.push({ name, data });
    for (const branch of this.run.branches.values()) if (branch.waiting === name) branch.due = this.now;
  }

  get ended(): boolean {
    return this.run.status !== 'pending' && this.run.status !== 'running';
  }

  /** The branches that may go on now, in the order of their due times. */
  due(): Branch[] {
    return [...this.run.branches.values()]
      .filter((b) => b.state !== 'gone' && b.due !== null && b.due <= this.now && b.phase !== 'external')
      .sort((a, b) => a.due! - b.due!);
  }

  /** Moves one branch on: to its next resting place, or through its step. */
  step(branch: Branch): void {
    resume(this.run, branch, this);
    this.commit();
    if (branch.state === 'gone' || this.ended || (branch.phase !== 'ready' && branch.phase !== 'running')) return;
    if (branch.phase === 'ready') markRunning(this.run, branch);
    this.commit();
    finishStep(this.run, branch, this.execute(branch), this);
    this.commit();
  }

  /** Runs what is due until nothing is. `choose` picks the next of the due branches. */
  drain(choose: (due: Branch[]) => Branch = (due) => due[0]!): this {
    for (let due = this.due(); due.length > 0 && !this.ended; due = this.due()) this.step(choose(due));
    return this;
  }

  /** Drains, and lets the clock jump to the next timer, until the instance has ended or only waits without a limit. */
  finish(choose?: (due: Branch[]) => Branch): this {
    for (;;) {
      this.drain(choose);
      if (this.ended) return this;
      const timers = [...this.run.branches.values()].map((b) => b.due).filter((d): d is number => d !== null && d !== Infinity);
      if (timers.length === 0) return this;
      this.now = Math.max(this.now, Math.min(...timers));
    }
  }

  /** Status of the node at an index, as stored. */
  status(pc: number): string {
    return this.nodes.get(pc)?.status ?? 'pending';
  }

  get result(): string | null {
    return this.nodes.get(0)?.result ?? null;
  }

  private execute(branch: Branch): Outcome {
    const query = this.run.program.nodes[branch.pc]!.query!;
    const statement = substituteNode(this.run, branch, query, 'sql', this);
    this.statements.push(statement);
    const result = this.#sql(statement);
    return typeof result === 'string' ? { kind: 'ok', text: result } : { kind: 'failed', text: result.message };
  }

  private commit(): void {
    for (const [pc, write] of this.run.nodes) {
      this.nodes.set(pc, write);
      this.history.push({ pc, write, at: this.now });
    }
    this.run.nodes.clear();
    for (const branch of [...this.run.branches.values()]) {
      if (branch.state === 'gone') this.run.branches.delete(branch.key);
      else {
        if (!isAlive(this.run, branch)) throw new Error(`branch '${branch.key}' was left behind`);
        branch.state = 'clean';
      }
    }
    if (this.ended && this.run.branches.size > 0) throw new Error('an ended instance has branches left');
  }
}

/** A result of a SQL step with one row and one column. */
export function scalar(value: unknown): string {
  return JSON.stringify({ rows: [{ x: value }], row_count: 1 });
}
