// The SDK against answers of our own making: what the sandbox's queues do not do on demand.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProducer } from '../../src/aws/producer.ts';
import type { Producer } from '../../src/command/send.ts';

const queueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/incident';

interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

interface Batch {
  readonly QueueUrl: string;
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

let answer: (batch: Batch) => Answer;
let asked: { readonly batch: Batch; readonly authorization: string | undefined }[];
let producer: Producer;

const server = createServer((request, response) => {
  void (async () => {
    const batch = await batchOf(request);
    asked.push({ batch, authorization: request.headers.authorization });
    const { status = 200, body } = answer(batch);
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(body));
  })();
});

async function batchOf(request: IncomingMessage): Promise<Batch> {
  return (await json(request)) as Batch;
}

function successOf({ Id, MessageBody }: Batch['Entries'][number]): object {
  const MD5OfMessageBody = createHash('md5').update(MessageBody).digest('hex');
  return { Id, MessageId: `m-${Id}`, MD5OfMessageBody };
}

beforeEach(async () => {
  asked = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  vi.stubEnv('AWS_ENDPOINT_URL_SQS', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  producer = createProducer(queueUrl, 'eu-west-1');
});

afterEach(async () => {
  producer[Symbol.dispose]();
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
});

describe('a producer', () => {
  test('sends a batch to its queue, in the queue’s region', async () => {
    answer = ({ Entries }) => ({ body: { Successful: Entries.map(successOf) } });
    expect(await producer.send(['one', 'two'])).toEqual([{ done: true }, { done: true }]);
    expect(asked).toEqual([
      {
        batch: {
          QueueUrl: queueUrl,
          Entries: [
            { Id: '0', MessageBody: 'one' },
            { Id: '1', MessageBody: 'two' },
          ],
        },
        authorization: expect.stringContaining('/eu-west-1/sqs/aws4_request'),
      },
    ]);
    expect(await producer.region()).toBe('eu-west-1');
  });

  test('is in the region of the environment, if the queue names none', async () => {
    using other = createProducer('http://127.0.0.1:1/0/incident', undefined);
    expect(await other.region()).toBe('us-east-1');
  });

  test('tells each entry’s answer, whatever their order', async () => {
    answer = ({ Entries }) => ({
      body: {
        Successful: Entries.filter(({ Id }) => Id === '3').map(successOf),
        Failed: [
          { Id: '2', Code: 'InternalError', Message: 'again', SenderFault: false },
          { Id: '0', Code: 'InvalidMessageContents', Message: 'no', SenderFault: true },
        ],
      },
    });
    expect(await producer.send(['a', 'b', 'c', 'd'])).toEqual([
      { done: false, final: true, cause: 'InvalidMessageContents: no' },
      { done: false, final: false, cause: 'SQS gave no answer for it' },
      { done: false, final: false, cause: 'InternalError: again' },
      { done: true },
    ]);
  });

  test.each([
    ['QueueDoesNotExist', 400, true],
    ['AccessDeniedException', 403, true],
    ['ThrottlingException', 400, false],
    ['ServiceUnavailable', 503, false],
  ])('says of %s for all of them whether it is final', async (name, status, final) => {
    answer = () => ({ status, body: { __type: `com.amazonaws.sqs#${name}`, message: 'no' } });
    const taken = { done: false, final, cause: `${name}: no` };
    expect(await producer.send(['a', 'b'])).toEqual([taken, taken]);
  });

  test('takes a queue that it cannot reach for one that it may reach later', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_SQS', 'http://127.0.0.1:1'); // nobody listens there
    using other = createProducer(queueUrl, 'eu-west-1');
    expect(await other.send(['a'])).toEqual([
      { done: false, final: false, cause: expect.stringMatching(/^ECONNREFUSED: /) },
    ]);
  });
});
