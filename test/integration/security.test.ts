/**
 * One attack per test: a hostile role that may use pg_durable, create schemas, functions, operators and PLV8 code, against
 * another role's workflows. Each attack is also made against a database that was weakened on purpose, where it has to
 * succeed, so that none of them fails for the wrong reason.
 */
import test from 'ava';
import {
  careless, cluster, count, LOG, loggedAsOther, NO_PROOF, NO_RLS, openStage, otherSubmitters, patched, stage, tryAll, withstands, type Attack,
} from './security-scene.ts';

test.before(openStage);
test.after.always(() => cluster?.destroy());

const ATTACKS: Attack[] = [
  {
    name: 'read another role\'s instances, nodes and results', weaken: NO_RLS,
    attempt: async ({ mallory, instance }) => await count(mallory, 'df.instances WHERE id = $1', [instance]) > 0
      || await count(mallory, 'df.nodes WHERE instance_id = $1', [instance]) > 0
      || await count(mallory, 'df.list_instances()') > 0 || await count(mallory, 'df.instance_nodes($1)', [instance]) > 0,
  },
  {
    name: 'read another role\'s graph and error from the engine', weaken: 'ALTER TABLE _df.runs DISABLE ROW LEVEL SECURITY',
    attempt: async ({ mallory, instance }) => await count(mallory, '_df.runs WHERE instance_id = $1', [instance]) > 0,
  },
  {
    name: 'read another role\'s named results', weaken: 'GRANT SELECT ON _df.names TO PUBLIC',
    attempt: async ({ mallory }) => await count(mallory, `_df.names WHERE value LIKE '%s3cret%'`) > 0,
  },
  {
    name: 'learn another role\'s variables', weaken: 'ALTER TABLE df.vars DISABLE ROW LEVEL SECURITY',
    attempt: async ({ victim, mallory }) => {
      await victim.query(`SELECT df.setvar('key', 'token')`);
      return await count(mallory, `df.vars WHERE value = 'token'`) > 0;
    },
  },
  {
    name: 'signal another role\'s instance through df.signal', weaken: NO_RLS,
    attempt: async ({ database, mallory, instance }) => {
      await mallory.query(`SELECT df.signal($1, 'go')`, [instance]);
      return (await cluster.query('SELECT FROM _df.signals', database)).length > 0;
    },
  },
  {
    name: 'signal another role\'s instance through the engine\'s own function', weaken: NO_PROOF,
    attempt: async ({ database, mallory, instance }) => {
      await mallory.query(`SELECT _df.keep_signal($1, 'go', '1')`, [instance]);
      return (await cluster.query('SELECT FROM _df.signals', database)).length > 0;
    },
  },
  {
    name: 'cancel another role\'s instance', weaken: NO_RLS,
    attempt: async (scene) => {
      await scene.mallory.query('SELECT df.cancel($1)', [scene.instance]);
      return (await cluster.query(`SELECT FROM df.instances WHERE status = 'cancelled'`, scene.database)).length > 0;
    },
  },
  {
    name: 'put a graph of one\'s own into another role\'s instance', weaken: NO_PROOF,
    attempt: async ({ database, mallory, victim }) => {
      // An instance that its owner wrote by hand and that the engine does not know yet.
      await victim.query(`BEGIN; INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0000aaaa', '0000bbbb', 'victim'::regrole);
        INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('0000bbbb', '0000aaaa', 'SQL', 'SELECT 1', 'victim'::regrole); COMMIT`);
      await mallory.query(`SELECT _df.enroll('0000aaaa', 'DROP TABLE secret', '0000bbbb')`);
      return (await cluster.query(`SELECT FROM _df.runs WHERE graph LIKE 'DROP%'`, database)).length > 0;
    },
  },
  {
    name: 'submit an instance in another role\'s name', weaken: NO_RLS,
    attempt: async ({ mallory }) => {
      await mallory.query(`BEGIN; INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0000aaaa', '0000bbbb', 'victim'::regrole);
        INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('0000bbbb', '0000aaaa', 'SQL', 'SELECT 1', 'victim'::regrole); COMMIT`);
      return true;
    },
  },
  {
    name: 'make an instance of one\'s own another role\'s', weaken: `${NO_RLS} GRANT UPDATE ON df.instances, df.nodes TO mallory`,
    attempt: async ({ mallory }) => {
      const { rows: [own] } = await mallory.query<{ id: string }>(`SELECT df.start('SELECT 1') AS id`);
      await mallory.query(`BEGIN; UPDATE df.instances SET submitted_by = 'victim'::regrole WHERE id = '${own!.id}';
        UPDATE df.nodes SET submitted_by = 'victim'::regrole WHERE instance_id = '${own!.id}'; COMMIT`);
      return true;
    },
  },
  {
    name: 'change what another role\'s node runs', weaken: `${NO_RLS} GRANT UPDATE ON df.nodes TO mallory`,
    attempt: async ({ mallory, instance }) => (await mallory.query(`UPDATE df.nodes SET query = 'DROP TABLE secret' WHERE instance_id = $1 AND node_type = 'SQL'`, [instance])).rowCount! > 0,
  },
  {
    name: 'forge a stamp on another role\'s node', weaken: `${NO_RLS} GRANT SELECT, UPDATE ON df.nodes TO mallory; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA _df TO mallory; GRANT EXECUTE ON FUNCTION df.update_node_status(text, text, text, jsonb, text) TO mallory`,
    attempt: async ({ mallory, instance, node }) => {
      await mallory.query(`SELECT df.update_node_status($1, $2, 'completed', '1', $1 || '::99')`, [instance, node]);
      return await count(mallory, `df.nodes WHERE status_details->>'execution_id' LIKE '%::99'`) > 0;
    },
  },
  {
    name: 'delete another role\'s instance', weaken: `${NO_RLS} GRANT DELETE ON df.instances, df.nodes TO mallory`,
    attempt: async ({ mallory, instance }) => {
      await mallory.query('BEGIN');
      await mallory.query('DELETE FROM df.nodes WHERE instance_id = $1', [instance]);
      const deleted = (await mallory.query('DELETE FROM df.instances WHERE id = $1', [instance])).rowCount! > 0;
      await mallory.query('COMMIT');
      return deleted;
    },
  },
  {
    name: 'have names of one\'s own run as the installer through search_path',
    weaken: `${['_df.enroll(text, text, text)', '_df.keep_signal(text, text, text)', 'df.start(text, text, text, text)', 'df.signal(text, text, text)', '_df.launch()'].map((f) => `ALTER FUNCTION ${f} RESET search_path;`).join(' ')}`,
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG,
        `CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('clock'); RETURN pg_catalog.clock_timestamp(); END$$`,
        `CREATE FUNCTION evil.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('notify'); END$$`,
        `CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('eq'); RETURN $1 OPERATOR(pg_catalog.=) $2; END$$`,
        'CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq)',
        'SET search_path = evil, pg_catalog, public',
        `SELECT df.start('SELECT 1')`, `SELECT df.start('SELECT 1', transaction_mode => 'new')`, `SELECT df.signal(id, 'x') FROM df.instances`, 'CALL df.work()', `SELECT df.cancel(id) FROM df.instances`,
      ]);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'launch a workflow in another role\'s name', weaken: 'GRANT INSERT ON _df.launches TO PUBLIC',
    attempt: async (scene) => {
      await tryAll(scene.mallory, ['victim', 'postgres'].map((role) => `INSERT INTO _df.launches (graph, slots, patience, role) VALUES ('DROP TABLE secret', 2, 5, '${role}')`));
      return (await otherSubmitters(scene)).length > 0;
    },
  },
  {
    name: 'launch through a table of one\'s own', weaken: 'GRANT EXECUTE ON FUNCTION _df.launch() TO PUBLIC',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        'CREATE SCHEMA evil', 'CREATE TABLE evil.launches (graph text, label text, database text, slots integer, patience integer, role name, id text)',
        'CREATE TRIGGER launch BEFORE INSERT ON evil.launches FOR EACH ROW EXECUTE FUNCTION _df.launch()',
        `INSERT INTO evil.launches (graph, slots, patience, role) VALUES ('DROP TABLE secret', 2, 5, 'victim')`,
      ]);
      return (await otherSubmitters(scene)).length > 0;
    },
  },
  {
    name: 'run statements in the session that launches', weaken: 'GRANT EXECUTE ON FUNCTION _df.dblink(text, text) TO PUBLIC; ALTER FUNCTION _df.dblink(text, text) SECURITY DEFINER',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [`SELECT * FROM _df.dblink('host=${cluster.socketDir} port=${cluster.port} user=postgres dbname=${scene.database}',
        'UPDATE df.instances SET label = ''mine''; SELECT 1') x(v text)`]);
      return (await cluster.query(`SELECT FROM df.instances WHERE label = 'mine'`, scene.database)).length > 0;
    },
  },
  {
    name: 'break out of the statement that launches',
    weaken: careless(`df.start(%L, %L, %L)'`, `df.start(%L, ''%s'', %L)'`),
    attempt: async (scene) => {
      await tryAll(scene.mallory, ['SET standard_conforming_strings = off', ...[`'`, `\\'`].map((quote) =>
        `SELECT df.start('SELECT 1', $$x${quote}, NULL); RESET SESSION AUTHORIZATION; UPDATE df.instances SET label = 'mine'; SELECT concat('x$$, transaction_mode => 'new')`)]);
      return (await cluster.query(`SELECT FROM df.instances WHERE label = 'mine'`, scene.database)).length > 0;
    },
  },
  {
    name: 'lead another role\'s launch to a server of one\'s own', weaken: careless(` || gen_random_uuid()`, ''),
    attempt: async (scene) => {
      await cluster.query('CREATE EXTENSION dblink; GRANT USAGE ON FOREIGN DATA WRAPPER dblink_fdw TO mallory', scene.database);
      const conninfo = `application_name='pg_durable launch ' host='${cluster.socketDir}' port='${cluster.port}' dbname='${scene.database}' user='postgres'`;
      await tryAll(scene.mallory, [
        `CREATE SERVER "${conninfo.slice(0, 63)}" FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '/nowhere')`, `CREATE USER MAPPING FOR PUBLIC SERVER "${conninfo.slice(0, 63)}"`,
      ]);
      // Her server is away: a launch that fails asked it.
      return scene.victim.query(`SELECT df.start('SELECT 1', transaction_mode => 'new')`).then(() => false, () => true);
    },
  },
  {
    name: 'take up all launch slots', weaken: 'GRANT SELECT, UPDATE ON _df.launch_slots TO PUBLIC',
    attempt: async (scene) => {
      await tryAll(scene.mallory, ['BEGIN; SELECT FROM _df.launch_slots FOR UPDATE', 'BEGIN; SELECT pg_advisory_lock(n) FROM generate_series(0, 1000) n']);
      await scene.victim.query('SET pg_durable.new_transaction_start_timeout = 1');
      return scene.victim.query(`SELECT df.start('SELECT 1', transaction_mode => 'new')`).then(() => false, () => true);
    },
  },
  {
    name: 'have names planted in public run as whoever starts a workflow', weaken: 'ALTER FUNCTION df.status(text) RESET search_path',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG,
        `CREATE FUNCTION public.eq(varchar, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO evil.log (what) VALUES ('eq'); RETURN $1::text OPERATOR(pg_catalog.=) $2; END$$`,
        'CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = public.eq)',
      ]);
      await tryAll(scene.victim, [
        `SELECT df.start('SELECT 1')`, `SELECT df.status('${scene.instance}')`, `SELECT df.explain('${scene.instance}')`, `SELECT df.setvar('a', 'b')`,
        'SELECT * FROM df.list_instances()', `SELECT df.signal('${scene.instance}', 'x')`, 'CALL df.work()',
      ]);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'have JavaScript of one\'s own run inside an engine call', weaken: 'ALTER FUNCTION _df.claim(double precision, integer) SECURITY INVOKER; GRANT ALL ON ALL TABLES IN SCHEMA _df, df TO mallory; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA _df TO mallory',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG,
        `DO LANGUAGE plv8 $$
          const prepare = plv8.prepare;
          plv8.prepare = function (...args) { plv8.execute("INSERT INTO evil.log (who, what) VALUES ('engine', 'prepare')"); return prepare.apply(plv8, args); };
          Array.prototype.map = new Proxy(Array.prototype.map, { apply(f, self, args) { plv8.execute("INSERT INTO evil.log (who, what) VALUES ('engine', 'map')"); return Reflect.apply(f, self, args); } });
        $$`,
        `SELECT * FROM _df.claim(extract(epoch FROM clock_timestamp()), 10)`,
      ]);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'have a start procedure of one\'s own run as the installer',
    // Our own handler never runs it as somebody else; what the setting alone would do is shown without it.
    weaken: `CREATE SCHEMA evil; CREATE TABLE evil.log (who name DEFAULT current_user, what text); GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT ALL ON evil.log TO PUBLIC;
      CREATE FUNCTION evil.planted() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN INSERT INTO evil.log (what) VALUES ('start'); END$$`,
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        LOG,
        `CREATE FUNCTION evil.start() RETURNS void LANGUAGE plv8 AS $$ plv8.execute("INSERT INTO evil.log (what) VALUES ('start')") $$`,
        `SET plv8.start_proc = 'evil.start'`, 'SELECT evil.planted()',
        `SELECT * FROM _df.claim(extract(epoch FROM clock_timestamp()), 10)`,
      ]);
      return loggedAsOther(scene);
    },
  },
  {
    name: 'become another role inside a step', weaken: 'GRANT victim TO mallory',
    attempt: async (scene) => {
      await tryAll(scene.mallory, [
        `SELECT df.start('SET ROLE victim')`, `SELECT df.start('SET SESSION AUTHORIZATION victim')`, `SELECT df.start('SET ROLE postgres')`,
        `SELECT df.start('SELECT set_config(''role'', ''victim'', false)')`, 'CALL df.work()',
      ]);
      return await count(scene.mallory, `df.instances WHERE status = 'completed'`) > 0;
    },
  },
  {
    name: 'take the rights back of a superuser who lends his session', weaken: patched('refuseBorrowed(me);', ''),
    attempt: async (scene) => {
      await tryAll(scene.mallory, [LOG, `SELECT df.start($$DO $do$ BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; INSERT INTO evil.log (what) VALUES ('rose'); END $do$ $$)`]);
      const admin = await cluster.client('postgres', scene.database);
      await tryAll(admin, ['SET SESSION AUTHORIZATION mallory', 'CALL df.work()', 'CALL df.drive(0.1)', `SELECT * FROM _df.claim_external(extract(epoch FROM clock_timestamp())::float8)`]);
      await admin.end();
      return loggedAsOther(scene);
    },
  },
  {
    name: 'have the role of one step stay for the next', weaken: '',
    attempt: async (scene) => {
      await cluster.query('CREATE ROLE helper; GRANT helper TO mallory', scene.database).catch(() => undefined);
      await tryAll(scene.mallory, [
        `SELECT df.start('SELECT set_config(''role'', ''helper'', false)' ~> 'SELECT current_user AS who')`, 'CALL df.work()',
      ]);
      return await count(scene.mallory, `df.nodes WHERE result->'rows'->0->>'who' = 'helper'`) > 0;
    },
  },
];

