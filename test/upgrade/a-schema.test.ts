/** Scenario A: an installation that was updated is the one that a fresh install gives, in every property we know of. */
import test from 'ava';
import { describe, difference } from './_catalog.ts';
import { CURRENT, Line, PATHS, updateTo, VERSIONS } from './_line.ts';

let line: Line;
test.before(async () => { line = await Line.start(); });
test.after.always(() => line?.end());

async function described(version: string, ...commands: string[]): Promise<string[]> {
  const client = await line.cluster.client('postgres', await line.database(version));
  for (const command of commands) await client.query(command);
  const lines = await describe(client);
  await client.end();
  return lines;
}

for (const { from, to } of PATHS) {
  test(`A: ${from} updated to ${to} is a fresh ${to}`, async (t) => {
    t.deepEqual(difference(await described(to), await described(from, updateTo(to))), []);
  });
}

test('A: one version at a time leads to the same as all at once', async (t) => {
  const [first, ...rest] = VERSIONS;
  t.true(rest.length >= 2);
  t.deepEqual(difference(await described(CURRENT), await described(first!, ...rest.map(updateTo))), []);
});

test('A: the version is what the catalog, df.version() and the control file say', async (t) => {
  const database = await line.database(VERSIONS[0]!);
  await line.cluster.query('ALTER EXTENSION pg_durable UPDATE', database);
  const [row] = await line.cluster.query('SELECT extversion AS catalog, df.version() AS said FROM pg_extension WHERE extname = \'pg_durable\'', database);
  t.deepEqual(row, { catalog: CURRENT, said: CURRENT });
});

// What the comparison is worth: each of these is a difference that an upgrade script could leave, and must be seen.
const blemishes: [what: string, sql: string, seen: RegExp][] = [
  ['a default', 'ALTER TABLE df.nodes ALTER status SET DEFAULT \'ready\'', /column: df\.nodes\.\d+ \| status/],
  ['a column\'s type', 'ALTER TABLE df.nodes ALTER error TYPE varchar(100)', /column: df\.nodes\.\d+ \| error/],
  ['a missing NOT NULL', 'ALTER TABLE _df.runs ALTER graph DROP NOT NULL', /column: _df\.runs\.\d+ \| graph/],
  ['a constraint that is validated', 'ALTER TABLE df.nodes VALIDATE CONSTRAINT nodes_status_chk', /constraint: df\.nodes \| nodes_status_chk .*validated/],
  ['a constraint\'s rule', 'ALTER TABLE df.nodes DROP CONSTRAINT nodes_status_chk, ADD CONSTRAINT nodes_status_chk CHECK (status IS NOT NULL) NOT VALID', /nodes_status_chk/],
  ['an index\'s order', 'DROP INDEX df.idx_instances_created_at; CREATE INDEX idx_instances_created_at ON df.instances (created_at, id)', /index: .*idx_instances_created_at/],
  ['an index outside the extension', 'DROP INDEX df.idx_nodes_instance; CREATE INDEX another ON df.nodes (instance_id)', /index: .*another/],
  ['a policy', 'ALTER POLICY nodes_user_isolation ON df.nodes USING (true)', /policy: df\.nodes \| nodes_user_isolation/],
  ['row-level security', 'ALTER TABLE df.vars DISABLE ROW LEVEL SECURITY', /relation: df\.vars/],
  ['a grant on a table', 'GRANT SELECT ON df.nodes TO PUBLIC', /relation: df\.nodes .*PUBLIC=SELECT/],
  ['a grant on a column', 'GRANT UPDATE (root_node) ON df.instances TO PUBLIC', /column: df\.instances\.\d+ \| root_node/],
  ['a grant on a function', 'GRANT EXECUTE ON FUNCTION df.metrics() TO PUBLIC', /function: df\.metrics\(\)/],
  ['a comment', 'COMMENT ON COLUMN df.nodes.status_details IS \'?\'', /column: df\.nodes\.\d+ \| status_details/],
  ['a body', 'CREATE OR REPLACE FUNCTION df.version() RETURNS text LANGUAGE sql VOLATILE STRICT AS $$SELECT \'1\'$$', /function: df\.version\(\)/],
  ['a trigger', 'ALTER TABLE df.instances DISABLE TRIGGER forget', /trigger: .*forget/],
  ['an operator\'s comment', 'COMMENT ON OPERATOR pg_catalog.~> (text, text) IS NULL', /operator: /],
  ['an object that left the extension', 'ALTER EXTENSION pg_durable DROP FUNCTION df.version()', /member: function df\.version\(\)/],
  ['a storage parameter', 'ALTER TABLE df.nodes SET (fillfactor = 100)', /relation: df\.nodes/],
  ['the engine\'s format', 'UPDATE _df._worker_ready SET schema_version = 2', /ready: t \| 2/],
];
test('A: the comparison sees what an upgrade script could get wrong', async (t) => {
  const client = await line.cluster.client('postgres', await line.database(CURRENT));
  const whole = await describe(client);
  for (const [what, sql, seen] of blemishes) {
    await client.query('BEGIN');
    await client.query(sql);
    const found = difference(whole, await describe(client));
    t.true(found.some((each) => seen.test(each)), `${what}: ${found.join('\n') || 'nothing was seen'}`);
    await client.query('ROLLBACK');
  }
});
