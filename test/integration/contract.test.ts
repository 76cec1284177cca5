/** The installed schema against the contract's, property by property. */
import test from 'ava';
import type { Client } from 'pg';
import * as contract from '../contract/catalog.ts';
import * as installed from '../contract/installed.ts';
import { startCluster, type Cluster } from '../support/cluster.ts';

let cluster: Cluster;
let client: Client;
test.before(async () => {
  cluster = await startCluster();
  client = await cluster.client('postgres', await cluster.createDatabase());
  await installed.prepare(client);
});
test.after.always(() => cluster?.destroy());

const TABLES = Object.keys(contract.TABLES);
const sorted = (lines: readonly string[]): string[] => [...lines].sort();

test.serial('functions: names, arguments, defaults, result columns, volatility, strictness, who may call them, that they are commented', async (t) => {
  const line = ({ call, result, attributes }: contract.FunctionSpec): string => `${call} -> ${result} ${attributes}`;
  t.deepEqual(sorted((await installed.functions(client)).map(line)), sorted([...contract.FUNCTIONS, ...contract.OWN_FUNCTIONS].map(line)));
});

test.serial('operators: in pg_catalog, on text, calling these functions', async (t) => {
  t.deepEqual(sorted(await installed.operators(client)), sorted(contract.OPERATORS.map(({ operator, calls }) => `${operator} ${calls}`)));
});

test.serial('tables: columns in order, types, defaults', async (t) => {
  for (const table of TABLES) t.deepEqual(await installed.columnsOf(client, table), [...contract.TABLES[table]!], table);
});

test.serial('constraints: definitions and whether they are validated, no other', async (t) => {
  const ready = ['_df._worker_ready _worker_ready_pkey PRIMARY KEY (sentinel)', '_df._worker_ready _worker_ready_sentinel_check CHECK (sentinel)'];
  const expected = Object.entries(contract.CONSTRAINTS).map(([name, definition]) => `${name} ${definition}`);
  t.deepEqual(sorted(await installed.constraints(client, TABLES)), sorted([...expected, ...ready]));
});

test.serial('indexes: those of the contract, no other', async (t) => {
  t.deepEqual(sorted(await installed.indexes(client, TABLES)), sorted(contract.INDEXES));
});

test.serial('policies: one permissive policy each, on tables whose owner passes', async (t) => {
  t.deepEqual(sorted(await installed.policies(client)), sorted(contract.POLICIES));
  const { rows } = await client.query('SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = \'df\'::regnamespace AND c.relrowsecurity AND NOT c.relforcerowsecurity ORDER BY 1');
  t.deepEqual(rows.map(({ name }: { name: string }) => name), ['instances', 'nodes', 'vars']);
});

test.serial('grants: nothing for PUBLIC, and exactly this by df.grant_usage, with and without its options', async (t) => {
  const passing = (lines: readonly string[]): string[] => lines.map((line) => `${line}*`);
  await client.query('BEGIN');
  const given: [arguments_: string, expected: string[]][] = [
    ["'contract ''plain'''", [...contract.GRANTS]],
    ["'contract \"http\"', include_http => true", [...contract.GRANTS, ...contract.HTTP_GRANTS]],
    ["'Contract Grantor', with_grant => true", passing([...contract.GRANTS, ...contract.GRANTOR_GRANTS])],
    ["'contract all', true, true", passing([...contract.GRANTS, ...contract.HTTP_GRANTS, ...contract.GRANTOR_GRANTS])],
  ];
  for (const [arguments_, expected] of given) {
    const role = /^'((?:[^']|'')+)'/.exec(arguments_)![1]!.replaceAll("''", "'");
    await client.query(`CREATE ROLE ${client.escapeIdentifier(role)}`);
    await client.query(`SELECT df.grant_usage(${arguments_})`);
    t.deepEqual(sorted(await installed.grants(client, role)), sorted(expected), role);
    await client.query('SELECT df.revoke_usage($1)', [role]);
    t.deepEqual(await installed.grants(client, role), [], `${role}, revoked`);
  }
  await client.query('ROLLBACK');
  t.deepEqual(await installed.grants(client, 'public'), []);
});

test.serial('notices: what was granted and revoked is said, with the role', async (t) => {
  const said: (string | undefined)[] = [];
  const listen = ({ message }: { message?: string }): void => { said.push(message); };
  client.on('notice', listen);
  await client.query('BEGIN; CREATE ROLE "Contract Reader"; SELECT df.grant_usage(\'Contract Reader\'); SELECT df.revoke_usage(\'Contract Reader\'); ROLLBACK');
  client.off('notice', listen);
  t.deepEqual(said, ['granted df usage privileges to "Contract Reader"', 'revoked df usage privileges from "Contract Reader"']);
});

test.serial('comments: on both schemas and on every table', async (t) => {
  const { rows } = await client.query(`
    SELECT 'schema ' || n.nspname AS name FROM pg_namespace n WHERE n.nspname IN ('df', '_df') AND obj_description(n.oid, 'pg_namespace') IS NULL
    UNION ALL SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace) AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') IS NULL`);
  t.deepEqual(rows, []);
});

// What the comparison is worth: each of these is a deviation, and must be seen.
const deviations: [what: string, sql: string, read: () => Promise<unknown>][] = [
  ['volatility', 'ALTER FUNCTION df.sql(text) STABLE', () => installed.functions(client)],
  ['strictness', 'ALTER FUNCTION df.sql(text) CALLED ON NULL INPUT', () => installed.functions(client)],
  ['who may call', 'REVOKE EXECUTE ON FUNCTION df.sql(text) FROM PUBLIC', () => installed.functions(client)],
  ['a comment', 'COMMENT ON FUNCTION df.sql(text) IS NULL', () => installed.functions(client)],
  ['a validated check', 'ALTER TABLE df.nodes VALIDATE CONSTRAINT nodes_status_chk', () => installed.constraints(client, TABLES)],
  ['a column', 'ALTER TABLE df.nodes ALTER status DROP DEFAULT', () => installed.columnsOf(client, 'df.nodes')],
  ['an index', 'CREATE INDEX spare ON df.nodes (status)', () => installed.indexes(client, TABLES)],
  ['a policy', 'ALTER POLICY nodes_user_isolation ON df.nodes USING (true)', () => installed.policies(client)],
  ['a grant', 'GRANT SELECT ON df.vars TO PUBLIC', () => installed.grants(client, 'public')],
];
for (const [what, sql, read] of deviations) {
  test.serial(`a deviation is seen: ${what}`, async (t) => {
    const before = await read();
    await client.query('BEGIN');
    await client.query(sql);
    const after = await read();
    await client.query('ROLLBACK');
    t.notDeepEqual(after, before);
  });
}
