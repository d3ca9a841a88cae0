import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  createDeadLetterQueue,
  createLaneQueue,
  createSqsClient,
  problemWith,
} from '../../src/aws/queue.ts';
import type { Message } from '../../src/message.ts';
import type { LaneQueue } from '../../src/queue.ts';
import { startQueues } from '../../src/sandbox/queues.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import { queueUserOf } from '../helpers/sqs.ts';

const never = new AbortController().signal;

/**
 * The real ports, found by the environment, beside a producer.
 *
 * @param isLater whether the lane has been used before: the first calls are the SDK's, the others are not
 */
async function setup(isLater = false) {
  const queues = await startQueues();
  onTestFinished(() => queues.stop());
  const sqs = clientOf(queues.endpoint);
  const queueUrl = queues.urls.incident;
  const lane = createLaneQueue(sqs, { lane: 'incident', queueUrl, now: () => 7 });
  const deadLetters = createDeadLetterQueue(sqs, queues.urls.deadLetter);
  const user = queueUserOf(queues);
  async function receive(waitSeconds = 0): Promise<readonly Message[]> {
    const received = await lane.receive({ most: 10, waitSeconds, visibilitySeconds: 30 }, never);
    if (received.kind === 'failed') throw new Error(received.failure.message);
    return received.messages;
  }
  if (isLater) {
    await receive();
    await lane.delete(['nothing']);
  }
  return { queues, sqs, lane, deadLetters, user, receive, queueUrl };
}

function clientOf(endpoint: string): ReturnType<typeof createSqsClient> {
  stubEnvironment({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_SQS: endpoint,
  });
  const client = createSqsClient();
  onTestFinished(() => client.destroy());
  return client;
}

/** A lane whose queue answers everything with `answer`. */
async function laneAnswering(answer: () => object): Promise<LaneQueue> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify(answer()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const queueUrl = `${endpoint}/000000000000/queue`;
  return createLaneQueue(clientOf(endpoint), { lane: 'alert', queueUrl, now: () => 0 });
}

const twice = [
  ['the first', false],
  ['a later', true],
] as const;

describe.each(twice)('a receive, %s', (_which, isLater) => {
  test('brings body, attributes and SQS’s times', async () => {
    const { user, receive, queueUrl } = await setup(isLater);
    const before = Date.now();
    const messageId = await user.send(queueUrl, '{"a":1}', {
      trace: { DataType: 'String', StringValue: 'abc' },
      weight: { DataType: 'Number.kg', StringValue: '7' },
      blob: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
    });
    const [message, ...others] = await receive();
    const after = Date.now();
    expect(others).toEqual([]);
    expect(message).toEqual({
      lane: 'incident',
      messageId,
      receiptHandle: expect.stringMatching(/./),
      body: '{"a":1}',
      attributes: {
        trace: { dataType: 'String', stringValue: 'abc' },
        weight: { dataType: 'Number.kg', stringValue: '7' },
        blob: { dataType: 'Binary', binaryValue: Uint8Array.of(0, 255) },
      },
      sentAtMs: expect.any(Number),
      firstReceivedAtMs: expect.any(Number),
      receiveCount: 1,
      receivedAtMs: 7,
    });
    expect(message?.sentAtMs).toBeGreaterThanOrEqual(before);
    expect(message?.firstReceivedAtMs).toBeGreaterThanOrEqual(message?.sentAtMs ?? Infinity);
    expect(message?.firstReceivedAtMs).toBeLessThanOrEqual(after);
  });

  test('brings up to ten, and each body as it was sent', async () => {
    const { user, receive, queueUrl } = await setup(isLater);
    // Real SQS takes characters beyond U+FFFF too; fauxqs refuses them.
    const bodies = ['\uFEFF{}', '\r\n', String.raw`"\ud800"`, '\u2028\u007F€', '"\\u0000"', ' x '];
    await user.sendAll(queueUrl, [...bodies, ...Array.from({ length: 6 }, () => 'x')]);
    const received = await receive();
    expect(received).toHaveLength(10);
    expect(received.slice(0, bodies.length).map(({ body }) => body)).toEqual(bodies);
    expect(await receive()).toHaveLength(2);
  });

  test('brings a body of 1 MiB', async () => {
    const { user, receive, queueUrl } = await setup(isLater);
    const body = 'x'.repeat(1_048_576);
    await user.send(queueUrl, body);
    const [message] = await receive();
    expect(message?.body === body).toBe(true);
  });

  test('waits for a message', async () => {
    const { user, receive, queueUrl } = await setup(isLater);
    const waiting = receive(20);
    await user.send(queueUrl, 'late');
    expect((await waiting).map(({ body }) => body)).toEqual(['late']);
  });

  test('hides what it brings, and counts the deliveries', async () => {
    const { user, lane, receive, queueUrl } = await setup(isLater);
    await user.send(queueUrl, 'x');
    const [first] = await receive();
    expect(await receive()).toEqual([]);
    await lane.changeVisibility([{ receiptHandle: first?.receiptHandle ?? '', seconds: 0 }]);
    const [second] = await receive();
    expect(second).toMatchObject({
      receiveCount: 2,
      sentAtMs: first?.sentAtMs,
      firstReceivedAtMs: first?.firstReceivedAtMs,
    });
  });

  test('is cut by the signal', async () => {
    const { lane } = await setup(isLater);
    const abandon = new AbortController();
    const waiting = lane.receive(
      { most: 10, waitSeconds: 20, visibilitySeconds: 30 },
      abandon.signal,
    );
    abandon.abort();
    expect(await waiting).toMatchObject({
      kind: 'failed',
      failure: { kind: 'unknown-result', name: 'AbortError' },
    });
  });

  test('of a queue that is not there, or from nobody, says so', async () => {
    const { sqs, queues, lane, queueUrl } = await setup(); // a connection that lives would be reset
    const gone = createLaneQueue(sqs, {
      lane: 'alert',
      queueUrl: `${queueUrl}-gone`,
      now: () => 0,
    });
    expect(
      await gone.receive({ most: 10, waitSeconds: 0, visibilitySeconds: 30 }, never),
    ).toMatchObject({
      kind: 'failed',
      failure: { name: 'QueueDoesNotExist' },
    });
    await queues.stop();
    expect(
      await lane.receive({ most: 10, waitSeconds: 0, visibilitySeconds: 30 }, never),
    ).toMatchObject({
      kind: 'failed',
      failure: { kind: 'unreachable', name: 'ECONNREFUSED' },
    });
  });
});

