/** What must be true when all is over, whatever was done to the server and the workers in between. */
import { until } from '../support/poll.ts';
import type { Load } from './load.ts';
import type { Evidence, Shape } from './shapes.ts';
import { ALONE, GATE } from './stage.ts';
import type { World } from './world.ts';

/** The nodes of an instance in the order of its program, as text that is the same for every instance of a shape. */
export type Nodes = string;

export interface Verdict {
  /** What is wrong, one sentence each; empty when nothing is. */
  readonly faults: string[];
  readonly workflows: number;
  readonly evidence: number;
  readonly duplicates: number;
  readonly losses: number;
}

interface InstanceRow {
  id: string; label: string; status: string; info: string; output: string | null; result: string | null;
  evidence: Evidence | null; nodes: Nodes; sqlstates: string[] | null;
}

const INSTANCES = `
  SELECT i.id, i.label, i.status, f.status AS info, f.output, df.result(i.id) AS result,
    (SELECT json_object_agg(e.step, e.n) FROM (SELECT step, count(*) AS n FROM crash.evidence WHERE instance = i.id GROUP BY step) e) AS evidence,
    (SELECT array_agg(n.status_details ->> 'sqlstate') FROM df.nodes n WHERE n.instance_id = i.id AND n.status_details ? 'sqlstate') AS sqlstates,
    (SELECT string_agg(concat_ws(' ', n.node_type, n.result_name, n.status, n.inferred_status, n.result,
        position(n.inferred_status_from_ancestor_id IN r.node_ids) / 8, regexp_replace(n.status_details, '"(context|statement)": *"[^"]*"', '')),
        E'\\n' ORDER BY position(n.node_id IN r.node_ids))
     FROM df.instance_nodes(i.id) n) AS nodes
  FROM df.instances i JOIN _df.runs r ON r.instance_id = i.id, LATERAL df.instance_info(i.id) f`;

/** Everything that a finished workflow leaves, comparable from one to the next: ids are replaced by where they stand. */
export async function finished(world: World): Promise<(InstanceRow & { nodes: Nodes })[]> {
  const ids = new Map((await world.ask<{ instance_id: string; node_ids: string }>('SELECT instance_id, node_ids FROM _df.runs')).map((row) => [row.instance_id, row.node_ids]));
  return (await world.ask<InstanceRow>(INSTANCES)).map((row) => {
    const places = new Map((ids.get(row.id) ?? '').match(/.{8}/g)?.map((id, at) => [id, `<${at}>`]));
    places.set(row.id, '<instance>');
    return { ...row, nodes: (row.nodes ?? '').replace(/[0-9a-f]{8}/g, (id) => places.get(id) ?? id) };
  });
}

/** Waits until no workflow is under way. Returns a fault when that takes too long. */
export async function allOver(world: World, patience: number): Promise<string[]> {
  const open = "SELECT i.id, i.label, i.status, b.branch, b.phase, b.due_at, b.attempts, b.external FROM df.instances i LEFT JOIN _df.branches b ON b.instance_id = i.id WHERE i.status IN ('pending', 'running')";
  try {
    await until('every workflow to end', async () => (await world.ask(`${open} LIMIT 1`)).length === 0, patience);
    return [];
  } catch {
    return (await world.ask(`${open} LIMIT 10`)).map((row) => `a workflow does not end: ${JSON.stringify(row)}`);
  }
}

/** Holds what is there against what must be there. `reference` has the nodes of an undisturbed run of each shape. */
export async function judge(world: World, load: Load, reference: ReadonlyMap<string, Nodes>, fullDisk: boolean): Promise<Verdict> {
  const faults: string[] = [...load.failures.map((failure) => `a client failed: ${failure}`)];
  const rows = await finished(world);
  let duplicates = 0;
  let losses = 0;
  const started = new Map(load.started.map((one) => [one.id, one]));
  for (const row of rows) {
    const known = started.get(row.id);
    if (known === undefined) {
      faults.push(`instance ${row.id} (${row.label}) is there and was never acknowledged`);
      continue;
    }
    started.delete(row.id);
    const { shape } = known;
    const name = `${known.label} (${row.id})`;
    const noRoom = fullDisk && row.status === 'failed' && (row.sqlstates ?? []).some((state) => state.startsWith('53'));
    if (row.status !== shape.ends && !noRoom) faults.push(`${name} is ${row.status} and not ${shape.ends}: ${row.output ?? ''}`);
    if (row.info !== row.status) faults.push(`${name} is ${row.status} in the table and ${row.info} in df.instance_info`);
    const found = row.evidence ?? {};
    const wrong = compare(shape, found, noRoom || shape.cancelled === true);
    duplicates += wrong.duplicates;
    losses += wrong.losses;
    if (wrong.duplicates + wrong.losses > 0) faults.push(`${name} left ${JSON.stringify(found)} and not ${shape.evidence.map((one) => JSON.stringify(one)).join(' or ')}`);
    const expected = reference.get(shape.name);
    if (!noRoom && shape.open !== true && row.nodes !== expected) faults.push(`${name} differs from an undisturbed run:\n${difference(row.nodes, expected ?? '')}`);
  }
  for (const one of started.values()) {
    losses += 1;
    faults.push(`${one.label} (${one.id}) was acknowledged and is not there`);
  }
  const [{ n: evidence, strangers } = { n: 0, strangers: 0 }] = await world.ask<{ n: number; strangers: number }>(
    'SELECT count(*)::integer AS n, (count(*) FILTER (WHERE NOT EXISTS (SELECT FROM df.instances i WHERE i.id = instance)))::integer AS strangers FROM crash.evidence');
  if (strangers > 0) faults.push(`${strangers} rows of evidence belong to no workflow`);
  faults.push(...await engineLeftovers(world));
  return { faults, workflows: rows.length, evidence, duplicates, losses };
}

