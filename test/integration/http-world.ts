/** A real server on loopback, and databases whose HTTP steps may reach it. */
import type { ExecutionContext } from 'ava';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cluster } from '../support/cluster.ts';
import { until } from '../support/poll.ts';
import { WorkerProcess } from './worker-process.ts';

export interface Seen { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }
export type Handler = (seen: Seen, response: ServerResponse) => void;

/** A server that remembers what it was asked. */
export async function serve(t: ExecutionContext, handler: Handler): Promise<{ base: string; port: number; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.concat(chunks) };
      seen.push(one);
      handler(one, response);
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const { port } = server.address() as AddressInfo;
  return { base: `http://localhost:${port}`, port, seen, server };
}

export const json: Handler = (_, response) => { response.setHeader('Content-Type', 'application/json').end('{"n": 9007199254740993}'); };

export interface Options { settings?: string; worker?: boolean }

export interface Ended { status: string; result: { status: number; body: string; encoding: string; headers: Record<string, string>; ok: boolean; duration_ms: number }; error: string | null; details: Record<string, string> }

/** What the tests of one file do with its cluster. */
export class World {
  constructor(readonly cluster: Cluster) {}

  /** A database with HTTP open to loopback, unless the settings say otherwise, and a worker. */
  async setUp(t: ExecutionContext, { settings = "http = 'all'; http_private_ranges = '127.0.0.0/8, ::1'", worker = true }: Options = {}): Promise<{ database: string; start: (environment?: Record<string, string>) => Promise<WorkerProcess> }> {
    const database = await this.cluster.createDatabase();
    await this.cluster.query(`SELECT df.grant_usage('alice', true); SELECT df.grant_usage('bob');
      ${settings.split(';').map((setting) => `ALTER DATABASE ${database} SET pg_durable.${setting.trim()}`).join(';')}`, database);
    const start = async (environment?: Record<string, string>): Promise<WorkerProcess> => {
      const started = await WorkerProcess.start(this.cluster.connectionString('postgres', database), ['--sweep', '0.3'], environment);
      t.teardown(() => started.stop());
      await started.event('server.ready');
      return started;
    };
    if (worker) await start();
    return { database, start };
  }

  async begin(database: string, expression: string, role = 'alice', before = ''): Promise<string> {
    const client = await this.cluster.client(role, database);
    try {
      if (before !== '') await client.query(before);
      return (await client.query<{ id: string }>(`SELECT df.start(${expression}) AS id`)).rows[0]!.id;
    } finally {
      await client.end();
    }
  }

  /** Waits for the end and returns the (first) HTTP node of the instance. */
  async ended(database: string, id: string): Promise<Ended> {
    await until(`instance ${id} to end`, async () => (await this.cluster.query(`SELECT 1 FROM df.instances WHERE id = '${id}' AND status IN ('completed', 'failed', 'cancelled')`, database)).length > 0);
    const [row] = await this.cluster.query<Ended>(`SELECT i.status, n.result, n.error, n.status_details AS details FROM df.instances i
      JOIN df.nodes n ON n.instance_id = i.id WHERE i.id = '${id}' AND n.node_type LIKE 'HTTP%' ORDER BY n.created_at, n.id LIMIT 1`, database);
    return row!;
  }

  /** What an instance failed with. */
  async problem(database: string, id: string): Promise<string> {
    return JSON.stringify(await this.cluster.query(`SELECT query, error FROM df.nodes WHERE instance_id = '${id}' AND error IS NOT NULL`, database));
  }
}
