/**
 * Cancels what a session is running, with PostgreSQL's cancel message: a connection of its own that carries the key which the
 * server gave the session. It needs no privilege and no free connection slot, unlike `pg_cancel_backend`.
 */
import { connect } from 'node:net';

const CANCEL_REQUEST_CODE = 80_877_102;

/** What the server told a session when it began. */
export interface CancelKey {
  readonly processID: number;
  readonly secretKey: number;
}

/**
 * Sends the message. It is a request: whether something was running, and whether it ends, shows in the session itself.
 * @param timeout ms until it is given up
 * @throws the socket's error
 */
export function sendCancel(place: { host: string; port: number }, key: CancelKey, timeout: number): Promise<void> {
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  message.writeInt32BE(key.processID, 8);
  message.writeInt32BE(key.secretKey, 12);
  return new Promise((resolve, reject) => {
    const socket = place.host.startsWith('/')
      ? connect(`${place.host}/.s.PGSQL.${place.port}`)
      : connect(place.port, place.host);
    socket.setTimeout(timeout, () => socket.destroy(new Error(`no answer to a cancel request within ${timeout} ms`)));
    socket.once('connect', () => socket.write(message));
    socket.once('error', reject);
    // The server closes the connection when it has passed the request on.
    socket.once('close', () => resolve());
    socket.resume();
  });
}
