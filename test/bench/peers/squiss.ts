// squiss-ts 5 (https://squiss-ts.pruvo.com: maxInFlight, batched deletes, autoExtendTimeout). What failed
// comes back after five seconds: its `release` hands it out again at once, with 95 % of the calls
// throttled, and `keep` alone did not finish. One Squiss per queue polls one at a time and keeps
// `maxInFlight` messages going.

import { SQS } from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Squiss, type Message } from 'squiss-ts';
import { createRevoke, pollers, queues } from './revoke.ts';

const revoke = createRevoke('standard');

for (const { url, priority } of queues) {
  const squiss = new Squiss({
    queueUrl: url,
    SQS: new SQS({
      useQueueUrlAsEndpoint: false,
      requestHandler: new NodeHttpHandler({ httpAgent: { maxSockets: 500 } }),
    }),
    bodyFormat: 'plain',
    receiveBatchSize: 10,
    minReceiveBatchSize: 1,
    maxInFlight: 10 * pollers,
    deleteBatchSize: 10,
    autoExtendTimeout: true,
    visibilityTimeoutSecs: 30,
  });
  squiss.on('message', (message) => void handle(message, priority));
  squiss.on('error', (error) => console.error(error.message));
  await squiss.start();
}

async function handle(message: Message, priority: number): Promise<void> {
  try {
    await revoke(message.raw.Body, priority);
    await message.del();
  } catch {
    message.keep();
    await message.changeVisibility(5);
  }
}
