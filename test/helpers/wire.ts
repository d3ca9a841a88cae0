// A wire to a server that can be cut and mended, as when a service is down for a while.

import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { openPort } from './port.ts';

export interface Wire {
  /** Instead of the server's own. */
  readonly endpoint: string;
  /** From now on nobody listens; connections are reset. */
  readonly cut: () => Promise<void>;
  readonly mend: () => Promise<void>;
}

/** A wire of the test that runs, to a server on loopback. */
export async function wireTo(endpoint: string): Promise<Wire> {
  const target = Number(new URL(endpoint).port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => sockets.delete(socket));
      socket.pipe(other);
    }
  });
  const { endpoint: own, shut, open } = await openPort(server, sockets);
  onTestFinished(shut);
  return { endpoint: own, cut: shut, mend: open };
}
