/** A hostile role, its victim, and what both share: see security.test.ts. */
import type { ExecutionContext } from 'ava';
import type pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';

/** The cluster of the test file, from `openStage` on. */
export let cluster: Cluster;

export interface Scene {
  database: string;
  /** The victim's instance, which waits for a signal. */
  instance: string;
  node: string;
  victim: pg.Client;
  mallory: pg.Client;
}

export interface Attack {
  name: string;
  /** What a careless build would have left open, as the superuser. */
  weaken: string;
  /** Whether the attack came through; an error of the server counts as beaten off. */
  attempt(scene: Scene): Promise<boolean>;
}

export async function openStage(): Promise<void> {
  cluster = await startCluster();
  await cluster.query('CREATE ROLE victim LOGIN; CREATE ROLE mallory LOGIN');
}

export const NO_RLS = 'ALTER TABLE df.instances DISABLE ROW LEVEL SECURITY; ALTER TABLE df.nodes DISABLE ROW LEVEL SECURITY;';
export const NO_PROOF = `CREATE OR REPLACE FUNCTION _df.written_here(writer xid) RETURNS boolean LANGUAGE sql AS 'SELECT true';`;
/** The bundle with one piece of its source replaced. */
export const patched = (from: string, to: string): string => `DO $do$ BEGIN
  IF position('${from}' IN _df.bundle()) = 0 THEN RAISE 'there is no such piece'; END IF;
  EXECUTE format('CREATE OR REPLACE FUNCTION _df.bundle() RETURNS text LANGUAGE sql IMMUTABLE AS %L', format('SELECT %L::text', replace(_df.bundle(), '${from}', '${to}')));
END $do$;`;
/** Mallory's log: which role his code ran as. */
export const LOG = `CREATE SCHEMA evil; CREATE TABLE evil.log (who name DEFAULT current_user, what text); GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT INSERT ON evil.log TO PUBLIC;`;

/** Replaces a part of _df.launch() as a careless author might have written it. */
export const careless = (part: string, by: string): string => `DO $do$
  DECLARE
    good text := pg_get_functiondef('_df.launch()'::regprocedure);
  BEGIN
    IF position($part$${part}$part$ IN good) = 0 THEN RAISE 'there is no such part'; END IF;
    EXECUTE replace(good, $part$${part}$part$, $by$${by}$by$);
  END $do$`;

export async function stage(weaken: string): Promise<Scene> {
  const database = await cluster.createDatabase();
  await cluster.query(`SELECT df.grant_usage('victim'); SELECT df.grant_usage('mallory'); GRANT CREATE ON DATABASE "${database}" TO mallory;
    GRANT CREATE ON SCHEMA public TO mallory; CREATE TABLE secret (v text); INSERT INTO secret VALUES ('s3cret'); GRANT ALL ON secret TO victim`, database);
  const victim = await cluster.client('victim', database);
  const instance = (await victim.query<{ id: string }>(
    `SELECT df.start('SELECT v FROM secret' |=> 'secret' ~> df.wait_for_signal('go') ~> 'UPDATE secret SET v = ''done''') AS id`)).rows[0]!.id;
  await victim.query('CALL df.work()');
  const node = (await victim.query<{ root_node: string }>('SELECT root_node FROM df.instances')).rows[0]!.root_node;
  if (weaken !== '') await cluster.query(weaken, database);
  return { database, instance, node, victim, mallory: await cluster.client('mallory', database) };
}

export async function succeeds(attack: Attack, weaken: string): Promise<boolean> {
  const scene = await stage(weaken);
  try {
    return await attack.attempt(scene).catch((error: unknown) => {
      if (typeof (error as { code?: unknown }).code === 'string') return false;
      throw error;
    });
  } finally {
    await Promise.all([scene.victim.end(), scene.mallory.end()]);
  }
}

export const count = async (client: pg.Client, sql: string, values: unknown[] = []): Promise<number> =>
  Number((await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${sql}`, values)).rows[0]!.n);

/** Everything that is stored of the victim's instance. */
export async function stored({ database, instance }: Scene): Promise<string> {
  const [row] = await cluster.query<{ all: string }>(`
    SELECT json_build_array((SELECT json_agg(i) FROM df.instances i WHERE id = '${instance}'),
      (SELECT json_agg(n ORDER BY id) FROM df.nodes n WHERE instance_id = '${instance}'), (SELECT json_agg(r) FROM _df.runs r WHERE instance_id = '${instance}'),
      (SELECT json_agg(b) FROM _df.branches b WHERE instance_id = '${instance}'), (SELECT json_agg(s) FROM _df.signals s WHERE instance_id = '${instance}'),
      (SELECT json_agg(m) FROM _df.names m WHERE instance_id = '${instance}'))::text AS all`, database);
  return row!.all;
}

/** Runs mallory's statements, each on its own; those that the server refuses are passed over. */
export async function tryAll(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await client.query(statement).catch(async (error: { code?: string }) => {
      if (typeof error.code !== 'string') throw error;
      await client.query('ROLLBACK');
    });
  }
}

/** Whose instances there are besides the one on the scene. */
export const otherSubmitters = async ({ database, instance }: Scene): Promise<string[]> =>
  (await cluster.query<{ who: string }>(`SELECT submitted_by::text AS who FROM df.instances WHERE id <> '${instance}'`, database)).map(({ who }) => who);

export const loggedAsOther = async ({ database }: Scene): Promise<boolean> =>
  (await cluster.query(`SELECT FROM evil.log WHERE who <> 'mallory'`, database)).length > 0;

/** Makes the attack against the build as it is, and against the one that was weakened. */
export async function withstands(t: ExecutionContext, attack: Attack): Promise<void> {
  t.false(await succeeds(attack, ''));
  if (attack.weaken !== '') t.true(await succeeds(attack, attack.weaken), 'the attack fails even where nothing is in its way');
}
