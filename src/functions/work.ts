/**
 * The engine calls of `df.work`: claim due branches of the session's own role, and finish the steps it ran.
 *
 * A batch either is one step, alone in its transaction, with the node visibly running before; or it is steps of
 * different branches that share one commit, in which their nodes begin and end. Only statements that this session has
 * seen to be quick share, since the first of a batch holds its locks until the last has run. Whatever makes a shared
 * batch impossible (a lock that somebody else holds, a deferred constraint, a deadlock) rolls it back and runs its steps
 * one by one.
 */
import { DurableError } from '../graph/errors.ts';
import { failure, finishStep, makeExternal, markRunning, resume } from '../engine/interpreter.ts';
import { isAlive } from '../engine/fork.ts';
import { substituteNode } from '../engine/names.ts';
import type { Branch, Outcome, Run } from '../engine/run.ts';
import { announceWork, flush, lockFree } from '../db/flush.ts';
import { enter } from '../db/gate.ts';
import { claimDue, claimExternal, claimHeld, nextTimer, revisit } from '../db/load.ts';
import type { Claimed, Key } from '../db/load.ts';
import { Busy, DatabasePort, Over } from '../db/port.ts';
import { classified, isAlwaysQuick, isQuick, noteDuration } from '../db/pace.ts';
import { parseNumber } from '../db/settings.ts';
import { query } from '../db/statement.ts';
import { admit, failSteps, steps } from './due.ts';
import type { AtStep } from './due.ts';
import { identify, refuseBorrowed } from './identity.ts';
import type { Identity } from './identity.ts';
import { conclude } from './outcome.ts';
import type { Step } from './outcome.ts';

/** Most steps that share a commit. A session begins with few, so that its first search, which is slow, keeps little from others. */
const MOST_SHARED = 64;
/** Fewest steps that are tried together, however long they took. */
const LEAST_SHARED = 8;
/** ms between two looks, by a session that has work all the time, at branches that were locked when something came for them. */
const REVISIT = 200;
/** Seconds until the next look at those that are locked still. */
const LOCKED_STILL = 0.05;

interface Held extends Key {
  /** The step's text before substitution, which decides whether it may share; null: it may not. */
  readonly template: string | null;
}
interface Batch { readonly runs: Map<string, Run>; readonly steps: Step[]; readonly shared: boolean }

/** What a session remembers from one transaction to the next: where its work is. Losing it costs a search, no more. */
interface Session {
  role: number;
  lane: number;
  held: Held[];
  batch: Batch | null;
  /** How many steps to share a commit next: fewer when the last batch ran out of time. */
  size: number;
  /** Run one step at a time until `held` is empty: a shared batch failed. */
  alone: boolean;
  /** The last claim searched for work, so that it may hold locks on rows that it did not take. */
  searched: boolean;
  revisitFrom: number;
}
let session: Session | null = null;

interface ClaimRow {
  state: 'run' | 'again' | 'idle';
  statements: string[];
  /** rows: open as a cursor and gather; none: execute; into: SELECT … INTO. */
  modes: ('rows' | 'none' | 'into')[];
  shared: boolean;
  next_due: number | null;
}

/**
 * Claims work of the session user for df.work: locks due branches, moves them to their next SQL step and returns the
 * steps to run in this transaction. In: the time in seconds since the epoch and the most steps wanted (0: none, to get
 * the session ready). Out: state run (run these statements, then call _df.finish), again (commit and call again) or idle
 * (nothing is due; next_due says when something will be, in seconds since the epoch).
 *
 * @plv8ify_schema_name _df
 * @plv8ify_param {double precision} at
 * @plv8ify_param {integer} most
 * @plv8ify_table {state text, statements text[], modes text[], shared boolean, next_due double precision}
 * @plv8ify_security definer
 * @plv8ify_strict
 */
