// The brake's windows over real HTTP: dynalite, which has DynamoDB's expressions, conditions and sizes.
//
// What it counts, in DynamoDB's units: a window of 100 certificates is 3 to write and 1 to read, one of
// 1,000 29 and 8, one of 3,000 86 and 22, and one of 10,000 284 and 71. AWS counts a byte more for each
// certificate: 300 kB, and 293 to write. A partition takes 1,000 of those a second.

import { GetItemCommand, PutItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { createHash } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createBrakeTable } from '../../src/aws/brake-table.ts';
import { createDynamoClient } from '../../src/aws/ledger-table.ts';
import { createSharedBrakeStore, type BrakeTable, type Versioned } from '../../src/brake-store.ts';
import { createBrake } from '../../src/brake.ts';
import { highestSharedCeiling } from '../../src/config.ts';
import type { TableAnswer } from '../../src/shared-ledger.ts';
import { admit, emptyWindow, longestLiftMs, windowMs, type Window } from '../../src/window.ts';
import { createVirtualClock } from '../helpers/clock.ts';
import { environmentOf, ledgerName, startDynamo, type Dynamo } from '../helpers/dynamo.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import { createFakeLog } from '../helpers/log.ts';
import { deployment } from '../helpers/message.ts';
import { freePort } from '../helpers/redis.ts';

/** The time of day of these tests, ms. */
const at = Date.UTC(2026, 0, 2, 3, 4, 5);

const Key = {
  certificate: { S: `${deployment.accountId}/${deployment.region}/brake` },
  entry: { S: 'alert' },
};

async function setup() {
  const dynamo = await startDynamo();
  return { dynamo, ...tableAt(dynamo) };
}

/** A table as a process of ours sees it. */
function tableAt({ environment }: Pick<Dynamo, 'environment'>, where = deployment) {
  stubEnvironment({ ...environment, AWS_MAX_ATTEMPTS: '' });
  const client = createDynamoClient();
  onTestFinished(() => client.destroy());
  const wallClock = (): number => at;
  return {
    client,
    table: createBrakeTable(client, { table: ledgerName, deployment: where, wallClock }),
  };
}

function valueOf<T>(answer: TableAnswer<T>): T {
  if (answer.kind === 'failed') throw new Error(JSON.stringify(answer.failure));
  return answer.value;
}

const read = async (table: BrakeTable): Promise<Versioned> => valueOf(await table.read('alert'));

async function replace(table: BrakeTable, newer: Versioned): Promise<string> {
  return valueOf(await table.replace('alert', newer));
}

/** Puts an item there as a person would, without us. */
async function putByHand(dynamo: Dynamo, fields: Readonly<Record<string, AttributeValue>>) {
  await dynamo.admin.send(
    new PutItemCommand({ TableName: ledgerName, Item: { ...Key, ...fields } }),
  );
}

async function itemOf(dynamo: Dynamo): Promise<Readonly<Record<string, AttributeValue>>> {
  const { Item = {} } = await dynamo.admin.send(new GetItemCommand({ TableName: ledgerName, Key }));
  return Item;
}

/** A window with so many certificates, all of which went just now. */
const fullOf = (count: number): Window => ({
  admitted: new Map(Array.from({ length: count }, (_, n) => [idOf(n).slice(0, 20), at])),
});

/** A real-looking id. */
const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('hex');

