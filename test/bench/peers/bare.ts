// The physical limit: what SDK and HTTP cost with no logic at all, no retries and nothing kept. The
// certificate id is cut out of the body, not parsed.

import { IoTClient, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { remove } from './loop.ts';
import { createSqs, pollers, queues } from './revoke.ts';

const sqs = createSqs();
const iot = new IoTClient({
  maxAttempts: 1,
  requestHandler: new NodeHttpHandler({
    httpAgent: { maxSockets: 500 },
    httpsAgent: { maxSockets: 500 },
  }),
});
const idFrom = '{"certificateId":"'.length;

await Promise.all(
  queues.flatMap(({ url: QueueUrl }) =>
    Array.from({ length: pollers }, async () => {
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
        );
        await Promise.all(
          Messages.map(async ({ Body = '' }) => {
            const certificateId = Body.slice(idFrom, idFrom + 64);
            await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' }));
          }),
        );
        if (Messages.length > 0) await remove(sqs, QueueUrl, Messages);
      }
    }),
  ),
);
