/** ALTER EXTENSION … UPDATE with a million nodes, beside the same update of an empty installation. df.nodes is locked for all of it. */
import type { Cluster } from '../test/support/cluster.ts';
import { type Figure, median } from './figure.ts';
import { fill } from './fill.ts';
import { rounds, sized } from './sizes.ts';
import { ROLE, seconds } from './workload.ts';

/** Its nodes are four. */
const GRAPH = "df.join3('SELECT 1', 'SELECT 2', 'SELECT 3')";
const CURRENT = 'ALTER EXTENSION pg_durable UPDATE';
const VALIDATE = 'ALTER TABLE df.nodes VALIDATE CONSTRAINT nodes_instance_id_present_chk';

async function installed(cluster: Cluster, version: string, instances: number): Promise<string> {
  const database = await cluster.createDatabase('template0');
  if ((await cluster.query(`SELECT FROM pg_roles WHERE rolname = '${ROLE}'`)).length === 0) await cluster.query(`CREATE ROLE ${ROLE} LOGIN`);
  await cluster.query(`CREATE EXTENSION plv8; CREATE EXTENSION pg_durable VERSION '${version}'; SELECT df.grant_usage('${ROLE}')`, database);
  if (instances > 0) await fill(cluster, database, GRAPH, 'finished', 'a', instances);
  await cluster.query('VACUUM (FREEZE, ANALYZE)', database);
  return database;
}

export async function benchUpgrade(cluster: Cluster): Promise<Figure[]> {
  const instances = sized(250_000);
  const figures: Figure[] = [];
  for (const version of ['0.2.2', '0.2.3']) {
    const [full, empty] = [await installed(cluster, version, instances), await installed(cluster, version, 0)];
    const update = async (template: string, before?: string): Promise<number> => {
      const database = await cluster.createDatabase(template);
      if (before !== undefined) await cluster.query(before, database);
      await cluster.query('CHECKPOINT');
      const client = await cluster.client('postgres', database);
      const took = await seconds(() => client.query(CURRENT));
      await client.end();
      await cluster.query(`DROP DATABASE ${database}`);
      return took;
    };
    const [values, validated, baseline]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round += 1) {
      values.push(await update(full));
      validated.push(await update(full, VALIDATE));
      baseline.push(await update(empty));
    }
    const nodes = `${(instances * 4).toLocaleString('en-US')} nodes`;
    const figure = { benchmark: 'upgrade', baseline: median(baseline), unit: 's', against: 'without any nodes', target: { atMost: 10 } };
    figures.push(
      { ...figure, case: `from ${version}, ${nodes}`, value: median(values) },
      { ...figure, case: `from ${version}, ${nodes}, ids validated before`, value: median(validated) },
    );
  }
  return figures;
}
