// The messages this process holds, for the newest SQS time that proves how late it is by SQS's clock.

import type { Message } from './message.ts';

export interface Held {
  add(message: Message): void;
  remove(message: Message): void;
  /** The watermark W: the newest ApproximateFirstReceiveTimestamp among the held; -Infinity if none. */
  newestMs(): number;
}

export function createHeld(): Held {
  const held = new Set<Message>();
  let newest = -Infinity;
  return {
    add: (message) => {
      held.add(message);
      newest = Math.max(newest, message.firstReceivedAtMs);
    },
    remove: (message) => {
      if (!held.delete(message) || message.firstReceivedAtMs < newest) return;
      newest = -Infinity;
      for (const other of held) newest = Math.max(newest, other.firstReceivedAtMs);
    },
    newestMs: () => newest,
  };
}
