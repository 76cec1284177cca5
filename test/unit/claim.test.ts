import test from 'ava';
import { claimId, MOST_ROLLS } from '../../src/db/claim.ts';
import { raises } from './_raises.ts';

/** Proposes 1, 2, 3, … and notes what was proposed. */
function counter(): { roll: () => number; rolled: number[] } {
  const rolled: number[] = [];
  return { rolled, roll: () => { rolled.push(rolled.length + 1); return rolled.length; } };
}

test('the first proposal is claimed when it is free, and no other is rolled', (t) => {
  const { roll, rolled } = counter();
  t.is(claimId('an id', roll, () => true), 1);
  t.deepEqual(rolled, [1]);
});

test('a proposal that is taken is rolled again, and what comes back is the one that was claimed', (t) => {
  const { roll, rolled } = counter();
  const tried: number[] = [];
  t.is(claimId('an id', roll, (id) => { tried.push(id); return id === 4; }), 4);
  t.deepEqual(tried, [1, 2, 3, 4]);
  t.deepEqual(rolled, tried);
});

test('the last try counts', (t) => {
  t.is(claimId('an id', counter().roll, (id) => id === MOST_ROLLS), MOST_ROLLS);
});

test('when all tries are used up it raises an error with their number, and gives no id that was not claimed', (t) => {
  const { roll, rolled } = counter();
  const error = raises(t, () => claimId('an instance id', roll, () => false), '23505', /^could not claim an instance id: 10 tries met ids that are taken$/);
  t.regex(error.hint ?? '', /again/);
  t.is(rolled.length, MOST_ROLLS);
});

test('an error of the claim is passed on as it is, and is no collision', (t) => {
  const { roll, rolled } = counter();
  const fault = new Error('permission denied');
  t.is(t.throws(() => claimId('an id', roll, (id) => { if (id === 2) throw fault; return false; })), fault);
  t.deepEqual(rolled, [1, 2]);
});

test('an error of the generator is passed on', (t) => {
  const fault = new Error('no entropy');
  t.is(t.throws(() => claimId('an id', () => { throw fault; }, () => true)), fault);
});
