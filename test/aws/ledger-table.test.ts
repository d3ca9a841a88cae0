// The table over real HTTP: dynalite, which has DynamoDB's expressions, conditions and indexes.
//
// What it counts for an update, in DynamoDB's units: 1 to read (per certificate, also in a batch) and 1 to
// write, for a typical entry of 500 bytes (one request with all its fields but a comment). AWS counts as
// much again for the index where an incident is named, which dynalite does not. The most that the bounded
// texts allow, five who asked in characters of three bytes, is 17 kB a slot: 7 to write the first slot,
// 19 to write and 5 to read once all three are full.

import {
  BatchGetItemCommand,
  PutItemCommand,
  QueryCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  certificateItem,
  certificateKeyOf,
  incidentIndex,
  incidentItemOf,
  incidentKeyOf,
} from '../../src/aws/ledger-item.ts';
import { checkTable, createDynamoClient, createLedgerTable } from '../../src/aws/ledger-table.ts';
import type { LedgerEntry } from '../../src/ledger-entry.ts';
import type { Proof } from '../../src/ledger.ts';
import type { LedgerTable, TableAnswer } from '../../src/shared-ledger.ts';
import { statuses } from '../../src/status.ts';
import {
  attributesNamed,
  environmentOf,
  keysNamed,
  ledgerName,
  startDynamo,
  type Dynamo,
} from '../helpers/dynamo.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import {
  askedOf,
  coveredEntryOf,
  ledgerEntryOf,
  proofOf,
  unprovenEntryOf,
} from '../helpers/ledger.ts';
import { certificateIdOf, deployment } from '../helpers/message.ts';
import { freePort } from '../helpers/redis.ts';

/** The time of day of these tests, ms. */
const at = Date.UTC(2026, 0, 2, 3, 4, 5);

async function setup() {
  const dynamo = await startDynamo();
  return { dynamo, ...tableAt(dynamo) };
}

/** A table as our own client sees it. */
function tableAt({ environment }: Pick<Dynamo, 'environment'>, name = ledgerName) {
  stubEnvironment({ ...environment, AWS_MAX_ATTEMPTS: '' });
  const client = createDynamoClient();
  onTestFinished(() => client.destroy());
  const wallClock = (): number => at;
  return { client, table: createLedgerTable(client, { table: name, deployment, wallClock }) };
}

const provenEntryOf = (proof: Partial<Proof>, fields: Partial<LedgerEntry> = {}): LedgerEntry =>
  ledgerEntryOf({ proof: proofOf(proof), ...fields });

function valueOf<T>(answer: TableAnswer<T>): T {
  if (answer.kind === 'failed') throw new Error(JSON.stringify(answer.failure));
  return answer.value;
}

/** The proofs of one certificate. */
async function proofsIn(table: LedgerTable, n = 0): Promise<readonly Proof[]> {
  const [proofs = []] = valueOf(await table.read([certificateIdOf(n)]));
  return proofs;
}

/** Puts an item there as a person would, without us. */
async function putByHand(dynamo: Dynamo, fields: Readonly<Record<string, AttributeValue>>) {
  const certificate = certificateKeyOf(deployment, certificateIdOf(0));
  const key = marshall({ certificate, entry: certificateItem });
  await dynamo.admin.send(
    new PutItemCommand({ TableName: ledgerName, Item: { ...key, ...fields } }),
  );
}

async function incidentOf(dynamo: Dynamo, incidentId: string): Promise<readonly string[]> {
  const { Items = [] } = await dynamo.admin.send(
    new QueryCommand({
      TableName: ledgerName,
      IndexName: incidentIndex,
      KeyConditionExpression: 'incident = :incident',
      ExpressionAttributeValues: marshall({ ':incident': incidentKeyOf(deployment, incidentId) }),
    }),
  );
  return Items.map(({ certificate }) => certificate?.S?.split('/').at(-1) ?? '');
}

