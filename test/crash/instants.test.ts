/** Kills at chosen instants: in the life of a step, in an update of the extension, and in a sweep of retention. */
import test from 'ava';
import { until } from '../support/poll.ts';
import { addGates } from './surgery.ts';
import { HARMS, harmAt, type Harm } from './gates.ts';
import { hunt } from './hunt.ts';
import { SHAPES } from './shapes.ts';
import { World } from './world.ts';

const shapes = SHAPES.filter(({ scheduled }) => scheduled !== true);

test.serial('between claim and step, step and finish, finish and commit', async (t) => {
  t.timeout(240_000);
  const report = await hunt({
    seed: 21, seconds: 60, workers: 1, rate: 10, shapes, prepare: addGates, say: (line) => t.log(line),
    instead: async (world, crew, { tally }) => {
      for (const gate of ['claimed', 'stepped', 'finished']) {
        for (const harm of HARMS) {
          await harmAt(world, gate, harm, { crew });
          tally.add(`${harm}, ${gate}`);
        }
      }
    },
  });
  t.log(report.text);
  t.deepEqual(report.faults, []);
});

test.serial('in an update of the extension', async (t) => {
  t.timeout(240_000);
  const report = await hunt({
    seed: 22, seconds: 60, workers: 1, version: '0.2.3', say: (line) => t.log(line),
    shapes: shapes.filter(({ name }) => ['sequence', 'long', 'join', 'loop', 'sleep', 'signal', 'transfer'].includes(name)),
    prepare: async (world) => {
      await world.ask(`CREATE TABLE crash.target (command integer); INSERT INTO crash.target VALUES (0); CREATE SEQUENCE crash.commands;
        CREATE FUNCTION crash.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
          IF nextval('crash.commands') = (SELECT command FROM crash.target) THEN PERFORM crash.gate('updating'); END IF;
        END $$`);
    },
    instead: async (world, _crew, { tally }) => {
      await world.ask('CREATE EVENT TRIGGER crash_watch ON ddl_command_end EXECUTE FUNCTION crash.watch()');
      const update = async (): Promise<unknown> => {
        const client = await world.primary.client('postgres', world.database);
        return client.query('ALTER EXTENSION pg_durable UPDATE').finally(() => client.end().catch(() => undefined));
      };
      for (const [command, harm] of [[3, 'terminate the session'], [40, 'kill the backend'], [90, 'stop the server']] as const satisfies [number, Harm][]) {
        await world.ask('UPDATE crash.target SET command = $1', [command]);
        await world.ask("SELECT setval('crash.commands', 1, false)");
        t.truthy(await harmAt(world, 'updating', harm, { begin: update }), 'the update fails');
        t.deepEqual(await world.ask("SELECT extversion FROM pg_extension WHERE extname = 'pg_durable'"), [{ extversion: '0.2.3' }]);
        tally.add(`${harm}, updating`);
      }
      await world.ask('DROP EVENT TRIGGER crash_watch');
      await until('the update to get its locks', () => update().then(() => true, (error: { code?: string }) => {
        if (error.code === '40P01') return false;
        throw error;
      }));
    },
  });
  t.log(report.text);
  t.deepEqual(report.faults, []);
});

test.serial('in a sweep of retention', async (t) => {
  t.timeout(120_000);
  const world = await World.make();
  t.teardown(() => world.destroy());
  await world.ask(`SET pg_durable.enable_superuser_instances = on; SELECT df.start('SELECT 1', 'old') FROM generate_series(1, 40);
    CREATE FUNCTION crash.watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM crash.gate('sweeping'); RETURN NULL; END $$;
    CREATE TRIGGER watch AFTER DELETE ON df.instances FOR EACH STATEMENT EXECUTE FUNCTION crash.watch()`);
  await world.ask("SELECT df.cancel(id) FROM df.instances; SELECT df.start(df.sleep(3600), 'young')");
  await world.ask("ALTER DATABASE crash SET pg_durable.retention_days = '0'");
  const sweep = async (): Promise<number> => {
    const client = await world.primary.client('postgres', world.database);
    return client.query<{ n: string }>('SELECT _df.sweep_retention() AS n').then(({ rows }) => Number(rows[0]?.n)).finally(() => client.end().catch(() => undefined));
  };
  const counts = 'SELECT (SELECT count(*)::integer FROM df.instances) AS instances, (SELECT count(DISTINCT instance_id)::integer FROM df.nodes) AS nodes, (SELECT count(*)::integer FROM _df.runs) AS runs, (SELECT count(*)::integer FROM _df.branches) AS branches';
  for (const harm of HARMS.slice(0, 3)) {
    t.truthy(await harmAt(world, 'sweeping', harm, { begin: sweep }), 'the sweep fails');
    t.deepEqual(await world.ask(counts), [{ instances: 41, nodes: 41, runs: 41, branches: 1 }], harm);
  }
  t.is(await sweep(), 40);
  t.deepEqual(await world.ask(counts), [{ instances: 1, nodes: 1, runs: 1, branches: 1 }]);
  await t.notThrowsAsync(world.ask("SELECT df.cancel(id) FROM df.instances WHERE label = 'young'"));
});