describe('a window', () => {
  test('is empty, of version 0, where nobody has written one', async () => {
    const { table } = await setup();
    expect(await read(table)).toEqual({ window: emptyWindow, version: 0 });
  });

  test('is read by another process as it was written, a version on', async () => {
    const { dynamo, table } = await setup();
    const window: Window = {
      admitted: new Map([
        ['aaaaaaaaaabbbbbbbbbb', at - 5],
        ['ccccccccccdddddddddd', at],
      ]),
      liftedUntilMs: at + 60_000,
    };
    expect(await replace(table, { window, version: 0 })).toBe('replaced');
    expect(await read(tableAt(dynamo).table)).toEqual({ window, version: 1 });
  });

  test('stands as its documentation says, and says when TTL may evict it', async () => {
    const { dynamo, table } = await setup();
    await replace(table, { window: { admitted: new Map([['ab', at]]) }, version: 0 });
    expect(await itemOf(dynamo)).toEqual({
      ...Key,
      version: { N: '1' },
      admitted: { M: { ab: { N: String(at) } } },
      expiresAt: { N: String((at + windowMs) / 1000 + 7 * 86_400) },
    });
    await replace(table, { window: { ...emptyWindow, liftedUntilMs: at + 7_200_000 }, version: 1 });
    expect(await itemOf(dynamo)).toMatchObject({
      liftedUntilMs: { N: String(at + 7_200_000) },
      expiresAt: { N: String(at / 1000 + 7200 + 7 * 86_400) },
    });
  });

  test('is one of its lane, account and region', async () => {
    const { dynamo, table } = await setup();
    await replace(table, { window: fullOf(1), version: 0 });
    expect(valueOf(await table.read('rotation'))).toMatchObject({ version: 0 });
    for (const elsewhere of [
      { ...deployment, accountId: '210987654321' },
      { ...deployment, region: 'eu-west-1' },
    ]) {
      expect(await read(tableAt(dynamo, elsewhere).table)).toMatchObject({ version: 0 });
    }
  });

  test('is read as it is now, and not as it was a moment ago', async () => {
    const { dynamo, table } = await setup();
    await read(table);
    expect(dynamo.requests[0]?.body).toMatchObject({ ConsistentRead: true });
  });

  test('is lifted no longer once somebody has restored it', async () => {
    const { dynamo, table } = await setup();
    await replace(table, { window: { ...fullOf(2), liftedUntilMs: at + 1 }, version: 0 });
    await replace(table, { window: fullOf(2), version: 1 });
    expect(await read(table)).toEqual({ window: fullOf(2), version: 2 });
    expect(await itemOf(dynamo)).not.toHaveProperty('liftedUntilMs');
  });
});

describe('replacing a window', () => {
  test.each([
    ['there is none', 0, 1],
    ['there is a newer one', 1, 1],
    ['there is a first one', 2, 0],
    ['there is an older one', 1, 2],
  ])('changes nothing where %s', async (_what, written, version) => {
    const { table } = await setup();
    for (let n = 0; n < written; n++) await replace(table, { window: fullOf(n), version: n });
    if (written === version) await replace(table, { window: fullOf(9), version });
    const before = await read(table);
    expect(await replace(table, { window: fullOf(3), version })).toBe('conflict');
    expect(await read(table)).toEqual(before);
  });

  test('succeeds for one of many who have read the same', async () => {
    const { dynamo } = await setup();
    const tables = Array.from({ length: 8 }, () => tableAt(dynamo).table);
    for (let version = 0; version < 3; version++) {
      const told = await Promise.all(
        tables.map((table, n) => replace(table, { window: fullOf(n), version })),
      );
      expect(told.filter((one) => one === 'replaced')).toHaveLength(1);
    }
  });
});

