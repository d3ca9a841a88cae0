// The producers' and the operators' side of the queues, by the real SDK.

import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
  type MessageAttributeValue,
} from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import type { Queues } from '../../src/sandbox/queues.ts';

export interface QueueUser {
  /** Sends one message; answers its id. */
  readonly send: (
    queueUrl: string,
    body: string,
    attributes?: Readonly<Record<string, MessageAttributeValue>>,
  ) => Promise<string>;
  /** Sends many small messages. */
  readonly sendAll: (queueUrl: string, bodies: readonly string[]) => Promise<void>;
  /** Receives what is visible now, up to `most`, and hides it for 30 s. */
  readonly receive: (queueUrl: string, most?: number) => Promise<readonly Message[]>;
  /** Receives what is visible now, and deletes it. */
  readonly drain: (queueUrl: string) => Promise<readonly Message[]>;
  /** Resolves once `count` more messages have come to be deleted by this. */
  readonly takeAll: (queueUrl: string, count: number) => Promise<readonly Message[]>;
  readonly counts: (
    queueUrl: string,
  ) => Promise<{ readonly visible: number; readonly hidden: number }>;
  readonly remove: (queueUrl: string, messages: readonly Message[]) => Promise<void>;
}

/** A client of the test that runs. */
export function queueUserOf({ endpoint }: Pick<Queues, 'endpoint'>): QueueUser {
  const client = new SQSClient({
    endpoint,
    region: 'us-east-1',
    useQueueUrlAsEndpoint: false,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
  onTestFinished(() => client.destroy());

  async function receiveOnce(
    queueUrl: string,
    most: number,
    waitSeconds: number,
  ): Promise<readonly Message[]> {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: Math.min(most, 10),
        WaitTimeSeconds: waitSeconds,
        VisibilityTimeout: 30,
        MessageAttributeNames: ['All'],
        MessageSystemAttributeNames: ['All'],
      }),
    );
    return Messages;
  }

  async function receive(queueUrl: string, most = Infinity): Promise<readonly Message[]> {
    const all: Message[] = [];
    while (all.length < most) {
      const some = await receiveOnce(queueUrl, most - all.length, 0);
      if (some.length === 0) break;
      all.push(...some);
    }
    return all;
  }

  async function remove(queueUrl: string, messages: readonly Message[]): Promise<void> {
    await Promise.all(
      messages.map(async ({ ReceiptHandle }) =>
        client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle })),
      ),
    );
  }

  return {
    send: async (QueueUrl, MessageBody, MessageAttributes) => {
      const { MessageId = '' } = await client.send(
        new SendMessageCommand({
          QueueUrl,
          MessageBody,
          ...(MessageAttributes !== undefined && { MessageAttributes }),
        }),
      );
      return MessageId;
    },
    sendAll: async (QueueUrl, bodies) => {
      for (let at = 0; at < bodies.length; at += 10) {
        const Entries = bodies
          .slice(at, at + 10)
          .map((MessageBody, n) => ({ Id: String(n), MessageBody }));
        const { Failed = [] } = await client.send(
          new SendMessageBatchCommand({ QueueUrl, Entries }),
        );
        if (Failed.length > 0) throw new Error(`the queue refused ${JSON.stringify(Failed)}`);
      }
    },
    receive,
    drain: async (queueUrl) => {
      const messages = await receive(queueUrl);
      await remove(queueUrl, messages);
      return messages;
    },
    takeAll: async (queueUrl, count) => {
      const all: Message[] = [];
      while (all.length < count) {
        const some = await receiveOnce(queueUrl, count - all.length, 20);
        await remove(queueUrl, some);
        all.push(...some);
      }
      return all;
    },
    counts: async (QueueUrl) => {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      return {
        visible: Number(Attributes?.['ApproximateNumberOfMessages']),
        hidden: Number(Attributes?.['ApproximateNumberOfMessagesNotVisible']),
      };
    },
    remove,
  };
}
