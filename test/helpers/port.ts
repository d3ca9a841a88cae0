// A server on loopback that can be shut, and opened again at its port, as when a service is down.

import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface Port {
  readonly endpoint: string;
  /** From now on nobody listens; connections are reset. */
  readonly shut: () => Promise<void>;
  /** Listens again, unless it does so already. */
  readonly open: () => Promise<void>;
}

/** @param sockets those to reset when it is shut; whoever creates the server keeps them */
export async function openPort(server: Server, sockets: ReadonlySet<Socket>): Promise<Port> {
  async function listen(port: number): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    shut: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    open: async () => {
      if (!server.listening) await listen(port);
    },
  };
}
