/** What would stop an update: it fails as a whole, says what is in the way and what to do, and goes through once that is done. */
import test from 'ava';
import { describe, difference } from './_catalog.ts';
import { begin, CURRENT, Line, updateTo, VERSIONS } from './_line.ts';

let line: Line;
test.before(async () => { line = await Line.start(); });
test.after.always(() => line?.end());

const OLDER = VERSIONS.slice(0, -1);
/** A row of a time when nothing forbade it. */
const unchecked = (constraint: string, rule: string, insert: string): string =>
  `ALTER TABLE df.nodes DROP CONSTRAINT ${constraint}; ${insert}; SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE df.nodes ADD CONSTRAINT ${constraint} CHECK (${rule}) NOT VALID`;

const obstacles: { what: string; sql: string; message: RegExp; hint: RegExp; remedy: string }[] = [
  {
    what: 'nodes without an instance',
    sql: unchecked('nodes_instance_id_present_chk', 'instance_id IS NOT NULL', `INSERT INTO df.nodes (id, node_type, query, submitted_by) VALUES ('0000dead', 'SQL', 'SELECT 1', 'alice'::regrole), ('0000beef', 'SQL', 'SELECT 1', 'alice'::regrole)`),
    message: /^df\.nodes has 2 row\(s\) without an instance_id/, hint: /DELETE FROM df\.nodes WHERE instance_id IS NULL/, remedy: 'DELETE FROM df.nodes WHERE instance_id IS NULL',
  },
  {
    what: 'a foreign key of one\'s own to the old key', sql: 'CREATE TABLE public.remark (node varchar(8) REFERENCES df.nodes (id), text text)',
    message: /^the primary key \(id\) of df\.nodes cannot be replaced/, hint: /^Drop them/, remedy: 'ALTER TABLE public.remark DROP CONSTRAINT remark_node_fkey',
  },
  {
    what: 'a view that groups by the old key', sql: 'CREATE VIEW public.busy AS SELECT id, status FROM df.nodes GROUP BY id',
    message: /^the primary key \(id\) of df\.nodes cannot be replaced/, hint: /^Drop them/, remedy: 'DROP VIEW public.busy',
  },
];

