/**
 * The connection of a request: to an address that was checked, and to no other (semantics §10).
 *
 * Sockets are opened here, by address, and handed to Node's HTTP client, so that no second resolution takes place between
 * check and connection; the name is used for TLS only.
 */
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { tunnel } from './proxy.ts';
import { hostOf, portOf } from './target.ts';

/** ms that one of several addresses is given before the next one is tried. */
const ADDRESS_TIME = 5_000;

/**
 * Opens a connection for a URL, through the proxy if there is one for it.
 * @param addresses tried one after the other
 * @throws the error of the last address, RequestFailure when it is the proxy's answer
 */
export async function open(url: URL, addresses: readonly string[], proxy: URL | null, signal: AbortSignal): Promise<Socket> {
  let failure: unknown = null;
  for (const [at, address] of addresses.entries()) {
    let socket: Socket | null = null;
    try {
      const brief = at < addresses.length - 1 ? AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_TIME)]) : signal;
      socket = proxy === null ? await tcp(address, portOf(url), brief) : await throughProxy(proxy, address, portOf(url), brief);
      return url.protocol === 'https:' ? await secure(socket, hostOf(url), signal) : socket;
    } catch (error) {
      socket?.destroy();
      signal.throwIfAborted();
      // A server that was reached and is not the right one is not looked for elsewhere.
      if (socket !== null) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** The proxy is the operator's choice and may be anywhere: its own address is not checked. */
async function throughProxy(proxy: URL, address: string, port: number, signal: AbortSignal): Promise<Socket> {
  let carrier = await tcp(hostOf(proxy), portOf(proxy), signal);
  try {
    if (proxy.protocol === 'https:') carrier = await secure(carrier, hostOf(proxy), signal);
    return await tunnel(carrier, proxy, address, port, signal);
  } catch (error) {
    carrier.destroy();
    throw error;
  }
}

async function tcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, noDelay: true });
  await settled(socket, 'connect', signal);
  return socket;
}

async function secure(socket: Socket, name: string, signal: AbortSignal): Promise<Socket> {
  // An address has no place in SNI; the certificate is checked against it all the same.
  const tls = connectTls({ socket, host: name, ...(isIP(name) === 0 && { servername: name }), ALPNProtocols: ['http/1.1'] });
  await settled(tls, 'secureConnect', signal);
  return tls;
}

async function settled(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
  // Between this moment and the one at which the HTTP client takes over, an error must not be unhandled.
  socket.on('error', () => undefined);
}
