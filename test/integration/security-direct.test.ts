/** The engine called past df: every function by hand, at the wrong moment, and by what fires by itself. See security.test.ts. */
import test from 'ava';
import { cluster, LOG, loggedAsOther, NO_PROOF, openStage, stage, stored, tryAll, withstands, type Attack, type Scene } from './security-scene.ts';
import { WorkerProcess } from './worker-process.ts';

test.before(openStage);
test.after.always(() => cluster?.destroy());

/**
 * A call of every function and procedure of df and _df that there is, with each of these values wherever its type takes one: so
 * that no new function is forgotten.
 */
async function everyCall({ database, instance, node }: Scene): Promise<string[]> {
  const texts = [instance, node, `${instance}::99`, 'go', 'completed', 'victim', '(0,1)', '1', 'r1\u001e23\u001e{"n":1}', `["${instance}"]`, '{}', ''].map((text) => `'${text}'`);
  const values: Record<string, string[]> = {
    text: [...texts, 'NULL'], 'character varying': texts, name: texts, json: [`'{}'`, `'"x"'`], jsonb: [`'{}'`, `'"x"'`], boolean: ['true', 'false'],
    integer: ['1', '1000', '-1'], bigint: ['1', '-1'], smallint: ['1'], 'double precision': ['extract(epoch FROM clock_timestamp())::float8', '1e18::float8', `'NaN'::float8`],
    oid: [`'victim'::regrole::oid`, '10'], uuid: [`'00000000-0000-0000-0000-000000000000'`, 'gen_random_uuid()'], interval: [`'1 s'`], bytea: [`'\\x00000001'`],
    'timestamp with time zone': ['now()', `'infinity'`], xid: [`(SELECT xmin FROM pg_class LIMIT 1)`], 'text[]': [`ARRAY['n']`, `ARRAY['(0,1)','(0,2)']`, `ARRAY['${instance}']`, `ARRAY['completed']`],
    'double precision[]': ['ARRAY[1.0::float8]'], 'df.instances': ['(SELECT i FROM df.instances i LIMIT 1)', `ROW('${instance}','l','${node}','running','victim'::regrole,NULL,now(),now(),NULL)::df.instances`],
  };
  const functions = await cluster.query<{ name: string; kind: string; types: string[] }>(`
    SELECT format('%I.%I', n.nspname, p.proname) AS name, p.prokind AS kind, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a(t, i) ORDER BY i) AS types
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('df', '_df') AND p.prorettype <> 'trigger'::regtype ORDER BY p.oid`, database);
  return functions.flatMap(({ name, kind, types }) => {
    const most = Math.max(1, ...types.map((type) => values[type]?.length ?? 1));
    // The first argument takes every value; the others each its own, shifted, so that all meet.
    return Array.from({ length: most * (types.length > 1 ? 2 : 1) }, (_, i) => {
      const args = types.map((type, at) => {
        const choice = values[type] ?? [`NULL::${type}`];
        return choice[(i * (at === 0 ? 1 : 5) + at) % choice.length]!;
      });
      return `${kind === 'p' ? 'CALL' : 'SELECT * FROM'} ${name}(${args.join(', ')})`;
    });
  });
}

/** What the victim's instance holds, and whether it still ends well. */
async function harmed(scene: Scene, before: string): Promise<boolean> {
  if (await stored(scene) !== before) return true;
  await scene.victim.query(`SELECT df.signal($1, 'go')`, [scene.instance]);
  await scene.victim.query('CALL df.work()');
  return (await scene.victim.query<{ s: string }>('SELECT df.status($1) AS s', [scene.instance])).rows[0]!.s !== 'completed';
}