for (const from of OLDER) {
  for (const { what, sql, message, hint, remedy } of obstacles) {
    test(`C: ${from} with ${what} stays as it is, whole, until that is mended`, async (t) => {
      const database = await line.database(from);
      const client = await line.cluster.client('postgres', database);
      await client.query(sql);
      const before = await describe(client);
      const error = await t.throwsAsync<Error & { hint?: string; detail?: string }>(client.query(updateTo(CURRENT)), { message });
      t.regex(error?.hint ?? '', hint);
      t.regex(error?.detail ?? '', /no instance|remark_node_fkey|view public\.busy/);
      t.deepEqual(difference(before, await describe(client)), []);
      t.is((await client.query('SELECT df.version() AS version')).rows[0].version, from);
      const alice = await line.cluster.client('alice', database);
      const id = await begin(alice, 'under the old version', `'SELECT 1'`);
      await alice.query('CALL df.work()');
      t.is((await alice.query('SELECT df.status($1) AS status', [id])).rows[0].status, 'completed');
      await client.query(remedy);
      await client.query(updateTo(CURRENT));
      const fresh = await line.cluster.client('postgres', await line.database(CURRENT));
      t.deepEqual(difference(await describe(fresh), await describe(client)), []);
      await Promise.all([alice.end(), client.end(), fresh.end()]);
    });
  }

  test(`C: malformed rows of ${from} do not stop an update, and stay as they are`, async (t) => {
    const database = await line.database(from);
    const client = await line.cluster.client('postgres', database);
    // Constraints that are not valid hold for what is written; these rows are from before they were added.
    const { rows: checks } = await client.query<{ name: string; table: string; rule: string }>(`
      SELECT conname AS name, conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS rule FROM pg_constraint
      WHERE connamespace = 'df'::regnamespace AND contype IN ('c', 'f') AND NOT convalidated`);
    t.true(checks.length >= 15);
    for (const { name, table } of checks) await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${name}`);
    await client.query(`
      INSERT INTO df.instances (id, root_node, submitted_by, status) VALUES ('OLD', 'ROOT', 'alice'::regrole, 'canceled'), ('0000000a', '0000000b', 'alice'::regrole, 'completed');
      INSERT INTO df.nodes (id, instance_id, node_type, query, left_node, status, result, submitted_by) VALUES
        ('ROOT', 'OLD', 'PARALLEL', NULL, 'gone', 'done', '1', NULL), ('stray', 'nowhere', 'SQL', NULL, NULL, NULL, NULL, 'alice'::regrole)`);
    for (const { name, table, rule } of checks) await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${name} ${rule}`);
    const rows = async (): Promise<unknown[]> => (await client.query(`SELECT 'i' AS of, to_jsonb(i)::text AS row FROM df.instances i UNION ALL SELECT 'n', (to_jsonb(n) - 'status_details')::text FROM df.nodes n ORDER BY 1, 2`)).rows;
    const before = await rows();
    await client.query(updateTo(CURRENT));
    t.deepEqual(await rows(), before);
    const fresh = await line.cluster.client('postgres', await line.database(CURRENT));
    t.deepEqual(difference(await describe(fresh), await describe(client)), []);
    // They do no harm to readers; df.explain looks up whole ids only.
    const alice = await line.cluster.client('alice', database);
    t.is((await alice.query('SELECT FROM df.list_instances()')).rows.length, 2);
    t.regex((await alice.query(`SELECT df.explain('0000000a') AS text`)).rows[0].text, /0000000a/);
    t.notRegex((await alice.query(`SELECT df.explain('OLD') AS text`)).rows[0].text, /^Instance: /);
    const id = await begin(alice, 'beside them', `'SELECT 1'`);
    await alice.query('CALL df.work()');
    t.is((await alice.query('SELECT df.status($1) AS status', [id])).rows[0].status, 'completed');
    // Whoever wants the constraints to be valid is told by PostgreSQL which row is not.
    await t.throwsAsync(client.query('ALTER TABLE df.nodes VALIDATE CONSTRAINT nodes_node_type_chk'), { message: /nodes_node_type_chk.*violated/ });
    await Promise.all([alice.end(), client.end(), fresh.end()]);
  });

  test(`C: what ${from} wrote by itself satisfies every constraint that is not validated`, async (t) => {
    const database = await line.database(from);
    const alice = await line.cluster.client('alice', database);
    for (const expression of [`'SELECT 1' ~> ('SELECT 2' & df.sleep(0))`, `df.loop('SELECT 1', 'SELECT false')`, `'SELECT 1/0'`, `df.race('SELECT 1', df.sleep(60))`]) await begin(alice, 'some', expression);
    await alice.query('CALL df.work()');
    await line.cluster.query(updateTo(CURRENT), database);
    const open = await line.cluster.query<{ sql: string }>(`SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) AS sql FROM pg_constraint WHERE connamespace = 'df'::regnamespace AND NOT convalidated`, database);
    t.true(open.length >= 15);
    for (const { sql } of open) await t.notThrowsAsync(line.cluster.query(sql, database), sql);
    await alice.end();
  });
}

test('C: what an operator has added under a name that a release brings is named, and the update goes through without it', async (t) => {
  const client = await line.cluster.client('postgres', await line.database('0.2.2'));
  await client.query('CREATE INDEX idx_instances_label ON df.instances (label); CREATE TABLE df.http_allowlist (host text)');
  const before = await describe(client);
  for (const [message, remedy] of [[/"idx_instances_label" already exists/, 'DROP INDEX df.idx_instances_label'], [/"http_allowlist" already exists/, 'ALTER TABLE df.http_allowlist SET SCHEMA public']] as const) {
    await t.throwsAsync(client.query(updateTo(CURRENT)), { message });
    t.is((await client.query('SELECT df.version() AS version')).rows[0].version, '0.2.2');
    if (remedy.startsWith('DROP')) t.deepEqual(difference(before, await describe(client)), []);
    await client.query(remedy);
  }
  await client.query(updateTo(CURRENT));
  const fresh = await line.cluster.client('postgres', await line.database(CURRENT));
  t.deepEqual(difference(await describe(fresh), await describe(client)), []);
  await Promise.all([client.end(), fresh.end()]);
});

test('C: an update that cannot have its locks in time fails whole, and goes through later', async (t) => {
  const database = await line.database(OLDER[0]!);
  const [client, alice] = [await line.cluster.client('postgres', database), await line.cluster.client('alice', database)];
  const before = await describe(client);
  await alice.query('BEGIN');
  const id = await begin(alice, 'held', `'SELECT 1'`);
  await t.throwsAsync(client.query(`SET lock_timeout = '50ms'; ${updateTo(CURRENT)}`), { message: /lock timeout/ });
  t.deepEqual(difference(before, await describe(client)), []);
  await alice.query('COMMIT');
  await client.query(`RESET lock_timeout; ${updateTo(CURRENT)}`);
  await alice.query('CALL df.work()');
  t.is((await alice.query('SELECT df.status($1) AS status', [id])).rows[0].status, 'completed');
  await Promise.all([client.end(), alice.end()]);
});
