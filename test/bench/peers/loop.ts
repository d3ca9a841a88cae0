// The loop that everybody writes first: receive ten, call for each, delete what succeeded.

import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type Message,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { createSqs, pollers, queues, type Queue, type Revoke } from './revoke.ts';

export async function runLoop(revoke: Revoke): Promise<void> {
  const sqs = createSqs();
  await Promise.all(
    queues.flatMap((queue) => Array.from({ length: pollers }, () => loop(sqs, queue, revoke))),
  );
}

async function loop(
  sqs: SQSClient,
  { url: QueueUrl, priority }: Queue,
  revoke: Revoke,
): Promise<never> {
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    );
    const handled = await Promise.allSettled(
      Messages.map(async (message) => {
        await revoke(message.Body, priority);
        return message;
      }),
    );
    const done = handled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (done.length > 0) await remove(sqs, QueueUrl, done);
  }
}

/** Deletes messages, up to ten. What failed comes back when its visibility timeout is over. */
export async function remove(
  sqs: SQSClient,
  QueueUrl: string,
  messages: readonly Pick<Message, 'ReceiptHandle'>[],
): Promise<void> {
  await sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl,
      Entries: messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
    }),
  );
}
