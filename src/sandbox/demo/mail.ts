// The demo's own SQS client, which plays everybody but the worker: it sends what producers send, and
// looks at the queues as an operator does.

import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { Lane } from '../../lane.ts';
import type { Sandbox } from '../sandbox.ts';
import type { DeadLetter, QueueName, Sent } from './evidence.ts';
import type { Letter } from './plan.ts';

export interface Mail extends Disposable {
  /** Sends or publishes the letters, those of a batch at the same time; tells the ids that they have. */
  readonly send: (letters: readonly Letter[]) => Promise<readonly Sent[]>;
  /** Messages that a queue holds, hidden and delayed ones included. */
  readonly count: (queue: QueueName) => Promise<number>;
  /** All dead letters, as far as SQS hands them out. */
  readonly deadLetters: () => Promise<readonly DeadLetter[]>;
}

/** SQS takes and gives at most this many messages in one call (AWS service model). */
const mostPerBatch = 10;

/** A client that knows nothing of the environment or the profiles of the person who runs the demo. */
export function openMail({ queues, topicArn, snsEndpoint, iot }: Sandbox): Mail {
  const client = new SQSClient({
    endpoint: queues.endpoint,
    region: iot.region,
    credentials: { accessKeyId: 'demo', secretAccessKey: 'demo' },
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
  });

  async function sendBatch(lane: Lane, batch: readonly Letter[]): Promise<readonly Sent[]> {
    const sentAtMs = Date.now();
    const { Successful = [] } = await client.send(
      new SendMessageBatchCommand({
        QueueUrl: queues.urls[lane],
        Entries: batch.map(({ body }, at) => ({ Id: String(at), MessageBody: body })),
      }),
    );
    const idOf = new Map(Successful.map(({ Id, MessageId }) => [Id, MessageId]));
    return batch.map((letter, at) => {
      const messageId = idOf.get(String(at));
      if (messageId === undefined) throw new Error(`SQS did not take: ${letter.body}`);
      return { letter, messageId, sentAtMs };
    });
  }

  /** By SNS's query protocol: this project has no client for it, and needs none. */
  async function publish(letter: Letter, violationId: string): Promise<Sent> {
    const sentAtMs = Date.now();
    const parameters = { Action: 'Publish', TopicArn: topicArn, Message: letter.body };
    const { ok } = await fetch(snsEndpoint, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    if (!ok) throw new Error(`SNS did not take: ${letter.body}`);
    return { letter, messageId: violationId, sentAtMs };
  }

  async function receiveDeadLetters(): Promise<readonly DeadLetter[]> {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: queues.urls.deadLetter,
        MaxNumberOfMessages: mostPerBatch,
        MessageAttributeNames: ['All'],
      }),
    );
    return Messages.map(({ Body = '', MessageAttributes = {} }) => {
      const attributes = Object.entries(MessageAttributes);
      return {
        body: Body,
        attributes: Object.fromEntries(
          attributes.map(([name, { StringValue = '' }]) => [name, StringValue]),
        ),
      };
    });
  }

  return {
    send: async (letters) => {
      const direct = letters.filter(({ violationId }) => violationId === undefined);
      const sent = await Promise.all([
        ...batchesOf(direct).map((batch) => sendBatch(batch.lane, batch.letters)),
        ...letters.map(async (letter) =>
          letter.violationId === undefined ? [] : [await publish(letter, letter.violationId)],
        ),
      ]);
      return sent.flat();
    },
    count: async (queue) => {
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl: queues.urls[queue],
          AttributeNames: [...counts],
        }),
      );
      return counts.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
    },
    deadLetters: async () => {
      const all: DeadLetter[] = [];
      for (;;) {
        const some = await receiveDeadLetters(); // what was received stays hidden for 30 s
        if (some.length === 0) return all;
        all.push(...some);
      }
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

const counts = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

function batchesOf(
  letters: readonly Letter[],
): readonly { readonly lane: Lane; readonly letters: readonly Letter[] }[] {
  const byLane = Map.groupBy(letters, ({ lane }) => lane);
  return [...byLane].flatMap(([lane, all]) =>
    Array.from({ length: Math.ceil(all.length / mostPerBatch) }, (_, at) => ({
      lane,
      letters: all.slice(at * mostPerBatch, (at + 1) * mostPerBatch),
    })),
  );
}
