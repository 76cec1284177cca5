/**
 * The worker's engine calls for HTTP steps: claim requests, and finish them (semantics §10).
 *
 * A request in flight holds no transaction. Its claim is a row that is good for as long as its worker's heartbeat is fresh;
 * the branch is not due meanwhile. What the database knows is checked here: whether HTTP is enabled, whether the submitter may
 * use it now. The url is read by the worker alone, scheme and allow-list included, so that there is one reading of it.
 */
import { isAlive } from '../engine/fork.ts';
import { failure, finishStep } from '../engine/interpreter.ts';
import { substituteNode } from '../engine/names.ts';
import { isJson } from '../engine/rawjson.ts';
import { fillRequest } from '../engine/request.ts';
import { nodeId, position } from '../engine/run.ts';
import type { Branch, Outcome, Run } from '../engine/run.ts';
import { DurableError } from '../graph/errors.ts';
import { announceWork, discard, failInstance, flush } from '../db/flush.ts';
import { enter } from '../db/gate.ts';
import {
  allowedFor, claimRequests, endClaim, freeDeadClaims, holdsClaim, isLive, keepClaim, lockRequest, lookAtClock, postpone, standingOf, submitterOf, workerLives,
} from '../db/http.ts';
import type { Allowed, ClaimedRequest } from '../db/http.ts';
import { loadRuns } from '../db/load.ts';
import { Busy, DatabasePort } from '../db/port.ts';
import { httpMode, numberSetting, parseNumber } from '../db/settings.ts';

/** Seconds until a step whose instance is locked is looked at again. */
const BUSY_PAUSE = 0.5;
/** Characters of requests above which one call claims no more; the rest stays due. */
const MOST_CLAIMED = 16 * 1024 * 1024;

interface RequestRow {
  instance: string;
  branch: string;
  token: string;
  role: string;
  request: string;
}

/**
 * Claims HTTP steps that are due, of all roles, for a worker whose heartbeat is fresh, and takes over those of workers whose heartbeat is not. In: the worker's epoch and the most steps wanted. Out: per step its instance, its branch, the token of the claim, the submitter's name, and as JSON the request with everything filled in, its Idempotency-Key (key) and the allow-list for this role (allowed, null: every host). The worker makes the request and calls _df.finish_http. Steps that may not be made fail here.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name claim_http
 * @plv8ify_param {uuid} worker
 * @plv8ify_param {integer} most
 * @plv8ify_table {instance text, branch text, token text, role text, request text}
 * @plv8ify_security definer
 * @plv8ify_execute private
 * @plv8ify_strict
 */
export function claimHttp(worker: string, most: number): RequestRow[] {
  enter();
  const silence = numberSetting('http_takeover');
  if (!workerLives(worker, silence)) return [];
  const { now, interval } = lookAtClock();
  const mode = httpMode();
  const mostBytes = numberSetting('http_max_bytes');
  freeDeadClaims(silence);
  const claimed = most < 1 ? [] : claimRequests(most);
  if (claimed.length === 0) return [];
  const stale = claimed.filter((c) => !c.alive || (c.status !== 'pending' && c.status !== 'running'));
  const live = claimed.filter((c) => !stale.includes(c));
  const { runs, broken } = loadRuns([...new Set(live.map((c) => c.instance))]);
  for (const [instance, problem] of broken) failInstance(instance, problem);
  discard([...stale, ...live.filter((c) => !runs.has(c.instance))].map(keyOf));
  // From here on `runs` loses those of which a step has ended.
  const port = new DatabasePort(now, parseNumber('loop_min_interval', interval) * 1000, false);
  const lists = new Map<number, Allowed[]>();
  const rows: RequestRow[] = [];
  let size = 0;
  for (const one of live) {
    const run = runs.get(one.instance);
    if (run === undefined) continue;
    if (size > MOST_CLAIMED) break;
    try {
      const role = admit(one.role, mode, run.program.nodes[one.branch.pc]!.type);
      let allowed: Allowed[] | null = null;
      if (mode === 'allowlist') {
        allowed = lists.get(one.role) ?? allowedFor(one.role);
        lists.set(one.role, allowed);
      }
      const request = JSON.stringify({ ...filled(run, one.branch, port, mostBytes), key: idempotencyKey(run, one.branch), allowed });
      size += request.length;
      rows.push({ instance: run.id, branch: one.branch.key, token: keepClaim(keyOf(one), worker), role, request });
    } catch (error) {
      if (end(one, run, failure(error), port) === 'busy') postpone(keyOf(one), BUSY_PAUSE);
      // What else was locked of this instance may not count any more; it is looked at anew.
      runs.delete(run.id);
      if (live.some((other) => other !== one && other.instance === one.instance)) announceWork('external');
    }
  }
  return rows;
}