for (const attack of ATTACKS) {
  test.serial(`beaten off: ${attack.name}`, async (t) => {
    await withstands(t, attack);
  });
}

test.serial('locks that a role can take do not stop another role\'s work', async (t) => {
  const scene = await stage('');
  await tryAll(scene.mallory, ['BEGIN', 'SELECT pg_advisory_lock(n) FROM generate_series(0, 2000) n', 'SELECT pg_advisory_lock(16384, n) FROM generate_series(0, 64) n']);
  for (const table of ['df.instances', 'df.nodes', '_df.branches', '_df.runs']) {
    await t.throwsAsync(scene.mallory.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`), { message: /permission denied/ }, table);
    await scene.mallory.query('ROLLBACK; BEGIN');
  }
  await scene.mallory.query(`SELECT df.setvar('a', 'b'), df.start('SELECT 1')`);
  await scene.mallory.query('COMMIT; BEGIN; SELECT FROM df.vars FOR UPDATE; SELECT FROM df.instances FOR UPDATE');
  await scene.victim.query(`SET lock_timeout = '5s'`);
  await scene.victim.query(`SELECT df.setvar('a', 'c')`);
  // The contract lets him delete his variables, so he may lock their table.
  await scene.mallory.query('LOCK TABLE df.vars IN ACCESS EXCLUSIVE MODE');
  const { rows: [started] } = await scene.victim.query<{ id: string }>(`SELECT df.start('SELECT ''{a}'' AS v') AS id`);
  await scene.victim.query(`SELECT df.signal($1, 'go')`, [scene.instance]);
  await scene.victim.query('CALL df.work()');
  t.is((await scene.victim.query<{ s: string }>('SELECT df.status($1) AS s', [scene.instance])).rows[0]!.s, 'completed');
  t.is((await scene.victim.query<{ r: string }>('SELECT df.result($1) AS r', [started!.id])).rows[0]!.r, '{"rows": [{"v": "c"}], "row_count": 1}');
  await Promise.all([scene.victim.end(), scene.mallory.end()]);
});
