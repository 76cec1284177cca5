import test from 'ava';
import fc from 'fast-check';
import type { Decision, Limits } from '../../src/worker/decision.ts';
import { HESITATION, PROBE, Scheduler, SETTLED, SHORT_SLICE, SLICE, SLOW_OPENING } from '../../src/worker/scheduler.ts';

const LIMITS: Limits = { open: 4, busy: 4, perRole: 3, idle: 60_000, acquireTimeout: 30_000 };
const NOTHING = { steps: 0, nextDue: null, more: false };
const A = 100;
const B = 200;

/** All decisions that are due now. */
function drain(scheduler: Scheduler, now: number): Decision[] {
  const decisions: Decision[] = [];
  for (let decision = scheduler.next(now); decision !== null; decision = scheduler.next(now)) decisions.push(decision);
  return decisions;
}

const kinds = (decisions: readonly Decision[]): string[] => decisions.map(({ kind, role }) => `${kind} ${role}`);
const seatOf = (decision: Decision | undefined): number => (decision !== undefined && 'seat' in decision ? decision.seat : -1);

/** A scheduler whose role A has a session that is inside a call since time 0. */
function withOneBusy(limits: Limits = LIMITS): { scheduler: Scheduler; seat: number } {
  const scheduler = new Scheduler(limits);
  scheduler.wake(A, 0);
  const seat = seatOf(drain(scheduler, 0)[0]);
  scheduler.opened(seat, 0);
  drain(scheduler, 0);
  return { scheduler, seat };
}

test('the first wake opens a session, which is run as soon as it is there', (t) => {
  const scheduler = new Scheduler(LIMITS);
  scheduler.wake(A, 0);
  const opened = drain(scheduler, 0);
  t.deepEqual(kinds(opened), [`open ${A}`]);
  scheduler.opened(seatOf(opened[0]), 40);
  t.deepEqual(drain(scheduler, 40), [{ kind: 'run', seat: seatOf(opened[0]), role: A, slice: SLICE }]);
});

test('a warm session takes a wake at once', (t) => {
  const { scheduler, seat } = withOneBusy();
  scheduler.completed(seat, NOTHING, 5);
  t.deepEqual(drain(scheduler, 5), []);
  t.true(scheduler.hasWarm(A));
  scheduler.wake(A, 900);
  t.deepEqual(kinds(drain(scheduler, 900)), [`run ${A}`]);
});

test('with all sessions busy a wake waits a moment for one, and is not lost', (t) => {
  const { scheduler, seat } = withOneBusy();
  scheduler.wake(A, 50);
  t.deepEqual(drain(scheduler, 50), []);
  t.is(scheduler.nextCheck(50), 50 + HESITATION);
  // What woke us may have come after the call's last look: the seat that comes free looks again.
  scheduler.completed(seat, NOTHING, 50 + HESITATION - 1);
  t.deepEqual(kinds(drain(scheduler, 50 + HESITATION - 1)), [`run ${A}`]);
});

test('a wake opens one further session when none comes free', (t) => {
  const { scheduler } = withOneBusy();
  scheduler.wake(A, 50);
  t.deepEqual(kinds(drain(scheduler, 50 + HESITATION)), [`open ${A}`]);
  scheduler.wake(A, 51 + HESITATION);
  t.deepEqual(drain(scheduler, 51 + 3 * HESITATION), [], 'one at a time');
});

test('a call with work left grows the lane up to its limit', (t) => {
  const { scheduler, seat } = withOneBusy();
  scheduler.completed(seat, { steps: 9, nextDue: null, more: true }, SLICE);
  t.deepEqual(kinds(drain(scheduler, SLICE)), [`run ${A}`, `open ${A}`]);
});

test('behind a long step one more session looks; when it finds nothing no other does', (t) => {
  const { scheduler } = withOneBusy();
  t.deepEqual(drain(scheduler, PROBE - 1), []);
  const probe = drain(scheduler, PROBE);
  t.deepEqual(kinds(probe), [`open ${A}`]);
  scheduler.opened(seatOf(probe[0]), PROBE + 40);
  drain(scheduler, PROBE + 40);
  scheduler.completed(seatOf(probe[0]), NOTHING, PROBE + 41);
  t.deepEqual(drain(scheduler, PROBE + 5000), []);
  t.is(scheduler.counts.open, 2);
});

