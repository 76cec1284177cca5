/** A stand-in for the network: clients connect here, and it forwards, cuts, and follows the server to another place. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import path from 'node:path';

export type Direction = 'to the server' | 'to the client';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes that still pass in each direction; the connection is cut behind them. */
  readonly left: Record<Direction, number>;
}

export class Proxy {
  /** Socket directory of the server that new connections go to. */
  target: string;
  readonly socketDir: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #stalled = false;

  private constructor(socketDir: string, target: string) {
    this.socketDir = socketDir;
    this.target = target;
    this.#server = createServer({ allowHalfOpen: false }, (client) => this.#accept(client));
  }

  /** Listens in `socketDir` and forwards to the server whose socket is in `target`; both as port 5432. */
  static async start(socketDir: string, target: string): Promise<Proxy> {
    const proxy = new Proxy(socketDir, target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(path.join(socketDir, '.s.PGSQL.5432'), resolve);
    });
    return proxy;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /**
   * Cuts a connection once `bytes` more have passed in a direction, at whatever place of a message that is.
   * `fraction` in [0, 1) says which. Returns false when there is none.
   */
  cut(fraction: number, direction: Direction, bytes: number): boolean {
    const pair = [...this.#pairs][Math.floor(fraction * this.#pairs.size)];
    if (pair === undefined) return false;
    pair.left[direction] = bytes;
    return true;
  }

  /** Holds everything back, as a network does that is gone for a while, until `resume`. */
  stall(): void {
    this.#stalled = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  resume(): void {
    this.#stalled = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  async stop(): Promise<void> {
    for (const pair of this.#pairs) this.#end(pair);
    await new Promise((resolve) => { this.#server.close(resolve); });
  }

  #accept(client: Socket): void {
    const server = connect(path.join(this.target, '.s.PGSQL.5432'));
    const pair: Pair = { client, server, left: { 'to the server': Number.POSITIVE_INFINITY, 'to the client': Number.POSITIVE_INFINITY } };
    this.#pairs.add(pair);
    this.#forward(pair, client, server, 'to the server');
    this.#forward(pair, server, client, 'to the client');
    if (this.#stalled) {
      client.pause();
      server.pause();
    }
  }

  #forward(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (data) => {
      const passing = data.subarray(0, Math.max(0, pair.left[direction]));
      pair.left[direction] -= data.length;
      if (passing.length > 0) to.write(passing);
      if (pair.left[direction] <= 0) this.#end(pair);
    });
    // Whatever ends one side ends the other; the reason is the business of the two at the ends.
    from.on('error', () => this.#end(pair));
    from.on('close', () => this.#end(pair));
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    // What was written before the cut still goes out; a side that does not take it is let go all the same.
    for (const side of [pair.client, pair.server]) side.destroySoon();
  }
}
