// What we ask of SQS. src/aws/queue.ts implements it; no method rejects.

import type { Failure } from './call.ts';
import type { Message, MessageAttribute } from './message.ts';

/** SQS takes and gives at most this many messages in one call (AWS service model). */
export const mostPerBatch = 10;

/** SQS takes no larger message: body and attributes together, bytes (AWS service model). */
export const largestMessageBytes = 1_048_576;

/** A lane's queue. */
export interface LaneQueue {
  /** Long-polls once for up to `most` messages (1 to 10), and hides them for `visibilitySeconds`. */
  readonly receive: (
    wish: {
      readonly most: number;
      readonly waitSeconds: number;
      readonly visibilitySeconds: number;
    },
    signal: AbortSignal,
  ) => Promise<Received>;
  /** Deletes up to 10 messages; an answer for each, in order. */
  readonly delete: (receiptHandles: readonly string[]) => Promise<readonly Taken[]>;
  /** Hides up to 10 messages for another while, from now; an answer for each, in order. */
  readonly changeVisibility: (changes: readonly VisibilityChange[]) => Promise<readonly Taken[]>;
}

export type Received =
  | { readonly kind: 'messages'; readonly messages: readonly Message[] }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface VisibilityChange {
  readonly receiptHandle: string;
  /** 0 gives the message back now. */
  readonly seconds: number;
}

/** Where refused messages go. */
export interface DeadLetterQueue {
  readonly send: (letter: DeadLetter) => Promise<Taken>;
}

export interface DeadLetter {
  readonly body: string;
  readonly attributes: Readonly<Record<string, MessageAttribute>>;
}

/** Whether the queue took what it was told. */
export type Taken =
  | { readonly done: true }
  /** `final`: the same again would be refused again. */
  | { readonly done: false; readonly final: boolean; readonly cause: string };