test('due work that nobody is at gets one more session, though all sessions of the role are inside long steps', (t) => {
  const { scheduler } = withOneBusy({ ...LIMITS, idle: 100 });
  const probe = drain(scheduler, PROBE);
  scheduler.opened(seatOf(probe[0]), PROBE);
  drain(scheduler, PROBE);
  scheduler.completed(seatOf(probe[0]), NOTHING, PROBE);
  t.deepEqual(kinds(drain(scheduler, PROBE + 100)), [`close ${A}`]);
  scheduler.closed(seatOf(probe[0]));
  scheduler.sweepDue(A, PROBE + 500);
  t.deepEqual(kinds(drain(scheduler, PROBE + 500 + HESITATION)), [`open ${A}`]);
});

test('slices are short when sessions are scarce', (t) => {
  const { scheduler, seat } = withOneBusy({ ...LIMITS, open: 1, busy: 1, perRole: 1 });
  scheduler.completed(seat, { ...NOTHING, more: true }, SLICE);
  t.deepEqual(drain(scheduler, SLICE), [{ kind: 'run', seat, role: A, slice: SHORT_SLICE }]);
});

test('the role that waits gets the next turn, by closing a session of the other when there is no room', (t) => {
  const { scheduler, seat } = withOneBusy({ ...LIMITS, open: 1, busy: 1, perRole: 1 });
  scheduler.wake(B, 10);
  t.deepEqual(drain(scheduler, 10), []);
  scheduler.completed(seat, { steps: 5, nextDue: null, more: true }, 20);
  t.deepEqual(kinds(drain(scheduler, 20)), [`close ${A}`]);
  scheduler.closed(seat);
  t.deepEqual(kinds(drain(scheduler, 21)), [`open ${B}`]);
});

/** No room for a third session: A is inside a long step since 0, B's session has ended a call at `used`. */
function full(used: number): { scheduler: Scheduler; warm: number } {
  const { scheduler } = withOneBusy({ ...LIMITS, open: 2, busy: 2 });
  scheduler.wake(B, 0);
  const warm = seatOf(drain(scheduler, 0)[0]);
  scheduler.opened(warm, 0);
  drain(scheduler, 0);
  scheduler.completed(warm, NOTHING, used);
  return { scheduler, warm };
}

test('a session that another role uses is not closed for a further one of a role that has one, unless that has asked for long', (t) => {
  const { scheduler, warm } = full(1);
  const asked = PROBE - HESITATION;
  t.deepEqual(drain(scheduler, PROBE), []);
  scheduler.wake(B, PROBE + 300);
  drain(scheduler, PROBE + 300);
  scheduler.completed(warm, NOTHING, PROBE + 301);
  t.deepEqual(drain(scheduler, asked + SETTLED - 1), []);
  t.is(scheduler.nextCheck(asked + SETTLED - 1), asked + SETTLED);
  t.deepEqual(kinds(drain(scheduler, asked + SETTLED)), [`close ${B}`]);
});

test('a session that nobody has used for a while is closed for a further one of another role', (t) => {
  const { scheduler } = full(1);
  t.deepEqual(kinds(drain(scheduler, SETTLED)), [], 'not yet asked for long, not yet unused for long');
  t.is(scheduler.nextCheck(SETTLED), SETTLED + 1);
  t.deepEqual(kinds(drain(scheduler, SETTLED + 1)), [`close ${B}`]);
});

test('a role that has none gets its first session at once, from the role that has most', (t) => {
  const { scheduler } = full(1);
  scheduler.wake(300, 2);
  t.deepEqual(kinds(drain(scheduler, 2)), [`close ${B}`]);
  const many = new Scheduler({ ...LIMITS, open: 3, busy: 3, perRole: 3 });
  many.wake(A, 0);
  const first = seatOf(drain(many, 0)[0]);
  many.opened(first, 0);
  drain(many, 0);
  many.completed(first, { ...NOTHING, more: true }, 1);
  const second = seatOf(drain(many, 1).find(({ kind }) => kind === 'open'));
  many.opened(second, 2);
  many.wake(B, 2);
  const third = seatOf(drain(many, 2).find(({ kind, role }) => kind === 'open' && role === B));
  many.opened(third, 3);
  drain(many, 3);
  many.completed(third, NOTHING, 4);
  many.completed(first, NOTHING, 5);
  many.completed(second, NOTHING, 5);
  many.wake(300, 6);
  t.deepEqual(kinds(drain(many, 6)), [`close ${A}`], 'though B has used its only one less lately');
});