export function claim(at: number, most: number): ClaimRow[] {
  enter();
  const me = identify();
  if (me === null) return [IDLE];
  const own = openSession(me);
  const now = at * 1000;
  if (now >= own.revisitFrom) {
    own.revisitFrom = now + REVISIT;
    if (revisit(me.oid) !== null) return [AGAIN];
  }
  const claimed = pick(own, now, Math.min(most, own.size));
  if (claimed.length === 0) {
    const moved = revisit(me.oid);
    if (moved === true) return [AGAIN];
    const timer = nextTimer(me.oid, now);
    return [{ ...IDLE, next_due: moved === false ? Math.min(timer ?? Infinity, at + LOCKED_STILL) : timer }];
  }
  own.lane = claimed[claimed.length - 1]!.lane;
  const runs = admit(claimed);
  const waits = own.alone || runs.size === 1;
  const port = new DatabasePort(now, parseNumber('loop_min_interval', me.interval) * 1000, waits);
  const alone = own.alone;
  for (const run of runs.values()) {
    try {
      for (const branch of [...run.branches.values()]) resume(run, branch, port);
      if (run.statusChanged) port.hold(run);
    } catch (error) {
      letGo(own, runs, run, error);
    }
  }
  // A submitter that may not log in any more gets no step done (semantics §3).
  if (!me.login) {
    failSteps(runs, {
      kind: 'failed', text: `SQL execution failed: role "${me.name}" is not permitted to log in`,
      details: { sqlstate: '28000', hint: 'Give it LOGIN again: ALTER ROLE … LOGIN.' },
    }, port);
  }
  const ready = steps(runs, now);
  for (const { run, branch } of ready) {
    if (run.database !== null) makeExternal(run, branch);
  }
  const here = ready.filter(({ branch }) => branch.phase !== 'external');
  const quick = alone ? [] : here.filter(({ run, branch }) => isQuick(template(run, branch)));
  const sole = quick.length === 1 && here.length === 1 && isAlwaysQuick(template(quick[0]!.run, quick[0]!.branch));
  if (quick.length >= 2 || sole) return dispatch(own, runs, here, quick, port, true);
  const first = here[0];
  const settled = first !== undefined && here.length === 1 && first.branch.phase === 'running'
    && first.branch.state === 'clean' && claimed.length === 1 && !own.searched;
  if (settled) return dispatch(own, runs, here, [first], port, false);
  // Others must see the step running before it runs, and the rest of what was locked must be free meanwhile.
  for (const { run, branch } of here) if (branch.phase === 'ready') markRunning(run, branch);
  // A single quick step among others would meet them again each time: they go on one by one.
  write(own, runs, now, false, own.alone || quick.length === 1);
  return [AGAIN];
}

/**
 * Records how the steps of the last claim ended and moves their branches on, in the same transaction. In: per step
 * that ran its outcome ("n" no rows; "r", type OIDs, then the rows as JSON, separated by U+001E; "e" and the error as
 * JSON) and how long it took in ms, and the time in seconds since the epoch. Out: done (commit) or undo (roll back:
 * the steps must not count, or must run one by one). A step that ended its own instance counts.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_param {text[]} outcomes
 * @plv8ify_param {double precision[]} durations
 * @plv8ify_param {double precision} at
 * @plv8ify_return {text}
 * @plv8ify_security definer
 * @plv8ify_strict
 */
export function finish(outcomes: string[], durations: number[], at: number): string {
  const batch = session?.batch ?? null;
  // The extension was updated while the step ran, and this bundle knows nothing of what the one before it claimed.
  if (session === null || batch === null) return 'undo';
  session.batch = null;
  const me = identify();
  const now = at * 1000;
  const port = new DatabasePort(now, parseNumber('loop_min_interval', me?.interval ?? null) * 1000, !batch.shared);
  try {
    for (const [k, outcome] of outcomes.entries()) {
      const step = batch.steps[k]!;
      if (step.branch.key !== '' || !batch.shared) confirm(step, port);
      noteDuration(template(step.run, step.branch), durations[k]!, step.statement);
      if (conclude(step, outcome, batch.shared, port)) session.alone = true;
    }
    const over = [...batch.runs.values()].filter((run) => run.statusChanged);
    if (batch.shared) {
      if (over.length > 0 && lockFree(over) < over.length) throw new Busy('instances');
    } else {
      for (const run of over) port.hold(run);
    }
  } catch (error) {
    if (!(error instanceof Busy || error instanceof Over)) throw error;
    // Rolling that back would take the end back, and the step would run again for ever.
    if (error instanceof Over && !batch.shared && batch.steps.some(({ run, branch }) => endedHere(run.id, branch.key).length > 0)) return 'done';
    session.alone = true;
    session.held = [...batch.steps.map((step) => ({ ...key(step), template: null })), ...session.held];
    return 'undo';
  }
  if (batch.shared) {
    const ranOut = outcomes.length < batch.steps.length;
    session.size = ranOut ? Math.max(LEAST_SHARED, outcomes.length) : Math.min(MOST_SHARED, session.size * 2);
  }
  write(session, batch.runs, now, batch.shared);
  return 'done';
}