describe('what was written', () => {
  test('is read by another process, as it was proved', async () => {
    const { dynamo, table } = await setup();
    const proof = proofOf({ watermarkMs: at });
    expect(valueOf(await table.write(ledgerEntryOf({ proof }), undefined))).toEqual({});
    expect(await proofsIn(tableAt(dynamo).table)).toEqual([proof]);
  });

  test('is found by account, region and certificate, and by nothing less', async () => {
    const { client, table } = await setup();
    await table.write(ledgerEntryOf(), undefined);
    expect(await proofsIn(table, 1)).toEqual([]);
    for (const other of [
      { ...deployment, accountId: '210987654321' },
      { ...deployment, region: 'eu-west-1' },
    ]) {
      const elsewhere = { table: ledgerName, deployment: other, wallClock: () => at };
      expect(await proofsIn(createLedgerTable(client, elsewhere))).toEqual([]);
    }
  });

  test('stands as an item that a person can read', async () => {
    const { dynamo, table } = await setup();
    await table.write(ledgerEntryOf(), undefined);
    const [item = {}, ...others] = await dynamo.items();
    expect(others).toEqual([]);
    expect(unmarshall(item)).toMatchObject({
      certificate: `123456789012/eu-central-1/${certificateIdOf(0)}`,
      entry: 'certificate',
      status: 'REVOKED',
      expiresAt: at / 1000 + 400 * 86_400,
      REVOKED: { outcome: 'applied', attempts: 1, at: '2026-01-02T03:04:05.000Z' },
    });
  });

  test('of endings that prove nothing is kept, and proves nothing', async () => {
    const { dynamo, table } = await setup();
    await table.write(unprovenEntryOf(), undefined);
    expect(await proofsIn(table)).toEqual([]);
    const [item = {}] = await dynamo.items();
    expect(item).not.toHaveProperty('status');
    expect(unmarshall(item)).toMatchObject({ UNPROVEN: { cause: 'no such certificate' } });
  });

  test('is read for a hundred certificates at once, in their order, with one request', async () => {
    const { dynamo, table } = await setup();
    for (const n of [3, 97]) {
      await table.write(ledgerEntryOf({ certificateId: certificateIdOf(n) }), undefined);
    }
    const ids = Array.from({ length: 100 }, (_, n) => certificateIdOf(n));
    const read = valueOf(await table.read(ids));
    expect(read.flatMap((proofs, n) => (proofs.length > 0 ? [n] : []))).toEqual([3, 97]);
    expect(dynamo.counts()).toEqual({ UpdateItem: 2, BatchGetItem: 1 });
  });

  test('is read for a certificate that is named twice, which DynamoDB would refuse', async () => {
    const { table } = await setup();
    await table.write(ledgerEntryOf(), undefined);
    const ids = [certificateIdOf(0), certificateIdOf(1), certificateIdOf(0)];
    expect(valueOf(await table.read(ids)).map(({ length }) => length)).toEqual([1, 0, 1]);
  });

  test('is read consistently: what was revoked a moment ago is known', async () => {
    const { dynamo, table } = await setup();
    await proofsIn(table);
    expect(dynamo.requests[0]?.body).toMatchObject({
      RequestItems: { [ledgerName]: { ConsistentRead: true } },
    });
  });
});

