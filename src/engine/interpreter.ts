/**
 * The interpreter: from a branch and an event to the branch's next resting place, and the writes on the way.
 *
 * `enter` goes down from a node to the first leaf that has to wait or to be run; `leave` goes up from a node that
 * ended until something is left to enter. Both are loops, not recursion, so that depth costs no stack. Forks are in
 * `fork.ts`. All changes are collected in the `Run`; nothing is written here.
 */
import { NONE } from '../graph/types.ts';
import { DurableError } from '../graph/errors.ts';
import { nextTick } from './cron.ts';
import { fork, settleFork } from './fork.ts';
import { truth } from './truth.ts';
import { hasRows } from './rows.ts';
import { isJson, quote } from './rawjson.ts';
import { substituteNode } from './names.ts';
import { nodeId, parentKey, position, resultName } from './run.ts';
import type { Branch, Details, Frame, NodeStatus, Outcome, Run } from './run.ts';
import type { Port } from './port.ts';

/** Rounds after which a loop gives up (semantics §7). */
export const MAX_ROUNDS = 100_000;
/** Nodes that are walked before a branch that never waits is put back into the queue. */
const MAX_HOPS = 1_000;

/**
 * Continues a branch whose time has come. A branch at a SQL step stays where it is: its step is to be run. So does one
 * whose race was lost to another that was claimed with it.
 */
export function resume(run: Run, branch: Branch, port: Port): void {
  if (branch.state === 'gone') return;
  const pc = branch.pc;
  switch (branch.phase) {
    case 'start':
      if (branch.key === '' && run.status === 'pending') {
        run.status = 'running';
        run.statusChanged = true;
      }
      walk(run, branch, pc, null, port);
      return;
    case 'sleep':
      walk(run, branch, pc, { kind: 'ok', text: `{"slept_seconds":${run.program.nodes[pc]!.query!}}` }, port);
      return;
    case 'schedule':
      walk(run, branch, pc, { kind: 'ok', text: '{"scheduled":true}' }, port);
      return;
    case 'signal': {
      port.lock(run);
      const data = port.takeSignal(run, branch.waiting!);
      const config = signalConfig(run.program.nodes[pc]!.query!);
      if (data === null && (branch.expires === null || branch.expires > port.now)) {
        branch.due = branch.expires;
        touch(branch);
        return;
      }
      walk(run, branch, pc, signalResult(config.name, data), port);
      return;
    }
    case 'pause':
      beginRound(run, branch, branch.frames[branch.frames.length - 1]!, port);
      walk(run, branch, run.program.nodes[pc]!.left, null, port);
      return;
    case 'ready': case 'running': case 'external': case 'http': case 'fork': case 'done':
      return;
  }
}

/** The step at which the branch stands ended. `outcome.text` of a success is the result's JSON text. */
export function finishStep(run: Run, branch: Branch, outcome: Outcome, port: Port): void {
  branch.attempts = 0;
  walk(run, branch, branch.pc, outcome, port);
}

/** Marks the SQL step at which the branch stands as running. */
export function markRunning(run: Run, branch: Branch): void {
  branch.phase = 'running';
  touch(branch);
  mark(run, branch, branch.pc, 'running', null, null);
}

/** Notes that the stored row of a branch must be written. */
export function touch(branch: Branch): void {
  if (branch.state === 'clean') branch.state = 'dirty';
}

/** Hands the SQL step at which the branch stands over to a connection of its own. */
export function makeExternal(run: Run, branch: Branch): void {
  branch.phase = 'external';
  touch(branch);
  mark(run, branch, branch.pc, 'running', null, null, { delivery: 'at-least-once' });
}

/** Records a node's transition, stamped with the branch's present scope and generation. */
export function mark(
  run: Run, branch: Branch, pc: number, status: NodeStatus, result: string | null, error: string | null,
  details?: Details,
): void {
  const { scope, generation } = position(run, branch);
  const stamp = `${scope}::${generation}`;
  run.nodes.set(pc, { status, result, error, stamp, details });
}

/** Enters `pc` (outcome null) or leaves it with an outcome, and goes on until the branch rests or is done. */
export function walk(run: Run, branch: Branch, pc: number, outcome: Outcome | null, port: Port): void {
  touch(branch);
  // A due time that has passed stays: it is the branch's place in the queue, and its index entry is not touched.
  if (branch.due === null || branch.due > port.now) branch.due = port.now;
  branch.waiting = null;
  branch.expires = null;
  let at = pc;
  let ended = outcome;
  for (let hops = 0; ; hops++) {
    if (ended === null) {
      if (hops >= MAX_HOPS && run.program.nodes[at]!.type !== 'SQL') {
        branch.pc = at;
        branch.phase = 'start';
        return;
      }
      const entered = enter(run, branch, at, port);
      if (entered === null) return;
      at = entered.pc;
      ended = entered.outcome;
    }
    const left = leave(run, branch, at, ended, port);
    if (left === null) return;
    at = left.pc;
    ended = left.outcome;
  }
}

