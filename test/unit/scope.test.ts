import test from 'ava';
import fc from 'fast-check';
import { isStale, parseStamp } from '../../src/engine/scope.ts';

const level = fc.tuple(fc.constantFrom('aaaaaaaa', 'bbbbbbbb'), fc.integer({ min: 1, max: 3 }));
const stamps = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.flat().join('::'));

test('parseStamp', (t) => {
  t.deepEqual(parseStamp('i::2::b::7'), [{ id: 'i', generation: 2 }, { id: 'b', generation: 7 }]);
  for (const bad of ['', 'i', 'i::', '::1', 'i::x', 'i::-1', 'i::1::b', 'i::1::', 'i:1', 'i::1.5', 'i::1::b::9999999999999999', 'a b::1', 'i:::1']) t.is(parseStamp(bad), null, bad);
});

test('isStale by example', (t) => {
  for (const [mine, row] of [
    ['i::1', 'i::2'], ['i::9', 'i::10'], ['i::1::b::7', 'i::2::c::1'], ['i::2::b::1', 'i::2::b::2'], ['i::1::b::1', 'i::2'], ['i::1', 'i::2::b::1'],
    ['i::1::b::2::c::9', 'i::1::b::3::c::1'],
  ] as const) {
    t.true(isStale(mine, row), `${mine} ${row}`);
    t.false(isStale(row, mine), `${row} ${mine}`);
  }
  for (const [mine, row] of [
    ['i::1', 'i::1'], ['i::2::b::1', 'i::2::c::5'], ['i::2', 'i::2::b::1'], ['i::1', 'j::2'], ['i::1::b::1::x::1', 'i::1::c::2::x::2'],
    ['garbage', 'i::2'], ['i::1', 'garbage'], [null, 'i::2'], ['i::1', null],
  ] as const) {
    t.false(isStale(mine, row), `${mine} ${row}`);
    t.false(isStale(row, mine), `${row} ${mine}`);
  }
});

test('of two stamps at most one is stale against the other, and stamps of one lineage are ordered', (t) => {
  fc.assert(fc.property(stamps, stamps, (a, b) => {
    t.false(isStale(a, a));
    t.false(isStale(a, b) && isStale(b, a));
  }));
  fc.assert(fc.property(stamps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), stamps, (scope, older, newer, inner) => {
    if (older === newer) return;
    const [low, high] = [Math.min(older, newer), Math.max(older, newer)];
    t.true(isStale(`${scope}::s::${low}`, `${scope}::s::${high}`));
    t.true(isStale(`${scope}::s::${low}::${inner}`, `${scope}::s::${high}`));
    t.false(isStale(`${scope}::s::${low}`, `${scope}::z::${high}`));
  }));
});