describe('an older or weaker write', () => {
  test('never wins, whatever the order of arrival, among any number of clients', async () => {
    const dynamo = await startDynamo();
    const clients = Array.from({ length: 4 }, () => tableAt(dynamo).table);
    const write = fc.record({
      client: fc.nat({ max: clients.length - 1 }),
      status: fc.constantFrom(...statuses, undefined),
      watermarkMs: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.nat({ max: at })),
    });
    const writes = fc.array(write, { minLength: 1, maxLength: 12 });
    let certificate = 0;
    await fc.assert(
      fc.asyncProperty(writes, fc.boolean(), async (all, atOnce) => {
        const certificateId = certificateIdOf(++certificate);
        const send = async ({ client, status, watermarkMs }: (typeof all)[number]) => {
          const fields = { certificateId, watermarkMs };
          const entry =
            status === undefined
              ? unprovenEntryOf(fields)
              : provenEntryOf({ status, watermarkMs }, fields);
          valueOf((await clients[client]?.write(entry, undefined)) ?? { kind: 'answered', value: {} }); // prettier-ignore
        };
        if (atOnce) await Promise.all(all.map(send));
        else for (const one of all) await send(one);
        const newest = statuses.flatMap((status) => {
          const of = all.filter((one) => one.status === status);
          const watermarks = of.map(({ watermarkMs }) => watermarkMs);
          return of.length === 0 ? [] : [{ status, watermarkMs: Math.max(...watermarks) }];
        });
        const [table] = clients;
        const [proofs] = valueOf((await table?.read([certificateId])) ?? { kind: 'answered', value: [] }); // prettier-ignore
        expect(proofs).toMatchObject(newest);
        const items = await dynamo.admin.send(
          new BatchGetItemCommand({
            RequestItems: {
              [ledgerName]: {
                Keys: [
                  marshall({
                    certificate: certificateKeyOf(deployment, certificateId),
                    entry: certificateItem,
                  }),
                ],
              },
            },
          }),
        );
        const [item = {}] = items.Responses?.[ledgerName] ?? [];
        // The strongest applied status; none if nothing was.
        expect(item['status']?.S).toBe(newest.at(-1)?.status);
      }),
      { numRuns: 60 },
    );
  });

  test('is answered as if it had been kept: what stands is as good', async () => {
    const { table } = await setup();
    await table.write(provenEntryOf({ watermarkMs: 20_000, messageId: 'newer' }), undefined);
    const older = await table.write(provenEntryOf({ watermarkMs: 10_000 }), undefined);
    expect(older).toEqual({ kind: 'answered', value: {} });
    expect(await proofsIn(table)).toMatchObject([{ watermarkMs: 20_000, messageId: 'newer' }]);
  });

  test('that was sent twice, because its answer was lost, is one write', async () => {
    const { table } = await setup();
    expect(valueOf(await table.write(ledgerEntryOf(), 'i-1'))).toEqual({ incidentId: 'i-1' });
    expect(valueOf(await table.write(ledgerEntryOf(), 'i-1'))).toEqual({ incidentId: 'i-1' });
  });

  test('of a status leaves the others alone', async () => {
    const { table } = await setup();
    await table.write(provenEntryOf({ status: 'REVOKED', watermarkMs: 10_000 }), undefined);
    await table.write(provenEntryOf({ status: 'INACTIVE', watermarkMs: 20_000 }), undefined);
    expect(await proofsIn(table)).toMatchObject([
      { status: 'INACTIVE', watermarkMs: 20_000 },
      { status: 'REVOKED', watermarkMs: 10_000 },
    ]);
  });
});

describe('what somebody wrote by hand', () => {
  const ours = { version: 1, watermarkMs: 10_000, how: 'applied', messageId: 'm' };
  test.each<[string, unknown]>([
    ['a text', 'yes'],
    ['a list', [1, 2]],
    ['nothing', null],
    ['an empty map', {}],
    ['a watermark in words', { ...ours, watermarkMs: '99999999999999999' }],
    ['a watermark that is a map', { ...ours, watermarkMs: { watermarkMs: 5 } }],
    ['an older version’s slot', { ...ours, version: 0 }],
    ['a slot of the far future', { ...ours, watermarkMs: at + 86_400_001 }],
    ['a number beyond all bounds', { ...ours, watermarkMs: 10n ** 37n }],
  ])('into a slot, %s, yields to the next call', async (_, slot) => {
    const { dynamo, table } = await setup();
    await putByHand(dynamo, marshall({ REVOKED: slot, expiresAt: 'never', status: 'REVOKED' }));
    const proof = proofOf({ watermarkMs: at });
    valueOf(await table.write(ledgerEntryOf({ proof }), undefined));
    expect(await proofsIn(table)).toEqual([proof]);
  });

  test('spoils neither the read of others nor the write of ours', async () => {
    const { dynamo, table } = await setup();
    // The SDK's own unmarshall throws on this number.
    await putByHand(dynamo, { strange: { N: '9007199254740993.5' }, REVOKED: { S: 'yes' } });
    await table.write(ledgerEntryOf({ certificateId: certificateIdOf(1) }), undefined);
    const read = valueOf(await table.read([certificateIdOf(0), certificateIdOf(1)]));
    expect(read.map(({ length }) => length)).toEqual([0, 1]);
    expect(valueOf(await table.write(ledgerEntryOf(), 'i-1'))).toEqual({ incidentId: 'i-1' });
  });

  test('as if it were newer is not overwritten by what is older, and covers nothing', async () => {
    const { dynamo, table } = await setup();
    await putByHand(dynamo, marshall({ REVOKED: { watermarkMs: 20_000, by: 'hand' } }));
    await table.write(provenEntryOf({ watermarkMs: 10_000 }), undefined);
    expect(await proofsIn(table)).toEqual([]);
    await table.write(provenEntryOf({ watermarkMs: 30_000 }), undefined);
    expect(await proofsIn(table)).toMatchObject([{ watermarkMs: 30_000 }]);
  });
});