/**
 * Records how a request ended and moves its branch on. In: instance, branch and token of the claim, and the outcome: "r" and the response as JSON, or "e" and {"message", "hint"} as JSON. Out: done; gone (the claim is not this one any more, or the step does not count); busy (somebody has the instance locked: call again).
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name finish_http
 * @plv8ify_param {text} instance
 * @plv8ify_param {text} branch
 * @plv8ify_param {text} token
 * @plv8ify_param {text} outcome
 * @plv8ify_return {text}
 * @plv8ify_security definer
 * @plv8ify_execute private
 * @plv8ify_strict
 */
export function finishHttp(instance: string, branch: string, token: string, outcome: string): string {
  const key = { instance, branch };
  enter();
  if (!holdsClaim(key, token)) return 'gone';
  const locked = lockRequest(key);
  if (locked === 'busy') return 'busy';
  const run = locked === 'gone' ? undefined : loadRuns([instance]).runs.get(instance);
  if (locked === 'gone' || run === undefined) {
    endClaim(key);
    return 'gone';
  }
  run.branches.set(branch, locked.branch);
  const { now, interval } = lookAtClock();
  const verdict = end(locked, run, read(outcome), new DatabasePort(now, parseNumber('loop_min_interval', interval) * 1000, false));
  if (verdict !== 'busy') endClaim(key);
  return verdict;
}

interface LostRow {
  token: string;
  outcome: string | null;
}

interface Claim {
  instance: string;
  branch: string;
  token: string;
  multipart: boolean;
}

/**
 * Says which requests in flight are to be given up. In: claims as a JSON array of {"instance", "branch", "token", "multipart"}. Out: for each of those its token, and as outcome {"message", "hint"} as JSON with which _df.finish_http is to be called because the submitter may make no request any more; NULL: the step does not count any more (cancelled, a lost race, taken over), and the claim has ended.
 *
 * @plv8ify_schema_name _df
 * @plv8ify_name lost_http
 * @plv8ify_param {text} claims
 * @plv8ify_table {token text, outcome text}
 * @plv8ify_security definer
 * @plv8ify_execute private
 * @plv8ify_strict
 */
export function lostHttp(claims: string): LostRow[] {
  enter();
  const mode = httpMode();
  const held = JSON.parse(claims) as Claim[];
  const refusals = new Map<string, string | null>();
  const standings = standingOf(held);
  return held.flatMap((claim, at): LostRow[] => {
    const { token, multipart } = claim;
    const standing = standings[at]!;
    if (typeof standing === 'number') {
      const key = `${standing} ${multipart}`;
      if (!refusals.has(key)) refusals.set(key, refusal(standing, mode, multipart ? 'HTTP_MULTIPART' : 'HTTP'));
      const outcome = refusals.get(key)!;
      return outcome === null ? [] : [{ token, outcome }];
    }
    if (holdsClaim(claim, token)) {
      const locked = lockRequest(claim);
      // The worker asks again.
      if (locked === 'busy') return [];
      if (locked !== 'gone') discard([claim]);
      endClaim(claim);
    }
    return [{ token, outcome: null }];
  });
}