interface ExternalRow { statement: string; database: string | null; mode: ClaimRow['modes'][number]; keyword: string }

/**
 * Claims one step of the session user that needs a connection of its own: locks its branch until the transaction ends. The caller runs the statement on an autocommit connection of the same role, then calls _df.finish with its outcome and commits. In: the time in seconds since the epoch. Out: the statement, the database to run it in (NULL: this one), whether it returns rows (rows), and its first keyword; no row when nothing is due.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name claim_external
 * @plv8ify_param {double precision} at
 * @plv8ify_table {statement text, database text, mode text, keyword text}
 * @plv8ify_security definer
 * @plv8ify_strict
 */
export function claimExternalStep(at: number): ExternalRow[] {
  enter();
  const me = identify();
  if (me === null) return [];
  const own = openSession(me);
  const now = at * 1000;
  const claimed = claimExternal(me.oid, now);
  if (claimed.length === 0) return [];
  const runs = admit(claimed);
  const port = new DatabasePort(now, parseNumber('loop_min_interval', me.interval) * 1000, true);
  const [row] = dispatch(own, runs, [], [...runs.values()].flatMap((run) =>
    [...run.branches.values()].filter(({ phase }) => phase === 'external').map((branch) => ({ run, branch }))), port, false);
  const step = own.batch?.steps[0];
  if (row === undefined || step === undefined) return [];
  return [{ statement: step.statement, database: step.run.database, mode: row.modes[0]!, keyword: classified(step.statement).keyword }];
}

/**
 * Gives up the batch of the last claim, whose transaction is to be rolled back, so that its steps run one by one.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_security definer
 */
export function split(): void {
  if (session === null) return;
  session.held = [...(session.batch?.steps ?? []).map((step) => ({ ...key(step), template: null })), ...session.held];
  session.batch = null;
  session.alone = true;
}

/**
 * Runs SELECT ... INTO, which PL/pgSQL's EXECUTE refuses. In: the statement. With the rights of the caller.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name select_into
 * @plv8ify_search_path caller
 * @plv8ify_param {text} statement
 * @plv8ify_return {void}
 * @plv8ify_strict
 */
export function selectInto(statement: string): void {
  plv8.execute(statement);
}

const IDLE: ClaimRow = { state: 'idle', statements: [], modes: [], shared: false, next_due: null };
const AGAIN: ClaimRow = { ...IDLE, state: 'again' };

/** The session's memory, empty when another role is at work in it than before. */
function openSession(me: Identity): Session {
  const role = me.oid;
  if (session === null || session.role !== role) {
    // Who logged in stays the same for as long as the session lives, so it is asked once.
    refuseBorrowed(me);
    session = { role, lane: Math.floor(Math.random() * 32), held: [], batch: null, size: LEAST_SHARED, alone: false, searched: false, revisitFrom: 0 };
  }
  session.batch = null;
  return session;
}

/** Locks branches: first those that this session was at, then others. */
function pick(own: Session, now: number, most: number): Claimed[] {
  if (own.held.length === 0) own.alone = false;
  own.searched = false;
  const quick = own.alone ? [] : own.held.filter((held) => held.template !== null && isQuick(held.template)).slice(0, most);
  if (quick.length > 0) {
    const taken = new Set(quick);
    own.held = own.held.filter((held) => !taken.has(held));
    const claimed = claimHeld(quick, own.role, now);
    return claimed.length < most / 2 ? [...claimed, ...claimMore(own, claimed, now, most - claimed.length)] : claimed;
  }
  while (own.held.length > 0) {
    const claimed = claimHeld([own.held.shift()!], own.role, now);
    if (claimed.length > 0) return claimed;
  }
  own.searched = true;
  return claimDue(own.role, own.lane, now, most);
}

/** More branches than those that are claimed already: the same transaction's locks do not keep them out. */
function claimMore(own: Session, claimed: readonly Claimed[], now: number, most: number): Claimed[] {
  own.searched = true;
  const known = new Set(claimed.map((c) => `${c.instance}${c.branch.key}`));
  return claimDue(own.role, own.lane, now, most).filter((c) => !known.has(`${c.instance}${c.branch.key}`));
}

