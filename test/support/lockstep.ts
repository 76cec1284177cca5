/**
 * Runs a plan with the interpreter and with the model side by side, and compares them after every transaction.
 *
 * The interpreter works as it does in the database: each transaction loads the branches it has claimed from rows, and the
 * others only with the instance's lock; what it leaves in memory is gone afterwards. Several branches may be moved in
 * one transaction. Which branch goes on, and when, is the plan's choice, and the model is told.
 */
import { flatten } from '../../src/graph/flatten.ts';
import { finishStep, markRunning, resume } from '../../src/engine/interpreter.ts';
import { isAlive } from '../../src/engine/fork.ts';
import { infer } from '../../src/engine/infer.ts';
import { substituteNode } from '../../src/engine/names.ts';
import { newBranch, position } from '../../src/engine/run.ts';
import type { Branch, NodeWrite, Run } from '../../src/engine/run.ts';
import type { Port } from '../../src/engine/port.ts';
import { Model, isMessage } from './model.ts';
import type { Stored, Wait } from './model.ts';
import { TICKS } from './model-plans.ts';
import type { Action, Answer, Plan } from './model-plans.ts';
import { goesBack, inferNaively } from './model-stamps.ts';

const ID = '0000abcd';
const VARIABLES: Readonly<Record<string, string>> = { v: 'val $a?' };
const BEGINNING = Date.UTC(2024, 1, 28, 23, 58, 30);
/** Transactions after which a plan that has not ended is given up: its loop may have no end. */
const MOST_TRANSACTIONS = 100;
/** Characters of a result at which a plan is given up: a loop that puts a value twice into itself doubles it every round. */
const LONGEST_RESULT = 10_000;

const nodeId = (index: number): string => (index + 0x100).toString(16).padStart(8, '0');