interface Place { pc: number; outcome: Outcome }
interface Next { pc: number; outcome: Outcome | null }

/** Goes down from `start`. Null: the branch rests at a leaf. Otherwise a node ended at once. */
function enter(run: Run, branch: Branch, start: number, port: Port): Place | null {
  const { nodes } = run.program;
  for (let pc = start; ;) {
    const node = nodes[pc]!;
    branch.pc = pc;
    if (node.type === 'SQL') {
      branch.phase = 'ready';
      return null;
    }
    if (node.type === 'LOOP') branch.frames.push({ pc, generation: 1, began: port.now });
    mark(run, branch, pc, 'running', null, null);
    try {
      switch (node.type) {
        case 'THEN': case 'LOOP':
          pc = node.left;
          continue;
        case 'IF':
          if (node.condition !== NONE) pc = node.condition;
          else pc = conditionByName(run, branch, pc, port) ? node.left : node.right;
          continue;
        case 'JOIN': case 'RACE': {
          const outcome = fork(run, branch, pc, port);
          return outcome === null ? null : { pc, outcome };
        }
        case 'SLEEP':
          branch.phase = 'sleep';
          branch.due = port.now + Number(node.query) * 1000;
          return null;
        case 'WAIT_SCHEDULE':
          branch.phase = 'schedule';
          branch.due = nextTick((JSON.parse(node.query!) as { cron_expr: string }).cron_expr, port.now);
          return null;
        case 'SIGNAL': {
          const config = signalConfig(node.query!);
          port.lock(run);
          const data = port.takeSignal(run, config.name);
          if (data !== null) return { pc, outcome: signalResult(config.name, data) };
          branch.phase = 'signal';
          branch.waiting = config.name;
          branch.expires = config.timeout === null ? null : port.now + config.timeout * 1000;
          branch.due = branch.expires;
          return null;
        }
        case 'BREAK':
          return { pc, outcome: breakOutcome(run, branch, pc, port) };
        case 'HTTP': case 'HTTP_MULTIPART':
          branch.phase = 'http';
          return null;
      }
    } catch (error) {
      return { pc, outcome: failure(error) };
    }
  }
}

/** Goes up from `pc`, which ended. Null: the branch is done. An outcome of null in the result: enter that node. */
function leave(run: Run, branch: Branch, pc: number, ended: Outcome, port: Port): Next | null {
  const { nodes } = run.program;
  let at = pc;
  let outcome = ended;
  for (;;) {
    const node = nodes[at]!;
    record(run, branch, at, outcome, port);
    // What is known of the step stays with its own node.
    if (outcome.kind !== 'break' && outcome.details !== undefined) outcome = { kind: outcome.kind, text: outcome.text };
    if (node.type === 'LOOP') branch.frames.pop();
    if (at === branch.root) {
      finishBranch(run, branch, outcome, port);
      return null;
    }
    const up = node.parent;
    const parent = nodes[up]!;
    if (parent.type === 'LOOP') {
      const frame = branch.frames[branch.frames.length - 1]!;
      const turned = leaveRound(run, branch, frame, at, outcome, port);
      if (turned === null) return null;
      if (turned.outcome === null) return turned;
      outcome = turned.outcome;
    } else if (outcome.kind === 'ok' && parent.type === 'THEN' && at === parent.left) {
      return { pc: parent.right, outcome: null };
    } else if (outcome.kind === 'ok' && parent.type === 'IF' && at === parent.condition) {
      return { pc: truth(outcome.text) ? parent.left : parent.right, outcome: null };
    }
    at = up;
  }
}

/** The body or the condition of a loop ended: another round, a pause (null), or the loop's own outcome. */
function leaveRound(
  run: Run, branch: Branch, frame: Frame, child: number, outcome: Outcome, port: Port,
): Next | null {
  const loop = run.program.nodes[frame.pc]!;
  if (outcome.kind === 'failed') return { pc: frame.pc, outcome };
  if (outcome.kind === 'break') return { pc: frame.pc, outcome: { kind: 'ok', text: outcome.text } };
  if (child === loop.left && loop.condition !== NONE) {
    frame.last = outcome.text;
    return { pc: loop.condition, outcome: null };
  }
  const result = child === loop.left ? outcome.text : frame.last!;
  if (child === loop.condition && !truth(outcome.text)) return { pc: frame.pc, outcome: { kind: 'ok', text: result } };
  if (frame.generation >= MAX_ROUNDS) {
    return { pc: frame.pc, outcome: { kind: 'failed', text: `Loop stopped after the maximum of ${MAX_ROUNDS} iterations` } };
  }
  if (branch.key === '' && frame.pc === 0) {
    run.rounds.push({ generation: frame.generation, began: frame.began, ended: port.now, result });
  }
  delete frame.last;
  const next = frame.began + port.loopInterval;
  branch.pc = frame.pc;
  if (next > port.now) {
    branch.phase = 'pause';
    branch.due = next;
    return null;
  }
  beginRound(run, branch, frame, port);
  return { pc: loop.left, outcome: null };
}

