// What names more certificates than one message can hold in its time becomes one message for each, and so
// does what the brake holds of a message whose rest is done. They lie in the lane before their origin is
// deleted; if it happens twice, duplicates are merged.

import type { Lane } from './lane.ts';
import type { Outcome } from './outcome.ts';
import { bounded } from './event.ts';
import { mostPerBatch, type Taken } from './queue.ts';
import type { Request } from './request.ts';

/** More than these are not settled by the message that names them. */
export const mostPerMessage = 10;

/** Sends up to 10 bodies to the end of a lane; an answer for each, in order. It does not reject. */
export type SendBack = (lane: Lane, bodies: readonly string[]) => Promise<readonly Taken[]>;

/** Batches that are sent at the same time. */
const sideBySide = 5;

/**
 * Makes a message of each request. It does not reject.
 *
 * @param stopping from its abort on nothing more is sent; what was is sent again when the origin returns
 * @param why for the cause; default how many there are
 */
export async function expand(
  requests: readonly Request[],
  lane: Lane,
  sendBack: SendBack,
  stopping: AbortSignal,
  why = `${requests.length} certificates are named`,
): Promise<Outcome> {
  const batches = inBatches(requests);
  for (let at = 0; at < batches.length; at += sideBySide) {
    if (stopping.aborted) return stoppedAfter(at * mostPerBatch, requests.length);
    const answers = await Promise.all(
      batches.slice(at, at + sideBySide).map(async (batch) => {
        const bodies = batch.map(bodyOf);
        const taken = await sendBack(lane, bodies);
        return bodies.map((_, n) => taken[n] ?? untold);
      }),
    );
    const refused = answers.flat().find((taken) => !taken.done);
    if (refused?.done === false) {
      return {
        kind: 'deferred',
        failureKind: 'unavailable',
        cause: `${why}, and the ${lane} queue did not take a request for each: ${refused.cause}`,
      };
    }
  }
  return {
    kind: 'expanded',
    cause: `${why}; a request for each has been sent to the ${lane} queue`,
  };
}

function stoppedAfter(sent: number, all: number): Outcome {
  const cause = `stopped when ${sent} of ${all} requests had been sent`;
  return { kind: 'deferred', failureKind: 'stopping', cause };
}

/** Nothing is lost: what the queue did not confirm it does not have. */
const untold: Taken = { done: false, final: false, cause: 'it did not say whether it took it' };

/** The request as a message of its own, in our format; ten of them fit into one batch. */
function bodyOf(request: Request): string {
  const { accountId: _account, region: _region, partition: _partition, other, ...asked } = request;
  // JSON may hold these two as they are, and SQS takes neither.
  return JSON.stringify({ ...(other && bounded(other)), ...asked }).replaceAll(
    /[\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16)}`,
  );
}

function inBatches(requests: readonly Request[]): readonly (readonly Request[])[] {
  return Array.from({ length: Math.ceil(requests.length / mostPerBatch) }, (_, at) =>
    requests.slice(at * mostPerBatch, (at + 1) * mostPerBatch),
  );
}
