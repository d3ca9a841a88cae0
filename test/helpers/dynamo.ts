// A DynamoDB of its own for whoever wants one: dynalite behind a door that counts what comes in, and
// that can be told to answer with an error, late, or never.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  paginateScan,
  type AttributeValue,
  type CreateTableCommandInput,
} from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';
import { onTestFinished } from 'vitest';
import { incidentIndex, incidentKey, partitionKey, sortKey } from '../../src/aws/ledger-item.ts';

/** A request that came in. */
export interface DynamoRequest {
  /** E.g. `UpdateItem`. */
  readonly operation: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What the door does instead of letting a request through. */
export type Fault =
  | { readonly kind: 'exception'; readonly name: string; readonly message?: string }
  /** This answer, whatever was asked. */
  | { readonly kind: 'answer'; readonly body: unknown }
  | { readonly kind: 'hang' };

export interface Dynamo {
  /** For `AWS_ENDPOINT_URL_DYNAMODB`; `LEDGER_TABLE` is `ledger`. */
  readonly endpoint: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What came in through the door, in order. */
  readonly requests: readonly DynamoRequest[];
  /** How many of each operation came in. */
  readonly counts: () => Readonly<Record<string, number>>;
  /** From now on these operations end so; all are let through again with `undefined`. */
  readonly fault: (fault: Fault | undefined, ...operations: readonly string[]) => void;
  /** The next request's connection breaks before it is answered. */
  readonly cut: () => void;
  /** A client of whoever looks behind the scenes; its requests do not count. */
  readonly admin: DynamoDBClient;
  /** All that the table holds. */
  readonly items: () => Promise<readonly Readonly<Record<string, AttributeValue>>[]>;
}

export const ledgerName = 'ledger';

/** As infra/ledger.yml has it, but for the time to live, which dynalite does not know. */
const ledgerDefinition: CreateTableCommandInput = {
  TableName: ledgerName,
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: attributesNamed(partitionKey, sortKey, incidentKey),
  KeySchema: keysNamed(partitionKey, sortKey),
  GlobalSecondaryIndexes: [
    {
      IndexName: incidentIndex,
      KeySchema: keysNamed(incidentKey, partitionKey),
      Projection: { ProjectionType: 'ALL' },
    },
  ],
};

export function attributesNamed(
  ...names: readonly string[]
): NonNullable<CreateTableCommandInput['AttributeDefinitions']> {
  return names.map((AttributeName) => ({ AttributeName, AttributeType: 'S' }));
}

export function keysNamed(
  hash: string,
  range?: string,
): NonNullable<CreateTableCommandInput['KeySchema']> {
  return [
    { AttributeName: hash, KeyType: 'HASH' },
    ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' } as const]),
  ];
}

/**
 * A server of the test that runs, with the ledger's table.
 *
 * @param changes to the table's definition; `undefined` for no table at all
 */
export async function startDynamo(
  changes: Partial<CreateTableCommandInput> | undefined = {},
): Promise<Dynamo> {
  const dynamo = dynalite({ createTableMs: 0 });
  const inner = await listening(createServer((request, response) => pass(dynamo, request, response))); // prettier-ignore
  const requests: DynamoRequest[] = [];
  const faults = new Map<string, Fault>();
  let isCut = false;
  const door = createServer((request, response) => {
    if (isCut) {
      isCut = false;
      request.socket.resetAndDestroy();
      return;
    }
    const operation = operationOf(request);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as DynamoRequest['body'];
      requests.push({ operation, body });
    });
    const fault = faults.get(operation) ?? faults.get('');
    if (fault === undefined) pass(dynamo, request, response);
    else request.on('end', () => answerWith(fault, response));
  });
  const endpoint = await listening(door);
  const credentials = { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' };
  const admin = new DynamoDBClient({ endpoint: inner, region: 'us-east-1', credentials });
  onTestFinished(() => admin.destroy());
  if (changes !== undefined) {
    await admin.send(new CreateTableCommand({ ...ledgerDefinition, ...changes }));
    // dynalite answers a moment before the table can be used.
    while (!(await isActive(admin)));
  }
  return {
    endpoint,
    environment: environmentOf(endpoint),
    requests,
    counts: () => {
      const counts: Record<string, number> = {};
      for (const { operation } of requests) counts[operation] = (counts[operation] ?? 0) + 1;
      return counts;
    },
    fault: (fault, ...operations) => {
      if (fault === undefined) faults.clear();
      else for (const name of operations.length === 0 ? [''] : operations) faults.set(name, fault);
    },
    cut: () => {
      isCut = true;
    },
    admin,
    items: async () => {
      const items: Record<string, AttributeValue>[] = [];
      for await (const page of paginateScan({ client: admin }, { TableName: ledgerName })) {
        items.push(...(page.Items ?? []));
      }
      return items;
    },
  };
}

async function isActive(admin: DynamoDBClient): Promise<boolean> {
  const { Table } = await admin.send(new DescribeTableCommand({ TableName: ledgerName }));
  return Table?.TableStatus === 'ACTIVE';
}

/** What points a client of ours at this endpoint. */
export function environmentOf(endpoint: string): Readonly<Record<string, string>> {
  return {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    LEDGER_TABLE: ledgerName,
  };
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function pass(dynamo: Server, request: IncomingMessage, response: ServerResponse): void {
  dynamo.emit('request', request, response);
  // dynalite would end this process when a client hangs up halfway.
  request.removeAllListeners('error').on('error', () => undefined);
}

function operationOf(request: IncomingMessage): string {
  return String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
}

function answerWith(fault: Fault, response: ServerResponse): void {
  if (fault.kind === 'hang') return;
  response.setHeader('content-type', 'application/x-amz-json-1.0');
  response.setHeader('x-amzn-requestid', 'faulty');
  if (fault.kind === 'answer') {
    response.end(JSON.stringify(fault.body));
    return;
  }
  response.statusCode = fault.name.startsWith('Internal') ? 500 : 400;
  const __type = `com.amazonaws.dynamodb.v20120810#${fault.name}`;
  response.end(JSON.stringify({ __type, message: fault.message ?? 'as the test wants it' }));
}
