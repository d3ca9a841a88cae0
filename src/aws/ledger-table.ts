// The shared ledger's table, by DynamoDB. An update costs one read and one conditional write; see
// README, "The ledger", for the units.

import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DescribeTableCommand,
  DynamoDBClient,
  UpdateItemCommand,
  type DynamoDBClientConfig,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Failure } from '../call.ts';
import { regionOfTable } from '../config.ts';
import type { LedgerEntry } from '../ledger-entry.ts';
import type { Proof } from '../ledger.ts';
import type { Deployment } from '../request.ts';
import type { LedgerTable, TableAnswer } from '../shared-ledger.ts';
import { httpHandler } from './client.ts';
import { failureOf } from './failure.ts';
import {
  certificateItem,
  certificateKeyOf,
  expiryAttribute,
  expiryOf,
  filedValueOf,
  firstRevocation,
  firstValueOf,
  incidentIndex,
  incidentItemOf,
  incidentKey,
  incidentKeyOf,
  partitionKey,
  proofsOf,
  slotOf,
  slotValueOf,
  sortKey,
  watermarkOf,
} from './ledger-item.ts';

export interface LedgerTableOptions {
  /** Its name or ARN. */
  readonly table: string;
  readonly deployment: Deployment;
  /** The time of day, ms since the epoch. */
  readonly wallClock: () => number;
}

/**
 * One more attempt, at once, where a connection broke or a server stumbled. The SDK's own backoff is
 * longer than anybody waits here, and a table that throttles is left alone.
 */
const onceMore: NonNullable<DynamoDBClientConfig['retryStrategy']> = {
  acquireInitialRetryToken: () => Promise.resolve(tokenOf(0)),
  refreshRetryTokenForRetry: (token, { errorType }) =>
    token.getRetryCount() === 0 && errorType === 'TRANSIENT'
      ? Promise.resolve(tokenOf(1))
      : Promise.reject(new Error('once more, and no more')),
  recordSuccess: () => undefined,
};

function tokenOf(retries: number): { getRetryCount(): number; getRetryDelay(): number } {
  return { getRetryCount: () => retries, getRetryDelay: () => 0 };
}

/** The DynamoDB client, from the SDK's own environment; who waits for it gives up sooner than it does. */
export function createDynamoClient(): DynamoDBClient {
  return new DynamoDBClient({
    retryStrategy: onceMore,
    requestHandler: httpHandler({ maxSockets: 50, requestTimeoutMs: 1000 }),
  });
}

/** A watermark that is ahead of our clock by so much, ms, is none of ours; and one of ours comes through. */
const aheadMs = 86_400_000;

/**
 * What stands in a slot yields to what is as new or newer. So does what somebody wrote by hand: it is no
 * number, or a time to come.
 */
const yields = [
  'attribute_not_exists(#slot.#watermark)',
  '#slot.#watermark <= :watermark',
  '#slot.#watermark > :nonsense',
  'NOT attribute_type(#slot.#watermark, :number)',
].join(' OR ');

/** A person waits for it, ms. */
const patienceMs = 10_000;

/**
 * The client for a person who looks into a table, with the SDK's own environment. A table is where its
 * ARN says, so that region goes before AWS_REGION.
 */
export function createPersonsClient(table: string): DynamoDBClient {
  const region = regionOfTable(table);
  return new DynamoDBClient({
    requestHandler: httpHandler({ maxSockets: 1, requestTimeoutMs: patienceMs }),
    ...(region !== undefined && { region }),
  });
}

type Item = Readonly<Record<string, unknown>>;

