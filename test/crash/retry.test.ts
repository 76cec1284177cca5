/** Steps that fail with a serialization failure or a deadlock run again by themselves: bounded, and with pauses that grow. */
import test from 'ava';
import { startCluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { Crew } from './crew.ts';

/** As in src/functions/work.ts: tries after the first. */
const MOST_ATTEMPTS = 10;
/** ms that the pauses before `n` further tries last at least. */
const leastPause = (n: number): number => Array.from({ length: n }, (_, k) => Math.min(2000, 10 * 2 ** (k + 1)) / 2).reduce((a, b) => a + b, 0);

// Tries are counted in a sequence each, since nothing else of a try that fails would stay.
const STAGE = `
  CREATE ROLE alice LOGIN; SELECT df.grant_usage('alice');
  CREATE TABLE effect (what text); GRANT ALL ON effect TO alice; GRANT CREATE ON SCHEMA public TO alice;
  CREATE FUNCTION fail_until(tries regclass, enough integer, state text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO effect VALUES (tries::text);
    IF nextval(tries) < enough THEN RAISE EXCEPTION 'not yet' USING ERRCODE = state; END IF;
  END $$;
  CREATE PROCEDURE fail_outside(tries regclass, enough integer, state text) LANGUAGE plpgsql AS $$ BEGIN
    COMMIT;
    PERFORM fail_until(tries, enough, state);
  END $$`;

interface Case { name: string; enough: number; state: string; call?: string; status: string; tries: number }
const CASES: Case[] = [
  { name: 'serialization', enough: 4, state: '40001', status: 'completed', tries: 4 },
  { name: 'deadlock', enough: 3, state: '40P01', status: 'completed', tries: 3 },
  { name: 'outside', enough: 3, state: '40001', call: 'CALL fail_outside', status: 'completed', tries: 3 },
  { name: 'never', enough: 1000, state: '40001', status: 'failed', tries: MOST_ATTEMPTS + 1 },
  { name: 'other', enough: 2, state: '55P03', status: 'failed', tries: 1 },
  { name: 'rollback', enough: 2, state: '40002', status: 'failed', tries: 1 },
];

test('conflicts are tried again, a bounded number of times, and nothing else is', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster();
  const database = await cluster.createDatabase();
  const crew = new Crew(() => cluster.connectionString('postgres', database));
  t.teardown(async () => {
    await crew.killAll();
    await cluster.destroy();
  });
  await cluster.query(`${STAGE}; ${CASES.map(({ name }) => `CREATE SEQUENCE "${name}"; GRANT ALL ON SEQUENCE "${name}" TO alice`).join(';')}`, database);
  await crew.add();
  const alice = await cluster.client('alice', database);
  const began = new Map<string, number>();
  for (const { name, enough, state, call = 'SELECT fail_until' } of CASES) {
    await alice.query(`SELECT df.start('${call}(''"${name}"'', ${enough}, ''${state}'')', '${name}')`);
    began.set(name, Date.now());
  }
  const ended = new Map<string, number>();
  await until('every workflow to end', async () => {
    const rows = await cluster.query<{ label: string }>("SELECT label FROM df.instances WHERE status IN ('completed', 'failed')", database);
    for (const { label } of rows) if (!ended.has(label)) ended.set(label, Date.now());
    return rows.length === CASES.length;
  }, 60_000);
  for (const { name, state, status, tries } of CASES) {
    const [row] = await cluster.query<{ status: string; sqlstate: string | null; tries: string; effects: number }>(`
      SELECT i.status, n.status_details ->> 'sqlstate' AS sqlstate, (SELECT last_value FROM "${name}") AS tries,
        (SELECT count(*)::integer FROM effect WHERE what IN ('${name}', '"${name}"')) AS effects
      FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id AND n.id = i.root_node WHERE i.label = '${name}'`, database);
    const { tries: tried, ...rest } = row!;
    t.deepEqual(rest, { status, sqlstate: status === 'failed' ? state : null, effects: status === 'failed' ? 0 : 1 }, name);
    // A try among other steps that share its commit does not count: it may have been one of them that it met.
    if (name === 'never') t.true(Number(tried) >= tries && Number(tried) <= 2 * tries, `${name}: ${tried} tries`);
    else t.is(Number(tried), tries, `${name}: tries`);
    if (name === 'never') t.true((ended.get(name) ?? 0) - (began.get(name) ?? 0) >= leastPause(tries - 1), `${name} pauses between its tries`);
  }
});
