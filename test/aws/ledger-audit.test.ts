// What an auditor reads of the ledger, over DynamoDB's protocol, from a table that the worker wrote.

import {
  CreateTableCommand,
  DynamoDBClient,
  PutItemCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openArchive } from '../../src/aws/ledger-audit.ts';
import { createLedgerTable } from '../../src/aws/ledger-table.ts';
import type { Archive, AuditLine } from '../../src/command/audit.ts';
import { startLedger, type LedgerSandbox } from '../../src/sandbox/ledger.ts';
import type { LedgerTable } from '../../src/shared-ledger.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import {
  askedOf,
  coveredEntryOf,
  ledgerEntryOf,
  proofOf,
  unprovenEntryOf,
} from '../helpers/ledger.ts';
import { certificateIdOf } from '../helpers/message.ts';

const deployment = { accountId: '111122223333', region: 'eu-west-1' };
const [one, two] = [certificateIdOf(0), certificateIdOf(1)];
const inactive = { proof: proofOf({ status: 'INACTIVE' }), sentStatus: 'INACTIVE' } as const;
const ofIncident = (incidentId: string, messageId = 'message-1') => [
  askedOf({ incidentId, messageId }),
];

describe('an audit of a certificate', () => {
  test('tells of each call who asked for it, when and why', async () => {
    const { worker, archive } = await setup();
    const asked = [
      askedOf({
        requestedBy: 'alice',
        reason: 'keyCompromise',
        comment: 'on a public bucket',
        requestId: 'R-1',
        incidentId: 'INC-7',
      }),
    ];
    await worker.write(ledgerEntryOf({ asked }), 'INC-7');
    expect(linesOf(await archive.ofCertificate(deployment, one))).toEqual([
      {
        at: '2026-01-01T00:00:01.000Z',
        certificateId: one,
        status: 'REVOKED',
        outcome: 'applied',
        sentStatus: 'REVOKED',
        attempts: 1,
        callMs: 50,
        awsRequestId: 'aws-1',
        asked,
      },
    ]);
  });

  test('keeps who revoked it first, whoever does so again', async () => {
    const { worker, archive } = await setup();
    const alice = askedOf({ requestedBy: 'alice', reason: 'keyCompromise', incidentId: 'INC-7' });
    const bob = askedOf({ requestedBy: 'bob', reason: 'superseded', messageId: 'message-2' });
    const carol = askedOf({ requestedBy: 'carol', messageId: 'message-3' });
    await worker.write(ledgerEntryOf({ asked: [alice] }), 'INC-7');
    await worker.write(ledgerEntryOf({ asked: [bob], watermarkMs: 9_000 }), undefined);
    await worker.write(ledgerEntryOf({ asked: [carol], watermarkMs: 10_000 }), undefined);
    const lines = linesOf(await archive.ofCertificate(deployment, one));
    expect(lines.map(({ asked, note }) => [asked, note])).toEqual([
      [[alice], 'the first; it was done again later'],
      [[carol], undefined],
    ]);
    const [ofIncident] = linesOf(await archive.ofIncident(deployment, 'INC-7'));
    expect(ofIncident).toMatchObject({ status: 'REVOKED', asked: [alice] });
  });

  test('has a line for each status, and for what proves nothing, the oldest first', async () => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf(inactive), undefined);
    await worker.write(ledgerEntryOf(), undefined);
    await worker.write(unprovenEntryOf(), undefined);
    const lines = linesOf(await archive.ofCertificate(deployment, one));
    expect(lines.map(({ status, outcome }) => [status, outcome])).toEqual([
      ['INACTIVE', 'applied'],
      ['REVOKED', 'applied'],
      [undefined, 'rejected'],
    ]);
    expect(lines[2]).toMatchObject({ failureKind: 'not-found', cause: 'no such certificate' });
  });

  test('counts those who asked for a call beyond the first five', async () => {
    const { worker, archive } = await setup();
    const asked = Array.from({ length: 7 }, (_, at) => askedOf({ messageId: `message-${at}` }));
    await worker.write(ledgerEntryOf({ asked }), undefined);
    expect(linesOf(await archive.ofCertificate(deployment, one))).toMatchObject([
      { asked: asked.slice(0, 5), moreAsked: 2 },
    ]);
  });

  test('tells of a covered request of an incident, but not twice of a call', async () => {
    const { worker, archive } = await setup();
    const asked = [...ofIncident('INC-7'), ...ofIncident('INC-8', 'message-3')];
    const entry = ledgerEntryOf({ asked });
    await worker.write(entry, 'INC-7');
    await worker.file(entry, 'INC-8');
    await worker.file(coveredEntryOf('INC-9'), 'INC-9');
    expect(linesOf(await archive.ofCertificate(deployment, one))).toMatchObject([
      { outcome: 'applied', asked },
      { outcome: 'covered', asked: ofIncident('INC-9', 'message-2'), awsRequestId: 'aws-1' },
    ]);
  });

  test('knows no certificate of another account, region or id', async () => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf(), undefined);
    const elsewhere = [
      await archive.ofCertificate({ ...deployment, accountId: '444455556666' }, one),
      await archive.ofCertificate({ ...deployment, region: 'eu-west-2' }, one),
      await archive.ofCertificate(deployment, two),
    ];
    expect(elsewhere.flatMap(linesOf)).toEqual([]);
  });

  test.each([
    ['no map', { S: 'REVOKED by me' }, { value: 'REVOKED by me' }],
    ['another map', { M: { by: { S: 'me' } } }, { by: 'me' }],
    ['a false name', { M: { certificateId: { S: two } } }, {}],
    ['a number that is too large', { M: { watermarkMs: { N: '1e100' } } }, {}],
  ])('shows what somebody wrote by hand: %s', async (_what, REVOKED: AttributeValue, shown) => {
    const { put, archive } = await setup();
    await put({
      certificate: { S: `111122223333/eu-west-1/${one}` },
      entry: { S: 'certificate' },
      REVOKED,
    });
    expect(linesOf(await archive.ofCertificate(deployment, one))).toEqual([
      {
        at: '',
        certificateId: one,
        status: 'REVOKED',
        note: 'the worker did not write this',
        ...shown,
      },
    ]);
  });
});

