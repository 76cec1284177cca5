/**
 * Starts per second in one session, each in a transaction of its own, beside inserting the same rows of df.instances
 * and df.nodes by plain SQL. The baseline leaves out the rows that only the engine keeps, so it does less.
 */
import type { Cluster } from '../test/support/cluster.ts';
import { type Figure, median } from './figure.ts';
import { rounds, sized } from './sizes.ts';
import { benchDatabase, ROLE, seconds, STEPS, withSessions } from './workload.ts';

// In preorder node i's children are a leaf and the next pair; `~>` groups to the left, so the pair is the left child.
const PROCEDURES = `
SET ROLE ${ROLE};
CREATE PROCEDURE bench.start_workflows(p_count integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..p_count LOOP
        PERFORM df.start(bench.workflow());
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.insert_workflows(p_count integer) LANGUAGE plpgsql AS $$
DECLARE
    me regrole := current_user::regrole;
    instance text;
BEGIN
    FOR i IN 1..p_count LOOP
        instance := 'b' || lpad(to_hex(i), 7, '0');
        INSERT INTO df.instances (id, root_node, submitted_by, database) VALUES (instance, '00000001', me, current_database());
        INSERT INTO df.nodes (id, instance_id, node_type, query, left_node, right_node, submitted_by, database) VALUES
            ${Array.from({ length: STEPS - 1 }, (_, at) => {
    const left = at === STEPS - 2 ? `1${STEPS}` : `0${at + 2}`;
    return `('000000${`0${at + 1}`}', instance, 'THEN', NULL, '000000${left}', '000000${`1${at + 1}`}', me, current_database())`;
  }).join(',\n            ')},
            ${Array.from({ length: STEPS }, (_, at) => `('000000${`1${at + 1}`}', instance, 'SQL', 'INSERT INTO bench.sink (step) VALUES (${at + 1})', NULL, NULL, me, current_database())`).join(',\n            ')};
        COMMIT;
    END LOOP;
END $$;
RESET ROLE;
`;

export async function benchStart(cluster: Cluster): Promise<Figure[]> {
  const database = await benchDatabase(cluster);
  await cluster.query(PROCEDURES, database);
  const count = sized(2000);
  const perSecond = async (procedure: string): Promise<number> => {
    await cluster.query('DELETE FROM df.nodes; DELETE FROM df.instances', database);
    await cluster.query('VACUUM ANALYZE', database);
    await cluster.query('CHECKPOINT');
    return count / await withSessions(cluster, database, 1, ([client]) => seconds(async () => client?.query(`CALL bench.${procedure}(${count})`)));
  };
  const ours: number[] = [];
  const plain: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    plain.push(await perSecond('insert_workflows'));
    ours.push(await perSecond('start_workflows'));
  }
  return [{
    benchmark: 'start', case: `${STEPS} steps`, value: median(ours), baseline: median(plain), unit: 'starts/s', against: 'plain INSERTs',
    target: { ratioAtLeast: 0.4 },
  }];
}
