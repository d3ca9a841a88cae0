// Powertools for AWS Lambda: a handler with partial batch responses
// (https://docs.aws.amazon.com/powertools/typescript/latest/features/batch/) whose records are idempotent
// by certificate and status (…/features/idempotency/, "Integration with batch processor"). The store is
// its documented CachePersistenceLayer over a map in this process, which costs nothing: no DynamoDB
// or Valkey call is counted against it. The driver plays AWS's poller: receive, invoke, delete.

import { ReceiveMessageCommand, type Message } from '@aws-sdk/client-sqs';
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache';
import { remove } from './loop.ts';
import { createRevoke, createSqs, pollers, queues } from './revoke.ts';

process.env['AWS_LAMBDA_FUNCTION_NAME'] ??= 'bench';

const kept = new Map<string, string>();
const persistenceStore = new CachePersistenceLayer({
  client: {
    get: async (name) => kept.get(name) ?? null,
    set: async (name, value, options) => {
      const onlyIfNew = (options as { readonly NX?: boolean } | undefined)?.NX === true;
      if (onlyIfNew && kept.has(String(name))) return null;
      kept.set(String(name), String(value));
      return 'OK';
    },
    del: async (names) => names.filter((name) => kept.delete(name)).length,
  },
});

const config = new IdempotencyConfig({
  eventKeyJmesPath: 'powertools_json(@).[certificateId, newStatus]',
  useLocalCache: true,
});
const revoke = createRevoke('standard');
const revokeOnce = makeIdempotent(
  async (body: string, priority: number) => {
    await revoke(body, priority);
    return true;
  },
  {
    persistenceStore,
    config,
  },
);

/** What Lambda hands to a handler; idempotency asks for the time that is left. */
const context: unknown = { getRemainingTimeInMillis: () => 30_000 };

const sqs = createSqs();
await Promise.all(
  queues.flatMap(({ url, priority }) =>
    Array.from({ length: pollers }, async () => {
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: url,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds: 20,
          }),
        );
        if (Messages.length === 0) continue;
        const failed = await invoke(Messages, url, priority);
        const done = Messages.filter(({ MessageId = '' }) => !failed.has(MessageId));
        if (done.length > 0) await remove(sqs, url, done);
      }
    }),
  ),
);

async function invoke(
  messages: readonly Message[],
  url: string,
  priority: number,
): Promise<ReadonlySet<string>> {
  const Records = messages.map(({ MessageId = '', ReceiptHandle = '', Body = '' }) => ({
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: '',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${url.split('/').at(-1)}`,
    awsRegion: 'us-east-1',
  }));
  config.registerLambdaContext(context as Parameters<typeof config.registerLambdaContext>[0]);
  // One for each invocation: several run at once in this process, unlike in a container.
  const processor = new BatchProcessor(EventType.SQS);
  const { batchItemFailures } = await processPartialResponse(
    { Records },
    async (record: { readonly body: string }) => revokeOnce(record.body, priority),
    processor,
    { throwOnFullBatchFailure: false },
  );
  return new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
}
