/** Scenario B3: instances caught in every kind of state survive an update, and end as if there had been none. */
import test, { type ExecutionContext } from 'ava';
import type { Client } from 'pg';
import { until } from '../support/poll.ts';
import { begin, leave, Line, PATHS, updateTo } from './_line.ts';
import { BETWEEN, GATE, RUNNING, SHAPES, UNBORN, type Happening } from './_shapes.ts';

let line: Line;
test.before(async () => {
  line = await Line.start();
  await line.cluster.query('CREATE ROLE carol LOGIN');
});
test.after.always(() => line?.end());

const work = (client: Client, most = 10_000): Promise<unknown> => client.query(`CALL df.work(20, ${most})`);

/** One database with everything in flight, and the sessions that moved it there and stay open. */
class Flight {
  readonly ids = new Map<string, string>();
  #running: Promise<unknown> = Promise.resolve();
  private constructor(readonly database: string, readonly alice: Client, readonly bob: Client, readonly admin: Client) {}

  static async of(version: string): Promise<Flight> {
    const database = await line.database(version);
    const [alice, bob, admin] = await Promise.all([
      line.cluster.client('alice', database), line.cluster.client('bob', database), line.cluster.client('postgres', database)]);
    return new Flight(database, alice, bob, admin);
  }

  async begin(client: Client, { label, expression }: { label: string; expression: string }): Promise<void> {
    this.ids.set(label, await begin(client, label, expression));
  }

  async happen(label: string, happenings: readonly Happening[]): Promise<void> {
    const id = this.ids.get(label)!;
    for (const happening of happenings) {
      if (happening === 'work') await work(this.alice);
      else if (happening === 'cancel') await this.alice.query('SELECT df.cancel($1, $2)', [id, 'no need']);
      else if (happening === 'due') {
        const { rowCount } = await this.admin.query(`UPDATE _df.branches SET due_at = clock_timestamp() - interval '1 ms',
          expires_at = expires_at - (due_at - clock_timestamp()) - interval '1 ms' WHERE instance_id = $1 AND due_at > clock_timestamp()`, [id]);
        if (rowCount !== 1) throw new Error(`${label}: ${rowCount} branches wait for a moment to come, expected one`);
      } else await this.alice.query('SELECT df.signal($1, $2, $3)', [id, happening.slice('signal '.length), '"carried"']);
    }
  }

  /** Takes everything to where the update meets it. */
  async rise(): Promise<void> {
    await this.alice.query("SELECT df.setvar('who', 'before')");
    for (const shape of SHAPES) await this.begin(this.alice, shape);
    await this.alice.query("SELECT df.setvar('who', 'after')");
    for (const { label, before } of SHAPES) if (before[0] !== 'work') await this.happen(label, before);
    for (const { label, before } of SHAPES) if (before[0] === 'work') await this.happen(label, before);
    await this.begin(this.bob, BETWEEN);
    await work(this.bob, 1);
    await this.begin(this.bob, UNBORN);
    await this.begin(this.alice, RUNNING);
    await this.admin.query('SELECT pg_advisory_lock($1)', [GATE]);
    this.#running = work(await line.cluster.client('alice', this.database));
    // Whoever waits for it also sees a failure before that.
    this.#running.catch(() => undefined);
    await until('the step to stand at the gate', async () => {
      const { rows } = await this.admin.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'");
      return rows.length === 1;
    });
  }