describe('an audit of an incident', () => {
  test('tells of every certificate in it, and of no other', async () => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf({ asked: ofIncident('INC-7') }), 'INC-7');
    await worker.file(coveredEntryOf('INC-7', { certificateId: two }), 'INC-7');
    const other = ledgerEntryOf({ certificateId: certificateIdOf(2), asked: ofIncident('INC-8') });
    await worker.write(other, 'INC-8');
    const lines = linesOf(await archive.ofIncident(deployment, 'INC-7'));
    expect(lines.map(({ certificateId, outcome }) => [certificateId, outcome])).toEqual([
      [one, 'applied'],
      [two, 'covered'],
    ]);
  });

  test('tells of both statuses if it asked for both', async () => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf({ ...inactive, asked: ofIncident('INC-7') }), 'INC-7');
    await worker.write(ledgerEntryOf({ asked: ofIncident('INC-7', 'message-2') }), 'INC-7');
    const lines = linesOf(await archive.ofIncident(deployment, 'INC-7'));
    expect(lines.map(({ status }) => status)).toEqual(['INACTIVE', 'REVOKED']);
  });

  test('tells what a certificate came to, also if others asked for that, and says so', async () => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf({ ...inactive, asked: ofIncident('INC-7') }), 'INC-7');
    await worker.write(ledgerEntryOf({ asked: ofIncident('INC-8', 'message-2') }), 'INC-8');
    expect(linesOf(await archive.ofIncident(deployment, 'INC-7'))).toMatchObject([
      { status: 'INACTIVE', asked: ofIncident('INC-7') },
      {
        status: 'REVOKED',
        asked: ofIncident('INC-8', 'message-2'),
        note: 'no request of this incident is kept here; if there was one, the log has it',
      },
    ]);
  });

  test.each([
    ['long', 'incident '.repeat(50)],
    ['longer than a key may be', 'ü'.repeat(2000)],
  ])('finds one whose name is %s', async (_what, incidentId) => {
    const { worker, archive } = await setup();
    await worker.write(ledgerEntryOf({ asked: ofIncident(incidentId) }), incidentId);
    const lines = linesOf(await archive.ofIncident(deployment, incidentId));
    expect(lines).toMatchObject([{ certificateId: one, outcome: 'applied' }]);
    expect(lines[0]).not.toHaveProperty('note');
  });

  test('reads every page', async () => {
    const { put, archive } = await setup();
    // A page of a Query is 1 MB at most.
    const filler = { M: { at: { S: 'then' }, asked: { L: [] }, text: { S: 'x'.repeat(390_000) } } };
    const ids = Array.from({ length: 7 }, (_, at) => certificateIdOf(at));
    for (const id of ids) {
      await put({
        certificate: { S: `111122223333/eu-west-1/${id}` },
        entry: { S: 'incident/INC-7' },
        incident: { S: '111122223333/eu-west-1/INC-7' },
        filed: filler,
      });
    }
    const lines = linesOf(await archive.ofIncident(deployment, 'INC-7'));
    expect(lines.map(({ certificateId }) => certificateId)).toEqual(ids.toSorted());
  });
});

