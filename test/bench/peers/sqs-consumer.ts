// sqs-consumer 15 by batches of ten (https://github.com/bbc/sqs-consumer#readme: handleMessageBatch,
// acknowledging only what succeeded), several consumers for more polls at once, and p-limit over all
// of them, for no more calls under way than the batches hold.

import pLimit from 'p-limit';
import { Consumer } from 'sqs-consumer';
import { createRevoke, createSqs, pollers, queues } from './revoke.ts';

const revoke = createRevoke('standard');
const limit = pLimit(10 * pollers * queues.length);
const sqs = createSqs();

for (const { url, priority } of queues) {
  for (let made = 0; made < pollers; made++) {
    const consumer = Consumer.create({
      queueUrl: url,
      sqs,
      useQueueUrlAsEndpoint: false,
      batchSize: 10,
      waitTimeSeconds: 20,
      visibilityTimeout: 30,
      heartbeatInterval: 10,
      handleMessageBatch: async (messages) => {
        const handled = await Promise.allSettled(
          messages.map((message) =>
            limit(async () => {
              await revoke(message.Body, priority);
              return message;
            }),
          ),
        );
        return handled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      },
    });
    consumer.on('error', (error) => console.error(error.message));
    consumer.on('processing_error', (error) => console.error(error.message));
    consumer.start();
  }
}