/** Starts the next round of the innermost loop. */
function beginRound(run: Run, branch: Branch, frame: Frame, port: Port): void {
  frame.generation++;
  frame.began = port.now;
  mark(run, branch, frame.pc, 'running', null, null);
  if (branch.key === '' && frame.pc === 0) {
    const names = port.names(run, branch);
    if (names.size > 0) {
      names.clear();
      run.nameWrites.push({ branch: branch.key, name: '', value: null });
    }
  }
}

/** Records how a node ended, and its result under its name. */
function record(run: Run, branch: Branch, pc: number, outcome: Outcome, port: Port): void {
  if (outcome.kind === 'failed') {
    mark(run, branch, pc, 'failed', quote(outcome.text), outcome.text, outcome.details);
    return;
  }
  mark(run, branch, pc, 'completed', outcome.text, null, outcome.kind === 'ok' ? outcome.details : undefined);
  const name = resultName(run, pc);
  if (name !== null) bind(run, branch, name, outcome.text, port);
}

/** Keeps a result under a name for the rest of the branch. */
export function bind(run: Run, branch: Branch, name: string, value: string, port: Port): void {
  port.names(run, branch).set(name, value);
  run.nameWrites.push({ branch: branch.key, name, value });
}

/** The branch's root node ended. */
function finishBranch(run: Run, branch: Branch, outcome: Outcome, port: Port): void {
  branch.due = null;
  if (branch.key === '') {
    branch.state = branch.state === 'new' ? 'clean' : 'gone';
    run.status = outcome.kind === 'failed' ? 'failed' : 'completed';
    run.statusChanged = true;
    run.output = outcome.kind === 'failed' ? outcome.text : null;
    return;
  }
  branch.phase = 'done';
  branch.outcome = outcome;
  port.lock(run);
  const parent = run.branches.get(parentKey(branch.key)!)!;
  const joined = settleFork(run, parent, port);
  if (joined !== null) walk(run, parent, parent.pc, joined, port);
}

/** `df.if_rows`: looks at the row count of a named result (semantics §4). */
function conditionByName(run: Run, branch: Branch, pc: number, port: Port): boolean {
  const config = JSON.parse(run.program.nodes[pc]!.query!) as { result_name: string };
  const result = port.names(run, branch).get(config.result_name);
  if (result === undefined) {
    throw new DurableError(`df.if_rows: there is no result named '${config.result_name}' at node ${nodeId(run, pc)}`, {
      hint: 'Name a step that runs before this one with |=> or df."as".',
    });
  }
  return hasRows(result, config.result_name);
}

function breakOutcome(run: Run, branch: Branch, pc: number, port: Port): Outcome {
  if (!insideLoop(run, pc)) {
    return { kind: 'failed', text: `df.break() at node ${nodeId(run, pc)} is outside of a loop` };
  }
  const value = (JSON.parse(run.program.nodes[pc]!.query!) as { break_value: string | null }).break_value;
  if (value === null) return { kind: 'break', text: 'null' };
  const text = substituteNode(run, branch, value, 'raw', port);
  return { kind: 'break', text: isJson(text) ? text : quote(text) };
}

function insideLoop(run: Run, pc: number): boolean {
  for (let at = run.program.nodes[pc]!.parent; at !== NONE; at = run.program.nodes[at]!.parent) {
    if (run.program.nodes[at]!.type === 'LOOP') return true;
  }
  return false;
}

function signalConfig(query: string): { name: string; timeout: number | null } {
  const config = JSON.parse(query) as { signal_name: string; timeout_seconds?: number | null };
  return { name: config.signal_name, timeout: config.timeout_seconds ?? null };
}

function signalResult(name: string, data: string | null): Outcome {
  return { kind: 'ok', text: `{"signal_name":${quote(name)},"timed_out":${data === null},"data":${data ?? 'null'}}` };
}

/** The outcome of a user's mistake; anything else is a defect of ours and is thrown on. */
export function failure(error: unknown): Outcome {
  if (error instanceof DurableError) {
    return {
      kind: 'failed', text: error.message,
      details: { sqlstate: error.sqlstate, ...(error.detail && { detail: error.detail }), ...(error.hint && { hint: error.hint }) },
    };
  }
  throw error;
}
