/** The line of versions, and databases that have the extension at one of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClientBase } from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';

const ROOT = new URL('../../', import.meta.url);

/** The version that the sources give. */
export const CURRENT = (JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { version: string }).version;

/** Every version that can be installed, oldest first: the released ones, whose scripts lie in sql/, and the current. */
export const VERSIONS = [...new Set([...readdirSync(fileURLToPath(new URL('sql', ROOT)))
  .map((name) => /^pg_durable--([0-9.]+)\.sql$/.exec(name)?.[1]).filter((version) => version !== undefined), CURRENT])]
  .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

/** Every way along the line: from each version to each later one. */
export const PATHS = VERSIONS.flatMap((from, at) => VERSIONS.slice(at + 1).map((to) => ({ from, to })));

/** A cluster that makes databases at any version of the line, where the role alice may use the extension. */
export class Line {
  readonly #templates = new Map<string, Promise<string>>();
  private constructor(readonly cluster: Cluster) {}

  static async start(): Promise<Line> {
    const cluster = await startCluster();
    await cluster.query('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
    return new Line(cluster);
  }

  /** Makes a database with the extension at `version` and returns its name. Loops there make no pause. */
  async database(version: string): Promise<string> {
    let template = this.#templates.get(version);
    if (template === undefined) this.#templates.set(version, template = this.#makeTemplate(version));
    const name = await this.cluster.createDatabase(await template);
    await this.cluster.query(`ALTER DATABASE ${name} SET pg_durable.loop_min_interval = '0'`);
    return name;
  }

  async #makeTemplate(version: string): Promise<string> {
    const name = `line_${version.replaceAll('.', '_')}`;
    await this.cluster.query(`CREATE DATABASE ${name} TEMPLATE template0`);
    await this.cluster.query(`
      CREATE EXTENSION plv8; CREATE EXTENSION pg_durable VERSION '${version}';
      SELECT df.grant_usage('alice'); SELECT df.grant_usage('bob');
      CREATE TABLE public.effect (seq bigint GENERATED ALWAYS AS IDENTITY, label text, what text);
      GRANT SELECT, INSERT ON public.effect TO alice, bob`, name);
    return name;
  }

  end(): Promise<void> {
    return this.cluster.destroy();
  }
}

/** The command that operators give: to `version`, all scripts on the way in one transaction. */
export function updateTo(version: string): string {
  return `ALTER EXTENSION pg_durable UPDATE TO '${version}'`;
}

/** A step that leaves one row of evidence behind, as SQL text of a workflow's expression. */
export function leave(what: string): string {
  return `$$INSERT INTO public.effect (label, what) VALUES ('{sys_label}', '${what}')$$`;
}

/** Starts a workflow from an expression over the composers; returns its id. */
export async function begin(client: ClientBase, label: string, expression: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>(`SELECT df.start(${expression}, $1) AS id`, [label]);
  return rows[0]!.id;
}
