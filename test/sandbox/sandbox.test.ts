import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { IoTClient, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startQueues } from '../../src/sandbox/queues.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { failureOf } from '../helpers/iot-client.ts';
import { bareEnvironment } from './command.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a sandbox', () => {
  test('names in its environment all that the worker and AWS clients need', async () => {
    await using sandbox = await startSandbox({ region: 'eu-west-1' });
    const { queues, iot, ledger } = sandbox;
    expect(sandbox.environment).toEqual({
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'sandbox',
      AWS_SECRET_ACCESS_KEY: 'sandbox',
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      AWS_ENDPOINT_URL_SNS: queues.endpoint,
      AWS_ENDPOINT_URL_IOT: iot.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: ledger.endpoint,
      AWS_ACCOUNT_ID: '000000000000',
      INCIDENT_QUEUE_URL: queues.urls.incident,
      ALERT_QUEUE_URL: queues.urls.alert,
      ROTATION_QUEUE_URL: queues.urls.rotation,
      DEAD_LETTER_QUEUE_URL: queues.urls.deadLetter,
      ALERT_TOPIC_ARN: 'arn:aws:sns:eu-west-1:000000000000:iot-revocation-alerts',
      LEDGER_TABLE: ledger.table,
    });
  });

  test('is all of AWS for clients that know nothing but that environment', async () => {
    await using sandbox = await startSandbox();
    for (const [name, value] of Object.entries({ ...bareEnvironment, ...sandbox.environment })) {
      vi.stubEnv(name, value);
    }
    const sqs = new SQSClient();
    const iot = new IoTClient();
    const dynamo = new DynamoDBClient();
    const [certificateId = ''] = await sandbox.iot.seed({ count: 1 });

    const QueueUrl = sandbox.environment['INCIDENT_QUEUE_URL'];
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: certificateId }));
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    expect(Messages?.map(({ Body }) => Body)).toEqual([certificateId]);
    await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'REVOKED' }));
    expect(sandbox.iot.status(certificateId)).toBe('REVOKED');
    const TableName = sandbox.environment['LEDGER_TABLE'];
    const { Table } = await dynamo.send(new DescribeTableCommand({ TableName }));
    expect(Table?.TableStatus).toBe('ACTIVE');
    sqs.destroy();
    iot.destroy();
    dynamo.destroy();
  });

  test('passes the quota and the clock on to the control plane', async () => {
    await using sandbox = await startSandbox({ quota: { rate: 0, burst: 0 }, now: () => 7 });
    const url = `${sandbox.iot.endpoint}/certificates/${'a'.repeat(64)}?newStatus=REVOKED`;
    expect((await fetch(url, { method: 'PUT' })).status).toBe(400);
    expect(sandbox.iot.calls).toMatchObject([{ answer: 'ThrottlingException', receivedAtMs: 7 }]);
  });

  test('stops all its servers', async () => {
    const sandbox = await startSandbox();
    await sandbox.stop();
    await expect(fetch(sandbox.queues.endpoint)).rejects.toThrow('fetch failed');
    await expect(fetch(sandbox.iot.endpoint)).rejects.toThrow('fetch failed');
    await expect(fetch(sandbox.ledger.endpoint)).rejects.toThrow('fetch failed');
  });

  test.each(['queuePort', 'iotPort', 'ledgerPort'] as const)(
    'leaves nothing running when its %s is taken',
    async (name) => {
      const [one, two, taken] = [await listen(), await listen(), await listen()];
      await Promise.all([one.close(), two.close()]);
      const names = ['queuePort', 'iotPort', 'ledgerPort'].filter((other) => other !== name);
      const free = { [names[0] ?? '']: one.port, [names[1] ?? '']: two.port };
      const failure = await failureOf(startSandbox({ ...free, [name]: taken.port }));
      expect(failure).toMatchObject({ code: 'EADDRINUSE', port: taken.port });
      // The others are free again.
      for (const { port } of [one, two]) await (await startQueues({ port })).stop();
      await taken.close();
    },
  );
});

async function listen(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await server[Symbol.asyncDispose]();
    },
  };
}