/** Why the role may make no request now, as JSON; null when it may. */
function refusal(role: number, mode: ReturnType<typeof httpMode>, type: string): string | null {
  try {
    admit(role, mode, type);
    return null;
  } catch (error) {
    if (!(error instanceof DurableError)) throw error;
    const { message, hint } = error;
    return JSON.stringify({ message, hint });
  }
}

/** The submitter's name. Raises DurableError where it may make no request now. */
function admit(role: number, mode: ReturnType<typeof httpMode>, type: string): string {
  if (mode === 'off') {
    throw new DurableError('outbound HTTP requests are disabled, because pg_durable.http is off', {
      code: '55000', hint: "An administrator can set pg_durable.http to 'allowlist' or 'all', where the worker's own session sees it.",
    });
  }
  const submitter = submitterOf(role);
  if (submitter === null) throw new DurableError(`the role with OID ${role}, which submitted the workflow, does not exist any more`, { code: '42704' });
  const { name, login, http, multipart } = submitter;
  if (!login) {
    throw new DurableError(`role "${name}" is not permitted to log in`, { code: '28000', hint: 'Give it LOGIN again: ALTER ROLE … LOGIN.' });
  }
  if (type === 'HTTP' ? !http : !multipart) {
    const which = type === 'HTTP' ? 'df.http()' : 'df.http() in its multipart form, df.http_multipart()';
    throw new DurableError(`role "${name}" does not have EXECUTE privilege on ${which}`, {
      code: '42501', hint: 'An administrator can give it with df.grant_usage(role, include_http => true).',
    });
  }
  return name;
}

function filled(run: Run, branch: Branch, port: DatabasePort, mostBytes: number): ReturnType<typeof fillRequest> {
  return fillRequest(run.program.nodes[branch.pc]!.query!, (text) => substituteNode(run, branch, text, 'raw', port), mostBytes);
}

/** The same for every try of one execution of the node, another for every round of a loop. */
function idempotencyKey(run: Run, branch: Branch): string {
  const { scope, generation } = position(run, branch);
  return `${scope}::${generation}::${nodeId(run, branch.pc)}`;
}

/** Ends the step of a locked branch and writes what follows from it. */
function end(locked: ClaimedRequest, run: Run, outcome: Outcome, port: DatabasePort): 'done' | 'gone' | 'busy' {
  if (!isLive(run.id)) {
    discard([keyOf(locked)]);
    return 'gone';
  }
  const { branch } = locked;
  run.branches.set(branch.key, branch);
  try {
    port.lock(run);
  } catch (error) {
    if (!(error instanceof Busy)) throw error;
    return 'busy';
  }
  if (!isAlive(run, branch)) {
    discard([keyOf(locked)]);
    return 'gone';
  }
  finishStep(run, branch, outcome.kind === 'break' ? outcome : { ...outcome, details: { delivery: 'at-least-once', ...outcome.details } }, port);
  const outside = [...run.branches.values()].some(({ phase, state }) => (phase === 'external' || phase === 'http') && state !== 'clean' && state !== 'gone');
  const goesOn = run.status === 'running' || run.status === 'pending';
  flush([run], locked.role);
  if (goesOn) announceWork(String(locked.role));
  if (goesOn && outside) announceWork('external');
  return 'done';
}

function read(outcome: string): Outcome {
  const text = outcome.slice(1);
  if (outcome.startsWith('r')) {
    if (isJson(text)) return { kind: 'ok', text };
    return { kind: 'failed', text: 'the response cannot be kept as JSON' };
  }
  const { message, hint } = JSON.parse(text) as { message: string; hint?: string };
  return { kind: 'failed', text: message, ...(hint !== undefined && { details: { hint } }) };
}

function keyOf(one: ClaimedRequest): { instance: string; branch: string } {
  return { instance: one.instance, branch: one.branch.key };
}
