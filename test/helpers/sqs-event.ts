// An SQS event as Lambda hands it to an event source mapping's function.

import type { SqsEvent, SqsRecord } from '../../src/invocation.ts';
import { bodyOf } from './message.ts';

function recordOf(fields: Partial<SqsRecord> = {}): SqsRecord {
  const messageId = fields.messageId ?? 'message-1';
  return {
    messageId,
    receiptHandle: `receipt of ${messageId}`,
    body: bodyOf(),
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '1000',
      SenderId: 'AIDAEXAMPLE',
      ApproximateFirstReceiveTimestamp: '2000',
    },
    messageAttributes: {},
    eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:incident-queue',
    ...fields,
  };
}

export function eventOf(...records: readonly Partial<SqsRecord>[]): SqsEvent {
  return { Records: records.map(recordOf) };
}