describe('an incident', () => {
  test('lists each of its certificates, whichever write filed it', async () => {
    const { dynamo, table } = await setup();
    for (const n of [1, 2]) {
      await table.write(ledgerEntryOf({ certificateId: certificateIdOf(n) }), 'i-1');
    }
    await table.write(ledgerEntryOf({ certificateId: certificateIdOf(3) }), 'i-2');
    await table.file(coveredEntryOf('i-1', { certificateId: certificateIdOf(3) }), 'i-1');
    expect(await incidentOf(dynamo, 'i-1')).toEqual([1, 2, 3].map(certificateIdOf));
    expect(await incidentOf(dynamo, 'i-2')).toEqual([certificateIdOf(3)]);
    expect(await incidentOf(dynamo, 'i-3')).toEqual([]);
  });

  test('keeps the item that it has: another one is told that it must file by itself', async () => {
    const { dynamo, table } = await setup();
    expect(valueOf(await table.write(provenEntryOf({ watermarkMs: 1 }), 'i-1'))).toEqual({
      incidentId: 'i-1',
    });
    expect(valueOf(await table.write(provenEntryOf({ watermarkMs: 2 }), 'i-2'))).toEqual({});
    expect(await incidentOf(dynamo, 'i-2')).toEqual([]);
    expect(await table.file(ledgerEntryOf(), 'i-2')).toEqual({ kind: 'answered', value: 'filed' });
    expect(await incidentOf(dynamo, 'i-2')).toEqual([certificateIdOf(0)]);
    expect(await incidentOf(dynamo, 'i-1')).toEqual([certificateIdOf(0)]);
  });

  test('is filed once: the first word stands', async () => {
    const { dynamo, table } = await setup();
    const asked = [askedOf({ incidentId: 'i-1', requestedBy: 'first' })] as const;
    const again = [askedOf({ incidentId: 'i-1', requestedBy: 'second' })] as const;
    await table.file(coveredEntryOf('i-1', { asked }), 'i-1');
    expect(await table.file(coveredEntryOf('i-1', { asked: again }), 'i-1')).toEqual({
      kind: 'answered',
      value: 'filed',
    });
    const [item = {}, ...others] = await dynamo.items();
    expect(others).toEqual([]);
    expect(unmarshall(item)).toMatchObject({
      entry: incidentItemOf('i-1'),
      filed: { outcome: 'covered', asked: [{ requestedBy: 'first' }] },
    });
  });

  test('may be called anything', async () => {
    const { dynamo, table } = await setup();
    for (const name of ['', ' ', '#/:', '€'.repeat(1024), 'half \ud800', '__proto__', 'REVOKED']) {
      const certificateId = certificateIdOf(9);
      const asked = [askedOf({ incidentId: name })] as const;
      valueOf(await table.write(ledgerEntryOf({ certificateId, asked }), name));
      valueOf(await table.file(coveredEntryOf(name, { certificateId, asked }), name));
      expect(await incidentOf(dynamo, name)).toContain(certificateId);
    }
  });
});