describe('an item that we have not written', () => {
  const garbage: readonly (readonly [string, Readonly<Record<string, AttributeValue>>])[] = [
    ['nothing else', {}],
    ['a version that is text', { version: { S: '7' } }],
    ['a version that is a map', { version: { M: {} } }],
    ['version 0', { version: { N: '0' } }],
    ['a version below 0', { version: { N: '-3' } }],
    ['half a version', { version: { N: '7.5' } }],
    ['nearly a version', { version: { N: '0.99999999999999999999' } }],
    ['nearly the next version', { version: { N: '7.99999999999999999999' } }],
    ['the last version of all', { version: { N: '999999999999999' } }],
    ['a version beyond JavaScript', { version: { N: '12345678901234567890' } }],
    ['a version beyond all numbers', { version: { N: '1e120' } }],
    ['a window that is text', { version: { N: '7' }, admitted: { S: 'all' } }],
    ['a window that is a list', { version: { N: '7' }, admitted: { L: [{ N: '1' }] } }],
    ['a lift for text', { version: { N: '7' }, liftedUntilMs: { S: 'tomorrow' } }],
    ['a lift for ever', { version: { N: '7' }, liftedUntilMs: { N: '99999999999999' } }],
    ['a lift beyond all time', { version: { N: '7' }, liftedUntilMs: { N: '1e30' } }],
    [
      'times that are none',
      {
        version: { N: '7' },
        admitted: {
          M: {
            a: { S: String(at) },
            b: { NULL: true },
            c: { N: '-1' },
            d: { N: '1e100' },
            e: { N: String(at + 86_400_000) },
            f: { L: [] },
          },
        },
      },
    ],
  ];

  test.each(garbage)('and that has %s counts for nothing, and permits no more', async (_, item) => {
    const { dynamo, table } = await setup();
    await putByHand(dynamo, item);
    expect((await read(table)).window).toEqual(emptyWindow);
  });

  test.each(garbage)('and that has %s is mended by the next change', async (_what, item) => {
    const { dynamo, table } = await setup();
    await putByHand(dynamo, item);
    const { version } = await read(table);
    expect(await replace(table, { window: fullOf(3), version })).toBe('replaced');
    // Whoever has read the same comes too late.
    expect(await replace(table, { window: fullOf(4), version })).toBe('conflict');
    expect((await read(table)).window).toEqual(fullOf(3));
    const again = await read(table);
    expect(await replace(table, { ...again, window: fullOf(5) })).toBe('replaced');
    expect((await read(table)).window).toEqual(fullOf(5));
  });

  test('counts whatever it says has gone, under whatever name', async () => {
    const { dynamo, table } = await setup();
    const admitted = { M: { whoever: { N: String(at - 10.5) }, [idOf(1)]: { N: String(at) } } };
    await putByHand(dynamo, { version: { N: '7' }, admitted, more: { S: 'of another version' } });
    expect(await read(table)).toEqual({
      window: {
        admitted: new Map([
          ['whoever', at - 11],
          [idOf(1), at],
        ]),
      },
      version: 7,
    });
  });

  test('counts what another host’s clock, or one that was set back, has put into the future', async () => {
    const { dynamo, table } = await setup();
    await putByHand(dynamo, { admitted: { M: { ab: { N: String(at + 3_600_000) } } } });
    expect((await read(table)).window.admitted).toEqual(new Map([['ab', at + 3_600_000]]));
  });

  test('and the longest lift that a person can ask for is believed', async () => {
    const { dynamo, table } = await setup();
    const liftedUntilMs = at + longestLiftMs;
    await putByHand(dynamo, { liftedUntilMs: { N: String(liftedUntilMs) } });
    expect((await read(table)).window).toEqual({ ...emptyWindow, liftedUntilMs });
  });
});

describe('a table that fails', () => {
  test.each([
    ['throttled', 'ProvisionedThroughputExceededException'],
    ['unauthorized', 'AccessDeniedException'],
    ['not-found', 'ResourceNotFoundException'],
    ['unavailable', 'InternalServerError'],
  ] as const)('is %s when DynamoDB answers %s', async (kind, name) => {
    const { dynamo, table } = await setup();
    dynamo.fault({ kind: 'exception', name });
    const failed = { kind: 'failed', failure: { kind, name } };
    expect(await table.read('alert')).toMatchObject(failed);
    expect(await table.replace('alert', { window: emptyWindow, version: 0 })).toMatchObject(failed);
  });

  test.each([
    ['nothing', {}],
    ['null', null],
    ['a list', []],
    ['an item that is none', { Item: 7 }],
    ['an empty item', { Item: {} }],
    ['a window of nulls', { Item: { admitted: { M: null }, version: null } }],
  ])('and answers %s permits no more than an empty window', async (_what, body) => {
    const { dynamo, table } = await setup();
    dynamo.fault({ kind: 'answer', body });
    const answer = await table.read('alert');
    if (answer.kind === 'answered') {
      expect(answer.value).toEqual({ window: emptyWindow, version: 0 });
    }
  });

  test('where nobody listens cannot be reached', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const { table } = tableAt({ environment: environmentOf(endpoint) });
    const failed = { kind: 'failed', failure: { kind: 'unreachable', name: 'ECONNREFUSED' } };
    expect(await table.read('alert')).toMatchObject(failed);
    expect(await table.replace('alert', { window: emptyWindow, version: 0 })).toMatchObject(failed);
  });
});