export function createLedgerTable(
  client: DynamoDBClient,
  { table, deployment, wallClock }: LedgerTableOptions,
): LedgerTable {
  const keyOf = (certificateId: string, entry: string): Item => ({
    [partitionKey]: certificateKeyOf(deployment, certificateId),
    [sortKey]: entry,
  });

  async function read(certificateIds: readonly string[]): Promise<readonly (readonly Proof[])[]> {
    const unique = [...new Set(certificateIds)];
    const { Responses = {} } = await client.send(
      new BatchGetItemCommand({
        RequestItems: {
          [table]: {
            Keys: unique.map((id) => marshall(keyOf(id, certificateItem))),
            // What was REVOKED a moment ago elsewhere must not be asked to be weaker.
            ConsistentRead: true,
          },
        },
      }),
    );
    // What DynamoDB left unprocessed is not known: that costs a call. There is one table in the answer,
    // under whichever of its names.
    const found = Object.values(Responses).flat();
    const items = new Map(found.map((item) => [item[partitionKey]?.S, item]));
    return certificateIds.map((id) => proofsOf(items.get(certificateKeyOf(deployment, id))));
  }

  async function write(
    entry: LedgerEntry,
    incidentId: string | undefined,
  ): Promise<{ readonly incidentId?: string }> {
    const at = wallClock();
    const slot = slotOf(entry);
    const incident = incidentId === undefined ? undefined : incidentKeyOf(deployment, incidentId);
    const sets = [
      '#slot = :slot',
      '#expiry = :expiry',
      // A weaker status never replaces a stronger one.
      ...(slot === 'REVOKED'
        ? ['#status = :status', '#first = if_not_exists(#first, :first)']
        : []),
      ...(slot === 'INACTIVE' ? ['#status = if_not_exists(#status, :status)'] : []),
      ...(incident === undefined ? [] : ['#incident = if_not_exists(#incident, :incident)']),
    ];
    const { Attributes } = await client.send(
      new UpdateItemCommand({
        TableName: table,
        Key: marshall(keyOf(entry.certificateId, certificateItem)),
        UpdateExpression: `SET ${sets.join(', ')}`,
        ConditionExpression: yields,
        ExpressionAttributeNames: {
          '#slot': slot,
          '#watermark': 'watermarkMs',
          '#expiry': expiryAttribute,
          ...(slot !== 'UNPROVEN' && { '#status': 'status' }),
          ...(slot === 'REVOKED' && { '#first': firstRevocation }),
          ...(incident !== undefined && { '#incident': incidentKey }),
        },
        ExpressionAttributeValues: marshall({
          ':slot': slotValueOf(entry, at),
          ':watermark': watermarkOf(entry),
          ':number': 'N',
          ':nonsense': at + aheadMs,
          ':expiry': expiryOf(at),
          ...(slot !== 'UNPROVEN' && { ':status': slot }),
          ...(slot === 'REVOKED' && { ':first': firstValueOf(entry, at) }),
          ...(incident !== undefined && { ':incident': incident }),
        }),
        ReturnValues: 'ALL_NEW',
      }),
    );
    const isFiled = incident !== undefined && Attributes?.[incidentKey]?.S === incident;
    return isFiled && incidentId !== undefined ? { incidentId } : {};
  }

  async function file(
    entry: Parameters<LedgerTable['file']>[0],
    incidentId: string,
  ): Promise<'filed'> {
    const at = wallClock();
    await client.send(
      new UpdateItemCommand({
        TableName: table,
        Key: marshall(keyOf(entry.certificateId, incidentItemOf(incidentId))),
        UpdateExpression: 'SET #filed = :filed, #incident = :incident, #expiry = :expiry',
        ConditionExpression: 'attribute_not_exists(#filed)',
        ExpressionAttributeNames: {
          '#filed': 'filed',
          '#incident': incidentKey,
          '#expiry': expiryAttribute,
        },
        ExpressionAttributeValues: marshall({
          ':filed': filedValueOf(entry, incidentId, at),
          ':incident': incidentKeyOf(deployment, incidentId),
          ':expiry': expiryOf(at),
        }),
      }),
    );
    return 'filed';
  }

  return {
    read: (certificateIds) => answerOf(() => read(certificateIds)),
    write: (entry, incidentId) => answerOf(() => write(entry, incidentId), {}),
    file: (entry, incidentId) => answerOf(() => file(entry, incidentId), 'filed'),
  };
}

/** @param unmet what it means that a condition was not met: something newer stands */
export async function answerOf<T>(ask: () => Promise<T>, unmet?: T): Promise<TableAnswer<T>> {
  try {
    return { kind: 'answered', value: await ask() };
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException && unmet !== undefined) {
      return { kind: 'answered', value: unmet };
    }
    return { kind: 'failed', failure: failureOf(error) };
  }
}

/** A table that does not answer in this time is no reason not to start, ms. */
const checkTimeoutMs = 5000;

/** What a look at the table finds. */
export type TableCheck =
  | { readonly kind: 'fine' }
  /** It can never work so. */
  | { readonly kind: 'unusable'; readonly problem: string }
  /** Perhaps it will later. */
  | { readonly kind: 'away'; readonly failure: Failure };

/** Whether the table is there, and made as we need it. */
export async function checkTable(client: DynamoDBClient, table: string): Promise<TableCheck> {
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }), {
      abortSignal: AbortSignal.timeout(checkTimeoutMs),
    });
    const problem = schemaProblem(Table ?? {});
    return problem === undefined ? { kind: 'fine' } : { kind: 'unusable', problem };
  } catch (error) {
    const failure = failureOf(error);
    const { kind, name, message } = failure;
    const told = `${name}: ${message}`;
    if (kind === 'not-found') {
      return { kind: 'unusable', problem: `there is no table ${table} in this region (${told})` };
    }
    return kind === 'unauthorized'
      ? { kind: 'unusable', problem: `table ${table} cannot be looked at: ${told}` }
      : { kind: 'away', failure };
  }
}

const rightKeys = `the string attributes "${partitionKey}" (partition) and "${sortKey}" (sort) are expected`;

/** What is wrong with a table's keys, in one sentence. */
function schemaProblem(description: TableDescription): string | undefined {
  const keys = keysOf(description.KeySchema, description);
  if (keys !== `${partitionKey}:S ${sortKey}:S`) return `its keys are ${keys}; ${rightKeys}`;
  const index = description.GlobalSecondaryIndexes?.find(
    ({ IndexName }) => IndexName === incidentIndex,
  );
  if (index === undefined) return `it has no index "${incidentIndex}"; infra/ledger.yml shows it`;
  const indexed = keysOf(index.KeySchema, description);
  return indexed === `${incidentKey}:S ${partitionKey}:S`
    ? undefined
    : `the keys of its index "${incidentIndex}" are ${indexed}; the string attributes "${incidentKey}" (partition) and "${partitionKey}" (sort) are expected`;
}

function keysOf(
  schema: TableDescription['KeySchema'],
  { AttributeDefinitions = [] }: TableDescription,
): string {
  return (schema ?? [])
    .map(({ AttributeName }) => {
      const definition = AttributeDefinitions.find((one) => one.AttributeName === AttributeName);
      return `${AttributeName}:${definition?.AttributeType}`;
    })
    .join(' ');
}
