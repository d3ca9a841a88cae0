// Carries acknowledgements out: deletes, delays, and dead-letters by sending first and deleting then.

import type { Acknowledgement } from './acknowledgement.ts';
import { createBatch, type BatchPorts } from './batch.ts';
import type { Clock, Random } from './clock.ts';
import { deadLettersOf } from './dead-letter.ts';
import type { Carried } from './event.ts';
import type { Message } from './message.ts';
import type { DeadLetterQueue, LaneQueue, Taken, VisibilityChange } from './queue.ts';
import { retry, type RetryPolicy } from './retry.ts';

export interface CarryPorts {
  readonly deadLetters: DeadLetterQueue;
  readonly clock: Clock;
  readonly random: Random;
  /** Once aborted, nothing waits for company in a batch or for a backoff. */
  readonly hurry: AbortSignal;
}

/** Tells one lane's queue. No method rejects. */
export interface Carrier {
  readonly delete: (message: Message) => Promise<Carried>;
  readonly delay: (message: Message, seconds: number) => Promise<Carried>;
  readonly deadLetter: (message: Message, letter: Refusal) => Promise<Carried>;
}

type Refusal = Extract<Acknowledgement, { readonly kind: 'dead-letter' }>;

const deadLetterRetry: RetryPolicy = { attempts: 4, baseMs: 200, capMs: 2000 };

/** The carrier of a lane. */
export function createCarrier(
  queue: Pick<LaneQueue, 'delete' | 'changeVisibility'>,
  { deadLetters, clock, random, hurry }: CarryPorts,
): Carrier {
  const batched = <Entry>(send: BatchPorts<Entry>['send']): ((entry: Entry) => Promise<Taken>) =>
    createBatch({ send, clock, random, hurry });
  const deleteHandle = batched<string>(queue.delete);
  const changeVisibility = batched<VisibilityChange>(queue.changeVisibility);

  async function sendLetter(message: Message, refusal: Refusal): Promise<Taken> {
    let taken: Taken = { done: false, final: true, cause: 'it is larger than SQS takes' };
    for (const letter of deadLettersOf(message, refusal)) {
      const retried = await retry(
        async () => {
          const answer = await deadLetters.send(letter);
          return answer.done || answer.final
            ? { kind: 'done', value: answer }
            : { kind: 'again', why: answer, free: false };
        },
        deadLetterRetry,
        { clock, random, hurry: () => hurry },
      );
      taken = retried.kind === 'done' ? retried.value : retried.why;
      // Refused for good: perhaps because of an attribute. A letter with fewer may pass.
      if (taken.done || !taken.final) return taken;
    }
    return taken;
  }

  return {
    delete: async ({ receiptHandle }) => carriedOf('delete', await deleteHandle(receiptHandle)),
    delay: async ({ receiptHandle }, seconds) =>
      carriedOf('visibility', await changeVisibility({ receiptHandle, seconds })),
    deadLetter: async (message, refusal) =>
      carriedOf('dead-letter queue', await sendLetter(message, refusal)),
  };
}

function carriedOf(what: string, taken: Taken): Carried {
  return taken.done ? { done: true } : { done: false, cause: `${what}: ${taken.cause}` };
}

/** A refused message that no dead-letter queue took stays, and comes back after this, seconds. */
const keptSeconds = 60;

/** How the worker carries an acknowledgement out: all of it by itself. */
export async function carryOut(
  carrier: Carrier,
  message: Message,
  acknowledgement: Acknowledgement,
): Promise<Carried> {
  switch (acknowledgement.kind) {
    case 'delete':
      return carrier.delete(message);
    case 'retry':
      return carrier.delay(message, acknowledgement.afterSeconds);
    case 'dead-letter': {
      const sent = await carrier.deadLetter(message, acknowledgement);
      if (sent.done) return carrier.delete(message);
      await carrier.delay(message, keptSeconds);
      return sent;
    }
  }
}
