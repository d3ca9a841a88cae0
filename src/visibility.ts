// Keeps the messages that a worker holds hidden from other receivers, for as long as it holds them.

import { createBatch } from './batch.ts';
import type { Clock, Random } from './clock.ts';
import type { Log } from './event.ts';
import type { Message } from './message.ts';
import type { LaneQueue, Taken } from './queue.ts';

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

export interface Visibility {
  /** Extends each held message once a third of its time is over. Resolves once ended. */
  readonly keepHidden: () => Promise<void>;
  /**
   * Extends a message no more, though it is still held. Resolves once no extension is on its way: one
   * that arrived after the message was given back would hide it again.
   */
  readonly letGo: (message: Message) => Promise<void>;
}

export function createVisibility(ports: VisibilityPorts): Visibility {
  const { held, queue, visibilitySeconds, log, clock, random, ended } = ports;
  const hiddenSince = new WeakMap<Message, number>();
  const letGone = new WeakSet<Message>();
  /** Each message's last extension, which may have been answered by now. */
  const lastSent = new WeakMap<Message, Promise<unknown>>();
  const extend = createBatch<Message>({ send: extendHeld, clock, random, hurry: ended });
  const thirdMs = (visibilitySeconds * 1000) / 3;

  function toHide(): readonly Message[] {
    return held().filter((message) => !letGone.has(message));
  }

  /** Looks again: since a message became due it may have been settled, or given back. */
  async function extendHeld(due: readonly Message[]): Promise<readonly Taken[]> {
    const hiding = new Set(toHide());
    const messages = due.filter((message) => hiding.has(message));
    if (messages.length === 0) return due.map(() => ({ done: true }));
    const sent = queue.changeVisibility(
      messages.map(({ receiptHandle }) => ({ receiptHandle, seconds: visibilitySeconds })),
    );
    for (const message of messages) lastSent.set(message, sent);
    const answers = await sent;
    const answerOf = new Map(messages.map((message, at) => [message, answers[at]]));
    return due.map((message) => answerOf.get(message) ?? { done: true });
  }

  async function hideAgain(message: Message): Promise<void> {
    hiddenSince.set(message, clock.now());
    const taken = await extend(message);
    if (taken.done || !toHide().includes(message)) return;
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

  return {
    keepHidden: async () => {
      for (;;) {
        await clock.sleep(thirdMs / 2, ended);
        if (ended.aborted) return;
        const dueAtMs = clock.now() - thirdMs;
        for (const message of toHide()) {
          const sinceMs = hiddenSince.get(message) ?? message.receivedAtMs;
          if (sinceMs <= dueAtMs) void hideAgain(message);
        }
      }
    },
    letGo: async (message) => {
      letGone.add(message);
      await lastSent.get(message);
    },
  };
}
