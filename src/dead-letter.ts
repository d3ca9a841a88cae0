// A refused message as the dead-letter queue gets it: its body untouched, its own attributes, and
// beside them why it lies there. SQS's limits decide how much of that fits.

import type { Message, MessageAttribute } from './message.ts';
import { largestMessageBytes, type DeadLetter } from './queue.ts';

/** SQS takes at most this many attributes (AWS docs, "message metadata"). */
const mostAttributes = 10;

/** A reason is a sentence or a few; the log event has all of it. */
const longestReason = 1024;

type Attributes = Readonly<Record<string, MessageAttribute>>;

/**
 * The dead letters to try, the most telling first: ours and the message's own attributes, ours
 * alone, ours with a short reason, the bare body. Each is within SQS's limits.
 */
export function deadLettersOf(
  message: Pick<Message, 'lane' | 'messageId' | 'body' | 'attributes'>,
  refusal: { readonly failureKind: string; readonly reason: string },
): readonly DeadLetter[] {
  const { body } = message;
  const ours = attributesOf(message, refusal, longestReason);
  const all = { ...message.attributes, ...ours };
  const fullest = Object.fromEntries(
    // Ours come last, so they are what is kept of more than ten.
    Object.entries(all)
      .toSorted(([a], [b]) => Number(Object.hasOwn(ours, a)) - Number(Object.hasOwn(ours, b)))
      .slice(-mostAttributes),
  );
  const room = largestMessageBytes - utf8Length(body);
  const candidates: readonly Attributes[] = [
    fullest,
    ours,
    attributesOf(message, refusal, 100),
    {},
  ];
  return candidates
    .filter((attributes) => sizeOf(attributes) <= room)
    .map((attributes) => ({ body, attributes }));
}

function attributesOf(
  { lane, messageId }: Pick<Message, 'lane' | 'messageId'>,
  { failureKind, reason }: { readonly failureKind: string; readonly reason: string },
  longest: number,
): Attributes {
  const shortened = reason.length <= longest ? reason : `${reason.slice(0, longest - 1)}…`;
  return {
    lane: text(lane),
    failureKind: text(failureKind),
    failureReason: text(shortened),
    originalMessageId: text(messageId),
  };
}

/** A string attribute; SQS refuses empty values, and characters that XML does not have. */
function text(value: string): MessageAttribute {
  const printable = value
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- these are what is being removed
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
  return { dataType: 'String', stringValue: printable === '' ? '-' : printable };
}

/** Names, types and values all count (AWS docs, "message metadata"), bytes. */
function sizeOf(attributes: Attributes): number {
  let size = 0;
  for (const [name, { dataType, stringValue = '', binaryValue }] of Object.entries(attributes)) {
    size += utf8Length(name) + utf8Length(dataType) + utf8Length(stringValue);
    size += binaryValue?.length ?? 0;
  }
  return size;
}

const encoder = new TextEncoder();

function utf8Length(value: string): number {
  return encoder.encode(value).length;
}
