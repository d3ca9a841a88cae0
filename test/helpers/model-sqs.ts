// A model of SQS, in virtual time: at-least-once delivery in no particular order, visibility timeouts
// that lapse, receipt handles that go stale, and hosts whose clocks disagree a little.

import type { Acknowledgement } from '../../src/acknowledgement.ts';
import type { Clock, Random } from '../../src/clock.ts';
import type { Lane } from '../../src/lane.ts';
import type { Message } from '../../src/message.ts';

/** A message in its queue. */
export interface Queued {
  readonly lane: Lane;
  readonly messageId: string;
  readonly body: string;
  /** When it was sent, by the clock of the host that took it. */
  readonly sentAtMs: number;
  firstReceivedAtMs: number | undefined;
  receiveCount: number;
  /** The only receipt handle that counts. */
  receiptHandle: string;
  visibleFromMs: number;
  gone: 'deleted' | 'dead-lettered' | undefined;
}

export interface SqsPorts {
  readonly clock: Clock;
  readonly chance: Random;
  /** How far a host's clock is off at most, ms. */
  readonly hostSkewMs: number;
  /** Hands a message to whoever polls; false if nobody does. */
  readonly receive: (message: Omit<Message, 'receivedAtMs'>, queued: Queued) => boolean;
}

export interface ModelSqs {
  send(lane: Lane, body: string): Queued;
  /** What the newest receipt handle asks for is done; an older one's request does nothing. */
  carryOut(message: Message, queued: Queued, acknowledgement: Acknowledgement): void;
  /** Makes a message visible again after a time, ms. */
  release(queued: Queued, afterMs: number): void;
  /** A poll ends now: it brings what is visible. */
  poll(): void;
  /** Resolves once every message sent so far is gone. */
  empty(): Promise<void>;
}

export function createModelSqs({ clock, chance, hostSkewMs, receive }: SqsPorts): ModelSqs {
  const messages: Queued[] = [];
  let whenEmpty = (): void => undefined;

  function hostTimeMs(): number {
    return Math.round(clock.now() + (chance() * 2 - 1) * hostSkewMs);
  }

  function release(queued: Queued, afterMs: number): void {
    queued.visibleFromMs = clock.now() + afterMs;
    const travelMs = chance() < 0.7 ? chance() * 50 : chance() * 2000;
    void clock.sleep(afterMs + travelMs).then(() => deliver(queued));
  }

  function deliver(queued: Queued): void {
    if (queued.gone !== undefined || clock.now() < queued.visibleFromMs) return;
    const { lane, messageId, body, sentAtMs } = queued;
    const firstReceivedAtMs = queued.firstReceivedAtMs ?? hostTimeMs();
    const receiveCount = queued.receiveCount + 1;
    const receiptHandle = `${messageId}#${receiveCount}`;
    const received = { attributes: {}, firstReceivedAtMs, receiveCount, receiptHandle };
    if (!receive({ lane, messageId, body, sentAtMs, ...received }, queued)) {
      release(queued, 100);
      return;
    }
    Object.assign(queued, { firstReceivedAtMs, receiveCount, receiptHandle });
    // As a rule it stays hidden while it is held; now and then an extension comes too late.
    release(queued, chance() < 0.85 ? 600_000 : 100 + chance() * 3000);
  }

  function remove(queued: Queued, how: 'deleted' | 'dead-lettered'): void {
    queued.gone = how;
    if (messages.every(({ gone }) => gone !== undefined)) whenEmpty();
  }

  return {
    release,
    poll: () => {
      for (const queued of messages) deliver(queued);
    },
    send: (lane, body) => {
      const queued: Queued = {
        lane,
        messageId: `m${messages.length}`,
        body,
        sentAtMs: hostTimeMs(),
        firstReceivedAtMs: undefined,
        receiveCount: 0,
        receiptHandle: '',
        visibleFromMs: 0,
        gone: undefined,
      };
      messages.push(queued);
      release(queued, 0);
      return queued;
    },
    carryOut: (message, queued, acknowledgement) => {
      if (message.receiptHandle !== queued.receiptHandle) return;
      switch (acknowledgement.kind) {
        case 'delete':
          return remove(queued, 'deleted');
        case 'dead-letter':
          return remove(queued, 'dead-lettered');
        case 'retry':
          return release(queued, acknowledgement.afterSeconds * 1000);
      }
    },
    empty: () =>
      new Promise((resolve) => {
        whenEmpty = resolve;
        if (messages.every(({ gone }) => gone !== undefined)) resolve();
      }),
  };
}
