// Evidence made by hand: what a demo might have seen.

import type { MessageEvent } from '../../../src/event.ts';
import type { Call } from '../../../src/sandbox/call-log.ts';
import type { DeadLetter, Evidence, Sent } from '../../../src/sandbox/demo/evidence.ts';
import type { Letter } from '../../../src/sandbox/demo/plan.ts';

export const nothingSeen: Evidence = {
  sent: [],
  events: [],
  calls: [],
  grants: [{ atMs: 0, rate: 10 }],
  brake: {},
};

/** A sent letter; its message id is the certificate's, unless said otherwise. */
export function sentOf(letter: Partial<Letter>, sent: Partial<Sent> = {}): Sent {
  const messageId = letter.request?.certificateId ?? 'message';
  return { letter: { lane: 'rotation', body: '{}', ...letter }, messageId, sentAtMs: 0, ...sent };
}

export function eventOf(messageId: string, event: Partial<MessageEvent> = {}): MessageEvent {
  return {
    event: 'message',
    lane: 'rotation',
    messageId,
    receiveCount: 1,
    outcome: 'applied',
    acknowledgement: 'delete',
    acknowledged: true,
    totalMs: 1,
    ...event,
  };
}

/** An answered UpdateCertificate call; at `receivedAtMs` and at once, unless said otherwise. */
export function callOf(certificateId: string, call: Partial<Call> = {}): Call {
  const { receivedAtMs = 0 } = call;
  return {
    operation: 'UpdateCertificate',
    certificateId,
    newStatus: 'INACTIVE',
    receivedAtMs,
    answeredAtMs: receivedAtMs,
    answer: 'ok',
    applied: true,
    requestId: 'request',
    ...call,
  };
}

export function deadLetterOf(
  originalMessageId: string,
  body = '{}',
  attributes: Readonly<Record<string, string>> = {},
): DeadLetter {
  return {
    body,
    attributes: {
      originalMessageId,
      failureKind: 'invalid-request',
      failureReason: 'because',
      ...attributes,
    },
  };
}
