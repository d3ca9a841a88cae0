import {
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { once } from 'node:events';
import { connect } from 'node:net';
import { onTestFinished, describe, expect, test } from 'vitest';
import { checkTable } from '../../src/aws/ledger-table.ts';
import { startLedger } from '../../src/sandbox/ledger.ts';
import { failureOf } from '../helpers/iot-client.ts';

const Item = { certificate: { S: '1/r/a' }, entry: { S: 'certificate' }, said: { S: 'x' } };
const Key = { certificate: Item.certificate, entry: Item.entry };

describe('the ledger’s table', () => {
  test('is one that the worker can use, at once, and empty', async () => {
    const { ledger, client } = await setup();
    expect(await checkTable(client, ledger.table)).toEqual({ kind: 'fine' });
    const { Table } = await client.send(new DescribeTableCommand({ TableName: ledger.table }));
    expect(Table).toMatchObject({ TableStatus: 'ACTIVE', ItemCount: 0 });
    expect(Table?.GlobalSecondaryIndexes?.[0]).toMatchObject({
      IndexStatus: 'ACTIVE',
      Projection: { ProjectionType: 'ALL' },
    });
  });

  test('goes away at once, and comes back on its port with what it held', async () => {
    const { ledger, client } = await setup();
    await client.send(new PutItemCommand({ TableName: ledger.table, Item }));
    await ledger.close();
    await expect(fetch(ledger.endpoint)).rejects.toThrow('fetch failed');
    await ledger.reopen();
    const found = await client.send(new GetItemCommand({ TableName: ledger.table, Key }));
    expect(found.Item).toEqual(Item);
  });

  test('may be closed twice, and reopened while it is open', async () => {
    const { ledger } = await setup();
    await ledger.reopen();
    expect((await fetch(ledger.endpoint)).ok).toBe(true);
    await ledger.close();
    await ledger.close();
  });

  test('outlives a client that hangs up halfway', async () => {
    const { ledger, client } = await setup();
    const socket = connect(ledger.port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"Tab');
    const closed = once(socket, 'close');
    socket.resetAndDestroy();
    await closed;
    expect(await checkTable(client, ledger.table)).toEqual({ kind: 'fine' });
  });

  test('refuses to start on a port that is taken', async () => {
    const { ledger } = await setup();
    const failure = await failureOf(startLedger({ port: ledger.port }));
    expect(failure).toMatchObject({ code: 'EADDRINUSE', port: ledger.port });
  });
});

async function setup() {
  const ledger = await startLedger();
  const client = new DynamoDBClient({
    endpoint: ledger.endpoint,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
  onTestFinished(async () => {
    client.destroy();
    await ledger.close();
  });
  return { ledger, client };
}
