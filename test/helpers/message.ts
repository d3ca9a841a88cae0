// Messages and requests with everything filled in; a test names only what matters to it.

import type { Message } from '../../src/message.ts';
import type { Deployment, Request } from '../../src/request.ts';

export const deployment: Deployment = { accountId: '123456789012', region: 'eu-central-1' };

/** The id of the test's nth certificate. */
export function certificateIdOf(n: number): string {
  return `c${n.toString(16).padStart(63, '0')}`;
}

export function requestOf(fields: Partial<Request> = {}): Request {
  return { certificateId: certificateIdOf(0), ...deployment, newStatus: 'REVOKED', ...fields };
}

/** The JSON body that asks for what `fields` say. */
export function bodyOf(fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ certificateId: certificateIdOf(0), newStatus: 'REVOKED', ...fields });
}

export function messageOf(fields: Partial<Message> = {}): Message {
  const messageId = fields.messageId ?? 'message-1';
  return {
    lane: 'rotation',
    messageId,
    receiptHandle: `receipt of ${messageId}`,
    body: bodyOf(),
    attributes: {},
    sentAtMs: 1_000,
    firstReceivedAtMs: 2_000,
    receiveCount: 1,
    receivedAtMs: 0,
    ...fields,
  };
}
