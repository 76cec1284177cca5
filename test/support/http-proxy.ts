import type { ExecutionContext } from 'ava';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** A proxy that leads every CONNECT to 127.0.0.1, unless `refuse` gives a status for it. */
export async function startProxy(t: ExecutionContext, refuse: (authority: string) => number | 'silence' | null = () => null): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(400).end();
  });
  const open = new Set<Socket>();
  proxy.on('connect', (request, socket: Socket) => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    asked.push(`CONNECT ${request.url} for ${request.headers.host} by ${request.headers['proxy-authorization'] ?? 'nobody'}`);
    const status = refuse(request.url!);
    if (status === 'silence') return;
    if (status !== null) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    const onward = connect(Number(request.url!.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.once('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  return { port: (proxy.address() as AddressInfo).port, asked };
}
