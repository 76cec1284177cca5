import test from 'ava';
import { document, sections, written } from '../contract/document.ts';
import { pinnedBy } from '../contract/tests.ts';

for (const { title, items } of sections()) {
  test(`${title} of the contract: a test pins each`, (t) => {
    t.deepEqual(items.filter(({ found }) => found === null).map(({ name }) => name), []);
    t.true(items.length > 0);
  });
}

test('docs/contract.md is what the tests say now', (t) => {
  t.true(written() === document(), 'docs/contract.md is stale: run npm run docs');
});

test('what no test mentions is found to be so', (t) => {
  const cases = [{ file: 'a.sql', title: 'one', text: "SELECT is(df.sql('A'), 'x', 'one');" }];
  t.is(pinnedBy(cases, /df\.seq\(/), null);
  t.deepEqual(pinnedBy(cases, /df\.sql\(/), { file: 'a.sql', title: 'one' });
});