const ATTACKS: Attack[] = [
  {
    name: 'change another role\'s instance by calling every function with whatever it takes', weaken: NO_PROOF,
    attempt: async (scene) => {
      const before = await stored(scene);
      const calls = await everyCall(scene);
      await scene.mallory.query(`SET statement_timeout = '200ms'`);
      await tryAll(scene.mallory, calls);
      return harmed(scene, before);
    },
  },
  {
    name: 'the same from a step, which has the engine\'s calls around it', weaken: NO_PROOF,
    attempt: async (scene) => {
      const before = await stored(scene);
      const calls = (await everyCall(scene)).filter((call) => call.startsWith('SELECT * FROM _df.'));
      const first = new Map(calls.map((call) => [call.slice(0, call.indexOf('(')), call] as const).reverse());
      // Each by itself: some make their own step count for nothing, and it would be repeated without end.
      for (const call of first.values()) {
        await scene.mallory.query('SELECT df.start($1)', [call]);
        await tryAll(scene.mallory, ['CALL df.work(0.1)', `SELECT df.cancel(id) FROM df.instances WHERE status = 'running'`]);
      }
      return harmed(scene, before);
    },
  },
  {
    name: 'be taken for the owner while the owner\'s own transaction is open', weaken: NO_PROOF,
    attempt: async (scene) => {
      const { victim, mallory, instance, database } = scene;
      await victim.query('BEGIN');
      await victim.query(`SELECT df.signal($1, 'mine')`, [instance]);
      await mallory.query(`SET lock_timeout = '1s'`);
      await tryAll(mallory, [`SELECT _df.keep_signal('${instance}', 'forged', '1')`, `SELECT _df.enroll('${instance}', 'SELECT 1', '0000bbbb')`,
        `BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT _df.keep_signal('${instance}', 'forged', '1'); COMMIT`, `SELECT _df.end_cancelled('${instance}', 'forged')`]);
      await victim.query('COMMIT');
      await tryAll(mallory, [`SELECT _df.keep_signal('${instance}', 'forged', '1')`]);
      return (await cluster.query(`SELECT FROM _df.signals WHERE name = 'forged'`, database)).length > 0;
    },
  },
  {
    name: 'have a cast of one\'s own run as the installer',
    weaken: `CREATE FUNCTION _df.noted(anyelement) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN RETURN $1; END$$`,
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG, 'CREATE TYPE evil.t AS (v text)', `CREATE FUNCTION evil.cast_text(evil.t) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('text'); RETURN ($1).v; END$$`,
        `CREATE FUNCTION evil.cast_json(evil.t) RETURNS json LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('json'); RETURN '1'; END$$`,
        'CREATE CAST (evil.t AS text) WITH FUNCTION evil.cast_text(evil.t) AS IMPLICIT', 'CREATE CAST (evil.t AS json) WITH FUNCTION evil.cast_json(evil.t) AS IMPLICIT',
        ...(await everyCall(scene)).map((call) => call.replaceAll(/'[^']*'/g, `ROW('${scene.instance}')::evil.t`)),
        `SELECT _df.noted(ROW('x')::evil.t)`, `SELECT df.start('SELECT ROW(1)::evil.t AS t' |=> 't' ~> 'SELECT $t')`, 'CALL df.work(3)',
      ]);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'have a trigger of one\'s own fire for what the engine writes', weaken: 'GRANT TRIGGER ON df.instances, df.nodes TO mallory; GRANT TRIGGER ON ALL TABLES IN SCHEMA _df TO mallory',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG, `CREATE FUNCTION evil.fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES (tg_table_name); RETURN new; END$$`,
        ...['df.instances', 'df.nodes', 'df.vars', '_df.branches', '_df.runs'].flatMap((table) => [
          `CREATE TRIGGER fire BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION evil.fire()`,
          `CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON ${table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.fire()`]),
        `SELECT df.start('SELECT 1' ~> 'SELECT 2')`, 'CALL df.work(3)',
      ]);
      await scene.victim.query(`SELECT df.signal('${scene.instance}', 'go')`);
      await tryAll(scene.victim, ['CALL df.work(3)']);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'have a deferred trigger of one\'s own fire as somebody else',
    // It fires when the step ends; a build that left it to an engine call would run it with the rights of that.
    weaken: `CREATE FUNCTION _df.settle() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN SET CONSTRAINTS ALL IMMEDIATE; END$$`,
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG, 'CREATE TABLE evil.own (i int)', `CREATE FUNCTION evil.fire() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
          INSERT INTO evil.log (what) VALUES ('fired'); SET CONSTRAINTS ALL DEFERRED; IF new.i > 0 THEN INSERT INTO evil.own VALUES (new.i - 1); END IF; RETURN NULL; END$$`,
        'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON evil.own DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.fire()',
        ...Array.from({ length: 4 }, () => `SELECT df.start('INSERT INTO evil.own VALUES (3)' ~> 'INSERT INTO evil.own VALUES (2)')`), 'CALL df.work(3)',
        `BEGIN; INSERT INTO evil.own VALUES (1); SELECT _df.settle(); COMMIT`,
      ]);
      return loggedAsOther(scene);
    },
  },
];