/** Takes a run out of the transaction, unchanged, because it is locked or over. */
function letGo(own: Session, runs: Map<string, Run>, run: Run, error: unknown): void {
  if (!(error instanceof Busy || error instanceof Over)) throw error;
  runs.delete(run.id);
  for (const branch of run.branches.values()) {
    if (branch.seq > 0) own.held.push({ instance: run.id, branch: branch.key, template: null });
  }
  if (error instanceof Busy) own.alone = true;
}

/** Fills the chosen steps' statements in and hands them out; what cannot be filled in fails here. */
function dispatch(
  own: Session, runs: Map<string, Run>, here: readonly AtStep[],
  chosen: readonly AtStep[], port: DatabasePort, shared: boolean,
): ClaimRow[] {
  const batch: Batch = { runs, steps: [], shared };
  const modes: ClaimRow['modes'] = [];
  for (const { run, branch } of chosen) {
    try {
      const statement = substituteNode(run, branch, template(run, branch), 'sql', port);
      const { keyword, multiple, returnsRows, selectInto } = classified(statement);
      if (keyword === '') throw new DurableError('the step holds no SQL statement', { code: '42601' });
      if (multiple) {
        throw new DurableError('a step is one SQL statement, and this text holds several', {
          code: '42601', hint: 'Write one step per statement and join them with ~>.',
        });
      }
      batch.steps.push({ run, branch, statement });
      modes.push(selectInto ? 'into' : returnsRows === false ? 'none' : 'rows');
    } catch (error) {
      const outcome = failure(error) as Extract<Outcome, { kind: 'failed' }>;
      finishStep(run, branch, { ...outcome, text: `SQL execution failed: ${outcome.text}` }, port);
    }
  }
  const running = new Set(batch.steps.map((step) => step.branch));
  for (const { run, branch } of here) {
    if (!running.has(branch) && branch.phase === 'ready') markRunning(run, branch);
  }
  if (batch.steps.length === 0) {
    for (const run of runs.values()) if (run.statusChanged) port.hold(run);
    write(own, runs, port.now, false);
    return [AGAIN];
  }
  own.batch = batch;
  return [{ state: 'run', statements: batch.steps.map((step) => step.statement), modes, shared, next_due: null }];
}

/** Raises Over unless the step still counts: its instance is live and its branch's fork goes on. */
function confirm({ run, branch }: Step, port: DatabasePort): void {
  if (branch.key === '') {
    const status = statusOf(run.id)[0]?.status;
    if (status !== 'pending' && status !== 'running') throw new Over(run.id);
    return;
  }
  port.lock(run);
  if (!isAlive(run, branch)) throw new Over(run.id);
}

const statusOf = query<{ status: string }>('SELECT i.status FROM df.instances i WHERE i.id = $1', 'text');

/**
 * One row if this transaction ended the instance, which its own step did: by df.cancel, by writing its status, or by
 * deleting it. Nobody else can have deleted the branch, whose lock this transaction holds.
 */
const endedHere = query(`
  SELECT 1 AS one WHERE NOT EXISTS (SELECT FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2)
    OR EXISTS (SELECT FROM df.instances i WHERE i.id = $1 AND i.status NOT IN ('pending', 'running') AND _df.written_here(i.xmin))`,
  'text', 'text');

/** Writes the batch and remembers where its branches stand, for the next claim. */
function write(own: Session, runs: Map<string, Run>, now: number, shared: boolean, apart = own.alone): void {
  let slow = 0;
  let outside = false;
  for (const { run, branch } of steps(runs, now)) {
    const quick = shared && isQuick(template(run, branch));
    if (!quick && branch.phase === 'ready' && run.database === null) markRunning(run, branch);
    if (!quick) slow++;
    own.held.push({ instance: run.id, branch: branch.key, template: apart ? null : template(run, branch) });
  }
  for (const run of runs.values()) {
    for (const branch of run.branches.values()) {
      if ((branch.phase === 'external' || branch.phase === 'http') && branch.state !== 'clean') outside = true;
    }
  }
  flush([...runs.values()], own.role);
  if (slow > 1) announceWork(String(own.role));
  if (outside) announceWork('external');
}

function template(run: Run, branch: Branch): string {
  return run.program.nodes[branch.pc]!.query!;
}

function key(step: Step): Key {
  return { instance: step.run.id, branch: step.branch.key };
}
