// A lane's queue as those who send to it see it.

import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { FailureKind } from '../call.ts';
import type { Producer } from '../command/send.ts';
import type { Taken } from '../queue.ts';
import { takenOfEach } from './batch-answer.ts';
import { httpHandler } from './client.ts';
import { failureOf } from './failure.ts';

/** A person waits for it, ms. */
const requestTimeoutMs = 10_000;

/** What may succeed in a second; a missing queue or permission will not. */
const transient: ReadonlySet<FailureKind> = new Set([
  'throttled',
  'unavailable',
  'unknown-result',
  'unreachable',
]);

/**
 * Opens a queue for sending, with the SDK's own environment. A queue is where its URL says, so
 * `region` goes before AWS_REGION. `useQueueUrlAsEndpoint: false`, or an https QueueUrl would
 * override AWS_ENDPOINT_URL_SQS.
 */
export function createProducer(queueUrl: string, region: string | undefined): Producer {
  const client = new SQSClient({
    useQueueUrlAsEndpoint: false,
    requestHandler: httpHandler({ maxSockets: 20, requestTimeoutMs }),
    ...(region !== undefined && { region }),
  });
  return {
    queueUrl,
    region: async () => client.config.region().catch(() => undefined),
    send: async (bodies) => {
      const Entries = bodies.map((MessageBody, at) => ({ Id: String(at), MessageBody }));
      const command = new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries });
      try {
        return takenOfEach(bodies.length, await client.send(command));
      } catch (error) {
        const { kind, name, message } = failureOf(error);
        const taken: Taken = {
          done: false,
          final: !transient.has(kind),
          cause: `${name}: ${message}`,
        };
        return bodies.map(() => taken);
      }
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}