describe('a table that cannot be read', () => {
  test('is told apart from one that holds nothing', async () => {
    await setup();
    using archive = openArchive('nobody');
    expect(await archive.ofIncident(deployment, 'INC-7')).toEqual({
      kind: 'failed',
      problem: expect.stringMatching(/^there is no such table \(ResourceNotFoundException: /),
    });
  });

  test('is one without our index, too', async () => {
    const { client } = await setup();
    await client.send(
      new CreateTableCommand({
        TableName: 'other',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    );
    using archive = openArchive('other');
    expect(await archive.ofIncident(deployment, 'INC-7')).toEqual({
      kind: 'failed',
      problem: expect.stringMatching(/^it could not be read \(ValidationException: .*byIncident/),
    });
  });

  test('is one that may not be read: it says which permission is missing', async () => {
    stubEnvironment({
      AWS_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_DYNAMODB: ledger.endpoint,
      AWS_CONFIG_FILE: '/dev/null',
    });
    using archive = openArchive(ledger.table);
    expect(await archive.ofCertificate(deployment, one)).toEqual({
      kind: 'failed',
      problem: expect.stringMatching(
        /^it may not be read \(CredentialsProviderError: .*\); dynamodb:Query on the table and its index "byIncident" is needed$/,
      ),
    });
  });

  test('is one that is away', async () => {
    await ledger.close();
    using archive = openArchive(ledger.table);
    expect(await archive.ofCertificate(deployment, one)).toEqual({
      kind: 'failed',
      problem: expect.stringMatching(/^it could not be read \(ECONNREFUSED: /),
    });
  });
});

describe('a table’s region', () => {
  test('is the one of the environment', async () => {
    using archive = openArchive('ledger');
    expect(await archive.region()).toBe('eu-west-1');
  });

  test('is the one of its ARN, if that names it', async () => {
    using archive = openArchive('arn:aws:dynamodb:eu-north-1:111122223333:table/ledger');
    expect(await archive.region()).toBe('eu-north-1');
  });

  test('is undefined where nothing names one', async () => {
    stubEnvironment({});
    using archive = openArchive('ledger');
    expect(await archive.region()).toBeUndefined();
  });
});

let ledger: LedgerSandbox;

beforeEach(async () => {
  ledger = await startLedger();
  stubEnvironment({
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_DYNAMODB: ledger.endpoint,
  });
  return ledger.close;
});

interface Setup {
  readonly client: DynamoDBClient;
  /** As the worker writes; each time a second later. */
  readonly worker: LedgerTable;
  readonly put: (item: Record<string, AttributeValue>) => Promise<unknown>;
  readonly archive: Archive;
}

async function setup(): Promise<Setup> {
  const client = new DynamoDBClient();
  const archive = openArchive(ledger.table);
  onTestFinished(() => {
    client.destroy();
    archive[Symbol.dispose]();
  });
  let now = Date.UTC(2026, 0, 1);
  const wallClock = (): number => (now += 1000);
  return {
    client,
    worker: createLedgerTable(client, { table: ledger.table, deployment, wallClock }),
    put: (Item) => client.send(new PutItemCommand({ TableName: ledger.table, Item })),
    archive,
  };
}

function linesOf(findings: Awaited<ReturnType<Archive['ofIncident']>>): readonly AuditLine[] {
  if (findings.kind === 'failed') throw new Error(findings.problem);
  return findings.lines;
}