/** How many rows of evidence are too many and how many are missing, against the outcome that comes nearest. */
function compare(shape: Shape, found: Evidence, mayLack: boolean): { duplicates: number; losses: number } {
  const verdicts = shape.evidence.map((expected) => {
    let duplicates = 0;
    let losses = 0;
    for (const step of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const more = (found[step] ?? 0) - (expected[step] ?? 0);
      if (more > 0 && !(shape.atLeastOnce?.includes(step) ?? false)) duplicates += more;
      if (more < 0 && !mayLack) losses -= more;
    }
    return { duplicates, losses };
  });
  return verdicts.reduce((best, one) => (one.duplicates + one.losses < best.duplicates + best.losses ? one : best));
}

function difference(found: string, expected: string): string {
  const [a, b] = [found.split('\n'), expected.split('\n')];
  return Array.from({ length: Math.max(a.length, b.length) }, (_, k) => (a[k] === b[k] ? '' : `  is:     ${a[k]}\n  not as: ${b[k]}`)).filter((line) => line !== '').join('\n');
}

/** Engine state that no ended workflow may leave: once the session that is inside a lost step has seen that it is lost. */
async function engineLeftovers(world: World): Promise<string[]> {
  const faults: string[] = [];
  for (const table of ['_df.branches', '_df.names', '_df.signals', '_df.http_claims', '_df.revisits']) {
    const rows = (): Promise<{ row: unknown }[]> => world.ask(`SELECT to_json(t) AS row FROM ${table} t LIMIT 3`);
    await until(`${table} to be empty`, async () => (await rows()).length === 0, 15_000)
      .catch(async () => faults.push(...(await rows()).map(({ row }) => `left over in ${table}: ${JSON.stringify(row)}`)));
  }
  const [overlaps] = await world.ask<{ is_called: boolean; last_value: string }>('SELECT is_called, last_value FROM crash.overlaps');
  if (overlaps?.is_called === true) faults.push(`${overlaps.last_value} times a step ran while another session was inside it`);
  const [sum] = await world.ask<{ sum: string }>('SELECT sum(balance) FROM crash.account');
  if (Number(sum?.sum) !== 0) faults.push(`the accounts sum up to ${sum?.sum}`);
  return faults;
}

/** What workers must not leave in the server, once every one of them has ended. */
export async function serverLeftovers(world: World): Promise<string[]> {
  const faults: string[] = [];
  const sessions = "SELECT application_name, usename, state, left(query, 100) AS query FROM pg_stat_activity WHERE application_name LIKE 'pg_durable%'";
  await until('the sessions of the workers to end', async () => (await world.ask(sessions)).length === 0, 10_000)
    .catch(async () => faults.push(...(await world.ask(sessions)).map((row) => `a session is left: ${JSON.stringify(row)}`)));
  const locks = await world.ask<{ row: unknown }>(`
    SELECT to_json(l) AS row FROM pg_locks l WHERE l.pid <> pg_backend_pid() AND (l.locktype = 'advisory' AND l.classid IN (${ALONE}, ${GATE}) OR l.locktype = 'transactionid')
      AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND a.backend_type = 'client backend') LIMIT 3`);
  faults.push(...locks.map(({ row }) => `a lock is left: ${JSON.stringify(row)}`));
  if ((await world.ask('SELECT FROM pg_prepared_xacts')).length > 0) faults.push('a prepared transaction is left');
  return faults;
}
