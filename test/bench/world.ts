// The servers' process, as the bench sees it.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endWithUs } from './children.ts';
import type { Command, Measured, Order, Ready, Watch } from './protocol.ts';

export interface World extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  readonly enrol: (count: number) => Promise<readonly string[]>;
  readonly send: (orders: readonly Order[]) => Promise<void>;
  readonly purge: () => Promise<void>;
  readonly measure: (watch: Watch) => Promise<Measured>;
}

export async function startWorld(): Promise<World> {
  const child = endWithUs(
    fork(fileURLToPath(new URL('./servers.ts', import.meta.url)), { serialization: 'advanced' }),
  );
  const [ready] = (await once(child, 'message')) as [Ready];
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  child.on('message', ({ id, answer }: { readonly id: number; readonly answer: unknown }) => {
    waiting.get(id)?.resolve(answer);
    waiting.delete(id);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the servers ended'));
  });
  async function ask(command: Command): Promise<unknown> {
    const id = ++lastId;
    const answered = Promise.withResolvers<unknown>();
    waiting.set(id, answered);
    child.send({ id, command });
    return answered.promise;
  }
  return {
    environment: ready.environment,
    enrol: async (count) => (await ask({ kind: 'enrol', count })) as readonly string[],
    send: async (orders) => void (await ask({ kind: 'send', orders })),
    purge: async () => void (await ask({ kind: 'purge' })),
    measure: async (watch) => (await ask({ kind: 'measure', ...watch })) as Measured,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
