/**
 * Starts per second in one session, each in a transaction of its own, beside inserting the same rows of df.instances
 * and df.nodes by plain SQL. The baseline leaves out the rows that only the engine keeps, so it does less.
 */
import type { Cluster } from '../test/support/cluster.ts';
import { type Figure, median } from './figure.ts';
import { rounds, sized } from './sizes.ts';
import { benchDatabase, ROLE, seconds, settle, STEPS, withSessions } from './workload.ts';

/** A row of df.nodes; ids end in `at`, so that they differ from those of other instances as well. */
function node(at: string, type: string, query: string, left: string, right: string): string {
  const id = (digit: string) => (digit === '' ? 'NULL' : `stem || '${digit}'`);
  return `(${id(at)}, instance, '${type}', ${query}, ${id(left)}, ${id(right)}, me, current_database())`;
}

/** The nodes of the workflow: `~>` groups to the left, so every pair's left child is the pair before it. */
const NODES = [
  ...Array.from({ length: STEPS - 1 }, (_, at) => node(String(at + 1), 'THEN', 'NULL', at === STEPS - 2 ? 'a' : String(at + 2), 'abcdef'.charAt(STEPS - 1 - at))),
  ...Array.from({ length: STEPS }, (_, at) => node('abcdef'.charAt(at), 'SQL', `'INSERT INTO bench.sink (step) VALUES (${at + 1})'`, '', '')),
];

const PROCEDURES = `
SET ROLE ${ROLE};
CREATE PROCEDURE bench.start_workflows(p_count integer, p_from integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..p_count LOOP
        PERFORM df.start(bench.workflow());
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.insert_workflows(p_count integer, p_from integer) LANGUAGE plpgsql AS $$
DECLARE
    me regrole := current_user::regrole;
    stem text;
    instance text;
BEGIN
    FOR i IN 1..p_count LOOP
        stem := lpad(to_hex(p_from + i), 7, '0');
        instance := 'b' || stem;
        INSERT INTO df.instances (id, root_node, submitted_by, database) VALUES (instance, stem || '1', me, current_database());
        INSERT INTO df.nodes (id, instance_id, node_type, query, left_node, right_node, submitted_by, database) VALUES
            ${NODES.join(',\n            ')};
        COMMIT;
    END LOOP;
END $$;
RESET ROLE;
`;

export async function benchStart(cluster: Cluster): Promise<Figure[]> {
  const database = await benchDatabase(cluster);
  await cluster.query(PROCEDURES, database);
  const count = sized(2000);
  let from = 0;
  const perSecond = async (procedure: string): Promise<number> => {
    await settle(cluster, database);
    from += count;
    return count / await withSessions(cluster, database, 1, ([client]) => seconds(async () => client?.query(`CALL bench.${procedure}(${count}, ${from})`)));
  };
  // Foreign keys are checked by plans that are made once per session: with statistics of empty tables they would be bad
  // ones, for both sides.
  await perSecond('insert_workflows');
  await perSecond('start_workflows');
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
