/**
 * The clients: they start workflows, send signals and cancel, through the network that is being cut.
 *
 * Each deed is noted in crash.done by the transaction that does it. A client that lost the answer finds out there
 * whether the deed took place, and a second try waits for the first, if that is still on its way, at the key.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { Chance } from './random.ts';
import { SHAPES, type Shape } from './shapes.ts';
import { ROLES } from './stage.ts';
import { isPassing, type World } from './world.ts';

export interface Started { readonly label: string; readonly shape: Shape; readonly role: string; readonly id: string }

export class Load {
  readonly started: Started[] = [];
  /** What was neither done nor refused for a reason that passes. */
  readonly failures: string[] = [];
  readonly #chance: Chance;
  readonly #pools = new Map<string, pg.Pool>();
  readonly #lives = new Set<Promise<void>>();
  #bag: Shape[] = [];
  #count = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  readonly #shapes: readonly Shape[];
  #closed = false;

  constructor(world: World, seed: number, shapes: readonly Shape[] = SHAPES) {
    this.#shapes = shapes;
    this.#chance = new Chance(seed);
    for (const role of ROLES) {
      const pool = new pg.Pool({ connectionString: world.url(role), max: 2, connectionTimeoutMillis: 5000, query_timeout: 15_000, application_name: 'client' });
      // Idle connections are cut as others are; the pool makes new ones.
      pool.on('error', () => undefined).on('connect', (client) => client.on('error', () => undefined));
      this.#pools.set(role, pool);
    }
  }

  /** Starts one of a shape and sees it through: its signals, its cancellation. */
  begin(shape: Shape, role = this.#chance.pick(ROLES)): void {
    const label = `${(this.#count += 1)} ${shape.name}`;
    const delays = [...(shape.signals ?? []), 'end'].map(() => this.#chance.between(0, 1500));
    const life = this.#live(label, shape, role, delays).catch((error: Error) => {
      this.failures.push(`${label}: ${error.message}`);
    }).finally(() => this.#lives.delete(life));
    this.#lives.add(life);
  }

  /** Starts `rate` workflows per second, of all shapes by weight, until `stop`; those that wait for a full minute only if one comes before `end`. */
  run(rate: number, end: number): void {
    this.#running = true;
    this.#loop = (async () => {
      while (this.#running) {
        // Those that the disturbed server keeps from starting do not pile up without end.
        if (this.#lives.size < 60) this.begin(this.#next(end));
        await pause(1000 / rate);
      }
    })();
  }

  /** Begins no more, and waits until all that was begun is started, signalled and cancelled. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
    while (this.#lives.size > 0) await Promise.all(this.#lives);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#running = false;
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()));
  }

  #next(end: number): Shape {
    const minute = Math.ceil((Date.now() + 3000) / 60_000) * 60_000;
    if (this.#bag.at(-1)?.scheduled === true && minute > end) this.#bag.pop();
    if (this.#bag.length === 0) this.#bag = this.#chance.shuffle(this.#shapes.flatMap((shape) => Array<Shape>(shape.weight ?? 1).fill(shape)));
    return this.#bag.pop() as Shape;
  }

  async #live(label: string, shape: Shape, role: string, delays: number[]): Promise<void> {
    const id = await this.#once(role, label, 'start', `SELECT df.start(${shape.future}, $1)`, label);
    this.started.push({ label, shape, role, id });
    for (const [k, name] of (shape.signals ?? []).entries()) {
      await pause(delays[k]);
      await this.#once(role, label, `signal ${name}`, 'SELECT df.signal($1, $2)', id, name);
    }
    if (shape.cancelled === true) {
      await pause(delays.at(-1));
      await this.#once(role, label, 'cancel', "SELECT df.cancel($1, 'no longer wanted')", id);
    }
  }

  /** Does a deed exactly once, however often it takes, and returns what it gave. */
  async #once(role: string, label: string, deed: string, sql: string, ...values: string[]): Promise<string> {
    const pool = this.#pools.get(role)!;
    const end = Date.now() + 120_000;
    for (;;) {
      try {
        const client = await pool.connect();
        let good = false;
        try {
          await client.query('BEGIN');
          const { rowCount } = await client.query('INSERT INTO crash.done (label, deed) VALUES ($1, $2) ON CONFLICT DO NOTHING', [label, deed]);
          if (rowCount === 1) {
            const { rows } = await client.query({ text: sql, values, rowMode: 'array' });
            await client.query('UPDATE crash.done SET instance = $3 WHERE label = $1 AND deed = $2', [label, deed, (rows as string[][])[0]?.[0]]);
          }
          await client.query('COMMIT');
          const { rows } = await client.query<{ instance: string }>('SELECT instance FROM crash.done WHERE label = $1 AND deed = $2', [label, deed]);
          good = true;
          if (rows[0] === undefined) throw new Error(`the deed "${deed}" was acknowledged and is not there`);
          return rows[0].instance;
        } finally {
          client.release(!good);
        }
      } catch (error) {
        if (!isPassing(error) || Date.now() > end) throw error;
        await pause(50);
      }
    }
  }
}
