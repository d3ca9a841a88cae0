// The ledger's table on a DynamoDB server of our own, on loopback, spoken to by any AWS client through
// its endpoint setting. What it holds lives in memory, and ends with it.

import dynalite from 'dynalite';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { incidentIndex, incidentKey, partitionKey, sortKey } from '../aws/ledger-item.ts';

/** Where the server listens. */
export interface LedgerSandboxOptions {
  /** TCP port on 127.0.0.1. Default 0: any free one. */
  readonly port?: number;
}

/** A running DynamoDB server with the ledger's table, which is empty. */
export interface LedgerSandbox extends AsyncDisposable {
  /** E.g. `http://127.0.0.1:41234`, for `AWS_ENDPOINT_URL_DYNAMODB`. */
  readonly endpoint: string;
  readonly port: number;
  /** The table's name, for `LEDGER_TABLE`. */
  readonly table: string;
  /** Goes away at once, cutting every connection, as in an outage: it keeps what it holds. */
  readonly close: () => Promise<void>;
  /** Comes back on the same port; rejects when somebody else has taken it meanwhile. */
  readonly reopen: () => Promise<void>;
}

const table = 'iot-revocation-ledger';

/** Starts a server and makes the table; rejects when the port is taken. */
export async function startLedger({ port = 0 }: LedgerSandboxOptions = {}): Promise<LedgerSandbox> {
  const dynamo = dynalite({ createTableMs: 0 });
  let server = await listen(dynamo, port);
  const { port: actualPort } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${actualPort}`;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = server[Symbol.asyncDispose]();
    server.closeAllConnections();
    await closed;
  };
  try {
    await createTable(endpoint);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    endpoint,
    port: actualPort,
    table,
    close,
    reopen: async () => {
      await close();
      server = await listen(dynamo, actualPort);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Listens with a server of ours in front: dynalite's own empties the table when it is closed. */
async function listen(dynamo: Server, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    dynamo.emit('request', request, response);
    // dynalite would end this process when a client hangs up halfway.
    request.removeAllListeners('error').on('error', () => undefined);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** As infra/ledger.yml has it, but for the time to live, which dynalite does not know. */
const tableDefinition = {
  TableName: table,
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [partitionKey, sortKey, incidentKey].map((AttributeName) => ({
    AttributeName,
    AttributeType: 'S',
  })),
  KeySchema: [
    { AttributeName: partitionKey, KeyType: 'HASH' },
    { AttributeName: sortKey, KeyType: 'RANGE' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: incidentIndex,
      KeySchema: [
        { AttributeName: incidentKey, KeyType: 'HASH' },
        { AttributeName: partitionKey, KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'ALL' },
    },
  ],
} as const;

async function createTable(endpoint: string): Promise<void> {
  await ask(endpoint, 'CreateTable', tableDefinition);
  // It answers a moment before the table can be used.
  for (;;) {
    const { Table } = await ask(endpoint, 'DescribeTable', { TableName: table });
    if (Table?.TableStatus === 'ACTIVE') return;
  }
}

async function ask(endpoint: string, operation: string, input: object): Promise<TableAnswer> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      // Whoever fetches from here later must not get a connection that an outage has cut.
      connection: 'close',
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${operation}`,
      // It wants a signature, and looks at its form only.
      'x-amz-date': '20260101T000000Z',
      authorization: 'AWS4-HMAC-SHA256 Credential=sandbox, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify(input),
  });
  if (!response.ok) throw new Error(`${operation} of ${table} failed: ${await response.text()}`);
  return (await response.json()) as TableAnswer;
}

interface TableAnswer {
  readonly Table?: { readonly TableStatus: string };
}
