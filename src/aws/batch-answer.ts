// What became of each entry of an SQS batch call whose entries are called "0", "1", …

import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import type { Taken } from '../queue.ts';

/** The answer to a batch call, as the SDK gives it. */
export interface BatchAnswer {
  readonly Successful?: readonly { readonly Id: string | undefined }[] | undefined;
  readonly Failed?: readonly BatchResultErrorEntry[] | undefined;
}

/** An answer for each of `size` entries, in order. */
export function takenOfEach(
  size: number,
  { Successful = [], Failed = [] }: BatchAnswer,
): readonly Taken[] {
  const done = new Set(Successful.map(({ Id }) => Id));
  const failed = new Map(Failed.map((entry) => [entry.Id, entry]));
  return Array.from({ length: size }, (_, at) =>
    done.has(String(at)) ? { done: true } : notTaken(failed.get(String(at))),
  );
}

function notTaken(failed: BatchResultErrorEntry | undefined): Taken {
  if (failed === undefined) {
    return { done: false, final: false, cause: 'SQS gave no answer for it' };
  }
  const { Code = 'Unknown', Message = '', SenderFault = false } = failed;
  return { done: false, final: SenderFault, cause: `${Code}: ${Message}` };
}