for (const attack of ATTACKS) test.serial(`beaten off: ${attack.name}`, (t) => withstands(t, attack));

test.serial('whatever a role\'s commit raises, the worker goes on with the others', async (t) => {
  const scene = await stage('');
  const { database, mallory, victim, instance } = scene;
  const worker = await WorkerProcess.start(cluster.connectionString('postgres', database), ['--max-connections', '2', '--max-per-role', '2']);
  t.teardown(() => worker.stop());
  await worker.event('server.ready');
  // A deferred trigger that puts itself off once more fires at the commit, after the engine's last word.
  await mallory.query(`CREATE TABLE late (state text, round int); CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
      IF new.round > 0 THEN RAISE 'too late' USING ERRCODE = new.state; END IF;
      SET CONSTRAINTS ALL DEFERRED; INSERT INTO late VALUES (new.state, 1); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`);
  for (const state of ['P0001', '42501', '57P01', '3F000', '53300', '40001', 'XX000']) await mallory.query('SELECT df.start($1)', [`INSERT INTO late VALUES ('${state}', 0)`]);
  await worker.event('work.failed');
  await victim.query(`SELECT df.signal($1, 'go')`, [instance]);
  const other = (await victim.query<{ id: string }>(`SELECT df.start('SELECT 1' ~> 'SELECT 2') AS id`)).rows[0]!.id;
  for (const id of [instance, other]) {
    t.is((await victim.query<{ s: string }>('SELECT df.await_instance($1, 20) AS s', [id])).rows[0]!.s, 'completed', worker.stderr);
  }
  t.deepEqual(await cluster.query('SELECT FROM late', database), []);
  await Promise.all([victim.end(), mallory.end()]);
});

test.serial('whatever a role gives out as the outcome of its step, requests of others are made, and lists can be read', async (t) => {
  const { database, mallory, victim } = await stage('');
  await cluster.query(`ALTER DATABASE ${database} SET pg_durable.http = 'all'; SELECT df.grant_usage(r, include_http => true) FROM unnest(ARRAY['mallory', 'victim']) r`, database);
  // Their sessions are older than the setting.
  for (const client of [mallory, victim]) await client.query(`SET pg_durable.http = 'all'`);
  const now = 'extract(epoch FROM clock_timestamp())::float8';
  for (const outcome of ['', 'r', 'rx', 'q', 'e', 'e{}', 'e[]', 'enull', 'e"x"', 'r1\u001ex\u001e{"n":1}', ...['', '{"n":', '[1', '"a"', 'null', '{"n":1}}', '{"n":NaN}', '{"n":"\u0001"}', '{"n":"\\ud800"}', '{"n":{"__proto__":1}}', '{"n":1,"n":[]}']
    .map((row) => `r1\u001e23\u001e${row}`)]) {
    await tryAll(mallory, [`SELECT df.start('SELECT 1 AS n' |=> 'x' ~> (df.http('http://example.com/$x.n', 'POST', '$x') & df.http('http://example.com/$x.*') & df.http('http://example.com/$x.missing') & 'SELECT * FROM $x.*'))`]);
    for (let tries = 0, state = ''; state !== 'run' && tries < 4; tries++) {
      await mallory.query('BEGIN');
      state = (await mallory.query<{ state: string }>(`SELECT state FROM _df.claim(${now}, 1)`)).rows[0]!.state;
      if (state === 'run') await mallory.query(`SELECT _df.finish(ARRAY[$1], ARRAY[1.0::float8], ${now})`, [outcome]).catch(() => undefined);
      await mallory.query('COMMIT');
    }
    await tryAll(mallory, ['CALL df.work(1)']);
  }
  await victim.query(`SELECT df.start(df.http('http://example.com/'))`);
  await victim.query('CALL df.work()');
  const claimed = await cluster.query<{ role: string }>(`SELECT _df.heartbeat('00000000-0000-0000-0000-000000000001', '99.0.0');
    SELECT role FROM _df.claim_http('00000000-0000-0000-0000-000000000001', 1000)`, database);
  t.true(claimed.some(({ role }) => role === 'victim'));
  for (const all of ['df.list_instances(NULL, 1000)', 'df.instances i, df.instance_nodes(i.id)', 'df.instances i, df.instance_executions(i.id)', 'df.instances i, df.explain(i.id)', 'df.metrics()']) {
    await t.notThrowsAsync(cluster.query(`SELECT * FROM ${all}`, database), all);
  }
  await Promise.all([victim.end(), mallory.end()]);
});