describe('a body that was damaged', () => {
  test.each(twice)('on its way is not taken: %s receive', async (_which, isLater) => {
    const Messages = [{ MessageId: 'm-1', Body: '{"a":1}', MD5OfBody: 'd41d8cd98f00b204e9800998' }];
    const answers: object[] = isLater ? [{}, { Messages }] : [{ Messages }];
    const lane = await laneAnswering(() => answers.shift() ?? {});
    const wish = { most: 10, waitSeconds: 0, visibilitySeconds: 30 };
    if (isLater)
      expect(await lane.receive(wish, never)).toEqual({ kind: 'messages', messages: [] });
    expect(await lane.receive(wish, never)).toMatchObject({
      kind: 'failed',
      failure: { message: 'Invalid MD5 checksum on messages: m-1' },
    });
  });
});

describe.each(twice)('a batch, %s', (_which, isLater) => {
  test('of deletes deletes', async () => {
    const { user, lane, receive, queueUrl } = await setup(isLater);
    await user.sendAll(queueUrl, ['a', 'b', 'c']);
    const [a, b] = await receive();
    const answers = await lane.delete([a?.receiptHandle ?? '', b?.receiptHandle ?? '']);
    expect(answers).toEqual([{ done: true }, { done: true }]);
    expect(await user.counts(queueUrl)).toEqual({ visible: 0, hidden: 1 });
  });

  test('answers for each entry by itself, in order', async () => {
    const lane = await laneAnswering(() => ({
      Successful: [{ Id: '4' }, { Id: '0' }],
      Failed: [
        { Id: '2', SenderFault: false, Code: 'InternalError', Message: 'not now' },
        { Id: '1', SenderFault: true, Code: 'ReceiptHandleIsInvalid', Message: 'never' },
      ],
    }));
    if (isLater) await lane.delete(['z']);
    const answers = [
      { done: true },
      { done: false, final: true, cause: 'ReceiptHandleIsInvalid: never' },
      { done: false, final: false, cause: 'InternalError: not now' },
      { done: false, final: false, cause: 'SQS gave no answer for it' },
      { done: true },
    ];
    const handles = ['a', 'b', 'c', 'd', 'e'];
    expect(await lane.delete(handles)).toEqual(answers);
    const changes = handles.map((receiptHandle) => ({ receiptHandle, seconds: 0 }));
    expect(await lane.changeVisibility(changes)).toEqual(answers);
  });

  test('whose answer holds nothing may be tried again', async () => {
    const lane = await laneAnswering(() => ({}));
    if (isLater) await lane.delete(['z']);
    expect(await lane.delete(['a'])).toEqual([
      { done: false, final: false, cause: 'SQS gave no answer for it' },
    ]);
  });

  test('of visibility changes hides for longer, or gives back', async () => {
    const { user, lane, receive, queueUrl } = await setup(isLater);
    await user.sendAll(queueUrl, ['a', 'b']);
    const [a, b] = await receive();
    const answers = await lane.changeVisibility([
      { receiptHandle: a?.receiptHandle ?? '', seconds: 0 },
      { receiptHandle: b?.receiptHandle ?? '', seconds: 100 },
    ]);
    expect(answers).toEqual([{ done: true }, { done: true }]);
    expect(await user.counts(queueUrl)).toEqual({ visible: 1, hidden: 1 });
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 99_000);
    expect((await receive()).map(({ body }) => body)).toEqual(['a']);
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 101_000);
    expect((await receive()).map(({ body }) => body)).toContain('b');
    vi.restoreAllMocks();
  });

  test('that does not reach SQS may be tried again, each entry of it', async () => {
    const { queues, lane } = await setup(); // a connection that lives would be reset
    await queues.stop();
    const refusal = { done: false, final: false, cause: expect.stringMatching(/^ECONNREFUSED: ./) };
    expect(await lane.delete(['a', 'b'])).toEqual([refusal, refusal]);
    expect(await lane.changeVisibility([{ receiptHandle: 'a', seconds: 0 }])).toEqual([refusal]);
  });

  test('for a queue that is gone is not tried again', async () => {
    const { sqs, queueUrl } = await setup(isLater);
    const gone: LaneQueue = createLaneQueue(sqs, {
      lane: 'alert',
      queueUrl: `${queueUrl}-gone`,
      now: () => 0,
    });
    expect(await gone.delete(['a'])).toEqual([
      { done: false, final: true, cause: expect.stringMatching(/^QueueDoesNotExist: ./) },
    ]);
  });
});