describe('the largest ceiling', () => {
  test('makes an item that DynamoDB takes, in full and with a lift', async () => {
    const { dynamo, table } = await setup();
    const window: Window = { ...fullOf(highestSharedCeiling), liftedUntilMs: at };
    expect(await replace(table, { window, version: 0 })).toBe('replaced');
    expect(await read(table)).toEqual({ window, version: 1 });
    expect(sizeOf(await itemOf(dynamo))).toBeLessThan(320_000);
  });

  test('has to be there: DynamoDB takes no window that is five times as large', async () => {
    const { table } = await setup();
    const window = fullOf(15_000);
    expect(await table.replace('alert', { window, version: 0 })).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('size') },
    });
  });
});

/** As DynamoDB counts, bytes (AWS documentation, item sizes): names, values, and the bookkeeping of maps. */
function sizeOf(item: Readonly<Record<string, AttributeValue>>): number {
  return Object.entries(item)
    .map(([name, value]) => name.length + sizeOfValue(value))
    .reduce((all, one) => all + one, 0);
}

function sizeOfValue({ S, N, M }: AttributeValue): number {
  if (S !== undefined) return S.length;
  if (N !== undefined) return Math.ceil(N.length / 2) + 1;
  return 3 + sizeOf(M ?? {}) + Object.keys(M ?? {}).length;
}

describe('processes that share a table', () => {
  /** A process, whose time limits are never over. */
  function processAt(dynamo: Dynamo, ceiling: number) {
    const { table } = tableAt(dynamo);
    const [clock, log] = [createVirtualClock(), createFakeLog()];
    const store = createSharedBrakeStore({ table, log, clock });
    const brake = createBrake({
      ceilings: { alert: ceiling },
      store,
      wallClock: () => at,
      clock,
      log,
      stopping: new AbortController().signal,
    });
    return { brake, log };
  }

  test.each([
    [2, 100, 100],
    [4, 100, 50],
    [8, 10, 10],
    [3, 1, 20],
  ])(
    '%i of them let exactly %i certificates go, of %i that each asks for at once',
    async (processes, ceiling, each) => {
      const dynamo = await startDynamo();
      const all = Array.from({ length: processes }, () => processAt(dynamo, ceiling));
      const gone = await Promise.all(
        all.flatMap(({ brake }, p) =>
          Array.from({ length: each }, async (_, n) => {
            const stay = await brake.admit('alert', idOf(p * each + n));
            return stay === undefined;
          }),
        ),
      );
      expect(gone.filter(Boolean)).toHaveLength(ceiling);
      expect(all.flatMap(({ log }) => log.of('brake-away'))).toEqual([]);
      expect((await read(tableAt(dynamo).table)).window.admitted.size).toBe(ceiling);
    },
  );

  test('count a certificate once, whoever lets it go', async () => {
    const dynamo = await startDynamo();
    const [one, other] = [processAt(dynamo, 5), processAt(dynamo, 5)];
    const ids = Array.from({ length: 5 }, (_, n) => idOf(n));
    for (const { brake } of [one, other, one]) {
      const stays = await Promise.all(ids.map((id) => brake.admit('alert', id)));
      expect(stays).toEqual(ids.map(() => undefined));
    }
    expect(await one.brake.admit('alert', idOf(5))).toBeDefined();
  });

  test('write once for all that are asked at the same time', async () => {
    const dynamo = await startDynamo();
    const { brake } = processAt(dynamo, 100);
    await Promise.all(Array.from({ length: 50 }, (_, n) => brake.admit('alert', idOf(n))));
    expect(dynamo.counts()).toEqual({ GetItem: 2, PutItem: 2 });
  });

  test('find a window that is full from before they started', async () => {
    const { dynamo, table } = await setup();
    const window = admit(emptyWindow, idOf(0), 1, at) ?? emptyWindow;
    await replace(table, { window, version: 0 });
    const { brake, log } = processAt(dynamo, 1);
    expect(await brake.admit('alert', idOf(1))).toMatchObject({ cause: expect.any(String) });
    expect(log.of('brake')).toHaveLength(1);
  });
});