export class Lockstep implements Port {
  now = BEGINNING;
  readonly loopInterval: number;
  readonly model: Model;
  /** How often what was met, to see that the plans reach everything. */
  readonly seen = new Map<string, number>();
  readonly #plan: Plan;
  readonly #fixed: Pick<Run, 'id' | 'program' | 'nodeIds' | 'variables' | 'label' | 'database'>;
  /** The rows of the engine's tables. */
  readonly #branches = new Map<string, Branch>();
  readonly #names = new Map<string, Map<string, string>>();
  readonly #nodes = new Map<number, NodeWrite>();
  readonly #rounds: Run['rounds'] = [];
  readonly #instance: Pick<Run, 'status' | 'output'> = { status: 'pending', output: null };
  /** The signals that the interpreter has not taken. */
  readonly #signals: { name: string; data: string }[] = [];
  /** Statements that were run, by node and stamp, and per statement how often. */
  readonly #ran = new Set<string>();
  readonly #runs = new Map<number, number>();
  #steps = 0;
  #longest = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.loopInterval = plan.loopInterval;
    const program = flatten(plan.graph);
    this.#fixed = {
      id: ID, program, nodeIds: program.nodes.map((_, i) => nodeId(i)).join(''), variables: VARIABLES, label: 'label', database: null,
    };
    this.#branches.set('', { ...newBranch('', 0, ID, this.now), state: 'clean' });
    this.model = new Model(plan.graph, {
      id: ID, nodeId, variables: { ...VARIABLES, sys_instance_id: ID, sys_label: 'label' }, loopInterval: plan.loopInterval, nextTick,
    });
  }

  /** Carries the plan out, then goes on with whatever can go on, to the end or to MOST_TRANSACTIONS. */
  run(): void {
    for (const action of this.#plan.actions) if (!this.#isOver) this.#act(action);
    for (let left = MOST_TRANSACTIONS; left > 0 && !this.#isOver; left--) this.#goOn();
    this.#count(this.#ended ? this.#instance.status : 'not ended');
    if (!this.#ended) return;
    check(this.#names.size === 0 && this.#branches.size === 0, 'an ended instance has rows left');
    for (const { inferred } of this.#infer()) check(!['pending', 'running'].includes(inferred), `a node of an ended instance reads ${inferred}`);
  }

  get #ended(): boolean {
    return this.#instance.status !== 'pending' && this.#instance.status !== 'running';
  }

  get #isOver(): boolean {
    return this.#ended || this.#longest > LONGEST_RESULT;
  }

  // --- The port ---------------------------------------------------------------------------------------------------

  lock(run: Run): void {
    if (run.whole) return;
    for (const key of this.#branches.keys()) if (!run.branches.has(key)) run.branches.set(key, this.#load(key));
    run.whole = true;
  }

  names(run: Run, branch: Branch): Map<string, string> {
    let known = run.names.get(branch.key);
    if (known === undefined) run.names.set(branch.key, known = new Map(this.#names.get(branch.key)));
    return known;
  }

  takeSignal(run: Run, name: string): string | null {
    check(run.whole, 'a signal was taken without the lock');
    const at = this.#signals.findIndex((signal) => signal.name === name);
    return at === -1 ? null : this.#signals.splice(at, 1)[0]!.data;
  }

  // --- What happens -----------------------------------------------------------------------------------------------

  #act(action: Action): void {
    if (action.kind === 'tick') this.now += action.ms;
    else if (action.kind === 'signal') this.#send(action.name, action.data);
    else {
      const due = this.#due();
      if (due.length === 0) this.#goOn();
      else this.#work([...new Set(action.picks.map((pick) => due[pick % due.length]!))], action.shared);
    }
  }

  /** The next thing that can happen by itself, else a signal for somebody who waits. */
  #goOn(): void {
    const due = this.#due();
    if (due.length > 0) return this.#work([due[0]!], false);
    const timers = [...this.#branches.values()].map((b) => b.due).filter((at): at is number => at !== null);
    if (timers.length > 0) {
      this.now = Math.max(this.now, Math.min(...timers));
      return undefined;
    }
    const waiting = [...this.#branches.values()].find((b) => b.waiting !== null);
    check(waiting !== undefined, 'nothing can go on');
    this.#send(waiting!.waiting!, '1');
  }

  #send(name: string, data: string): void {
    this.#signals.push({ name, data });
    this.model.signals.push({ name, data });
    for (const branch of this.#branches.values()) if (branch.waiting === name) branch.due = this.now;
  }

  /** Keys of the branches that may go on, those that have waited longest first. */
  #due(): string[] {
    return [...this.#branches.values()].filter((b) => b.due !== null && b.due <= this.now).sort((a, b) => a.due! - b.due!).map((b) => b.key);
  }

  #work(keys: readonly string[], shared: boolean): void {
    const isStep = (key: string): boolean => ['ready', 'running'].includes(this.#branches.get(key)!.phase);
    this.#count(`${keys.length} branches`);
    this.model.now = this.now;
    const run: Run = {
      ...this.#fixed, status: this.#instance.status, statusChanged: false, address: null, output: null, branches: new Map(keys.map((key) => [key, this.#load(key)])),
      whole: false, nodes: new Map(), names: new Map(), nameWrites: [], rounds: [],
    };
    if (keys.every(isStep) && (shared || keys.length === 1)) this.#runSteps(run);
    else this.#move(run, shared);
    this.#flush(run);
    this.#compare();
  }

  /** Moves the claimed branches to their next steps, which may then be marked running. */
  #move(run: Run, unmarked: boolean): void {
    for (const branch of [...run.branches.values()]) {
      const key = keyOf(run, branch);
      const phase = branch.phase;
      resume(run, branch, this);
      this.#count(phase === 'signal' && branch.phase === 'signal' ? 'in vain' : phase);
      if (phase === 'start') this.model.start();
      else if (phase !== 'ready' && phase !== 'running') {
        // A branch whose race was lost in this very transaction must not move.
        if (this.model.waits.some((wait) => wait.key === key)) this.model.wake(key);
        else this.#count('lost at once');
      }
    }
    if (unmarked || run.status !== 'running') return;
    for (const branch of run.branches.values()) {
      if (branch.phase !== 'ready' || branch.state === 'gone') continue;
      this.model.begin(keyOf(run, branch));
      markRunning(run, branch);
    }
  }

  /** Runs the statements of the claimed branches in one transaction. */
  #runSteps(run: Run): void {
    const steps = [...run.branches.values()].map((branch) => ({
      branch, key: keyOf(run, branch), statement: substituteNode(run, branch, run.program.nodes[branch.pc]!.query!, 'sql', this),
    }));
    for (const { branch, key, statement } of steps) {
      const wait = this.model.waits.find((w) => w.key === key);
      if (branch.key !== '') this.lock(run);
      if (wait === undefined) {
        check(run.status !== 'running' || !isAlive(run, branch), `${key} counts although its race is lost`);
        this.#count('lost at once');
        continue;
      }
      same('statement', statement, wait.kind === 'sql' ? wait.statement : wait.kind);
      check(!this.#ran.has(key), `the statement of ${key} runs a second time`);
      this.#ran.add(key);
      const result = this.#answer(Number(/^q(\d+) /.exec(statement)![1]));
      const outcome = result instanceof Error ? { kind: 'failed' as const, text: result.message } : { kind: 'ok' as const, text: result };
      finishStep(run, branch, outcome, this);
      this.model.wake(key, result);
      this.#count('statement');
    }
  }

  #answer(statement: number): string | Error {
    const answers = this.#plan.answers[statement]!;
    const before = this.#runs.get(statement) ?? 0;
    this.#runs.set(statement, before + 1);
    const answer: Answer = answers[before % answers.length]!;
    switch (answer.kind) {
      case 'fresh': return `{"rows":[{"x":"r${++this.#steps}"}],"row_count":1}`;
      case 'value': return `{"rows":[{"x":${JSON.stringify(answer.value)},"y":9007199254740993.10}],"row_count":1}`;
      case 'empty': return '{"rows":[],"row_count":0}';
      case 'fails': return new Error(`broke ${++this.#steps}`);
    }
  }

  // --- The rows ---------------------------------------------------------------------------------------------------

  /** A branch with what its row holds, and nothing else. */
  #load(key: string): Branch {
    const { outcome, frames, ...row } = this.#branches.get(key)!;
    return { ...row, outcome: outcome && { kind: outcome.kind, text: outcome.text }, frames: JSON.parse(JSON.stringify(frames)) as Branch['frames'], state: 'clean' };
  }

  #flush(run: Run): void {
    const ends = run.status !== 'pending' && run.status !== 'running';
    for (const [pc, write] of run.nodes) {
      const before = this.#nodes.get(pc);
      check(before === undefined || !goesBack(before.stamp, write.stamp), `node ${pc} goes back from ${before?.stamp} to ${write.stamp}`);
      this.#nodes.set(pc, write);
      this.#longest = Math.max(this.#longest, write.result?.length ?? 0);
    }
    for (const branch of run.branches.values()) {
      if (branch.state === 'gone' || ends) this.#branches.delete(branch.key);
      else if (branch.state !== 'clean') this.#branches.set(branch.key, branch);
    }
    for (const { branch, name, value } of run.nameWrites) {
      if (value === null) this.#names.delete(branch);
      else this.#names.set(branch, (this.#names.get(branch) ?? new Map<string, string>()).set(name, value));
    }
    if (ends) this.#names.clear();
    this.#rounds.push(...run.rounds);
    check(run.statusChanged || run.status === this.#instance.status, 'the status changed silently');
    Object.assign(this.#instance, { status: run.status, output: run.output });
  }

  // --- The comparison ---------------------------------------------------------------------------------------------

  #compare(): void {
    const run: Run = { ...this.#fixed, ...this.#instance, statusChanged: false, address: null, branches: this.#branches, whole: true, nodes: new Map(), names: new Map(), nameWrites: [], rounds: [] };
    const waits: string[] = [];
    for (const branch of this.#branches.values()) {
      check(isAlive(run, branch), `branch '${branch.key}' was left behind`);
      if (branch.phase === 'fork' || branch.phase === 'done') check(branch.due === null, `branch '${branch.key}' is due at a fork`);
      else waits.push(`${keyOf(run, branch)} ${this.#wait(branch)}`);
    }
    for (const key of this.#names.keys()) check(this.#branches.has(key), `names of branch '${key}' were left behind`);
    same('waits', waits.sort(), this.model.ended ? [] : this.model.waits.map(describe).sort());
    same('signals', this.#signals, this.model.signals);
    same('rounds', this.#rounds, this.model.rounds);
    for (const { index } of this.model.nodes) this.#compareNode(index);
    this.#checkRaces();
    this.#infer();
    const { status, output } = this.#instance;
    const ended = this.model.ended;
    same('status', status === 'pending' ? 'running' : status, ended?.status ?? 'running');
    if (ended?.status === 'failed') check(isMessage(output ?? '', ended.text), `the output is '${output}', and '${ended.text}' was foreseen`);
    else if (ended !== null) same('result', [this.#nodes.get(0)!.result, output], [ended.text, null]);
  }

  #wait({ phase, due, waiting, expires, pc }: Branch): string {
    if (phase === 'ready' || phase === 'running') {
      check(phase === 'ready' || this.#nodes.get(pc)?.status === 'running', `the statement of node ${pc} runs and its node does not`);
      check(due !== null && due <= this.now, `the statement of node ${pc} is not due`);
      return 'sql';
    }
    if (phase !== 'signal') return `${phase} ${due}`;
    const woken = this.#signals.some(({ name }) => name === waiting);
    check(woken ? due !== null && due <= this.now : due === expires || (due !== null && due <= this.now), `the wait for ${waiting} sleeps through`);
    return `signal ${waiting} ${expires}`;
  }

  #compareNode(index: number): void {
    const write = this.#nodes.get(index);
    const actual: Stored = write === undefined ? { status: 'pending', result: null, error: null, stamp: null }
      : { status: write.status, result: write.result, error: write.error, stamp: write.stamp };
    const queued = this.model.queued.get(index);
    if (queued !== undefined && actual.status === 'running' && actual.stamp === queued) {
      // Begun, or about to be dropped: both are told by the interpreter alone.
      this.model.stored[index] = { status: 'running', result: null, error: null, stamp: queued };
      this.model.queued.delete(index);
    }
    const foreseen = this.model.stored[index]!;
    if (foreseen.status === 'failed') {
      same('status of a failed node', actual.status, 'failed');
      same('stamp of a failed node', actual.stamp, foreseen.stamp);
      same('result of a failed node', actual.result, JSON.stringify(actual.error));
      check(isMessage(actual.error!, foreseen.error!), `node ${index} says '${actual.error}', and '${foreseen.error}' was foreseen`);
    } else {
      const equal = (['status', 'result', 'error', 'stamp'] as const).every((field) => actual[field] === foreseen[field]);
      if (!equal) same(`node ${index}`, actual, foreseen);
    }
    this.#count(`${this.#fixed.program.nodes[index]!.type} ${foreseen.status}`);
  }

  /** Both branches of a race that has ended were stamped in it. */
  #checkRaces(): void {
    for (const { index, type, left, right } of this.model.nodes) {
      const race = this.#nodes.get(index);
      if (type !== 'RACE' || (race?.status !== 'completed' && race?.status !== 'failed')) continue;
      for (const child of [left!, right!]) {
        const stamp = this.#nodes.get(child.index)?.stamp ?? '';
        check(stamp.startsWith(`${race.stamp}::${nodeId(child.index)}::`), `branch ${child.index} of a race ended at ${race.stamp} was last stamped '${stamp}'`);
      }
    }
  }

  #infer(): { inferred: string }[] {
    const stored = this.model.nodes.map(({ index }) => ({ status: this.#nodes.get(index)?.status ?? 'pending', stamp: this.#nodes.get(index)?.stamp ?? null }));
    const actual = infer(this.#fixed.program, stored.map(({ status, stamp }) => ({ status, executionId: stamp })));
    inferNaively(this.model.nodes, stored, nodeId).forEach(({ inferred, ancestors }, i) => {
      same(`inferred status of node ${i}`, actual[i]!.inferred, inferred);
      check(ancestors.length === 0 ? actual[i]!.ancestor === -1 : ancestors.includes(actual[i]!.ancestor), `node ${i} names ${actual[i]!.ancestor}, not one of ${ancestors.join()}`);
      this.#count(`inferred ${inferred}`);
    });
    return actual;
  }

  #count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }
}

/** How the model names the wait at which a branch rests. */
function keyOf(run: Run, branch: Branch): string {
  const { scope, generation } = position(run, branch);
  return `${branch.pc}@${scope}::${generation}`;
}

function describe(wait: Wait): string {
  if (wait.kind === 'sql') return `${wait.key} sql`;
  return wait.kind === 'signal' ? `${wait.key} signal ${wait.name} ${wait.expires}` : `${wait.key} ${wait.kind} ${wait.due}`;
}

function nextTick(expression: string, after: number): number {
  let at = Math.floor(after / 60_000) * 60_000;
  do at += 60_000; while (!TICKS[expression]!(new Date(at)));
  return at;
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function same(what: string, actual: unknown, foreseen: unknown): void {
  if (actual === foreseen) return;
  const [is, should] = [JSON.stringify(actual), JSON.stringify(foreseen)];
  if (is !== should) throw new Error(`${what} is ${is}, and ${should} was foreseen`);
}