test('further sessions are opened one at a time in all roles together, a role\'s first at once; one that opens slowly holds up no other', (t) => {
  const scheduler = new Scheduler({ ...LIMITS, open: 9, busy: 9, perRole: 9 });
  scheduler.wake(A, 0);
  scheduler.wake(B, 0);
  const [a, b] = drain(scheduler, 0).map(seatOf);
  scheduler.opened(a!, 1);
  scheduler.opened(b!, 1);
  drain(scheduler, 1);
  const further = drain(scheduler, 1 + PROBE);
  t.deepEqual(kinds(further), [`open ${A}`]);
  scheduler.wake(300, 2 + PROBE);
  const third = drain(scheduler, 2 + PROBE);
  t.deepEqual(kinds(third), ['open 300']);
  scheduler.opened(seatOf(third[0]), 3 + PROBE);
  t.deepEqual(kinds(drain(scheduler, 3 + PROBE)), ['run 300']);
  t.deepEqual(drain(scheduler, 4 + PROBE + PROBE), []);
  t.is(scheduler.nextCheck(4 + PROBE + PROBE), 1 + PROBE + SLOW_OPENING);
  t.deepEqual(kinds(drain(scheduler, PROBE + SLOW_OPENING)), []);
  t.deepEqual(kinds(drain(scheduler, 1 + PROBE + SLOW_OPENING)), [`open ${B}`]);
});

test('a timer wakes its role, the earliest first, however far it is', (t) => {
  const scheduler = new Scheduler(LIMITS);
  const year = 365 * 86_400_000;
  scheduler.timer(A, year);
  scheduler.timer(A, 2 * year);
  t.is(scheduler.nextCheck(0), year);
  t.deepEqual(drain(scheduler, year - 1), []);
  t.deepEqual(kinds(drain(scheduler, year)), [`open ${A}`]);
});

test('a lane that is held back is not served before, and is not called starved', (t) => {
  const scheduler = new Scheduler(LIMITS);
  scheduler.holdOpening(A, 90_000, 0);
  t.deepEqual(drain(scheduler, 89_999), []);
  t.is(scheduler.nextCheck(89_999), 90_000);
  t.deepEqual(kinds(drain(scheduler, 90_000)), [`open ${A}`]);
  const held = new Scheduler(LIMITS);
  held.holdRole(A, 90_000, 0);
  t.deepEqual(drain(held, 89_999), []);
  held.resume();
  t.deepEqual(kinds(drain(held, 89_999)), [`open ${A}`], 'a server that is back starts afresh');
});

test('work that gets no session in time is starved, and reported again every second', (t) => {
  const { scheduler } = withOneBusy({ ...LIMITS, busy: 1 });
  scheduler.wake(B, 1000);
  t.deepEqual(drain(scheduler, 30_999).filter(({ role }) => role === B), []);
  t.deepEqual(kinds(drain(scheduler, 31_000)).filter((kind) => kind.endsWith(String(B))), [`starved ${B}`]);
  t.deepEqual(kinds(drain(scheduler, 31_999)).filter((kind) => kind.endsWith(String(B))), []);
  t.deepEqual(kinds(drain(scheduler, 32_000)).filter((kind) => kind.endsWith(String(B))), [`starved ${B}`]);
});

test('suspended nothing begins; stopping, warm sessions are closed', (t) => {
  const { scheduler, seat } = withOneBusy();
  scheduler.suspend();
  scheduler.wake(B, 1);
  t.deepEqual(drain(scheduler, 1), []);
  scheduler.resume();
  t.deepEqual(kinds(drain(scheduler, 1)), [`open ${B}`]);
  scheduler.completed(seat, { ...NOTHING, more: true }, 2);
  scheduler.stop();
  t.deepEqual(kinds(drain(scheduler, 2)), [`close ${A}`]);
});

test('a seat whose time is over still takes the work that waits for one', (t) => {
  const { scheduler, seat } = withOneBusy({ ...LIMITS, idle: 0 });
  scheduler.wake(A, 3);
  scheduler.completed(seat, NOTHING, 4);
  t.deepEqual(kinds(drain(scheduler, 4)), [`run ${A}`]);
});

