// Requests that go back to the end of a lane's queue, by SQS.

import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SendBack } from '../expansion.ts';
import type { Lane } from '../lane.ts';
import { largestMessageBytes, mostPerBatch, type Taken } from '../queue.ts';
import { inBatch } from './queue.ts';

/** Sends to the lanes' queues. What is in a lane that has none is not taken. */
export function createSendBack(
  client: SQSClient,
  queueUrls: Readonly<Partial<Record<Lane, string>>>,
): SendBack {
  async function send(QueueUrl: string, bodies: readonly string[]): Promise<readonly Taken[]> {
    const [only = ''] = bodies;
    if (bodies.length === 1 && bytesOf(only) > largestMessageBytes) return [tooLarge(only)];
    const Entries = bodies.map((MessageBody, at) => ({ Id: String(at), MessageBody }));
    return inBatch(bodies.length, async () =>
      client.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
    );
  }

  return async (lane, bodies) => {
    const queueUrl = queueUrls[lane];
    if (queueUrl === undefined) return bodies.map(() => nowhere(lane));
    const taken: Taken[] = [];
    for (const batch of batchesOf(bodies)) taken.push(...(await send(queueUrl, batch)));
    return taken;
  };
}

/** SQS takes no more in one call than in one message (AWS service model). */
function batchesOf(bodies: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let room = 0;
  for (const body of bodies) {
    const bytes = bytesOf(body);
    const last = batches.at(-1);
    if (last === undefined || last.length === mostPerBatch || bytes > room) {
      batches.push([body]);
      room = largestMessageBytes - bytes;
    } else {
      last.push(body);
      room -= bytes;
    }
  }
  return batches;
}

function bytesOf(body: string): number {
  return Buffer.byteLength(body);
}

function tooLarge(body: string): Taken {
  const cause = `it has ${bytesOf(body)} bytes, and SQS takes ${largestMessageBytes}`;
  return { done: false, final: true, cause };
}

function nowhere(lane: Lane): Taken {
  return { done: false, final: true, cause: `nothing names the ${lane} lane's queue` };
}
