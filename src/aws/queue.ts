// The lanes and the dead-letter queue, by SQS.

import { hash } from 'node:crypto';
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type DeleteMessageBatchRequest,
  type ReceiveMessageRequest,
  type ReceiveMessageResult,
  type Message as SqsMessage,
  type MessageAttributeValue,
} from '@aws-sdk/client-sqs';
import type { Failure } from '../call.ts';
import type { Lane } from '../lane.ts';
import { timesOf, type Message, type MessageAttribute } from '../message.ts';
import type { DeadLetterQueue, LaneQueue, Taken } from '../queue.ts';
import { takenOfEach, type BatchAnswer } from './batch-answer.ts';
import { httpHandler, type Answer } from './client.ts';
import { failureOf } from './failure.ts';
import { Sha256 } from './sha256.ts';
import { createShortcut, textOf } from './shortcut.ts';

/** Longer than the longest poll, ms. */
const requestTimeoutMs = 30_000;

/**
 * The SQS client, from the SDK's own environment. The SDK's retries are welcome here: SQS's calls
 * take no slot. `useQueueUrlAsEndpoint: false`, or an https QueueUrl would override
 * AWS_ENDPOINT_URL_SQS.
 */
export function createSqsClient(): SQSClient {
  return new SQSClient({
    useQueueUrlAsEndpoint: false,
    sha256: Sha256,
    requestHandler: httpHandler({ maxSockets: 100, requestTimeoutMs }),
  });
}

/** A lane's queue. `now` is ms on the clock of the messages' `receivedAtMs`. */
export function createLaneQueue(
  client: SQSClient,
  { lane, queueUrl, now }: { lane: Lane; queueUrl: string; now: () => number },
): LaneQueue {
  const receive = createShortcut<ReceiveMessageRequest, ReceiveMessageResult>(client, {
    command: (input) => new ReceiveMessageCommand(input),
    change: inBody,
    read: async (response) => receivedOf(await jsonOf(response)),
  });
  const deleteBatch = createShortcut<DeleteMessageBatchRequest, BatchAnswer>(client, {
    command: (input) => new DeleteMessageBatchCommand(input),
    change: inBody,
    read: jsonOf<BatchAnswer>,
  });
  return {
    receive: async ({ most, waitSeconds, visibilitySeconds }, abortSignal) => {
      const wish = {
        QueueUrl: queueUrl,
        MaxNumberOfMessages: most,
        WaitTimeSeconds: waitSeconds,
        VisibilityTimeout: visibilitySeconds,
        MessageSystemAttributeNames: [
          'SentTimestamp',
          'ApproximateFirstReceiveTimestamp',
          'ApproximateReceiveCount',
        ],
        MessageAttributeNames: ['All'],
      } satisfies ReceiveMessageRequest;
      try {
        const { Messages } = await receive(wish, { abortSignal });
        const messages = (Messages ?? []).map((message) => messageOf(message, lane, now()));
        return { kind: 'messages', messages };
      } catch (error) {
        return { kind: 'failed', failure: sqsFailureOf(error) };
      }
    },
    delete: (receiptHandles) =>
      inBatch(receiptHandles.length, async () =>
        deleteBatch({
          QueueUrl: queueUrl,
          Entries: receiptHandles.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle })),
        }),
      ),
    changeVisibility: (changes) =>
      inBatch(changes.length, async () =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: queueUrl,
            Entries: changes.map(({ receiptHandle, seconds }, at) => ({
              Id: String(at),
              ReceiptHandle: receiptHandle,
              VisibilityTimeout: seconds,
            })),
          }),
        ),
      ),
  };
}

/** The dead-letter queue. */
export function createDeadLetterQueue(client: SQSClient, queueUrl: string): DeadLetterQueue {
  return {
    send: async ({ body, attributes }) => {
      const command = new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: body,
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [name, sdkAttributeOf(value)]),
        ),
      });
      try {
        await client.send(command);
        return { done: true };
      } catch (error) {
        return refused(error);
      }
    },
  };
}

/** A queue that does not answer in this time cannot be used, ms. */
const checkTimeoutMs = 5000;