describe('a table that does not do what it is asked', () => {
  test('knows nothing of what it left unprocessed', async () => {
    const { dynamo, table } = await setup();
    await table.write(ledgerEntryOf(), undefined);
    const Keys = [certificateKeyOf(deployment, certificateIdOf(0))].map((certificate) =>
      marshall({ certificate, entry: certificateItem }),
    );
    const body = { Responses: { [ledgerName]: [] }, UnprocessedKeys: { [ledgerName]: { Keys } } };
    dynamo.fault({ kind: 'answer', body }, 'BatchGetItem');
    expect(await table.read([certificateIdOf(0)])).toEqual({ kind: 'answered', value: [[]] });
    dynamo.fault({ kind: 'answer', body: {} }, 'BatchGetItem');
    expect(await table.read([certificateIdOf(0)])).toEqual({ kind: 'answered', value: [[]] });
  });

  test('may be named by its ARN, and answers under whichever of its names', async () => {
    const { dynamo } = await setup();
    const arn = 'arn:aws:dynamodb:us-east-1:123456789012:table/ledger';
    const { table } = tableAt(dynamo, arn);
    const certificate = certificateKeyOf(deployment, certificateIdOf(0));
    const item = {
      ...marshall({ certificate, entry: certificateItem }),
      REVOKED: {
        M: marshall({ version: 1, watermarkMs: 7, how: 'applied', messageId: 'm' }),
      },
    };
    for (const name of [arn, ledgerName]) {
      dynamo.fault({ kind: 'answer', body: { Responses: { [name]: [item] } } }, 'BatchGetItem');
      expect(await proofsIn(table)).toMatchObject([{ watermarkMs: 7 }]);
    }
    dynamo.fault({ kind: 'answer', body: {} }, 'UpdateItem');
    valueOf(await table.write(ledgerEntryOf(), undefined));
    expect(dynamo.requests.map(({ body }) => body)).toMatchObject([
      { RequestItems: { [arn]: {} } },
      { RequestItems: { [arn]: {} } },
      { TableName: arn },
    ]);
  });

  test.each([
    ['ProvisionedThroughputExceededException', 'throttled'],
    ['ThrottlingException', 'throttled'],
    ['RequestLimitExceeded', 'throttled'],
    ['AccessDeniedException', 'unauthorized'],
    ['ResourceNotFoundException', 'not-found'],
    ['InternalServerError', 'unavailable'],
    ['ValidationException', 'unknown-exception'],
  ])('but says %s fails, and does not throw', async (name, kind) => {
    const { dynamo, table } = await setup();
    dynamo.fault({ kind: 'exception', name });
    const failed = { kind: 'failed', failure: { kind, name } };
    expect(await table.read([certificateIdOf(0)])).toMatchObject(failed);
    expect(await table.write(ledgerEntryOf(), 'i-1')).toMatchObject(failed);
    expect(await table.file(coveredEntryOf('i-1'), 'i-1')).toMatchObject(failed);
  });

  test.each([
    ['InternalServerError', 2],
    ['ThrottlingException', 1],
    ['ProvisionedThroughputExceededException', 1],
    ['AccessDeniedException', 1],
  ])('by %s is asked %i times, and the SDK’s backoff keeps nobody waiting', async (name, times) => {
    const { dynamo, table } = await setup();
    dynamo.fault({ kind: 'exception', name });
    await table.read([certificateIdOf(0)]);
    expect(dynamo.counts()).toEqual({ BatchGetItem: times });
  });

  test('whose connections break, as they do while a container is frozen, is asked once more', async () => {
    const { dynamo, table } = await setup();
    await table.write(ledgerEntryOf(), undefined);
    dynamo.cut();
    expect(await proofsIn(table)).toHaveLength(1);
  });

  test('fails in the end if it hangs: whoever waited has gone on, and no connection stays', async () => {
    const { dynamo, table } = await setup();
    dynamo.fault({ kind: 'hang' });
    expect(await table.read([certificateIdOf(0)])).toMatchObject({
      kind: 'failed',
      failure: { kind: 'unknown-result', name: 'TimeoutError' },
    });
  });

  test('fails if nobody is there', async () => {
    const { table } = tableAt({ environment: environmentOf(`http://127.0.0.1:${await freePort()}`) }); // prettier-ignore
    const failed = { kind: 'failed', failure: { kind: 'unreachable', name: 'ECONNREFUSED' } };
    expect(await table.read([certificateIdOf(0)])).toMatchObject(failed);
    expect(await table.write(ledgerEntryOf(), undefined)).toMatchObject(failed);
  });
});