describe('a dead letter', () => {
  test('arrives as it was sent', async () => {
    const { queues, deadLetters, user } = await setup();
    const attributes = {
      failureReason: { dataType: 'String', stringValue: 'body: it holds\n"x"' },
      blob: { dataType: 'Binary.png', binaryValue: Uint8Array.of(1, 2) },
    };
    expect(await deadLetters.send({ body: 'garbage\r\n', attributes })).toEqual({ done: true });
    const [letter] = await user.receive(queues.urls.deadLetter);
    expect(letter).toMatchObject({
      Body: 'garbage\r\n',
      MessageAttributes: {
        failureReason: { DataType: 'String', StringValue: 'body: it holds\n"x"' },
        blob: { DataType: 'Binary.png', BinaryValue: Uint8Array.of(1, 2) },
      },
    });
  });

  test('of 1 MiB arrives', async () => {
    const { queues, deadLetters, user } = await setup();
    const body = 'x'.repeat(1_048_576);
    expect(await deadLetters.send({ body, attributes: {} })).toEqual({ done: true });
    const [letter] = await user.receive(queues.urls.deadLetter);
    expect(letter?.Body === body).toBe(true);
  });

  test('that is too large, or that SQS cannot hold, is refused for good', async () => {
    const { deadLetters } = await setup();
    const attributes = { a: { dataType: 'String', stringValue: 'x' } };
    expect(await deadLetters.send({ body: 'x'.repeat(1_048_576), attributes })).toMatchObject({
      done: false,
      final: true,
    });
    expect(await deadLetters.send({ body: 'a\u0000b', attributes })).toMatchObject({
      done: false,
      final: true,
      cause: expect.stringMatching(/^InvalidMessageContents: /),
    });
  });

  test('that does not reach SQS may be sent again', async () => {
    const { queues, deadLetters } = await setup();
    await queues.stop();
    expect(await deadLetters.send({ body: 'x', attributes: {} })).toMatchObject({
      done: false,
      final: false,
    });
  });
});

describe('the problem with a queue', () => {
  test('is none when it is there', async () => {
    const { sqs, queueUrl } = await setup();
    expect(await problemWith(sqs, queueUrl)).toBeUndefined();
  });

  test('is that it is not there', async () => {
    const { sqs, queueUrl } = await setup();
    expect(await problemWith(sqs, `${queueUrl}-gone`)).toBe(
      `there is no queue ${queueUrl}-gone (QueueDoesNotExist)`,
    );
  });

  test('is that nobody can be asked', async () => {
    const { queues, sqs, queueUrl } = await setup();
    await queues.stop();
    expect(await problemWith(sqs, queueUrl)).toMatch(
      /^queue http:\S+ cannot be used: ECONNREFUSED: ./,
    );
  });
});