/** Why a queue cannot be used, in one sentence; undefined if it can. */
export async function problemWith(
  client: SQSClient,
  queueUrl: string,
): Promise<string | undefined> {
  try {
    await client.send(
      new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['QueueArn'] }),
      { abortSignal: AbortSignal.timeout(checkTimeoutMs), requestTimeout: checkTimeoutMs },
    );
    return undefined;
  } catch (error) {
    const { name, message } = sqsFailureOf(error);
    return missing.has(name)
      ? `there is no queue ${queueUrl} (${name})`
      : `queue ${queueUrl} cannot be used: ${name}: ${message}`;
  }
}

const missing: ReadonlySet<string> = new Set(['QueueDoesNotExist', 'NonExistentQueue']);

/** SQS wants its input as JSON, and answers so (AWS JSON 1.0). */
function inBody(_request: unknown, input: object): { readonly body: string } {
  return { body: JSON.stringify(input) };
}

async function jsonOf<Output extends object>({ body }: Answer['response']): Promise<Output> {
  return JSON.parse((await textOf(body)) || '{}') as Output;
}

/** What the SDK makes of an answer to ReceiveMessage, as far as it makes anything else of it than JSON. */
function receivedOf({ Messages }: ReceiveMessageResult): ReceiveMessageResult {
  const damaged = (Messages ?? []).filter(({ Body = '', MD5OfBody }) => {
    return hash('md5', Body) !== MD5OfBody;
  });
  if (damaged.length > 0) {
    const ids = damaged.map(({ MessageId }) => MessageId).join(', ');
    throw new Error(`Invalid MD5 checksum on messages: ${ids}`);
  }
  for (const { MessageAttributes } of Messages ?? []) {
    for (const attribute of Object.values(MessageAttributes ?? {})) {
      const { BinaryValue: text } = attribute as { readonly BinaryValue?: unknown };
      if (typeof text === 'string')
        attribute.BinaryValue = Uint8Array.from(Buffer.from(text, 'base64'));
    }
  }
  return { Messages };
}

/** A message as the SDK received it; what is missing becomes what covers and proves nothing. */
function messageOf(message: SqsMessage, lane: Lane, receivedAtMs: number): Message {
  return {
    lane,
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
        name,
        attributeOf(value),
      ]),
    ),
    ...timesOf(message.Attributes ?? {}),
    receivedAtMs,
  };
}

function attributeOf(value: MessageAttributeValue): MessageAttribute {
  return {
    dataType: value.DataType ?? 'String',
    ...(value.StringValue !== undefined && { stringValue: value.StringValue }),
    ...(value.BinaryValue !== undefined && { binaryValue: value.BinaryValue }),
  };
}

function sdkAttributeOf(value: MessageAttribute): MessageAttributeValue {
  return {
    DataType: value.dataType,
    StringValue: value.stringValue,
    BinaryValue: value.binaryValue,
  };
}

/** Makes a batch call, whose entries are called "0", "1", …, and looks at what became of each. */
export async function inBatch(
  size: number,
  send: () => Promise<BatchAnswer>,
): Promise<readonly Taken[]> {
  try {
    return takenOfEach(size, await send());
  } catch (error) {
    return Array.from({ length: size }, () => refused(error));
  }
}

/** SQS's words for what it would refuse again (AWS service model). */
const finalNames: ReadonlySet<string> = new Set([
  'ReceiptHandleIsInvalid',
  'InvalidMessageContents',
  'InvalidParameterValue',
  'InvalidParameterValueException',
  'MessageNotInflight',
  ...missing,
]);

function refused(error: unknown): Taken {
  const { name, message } = sqsFailureOf(error);
  return { done: false, final: finalNames.has(name), cause: `${name}: ${message}` };
}

/** The SDK takes a name from SQS's old protocol (x-amzn-query-error) where there is one, prefix and all. */
function sqsFailureOf(error: unknown): Failure {
  const failure = failureOf(error);
  return { ...failure, name: failure.name.replace(/^AWS\.SimpleQueueService\./, '') };
}