test('limits that are lowered hold from the next call on', (t) => {
  const { scheduler, seat } = withOneBusy();
  scheduler.completed(seat, { ...NOTHING, more: true }, 5);
  const second = seatOf(drain(scheduler, 5).find(({ kind }) => kind === 'open'));
  scheduler.opened(second, 6);
  drain(scheduler, 6);
  scheduler.setLimits({ ...LIMITS, perRole: 1 });
  scheduler.completed(seat, { ...NOTHING, more: true }, 7);
  t.deepEqual(drain(scheduler, 7), []);
  scheduler.completed(second, NOTHING, 8);
  scheduler.wake(A, 8);
  t.deepEqual(kinds(drain(scheduler, 8)), [`run ${A}`]);
});

/**
 * A world for the scheduler: roles with queues of steps of some length, sessions that open and work in simulated time.
 * Returns what happened.
 */
function simulate(limits: Limits, arrivals: readonly { at: number; role: number; lasts: number; external?: boolean }[], horizon: number) {
  const scheduler = new Scheduler(limits);
  const queues = new Map<number, { at: number; lasts: number }[]>();
  const externals = new Map<number, { at: number; lasts: number }[]>();
  const opening = new Map<number, { role: number; ready: number }>();
  const calls = new Map<number, { role: number; end: number; more: boolean; steps: number; external?: boolean }>();
  const served: { role: number; waited: number }[] = [];
  const sorted = [...arrivals].sort((a, b) => a.at - b.at);
  let most = 0;
  let mostOfOne = 0;
  let busiest = 0;
  for (let now = 0; now <= horizon; now += 1) {
    for (; sorted[0] !== undefined && sorted[0].at <= now; sorted.shift()) {
      const { role, lasts, external } = sorted[0];
      const waiting = external ? externals : queues;
      waiting.set(role, [...(waiting.get(role) ?? []), { at: now, lasts }]);
      if (external) scheduler.externalDue(role, now);
      else scheduler.wake(role, now);
    }
    for (const [seat, { ready }] of opening) if (ready <= now) {
      opening.delete(seat);
      scheduler.opened(seat, now);
    }
    for (const [seat, call] of calls) if (call.end <= now) {
      calls.delete(seat);
      if (call.external) scheduler.closed(seat);
      else scheduler.completed(seat, { steps: call.steps, nextDue: null, more: call.more }, now);
    }
    for (const decision of drain(scheduler, now)) {
      if (decision.kind === 'open') opening.set(decision.seat, { role: decision.role, ready: now + 20 });
      if (decision.kind === 'close') scheduler.closed(decision.seat);
      if (decision.kind === 'external') {
        const step = externals.get(decision.role)?.shift();
        if (step === undefined) scheduler.closed(decision.seat);
        else {
          served.push({ role: decision.role, waited: now - step.at });
          calls.set(decision.seat, { role: decision.role, end: now + step.lasts, more: false, steps: 0, external: true });
          scheduler.externalClaimed(decision.seat, now);
          scheduler.externalDue(decision.role, now);
        }
      }
      if (decision.kind === 'run') {
        const queue = queues.get(decision.role) ?? [];
        let end = now + 1;
        let steps = 0;
        while (queue[0] !== undefined && end < now + decision.slice) {
          const step = queue.shift() as { at: number; lasts: number };
          served.push({ role: decision.role, waited: end - step.at });
          end += step.lasts;
          steps += 1;
        }
        calls.set(decision.seat, { role: decision.role, end, more: queue.length > 0, steps });
      }
    }
    most = Math.max(most, scheduler.counts.open);
    busiest = Math.max(busiest, calls.size + opening.size);
    for (const role of new Set([...queues.keys(), ...externals.keys()])) {
      mostOfOne = Math.max(mostOfOne, [...calls.values(), ...opening.values()].filter((call) => call.role === role).length);
    }
  }
  return { served, most, busiest, mostOfOne, left: [...queues.values(), ...externals.values()].flat().length };
}

test('whatever arrives when: everything is served, within the limits', (t) => {
  const arrival = fc.record({ at: fc.integer({ min: 0, max: 2000 }), role: fc.integer({ min: 1, max: 6 }), lasts: fc.integer({ min: 1, max: 300 }), external: fc.boolean() });
  const limits = fc.record({ open: fc.integer({ min: 1, max: 5 }), busy: fc.integer({ min: 1, max: 5 }), perRole: fc.integer({ min: 1, max: 4 }), idle: fc.constantFrom(0, 100, 60_000) });
  fc.assert(fc.property(limits, fc.array(arrival, { maxLength: 30 }), (bounds, arrivals) => {
    const all = { ...bounds, busy: Math.min(bounds.busy, bounds.open), acquireTimeout: 1e9 };
    const { served, most, busiest, mostOfOne, left } = simulate(all, arrivals, 2000 + 30 * 350 + 30 * 50);
    t.is(left, 0);
    t.is(served.length, arrivals.length);
    t.true(most <= all.open && busiest <= all.busy && mostOfOne <= all.perRole, `${most} open, ${busiest} busy, ${mostOfOne} of one role`);
  }), { numRuns: 60 });
});