  /** Updates while the step stands at the gate, and opens it as soon as the update is done or waits for the step. */
  async update(command: string | null): Promise<void> {
    if (command !== null) {
      const updater = await line.cluster.client('postgres', this.database);
      const { rows: [me] } = await updater.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      let over = false;
      const update = updater.query(command).finally(() => { over = true; });
      update.catch(() => undefined);
      await until('the update to end or to wait', async () => over
        || (await this.admin.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'", [me!.pid])).rows.length === 1);
      await this.admin.query('SELECT pg_advisory_unlock($1)', [GATE]);
      await update;
      await updater.end();
    } else await this.admin.query('SELECT pg_advisory_unlock($1)', [GATE]);
    await this.#running;
  }

  /** Lets everything come to its end. */
  async land(): Promise<void> {
    await work(this.bob);
    for (const { label, after } of SHAPES) await this.happen(label, after);
  }

  /** When each branch is due, by the label of its instance: what an update must leave as it is. */
  async timers(): Promise<unknown[]> {
    return (await this.admin.query(`SELECT i.label, b.branch, b.due_at::text, b.expires_at::text FROM _df.branches b JOIN df.instances i ON i.id = b.instance_id
      WHERE b.due_at > clock_timestamp() + interval '10 minutes' ORDER BY 1, 2`)).rows;
  }

  /** What there is to see of each instance, with its ids replaced by what they stand for. */
  async seen(stamps: boolean): Promise<Record<string, unknown>> {
    const all: Record<string, unknown> = {};
    for (const [label, id] of this.ids) {
      const { rows: [instance] } = await this.admin.query(`SELECT i.status, i.completed_at IS NOT NULL AS stamped, _df.output(i) AS output, df.result(i.id) AS result,
        (SELECT array_agg(e.what ORDER BY e.seq) FROM public.effect e WHERE e.label = i.label) AS effects,
        (SELECT count(*)::int FROM _df.branches b WHERE b.instance_id = i.id) AS branches, (SELECT count(*)::int FROM _df.signals s WHERE s.instance_id = i.id) AS signals,
        (SELECT array_agg(r.generation::int ORDER BY r.generation) FROM _df.rounds r WHERE r.instance_id = i.id) AS rounds
        FROM df.instances i WHERE i.id = $1`, [id]);
      const { rows: nodes } = await this.admin.query<Record<string, string | null>>('SELECT * FROM df.instance_nodes($1)', [id]);
      const named = nodes.reduce((text, { node_id }, at) => text.replaceAll(node_id!, `node ${at}`), JSON.stringify(nodes.map((node) => [
        node.node_id, node.node_type, node.status, node.result, node.inferred_status, node.inferred_status_from_ancestor_id,
        // What a failed step says of itself beside its stamp differs from version to version.
        stamps && node.status_details ? (JSON.parse(node.status_details) as { execution_id: string }).execution_id : null]))).replaceAll(id, 'the instance');
      const { rows: [explained] } = await this.admin.query<{ text: string }>('SELECT df.explain($1) AS text', [id]);
      all[label] = { ...instance, nodes: JSON.parse(named) as unknown, explained: explained!.text.replaceAll(id, 'the instance') };
    }
    return all;
  }

  async end(): Promise<void> {
    await Promise.all([this.alice, this.bob, this.admin].map((client) => client.end()));
  }
}

const controls = new Map<string, Promise<Record<string, unknown>>>();

/** The same flight without an update, all of it under `version`. */
function undisturbed(version: string, stamps: boolean): Promise<Record<string, unknown>> {
  const key = `${version} ${stamps}`;
  let control = controls.get(key);
  if (control === undefined) {
    controls.set(key, control = (async () => {
      const flight = await Flight.of(version);
      await flight.rise();
      await flight.update(null);
      await flight.land();
      const seen = await flight.seen(stamps);
      await flight.end();
      return seen;
    })());
  }
  return control;
}

async function survives(t: ExecutionContext, from: string, to: string): Promise<void> {
  const flight = await Flight.of(from);
  await flight.rise();
  const timers = await flight.timers();
  t.true(timers.length >= 5);
  await flight.update(updateTo(to));
  t.deepEqual(await flight.timers(), timers);
  await flight.land();
  // Version 0.2.2 kept no stamps, so of what it ran there are none.
  const stamps = from !== '0.2.2';
  const seen = await flight.seen(stamps);
  const expected = await undisturbed(to, stamps);
  for (const label of flight.ids.keys()) t.deepEqual(seen[label], expected[label], label);
  for (const { label, status } of SHAPES) t.like(seen[label], { status, branches: 0 }, label);
  for (const { label } of [UNBORN, BETWEEN, RUNNING]) t.like(seen[label], { status: 'completed', branches: 0 }, label);
  t.like(seen[RUNNING.label], { effects: ['a', 'b', 'c'] });
  await flight.end();
}

for (const { from, to } of PATHS) {
  test.serial(`B3: what is in flight under ${from} ends under ${to} as if there had been no update`, (t) => survives(t, from, to));
}

for (const { from, to } of PATHS) {
  test.serial(`B3: a loop that pauses between rounds under ${from} goes on under ${to} when its pause is over`, async (t) => {
    const database = await line.database(from);
    // Of a role's own setting, since in these databases loops make no pause.
    await line.cluster.query(`SELECT df.grant_usage('carol'); GRANT ALL ON public.effect TO carol; ALTER ROLE carol IN DATABASE ${database} SET pg_durable.loop_min_interval = '3600'`, database);
    const carol = await line.cluster.client('carol', database);
    const id = await begin(carol, 'pausing', `df.loop(${leave('round')}, $$SELECT count(*) < 3 FROM public.effect$$) ~> ${leave('after')}`);
    const pause = () => line.cluster.query<{ phase: string; due: string }>(`SELECT phase, due_at::text AS due FROM _df.branches WHERE due_at > clock_timestamp() + interval '10 minutes'`, database);
    await work(carol);
    const paused = await pause();
    t.like(paused, { 0: { phase: 'pause' }, length: 1 });
    await line.cluster.query(updateTo(to), database);
    t.deepEqual(await pause(), paused);
    for (let round = 2; round <= 3; round++) {
      await line.cluster.query('UPDATE _df.branches SET due_at = clock_timestamp()', database);
      await work(carol);
    }
    t.is((await carol.query('SELECT df.status($1) AS status', [id])).rows[0].status, 'completed');
    t.deepEqual((await carol.query('SELECT what FROM public.effect ORDER BY seq')).rows.map(({ what }) => what as string), ['round', 'round', 'round', 'after']);
    await carol.end();
  });
}