describe('a look at the table', () => {
  const index = (changes: object) => ({
    GlobalSecondaryIndexes: [
      {
        IndexName: 'byIncident',
        KeySchema: keysNamed('incident', 'certificate'),
        Projection: { ProjectionType: 'ALL' as const },
        ...changes,
      },
    ],
  });

  async function lookAt(...changes: Parameters<typeof startDynamo>) {
    const dynamo = await startDynamo(...changes);
    return checkTable(tableAt(dynamo).client, ledgerName);
  }

  test('finds it fine', async () => {
    expect(await lookAt()).toEqual({ kind: 'fine' });
  });

  test('names its keys where they are wrong', async () => {
    const oneKey = {
      AttributeDefinitions: attributesNamed('id'),
      KeySchema: keysNamed('id'),
      GlobalSecondaryIndexes: undefined,
    };
    expect(await lookAt(oneKey)).toEqual({
      kind: 'unusable',
      problem:
        'its keys are id:S; the string attributes "certificate" (partition) and "entry" (sort) are expected',
    });
    const wrongType = [
      ...attributesNamed('certificate', 'incident'),
      { AttributeName: 'entry', AttributeType: 'N' as const },
    ];
    expect(await lookAt({ AttributeDefinitions: wrongType })).toMatchObject({
      problem: expect.stringMatching(/^its keys are certificate:S entry:N; /),
    });
    expect(await lookAt({ KeySchema: keysNamed('entry', 'certificate') })).toMatchObject({
      problem: expect.stringMatching(/^its keys are entry:S certificate:S; /),
    });
  });

  test('names the index where it is missing or wrong', async () => {
    const without = {
      AttributeDefinitions: attributesNamed('certificate', 'entry'),
      GlobalSecondaryIndexes: undefined,
    };
    const problem = 'it has no index "byIncident"; infra/ledger.yml shows it';
    expect(await lookAt(without)).toEqual({ kind: 'unusable', problem });
    expect(await lookAt(index({ IndexName: 'another' }))).toEqual({ kind: 'unusable', problem });
    expect(await lookAt(index({ KeySchema: keysNamed('incident', 'entry') }))).toEqual({
      kind: 'unusable',
      problem:
        'the keys of its index "byIncident" are incident:S entry:S; the string attributes "incident" (partition) and "certificate" (sort) are expected',
    });
  });

  test('says that there is none', async () => {
    const { client } = tableAt(await startDynamo());
    expect(await checkTable(client, 'another')).toEqual({
      kind: 'unusable',
      problem: expect.stringMatching(
        /^there is no table another in this region \(ResourceNotFoundException: /,
      ),
    });
  });

  test('says that it may not look', async () => {
    const dynamo = await startDynamo();
    dynamo.fault({ kind: 'exception', name: 'AccessDeniedException', message: 'not yours' });
    expect(await checkTable(tableAt(dynamo).client, ledgerName)).toEqual({
      kind: 'unusable',
      problem: 'table ledger cannot be looked at: AccessDeniedException: not yours',
    });
  });

  test.each([
    ['throttled', { kind: 'exception', name: 'ThrottlingException' }],
    ['unknown-result', { kind: 'hang' }],
  ] as const)('takes a table that is %s for one that may come', async (kind, fault) => {
    const dynamo = await startDynamo();
    dynamo.fault(fault);
    expect(await checkTable(tableAt(dynamo).client, ledgerName)).toMatchObject({
      kind: 'away',
      failure: { kind },
    });
  });

  test('takes a table that nobody serves for one that may come', async () => {
    const environment = environmentOf(`http://127.0.0.1:${await freePort()}`);
    expect(await checkTable(tableAt({ environment }).client, ledgerName)).toMatchObject({
      kind: 'away',
      failure: { kind: 'unreachable' },
    });
  });
});
