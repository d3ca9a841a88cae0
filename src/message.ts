// What a queue hands us, before anybody has looked into the body.

import type { Lane } from './lane.ts';

/** A message attribute as SQS carries it; kept so that a dead letter loses nothing. */
export interface MessageAttribute {
  readonly dataType: string;
  readonly stringValue?: string;
  readonly binaryValue?: Uint8Array;
}

export interface Message {
  readonly lane: Lane;
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
  /** SQS's SentTimestamp, ms since the epoch on SQS's clock; Infinity if absent, so that nothing covers it. */
  readonly sentAtMs: number;
  /** SQS's ApproximateFirstReceiveTimestamp, ms on SQS's clock; -Infinity if absent, so that it proves nothing. */
  readonly firstReceivedAtMs: number;
  /** SQS's ApproximateReceiveCount; deliveries, not attempts (SQS may count one that nobody saw). */
  readonly receiveCount: number;
  /** When this process received it, ms on our own clock. */
  readonly receivedAtMs: number;
}

/**
 * SQS's system attributes as numbers. What is missing or no number becomes the value that can cover
 * nothing and prove nothing, so a strange queue costs calls and never a request.
 */
export function timesOf(attributes: Readonly<Record<string, string | undefined>>): {
  readonly sentAtMs: number;
  readonly firstReceivedAtMs: number;
  readonly receiveCount: number;
} {
  return {
    sentAtMs: wholeNumber(attributes['SentTimestamp']) ?? Infinity,
    firstReceivedAtMs: wholeNumber(attributes['ApproximateFirstReceiveTimestamp']) ?? -Infinity,
    receiveCount: wholeNumber(attributes['ApproximateReceiveCount']) ?? 1,
  };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
