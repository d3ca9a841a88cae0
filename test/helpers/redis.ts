// A redis-server of its own for whoever wants one: on a free port of loopback, in a directory that
// goes away with it.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** A client of whoever looks behind the scenes. */
  readonly admin: Redis;
  /** It hangs: connections stay, and nobody answers. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** It dies, with all that it held. */
  readonly kill: () => Promise<void>;
  /** It is there again, on the same port, empty. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** @param settings of redis-server, e.g. `--requirepass secret` */
export async function startRedis(...settings: readonly string[]): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-'));
  const port = await freePort();
  let server = await launch(port, directory, settings);
  const at = settings.indexOf('--requirepass');
  const admin = new Redis(port, '127.0.0.1', {
    ...(at >= 0 && { password: settings[at + 1] ?? '' }),
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 20,
  });
  admin.on('error', () => undefined); // while the server is away

  async function kill(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }
  async function stop(): Promise<void> {
    admin.disconnect();
    await kill();
    await rm(directory, { recursive: true, force: true });
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    admin,
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    kill,
    restart: async () => {
      await kill();
      server = await launch(port, directory, settings);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(
  port: number,
  directory: string,
  settings: readonly string[],
): Promise<ChildProcess> {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory];
  const server = spawn('redis-server', [...fixed, '--save', '', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = (): void => void server.kill('SIGKILL');
  process.once('exit', end);
  server.once('exit', () => process.off('exit', end));
  const output: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(server.stdout).on('line', (line) => {
      output.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
    server.once('error', reject);
    server.once('exit', () => reject(new Error(output.join('\n'))));
  });
  return server;
}

/** Nobody listens there at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
