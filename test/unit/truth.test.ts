import test from 'ava';
import { truth } from '../../src/engine/truth.ts';

const TRUE = ['true', '1', '-0.5', '1e-400', '"true"', '"T"', '" yes "', '"x"', '"2"', '"-1.5e3"', '"NaN"', '"0x0"', '"off"', '"n"', '".1"', '[0]', '[[]]', '{"a":null}'];
const FALSE = ['false', 'null', '0', '-0', '0.00', '0e10', '""', '"  "', '"FALSE"', '"f"', '" No\\n"', '"0"', '"0.00"', '"+0"', '"-0.0e5"', '"0."', '[]', '{}', ' [ ] '];

test('a result without rows counts as a whole', (t) => {
  for (const raw of TRUE) t.true(truth(raw), raw);
  for (const raw of FALSE) t.false(truth(raw), raw);
});

test('a SQL result counts by the first column of its first row', (t) => {
  for (const raw of TRUE) t.true(truth(`{"rows":[{"z":${raw},"a":false},{"z":false,"a":false}],"row_count":2}`), raw);
  for (const raw of FALSE) t.false(truth(`{"rows":[{"z":${raw},"a":true},{"z":true,"a":true}],"row_count":2}`), raw);
});

test('no rows, and a row without columns, are false', (t) => {
  t.false(truth('{"rows":[],"row_count":0}'));
  t.false(truth('{"rows":[{}],"row_count":1}'));
});

test('an HTTP or signal envelope is an object like any other', (t) => {
  t.true(truth('{"status":500,"ok":false}'));
  t.true(truth('{"signal_name":"go","timed_out":true,"data":null}'));
});