test('external steps count as sessions, and a role with both kinds gets them by turns', (t) => {
  const { scheduler, seat } = withOneBusy({ ...LIMITS, busy: 1 });
  scheduler.externalDue(A, 5);
  scheduler.wake(A, 6);
  t.deepEqual(drain(scheduler, 50), []);
  scheduler.completed(seat, { ...NOTHING, more: true }, 60);
  const [external, ...others] = drain(scheduler, 60);
  t.deepEqual(kinds([external!, ...others]), [`external ${A}`]);
  scheduler.externalDue(A, 61);
  scheduler.closed(seatOf(external));
  t.deepEqual(kinds(drain(scheduler, 70)), [`run ${A}`]);
});

test('while an external step is still to be claimed no other of the role is begun, and afterwards only what is due then', (t) => {
  const scheduler = new Scheduler(LIMITS);
  scheduler.externalDue(A, 0);
  const seat = seatOf(drain(scheduler, 0)[0]);
  scheduler.externalDue(A, 10);
  scheduler.externalDue(B, 10);
  t.deepEqual(kinds(drain(scheduler, 10)), [`external ${B}`]);
  scheduler.externalClaimed(seat, 20);
  t.deepEqual(drain(scheduler, 20), []);
  scheduler.externalDue(A, 21);
  t.deepEqual(kinds(drain(scheduler, 21)), [`external ${A}`]);
});

test('an external step that fails for a while is begun again, and one that gets no seat in time is starved', (t) => {
  const scheduler = new Scheduler({ ...LIMITS, busy: 1, acquireTimeout: 1000 });
  scheduler.externalDue(A, 0);
  const [first] = drain(scheduler, 0);
  scheduler.holdExternal(A, 200, 10);
  scheduler.closed(seatOf(first));
  t.deepEqual(drain(scheduler, 100), []);
  t.is(scheduler.nextCheck(100), 210);
  t.deepEqual(kinds(drain(scheduler, 210)), [`external ${A}`]);
  scheduler.externalDue(B, 210);
  t.is(scheduler.nextCheck(210), 1210);
  t.deepEqual(kinds(drain(scheduler, 1210)), [`starved ${B}`]);
});

test('fairness: an external step waits for one of the others at most, however many another role has', (t) => {
  const backlog = Array.from({ length: 500 }, () => ({ at: 0, role: 10, lasts: 20, external: true }));
  const steps = Array.from({ length: 4000 }, () => ({ at: 0, role: 11, lasts: 2 }));
  const limits = { open: 2, busy: 2, perRole: 2, idle: 60_000, acquireTimeout: 1e9 };
  const { served } = simulate(limits, [...backlog, ...steps, { at: 700, role: 1, lasts: 5, external: true }], 1500);
  const waited = served.find(({ role }) => role === 1)?.waited ?? Number.POSITIVE_INFINITY;
  t.true(waited <= SLICE + 25, `waited ${waited} ms`);
});

test('fairness: a role with one step waits a few slices at most behind roles with thousands', (t) => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 100, max: 1500 }), (open, greedy, at) => {
    const limits = { open, busy: open, perRole: open, idle: 60_000, acquireTimeout: 1e9 };
    const backlog = Array.from({ length: greedy }, (_, i) => Array.from({ length: 4000 }, () => ({ at: 0, role: i + 10, lasts: 2 }))).flat();
    const { served } = simulate(limits, [...backlog, { at, role: 1, lasts: 2 }], at + 1200);
    const waited = served.find(({ role }) => role === 1)?.waited ?? Number.POSITIVE_INFINITY;
    // A slice until a seat is free (a long one if it began when seats were plenty), and 20 ms for the session.
    t.true(waited <= SLICE + SHORT_SLICE + 25, `waited ${waited} ms with ${open} seats behind ${greedy}`);
  }), { numRuns: 15 });
});
