// The worker's log as it arrives, line by line, and a signal for each line.

import type { MessageEvent } from '../../event.ts';

export interface WorkerLog {
  /** Live: what became of the messages, in order. */
  readonly events: readonly MessageEvent[];
  /** Live: the names of the other events, e.g. `started`, in order. */
  readonly notices: readonly string[];
  readonly add: (line: string) => void;
  /** Resolves once the predicate holds, looked at now and with each line. */
  readonly waitFor: (predicate: () => boolean) => Promise<void>;
}

/** An empty log. */
export function createWorkerLog(): WorkerLog {
  const events: MessageEvent[] = [];
  const notices: string[] = [];
  const waiters = new Set<{ readonly holds: () => boolean; readonly resolve: () => void }>();
  return {
    events,
    notices,
    add: (line) => {
      const read = readLine(line);
      if (read.kind === 'message') events.push(read.event);
      if (read.kind === 'notice') notices.push(read.name);
      for (const waiter of waiters) {
        if (!waiter.holds()) continue;
        waiters.delete(waiter);
        waiter.resolve();
      }
    },
    waitFor: async (holds) =>
      holds() ? undefined : new Promise((resolve) => waiters.add({ holds, resolve })),
  };
}

type Line =
  | { readonly kind: 'message'; readonly event: MessageEvent }
  | { readonly kind: 'notice'; readonly name: string }
  | { readonly kind: 'stray' };

/** One line of the worker's log. */
export function readLine(line: string): Line {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return { kind: 'stray' };
  }
  const fields = typeof read === 'object' && read !== null ? read : {};
  const name = 'event' in fields ? String(fields.event) : '';
  if (name === '') return { kind: 'stray' };
  return name === 'message'
    ? { kind: 'message', event: fields as MessageEvent }
    : { kind: 'notice', name };
}
