/**
 * One session of a submitting role: authenticated as that role, and used for nothing but `CALL df.work`.
 *
 * Never SET ROLE, never a statement with anything of a user's in it. What a step leaves in the session (settings, temporary
 * tables, cursors, prepared statements, locks, LISTENs) is cleared after each call that ran one.
 */
import pg from 'pg';
import type { ClientConfig } from 'pg';
import { sendCancel, type CancelKey } from './cancel.ts';
import { callWork, CLEAN, PREPARE, type WorkResult } from './protocol.ts';

export class Session {
  readonly #client: pg.Client;
  readonly #address: { host: string; port: number };
  #lost: ((error: Error) => void) | null = null;
  #ended = false;
  #cause: Error | null = null;

  private constructor(client: pg.Client, address: { host: string; port: number }) {
    this.#client = client;
    this.#address = address;
    client.on('error', (error: Error) => {
      this.#cause ??= error;
    });
    client.on('end', () => {
      this.#ended = true;
      this.#lost?.(this.#cause ?? new Error('connection terminated'));
    });
  }

  /**
   * Connects.
   * @throws the server's error (see classifyConnect)
   */
  static async open(config: ClientConfig & { host: string; port: number }): Promise<Session> {
    const client = new pg.Client(config);
    const session = new Session(client, { host: config.host, port: config.port });
    try {
      await client.connect();
      return session;
    } catch (error) {
      // `pg` keeps the socket of a refused connection until the server closes it.
      void client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Process id of the server's backend. */
  get pid(): number {
    return this.#key.processID;
  }

  /** Calls `lost` once, when the connection ends for whatever reason; at once if it has ended already. */
  onLost(lost: (error: Error) => void): void {
    this.#lost = lost;
    if (this.#ended) lost(this.#cause ?? new Error('connection terminated'));
  }

  /**
   * Gets the session ready for its first call, so that this one takes no longer than any other.
   * @throws what a call throws (see classifyCall)
   */
  async prepare(): Promise<void> {
    await this.#client.query(PREPARE);
  }

  /**
   * Runs due work for a bounded time.
   * @param slice ms
   * @throws the error of the call (see classifyCall); its unfinished step has then been rolled back
   */
  work(slice: number): Promise<WorkResult> {
    return callWork(this.#client, slice);
  }

  /** Clears what steps left behind. */
  async clean(): Promise<void> {
    await this.#client.query(CLEAN);
  }

  /** Asks the server to cancel what runs here. */
  cancel(timeout: number): Promise<void> {
    return sendCancel(this.#address, this.#key, timeout);
  }

  /** Ends the connection: politely when it is idle, abruptly when something runs. */
  close(): void {
    // Its end is reported through onLost; an error in between says no more than that.
    void this.#client.end().catch(() => undefined);
  }

  /** `pg` keeps the key for its own cancel, and does not declare it. */
  get #key(): CancelKey {
    return this.#client as unknown as CancelKey;
  }
}
