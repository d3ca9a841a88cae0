// The brake's windows, by DynamoDB: one item a lane in the ledger's table. What is written depends on
// nobody having written since it was read, so that processes that share it count as one.
//
// Each change writes the whole item, 30 bytes a certificate: with a ceiling of 100 that is 3 write units,
// with one of 3,000 it is 90, and ten changes a second are about what DynamoDB takes for one item (1,000
// units a second). With one of 10,000 it is 300 KB of the 400 that DynamoDB takes (AWS documentation).

import {
  GetItemCommand,
  PutItemCommand,
  type AttributeValue,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import type { BrakeTable, Versioned } from '../brake-store.ts';
import type { OpenBrake } from '../command/brake.ts';
import type { Lane } from '../lane.ts';
import { longestLiftMs, windowMs, type Window } from '../window.ts';
import { certificateKeyOf, expiryAttribute, partitionKey, sortKey } from './ledger-item.ts';
import { answerOf, createPersonsClient, type LedgerTableOptions } from './ledger-table.ts';

/** No version of ours is larger; DynamoDB's numbers are exact to 38 digits, ours to 15. */
const largestVersion = 999_999_999_999_999;

/**
 * Whoever writes times may be ahead of our clock by so much, ms. What is more is none of ours, and must
 * not count: it would do so for as long as it is ahead, and what goes after it counts from its time.
 */
const aheadMs = 3_600_000;

/** An item stays this long after it has said anything, ms. TTL evicts, it never releases a lane. */
const keptMs = 7 * 86_400_000;

/**
 * What must be true of an item for version 0 to be replaced: there is none, or it has no version that
 * we could have read. So what somebody wrote by hand is mended, and not in the way for ever.
 */
const unversioned = [
  'attribute_not_exists(#version)',
  'NOT attribute_type(#version, :number)',
  '#version < :first',
  '#version > :largest',
].join(' OR ');

/** As it was read: whole, even if a hand has written 7.5. */
const sameVersion = '#version >= :version AND #version < :next';

export function createBrakeTable(
  client: DynamoDBClient,
  { table, deployment, wallClock }: LedgerTableOptions,
): BrakeTable {
  const keyOf = (lane: Lane): Record<string, AttributeValue> => ({
    // No certificate's id is spelt so.
    [partitionKey]: { S: certificateKeyOf(deployment, 'brake') },
    [sortKey]: { S: lane },
  });

  async function read(lane: Lane): Promise<Versioned> {
    const { Item } = await client.send(
      new GetItemCommand({ TableName: table, Key: keyOf(lane), ConsistentRead: true }),
    );
    return { window: windowOf(Item ?? {}, wallClock()), version: wholeOf(Item?.['version']) ?? 0 };
  }

  async function replace(lane: Lane, { window, version }: Versioned): Promise<'replaced'> {
    await client.send(
      new PutItemCommand({
        TableName: table,
        Item: {
          ...keyOf(lane),
          version: numberOf(version + 1),
          admitted: { M: Object.fromEntries(Array.from(window.admitted, entryOf)) },
          ...(window.liftedUntilMs !== undefined && {
            liftedUntilMs: numberOf(window.liftedUntilMs),
          }),
          [expiryAttribute]: numberOf(expiryOf(window, wallClock())),
        },
        ConditionExpression: version === 0 ? unversioned : sameVersion,
        ExpressionAttributeNames: { '#version': 'version' },
        ExpressionAttributeValues:
          version === 0
            ? { ':number': { S: 'N' }, ':first': { N: '1' }, ':largest': numberOf(largestVersion) }
            : { ':version': numberOf(version), ':next': numberOf(version + 1) },
      }),
    );
    return 'replaced';
  }

  return {
    read: (lane) => answerOf(() => read(lane)),
    replace: (lane, newer) =>
      answerOf<'replaced' | 'conflict'>(() => replace(lane, newer), 'conflict'),
  };
}

/** Opens a table for a person. */
export function openBrake(table: string, wallClock: () => number): OpenBrake {
  const client = createPersonsClient(table);
  return {
    region: async () => client.config.region().catch(() => undefined),
    windows: (deployment) => createBrakeTable(client, { table, deployment, wallClock }),
    [Symbol.dispose]: () => client.destroy(),
  };
}

/**
 * The window that an item holds. An entry that cannot be ours counts as none, and so does a lift for
 * longer than anybody can ask for: the worst that a damaged item does is to count from nothing. Any key
 * counts, whatever it names: another version of this worker, which names certificates otherwise, has
 * let something go, too.
 */
function windowOf(item: Readonly<Record<string, AttributeValue>>, nowMs: number): Window {
  const admitted = Object.entries(item['admitted']?.M ?? {}).flatMap(([key, value]) => {
    const atMs = wholeOf(value);
    return atMs === undefined || atMs > nowMs + aheadMs ? [] : [[key, atMs] as const];
  });
  const liftedUntilMs = wholeOf(item['liftedUntilMs']);
  const isLift = liftedUntilMs !== undefined && liftedUntilMs <= nowMs + longestLiftMs + aheadMs;
  return { admitted: new Map(admitted), ...(isLift && { liftedUntilMs }) };
}

/** A version, or ms: a whole number that JavaScript has exactly, whatever DynamoDB holds. */
function wholeOf(value: AttributeValue | undefined): number | undefined {
  const [, whole] = /^(\d{1,15})(?:\.\d+)?$/.exec(value?.N ?? '') ?? [];
  return whole === undefined ? undefined : Number(whole);
}

function entryOf([key, atMs]: readonly [string, number]): readonly [string, AttributeValue] {
  return [key, numberOf(atMs)];
}

function numberOf(value: number): { readonly N: string } {
  return { N: String(Math.floor(value)) };
}

/** Seconds since the epoch. */
function expiryOf({ liftedUntilMs = 0 }: Window, nowMs: number): number {
  return (Math.max(nowMs + windowMs, liftedUntilMs) + keptMs) / 1000;
}
