// Keeps the messages that a worker holds hidden from other receivers, for as long as it holds them.

import { createBatch } from './batch.ts';
import type { Clock, Random } from './clock.ts';
import type { Log } from './event.ts';
import type { Message } from './message.ts';
import type { LaneQueue, VisibilityChange } from './queue.ts';

export interface VisibilityPorts {
  /** The messages to keep hidden, at this moment. */
  readonly held: () => readonly Message[];
  readonly queue: Pick<LaneQueue, 'changeVisibility'>;
  /** How long each receive and each extension hides a message, whole seconds. */
  readonly visibilitySeconds: number;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing is held any more. */
  readonly ended: AbortSignal;
}

/** Extends each held message once a third of its time is over. Resolves once ended. */
export async function keepHidden(ports: VisibilityPorts): Promise<void> {
  const { held, queue, visibilitySeconds, log, clock, random, ended } = ports;
  const hiddenSince = new WeakMap<Message, number>();
  const extend = createBatch<VisibilityChange>({
    send: queue.changeVisibility,
    clock,
    random,
    hurry: ended,
  });
  const thirdMs = (visibilitySeconds * 1000) / 3;

  async function hideAgain(message: Message): Promise<void> {
    hiddenSince.set(message, clock.now());
    const taken = await extend({
      receiptHandle: message.receiptHandle,
      seconds: visibilitySeconds,
    });
    if (taken.done || !held().includes(message)) return;
    log.write(
      'warn',
      {
        event: 'visibility-lost',
        lane: message.lane,
        messageId: message.messageId,
        cause: taken.cause,
      },
      'another receiver may get this message too',
    );
  }

  while (!ended.aborted) {
    await clock.sleep(thirdMs / 2, ended);
    const dueAtMs = clock.now() - thirdMs;
    for (const message of held()) {
      if ((hiddenSince.get(message) ?? message.receivedAtMs) <= dueAtMs) void hideAgain(message);
    }
  }
}
