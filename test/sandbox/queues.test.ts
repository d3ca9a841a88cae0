import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type Message,
} from '@aws-sdk/client-sqs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { startQueues, type Queues, type QueuesOptions } from '../../src/sandbox/queues.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

const outsideAddress = Object.values(networkInterfaces())
  .flatMap((addresses = []) => addresses)
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

describe('the queues', () => {
  test('are three lanes and a dead-letter queue, each with its own messages', async () => {
    const { queues, send, receive } = await setup();
    const names = Object.keys(queues.urls) as (keyof Queues['urls'])[];
    expect(names.toSorted()).toEqual(['alert', 'deadLetter', 'incident', 'rotation']);
    for (const name of names) await send(queues.urls[name], `for ${name}`);
    for (const name of names) {
      const received = await receive(queues.urls[name]);
      expect(received.map(({ Body }) => Body)).toEqual([`for ${name}`]);
    }
  });

  test('have the names that the worker is deployed with', async () => {
    const { queues } = await setup();
    const { endpoint } = queues;
    expect(queues.urls).toEqual({
      incident: `${endpoint}/000000000000/iot-revocation-incident`,
      alert: `${endpoint}/000000000000/iot-revocation-alert`,
      rotation: `${endpoint}/000000000000/iot-revocation-rotation`,
      deadLetter: `${endpoint}/000000000000/iot-revocation-dead-letter`,
    });
  });

  test('hand out what SQS knows of a message: when it was sent, first received, how often', async () => {
    const { queues, send, receive } = await setup();
    await send(queues.urls.alert, 'hello');
    const [message] = await receive(queues.urls.alert);
    const { SentTimestamp, ApproximateFirstReceiveTimestamp, ApproximateReceiveCount } =
      message?.Attributes ?? {};
    expect(Number(SentTimestamp)).toBeLessThanOrEqual(Number(ApproximateFirstReceiveTimestamp));
    expect(Number(SentTimestamp)).toBeGreaterThan(0);
    expect(ApproximateReceiveCount).toBe('1');
  });

  test('hide a received message until it is deleted', async () => {
    const { queues, client, send, receive } = await setup();
    const url = queues.urls.incident;
    await send(url, 'hello');
    const [message] = await receive(url);
    expect(await receive(url)).toEqual([]);
    await client.send(
      new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: message?.ReceiptHandle }),
    );
    expect(await receive(url)).toEqual([]);
  });

  test('show a message again once its visibility timeout is over', async () => {
    const { queues, send, receive } = await setup({ visibilitySeconds: 1 });
    await send(queues.urls.rotation, 'hello');
    const [first] = await receive(queues.urls.rotation);
    const [second] = await receive(queues.urls.rotation, 20);
    expect(second?.MessageId).toBe(first?.MessageId);
    expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
    expect(second?.Attributes?.ApproximateReceiveCount).toBe('2');
  });

  test.each(['incident', 'alert', 'rotation'] as const)(
    'give the %s lane 30 s of visibility and a redrive to the dead-letter queue',
    async (lane) => {
      const { queues, attributesOf } = await setup();
      const { VisibilityTimeout, RedrivePolicy } = await attributesOf(queues.urls[lane]);
      const { QueueArn, ...deadLetter } = await attributesOf(queues.urls.deadLetter);
      expect(VisibilityTimeout).toBe('30');
      expect(JSON.parse(RedrivePolicy ?? '')).toEqual({
        deadLetterTargetArn: QueueArn,
        maxReceiveCount: 1000,
      });
      expect(deadLetter['RedrivePolicy']).toBeUndefined();
    },
  );

  test('are in the region asked for', async () => {
    const { queues, attributesOf } = await setup({ region: 'eu-west-1' });
    const { QueueArn, RedrivePolicy } = await attributesOf(queues.urls.alert);
    expect(QueueArn).toBe('arn:aws:sqs:eu-west-1:000000000000:iot-revocation-alert');
    expect(RedrivePolicy).toContain(
      'arn:aws:sqs:eu-west-1:000000000000:iot-revocation-dead-letter',
    );
  });
});

describe('the SQS server', () => {
  test('answers a long poll as soon as there is a message', async () => {
    const { queues, send, receive } = await setup();
    const poll = receive(queues.urls.incident, 20);
    await send(queues.urls.incident, 'at last');
    expect((await poll).map(({ Body }) => Body)).toEqual(['at last']);
  });

  test('stops at once, even while somebody polls, and stopping twice is fine', async () => {
    const { queues, receive } = await setup();
    const poll = Promise.allSettled([receive(queues.urls.incident, 20)]);
    await receive(queues.urls.incident); // the poll before this has arrived
    await queues.stop();
    await poll;
    await queues.stop();
    await expect(fetch(queues.endpoint)).rejects.toThrow('fetch failed');
  });

  test('refuses to start on a port that is taken', async () => {
    const { queues } = await setup();
    await expect(startQueues({ port: queues.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port: queues.port,
    });
  });

  test('refuses to start with attributes that SQS refuses, and frees its port', async () => {
    const { queues } = await setup();
    const { port } = queues;
    await queues.stop();
    const failing = startQueues({ port, visibilitySeconds: 43_201 });
    await expect(failing).rejects.toThrow(/VisibilityTimeout.*between 0 and 43200/);
    await (await startQueues({ port })).stop();
  });

  test.skipIf(outsideAddress === undefined)('is deaf to other machines', async () => {
    const { queues } = await setup();
    const socket = connect(queues.port, outsideAddress);
    await expect(once(socket, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

async function setup(options: QueuesOptions = {}) {
  const queues = await startQueues(options);
  const client = new SQSClient({
    endpoint: queues.endpoint,
    region: options.region ?? 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
  closers.push(async () => {
    client.destroy();
    await queues.stop();
  });
  return {
    queues,
    client,
    send: (QueueUrl: string, MessageBody: string) =>
      client.send(new SendMessageCommand({ QueueUrl, MessageBody })),
    receive: async (QueueUrl: string, WaitTimeSeconds = 0): Promise<readonly Message[]> => {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          WaitTimeSeconds,
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ['All'],
        }),
      );
      return Messages;
    },
    attributesOf: async (QueueUrl: string): Promise<Readonly<Record<string, string>>> => {
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      );
      return Attributes;
    },
  };
}
