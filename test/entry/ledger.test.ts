// Processes of their own that share a ledger, by a DynamoDB server in this one.

import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { certificateItem, incidentItemOf } from '../../src/aws/ledger-item.ts';
import type { Lane } from '../../src/lane.ts';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startChild, type Child } from '../helpers/child.ts';
import {
  attributesNamed,
  environmentOf,
  keysNamed,
  startDynamo,
  type Dynamo,
} from '../helpers/dynamo.ts';
import { freePort } from '../helpers/redis.ts';
import { recordOf } from '../helpers/runtimes.ts';
import { queueUserOf, type QueueUser } from '../helpers/sqs.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

vi.setConfig({ testTimeout: 30_000 }); // processes have to start, on machines that do other things

const stopTimeout = { STOP_TIMEOUT_SECONDS: '4' };

/** Variables that leave a worker one lane. */
const only: Readonly<Record<Lane, Readonly<Record<string, string>>>> = {
  incident: { ALERT_QUEUE_URL: '', ROTATION_QUEUE_URL: '' },
  alert: { INCIDENT_QUEUE_URL: '', ROTATION_QUEUE_URL: '' },
  rotation: { INCIDENT_QUEUE_URL: '', ALERT_QUEUE_URL: '' },
};

interface World {
  readonly sandbox: Sandbox;
  readonly user: QueueUser;
  /** A worker that has started. */
  readonly start: (environment: Readonly<Record<string, string>>) => Promise<Child>;
}

async function setup(): Promise<World> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  return {
    sandbox,
    user: queueUserOf(sandbox.queues),
    start: async (environment) => {
      const child = startWorker(sandbox, environment);
      await child.waitFor(() => child.of('started').length > 0);
      return child;
    },
  };
}

function startWorker(sandbox: Sandbox, environment: Readonly<Record<string, string>>): Child {
  return startChild('src/entry/worker.ts', {
    ...sandbox.environment,
    ...stopTimeout,
    UPDATE_CERTIFICATE_TPS: '100',
    ...environment,
  });
}

const bodyFor = (certificateId: string, fields: Readonly<Record<string, string>> = {}): string =>
  JSON.stringify({ certificateId, newStatus: 'REVOKED', ...fields });

/** SQS's clock in this process moves on, so that what was sent before is clearly older. */
function timePasses(): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 5000);
}

const isMessage = (child: Child, count: number) => () => child.of('message').length >= count;

describe('a worker whose table can never serve does not start, and says why', () => {
  /** Why it cannot start, where it starts with this. */
  async function refusal({ environment }: Pick<Dynamo, 'environment'>): Promise<string> {
    const { sandbox } = await setup();
    const child = startWorker(sandbox, environment);
    expect(await child.ended).toBe(1);
    expect(child.lines).toEqual([]);
    const [first, ...problems] = child.stderr().trimEnd().split('\n');
    expect(first).toBe('iot-revocation-worker cannot start:');
    expect(problems).toHaveLength(1);
    return problems[0] ?? '';
  }

  test('with other keys', async () => {
    const dynamo = await startDynamo({
      AttributeDefinitions: attributesNamed('id'),
      KeySchema: keysNamed('id'),
      GlobalSecondaryIndexes: undefined,
    });
    expect(await refusal(dynamo)).toBe(
      '  LEDGER_TABLE: its keys are id:S; the string attributes "certificate" (partition) and "entry" (sort) are expected',
    );
  });

  test('without the index of incidents', async () => {
    const dynamo = await startDynamo({
      AttributeDefinitions: attributesNamed('certificate', 'entry'),
      GlobalSecondaryIndexes: undefined,
    });
    expect(await refusal(dynamo)).toBe(
      '  LEDGER_TABLE: it has no index "byIncident"; infra/ledger.yml shows it',
    );
  });

  test('that is not there', async () => {
    const dynamo = await startDynamo();
    const environment = { ...dynamo.environment, LEDGER_TABLE: 'another' };
    expect(await refusal({ environment })).toMatch(
      /^ {2}LEDGER_TABLE: there is no table another in this region \(ResourceNotFoundException: /,
    );
  });

  test('that it may not see', async () => {
    const dynamo = await startDynamo();
    dynamo.fault({ kind: 'exception', name: 'AccessDeniedException', message: 'not yours' });
    expect(await refusal(dynamo)).toBe(
      '  LEDGER_TABLE: table ledger cannot be looked at: AccessDeniedException: not yours',
    );
  });

  test('in another region', async () => {
    const table = 'arn:aws:dynamodb:eu-west-1:123456789012:table/ledger';
    expect(await refusal({ environment: { LEDGER_TABLE: table } })).toBe(
      '  LEDGER_TABLE: its table is in eu-west-1, but the region is us-east-1; a table there is expected',
    );
  });
});

describe('a worker without its table', () => {
  test('starts although nobody answers for it, warns once, and serves', async () => {
    const { sandbox, user, start } = await setup();
    const ids = await sandbox.iot.seed({ count: 3 });
    const child = await start(environmentOf(`http://127.0.0.1:${await freePort()}`));
    for (const [n, id] of ids.entries()) {
      await user.send(sandbox.queues.urls.incident, bodyFor(id, { incidentId: 'i-1' }));
      await child.waitFor(isMessage(child, n + 1));
    }
    expect(child.of('message').map(({ outcome }) => outcome)).toEqual(ids.map(() => 'applied'));
    expect(ids.map((id) => sandbox.iot.status(id))).toEqual(ids.map(() => 'REVOKED'));
    expect(child.of('ledger-away').filter(({ level }) => level === 'warn')).toMatchObject([
      { what: 'reads', failureKind: 'unreachable' },
    ]);
    expect(await user.counts(sandbox.queues.urls.incident)).toEqual({ visible: 0, hidden: 0 });
  });

  test.each([
    ['hangs', { kind: 'hang' }, 'unknown-result'],
    ['denies it', { kind: 'exception', name: 'AccessDeniedException' }, 'unauthorized'],
    ['is gone', { kind: 'exception', name: 'ResourceNotFoundException' }, 'not-found'],
    ['is throttled', { kind: 'exception', name: 'ThrottlingException' }, 'throttled'],
  ] as const)('which %s once it runs, warns once and serves', async (_, fault, failureKind) => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const [one = '', two = ''] = await sandbox.iot.seed({ count: 2 });
    const child = await start(dynamo.environment);
    dynamo.fault(fault);
    for (const [n, id] of [one, two].entries()) {
      await user.send(sandbox.queues.urls.incident, bodyFor(id));
      await child.waitFor(isMessage(child, n + 1));
    }
    expect(child.of('message')).toMatchObject([{ outcome: 'applied' }, { outcome: 'applied' }]);
    expect(child.of('ledger-away').filter(({ level }) => level === 'warn')).toMatchObject([
      { what: 'reads', failureKind },
    ]);
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    expect(child.stderr()).toBe('');
  });
});

describe('what one process has done', () => {
  test('covers, in another, a duplicate that was sent before the call, without a call', async () => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.alert, bodyFor(id, { incidentId: 'i-2' }));
    timePasses();
    const messageId = await user.send(queues.urls.incident, bodyFor(id, { incidentId: 'i-1' }));
    const first = await start({ ...dynamo.environment, ...only.incident });
    await first.waitFor(isMessage(first, 1));
    const second = await start({ ...dynamo.environment, ...only.alert });
    await second.waitFor(isMessage(second, 1));
    const [applied] = first.of('message');
    expect(applied).toMatchObject({ outcome: 'applied', acknowledged: true });
    expect(second.of('message')).toMatchObject([
      {
        outcome: 'covered',
        coveredBy: messageId,
        awsRequestId: applied?.['awsRequestId'],
        attempts: 0,
        acknowledgement: 'delete',
      },
    ]);
    expect(iot.calls).toHaveLength(1);
    expect((await dynamo.items()).map(({ entry }) => entry?.S)).toEqual([
      certificateItem,
      incidentItemOf('i-2'),
    ]);
  });

  test('covers nothing, in another, that was sent after the call', async () => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.incident, bodyFor(id));
    const first = await start({ ...dynamo.environment, ...only.incident });
    await first.waitFor(isMessage(first, 1));
    timePasses();
    await user.send(queues.urls.alert, bodyFor(id));
    const second = await start({ ...dynamo.environment, ...only.alert });
    await second.waitFor(isMessage(second, 1));
    expect(second.of('message')[0]?.['outcome']).not.toBe('covered');
    expect(iot.calls.length).toBeGreaterThan(1);
  });

  test('covers a duplicate that is handed to the Lambda function', async () => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.alert, bodyFor(id));
    timePasses();
    await user.send(queues.urls.incident, bodyFor(id));
    const worker = await start({ ...dynamo.environment, ...only.incident });
    await worker.waitFor(isMessage(worker, 1));
    const container = startContainer(sandbox, dynamo.environment);
    const messages = await user.receive(queues.urls.alert);
    const Records = messages.map((message) => recordOf(message, queues.urls.alert));
    const answer = await container.ask({ event: { Records }, remainingMs: 30_000 });
    expect(answer).toEqual({ response: { batchItemFailures: [] } });
    expect(container.of('message')).toMatchObject([{ outcome: 'covered', attempts: 0 }]);
    expect(iot.calls).toHaveLength(1);
  });
});

function startContainer(sandbox: Sandbox, environment: Readonly<Record<string, string>>): Child {
  return startChild('test/helpers/container.ts', { ...sandbox.environment, ...environment });
}

describe('a container whose table can never serve', () => {
  test('says so and serves: nothing may keep an incident waiting', async () => {
    const { sandbox, user } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    const container = startContainer(sandbox, { ...dynamo.environment, LEDGER_TABLE: 'another' });
    await user.send(queues.urls.incident, bodyFor(id));
    const messages = await user.receive(queues.urls.incident);
    const Records = messages.map((message) => recordOf(message, queues.urls.incident));
    const answer = await container.ask({ event: { Records }, remainingMs: 30_000 });
    expect(answer).toEqual({ response: { batchItemFailures: [] } });
    expect(iot.status(id)).toBe('REVOKED');
    expect(container.of('ledger-away')[0]).toMatchObject({
      level: 'error',
      cause: expect.stringMatching(/^LEDGER_TABLE: there is no table another in this region/),
    });
  });
});

describe('an update costs one read and one write', () => {
  test('also if a hundred messages ask for it', async () => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    const bodies = Array.from({ length: 100 }, () => bodyFor(id, { incidentId: 'i-1' }));
    await user.sendAll(queues.urls.incident, bodies);
    timePasses();
    const child = await start({ ...dynamo.environment, ...only.incident });
    await child.waitFor(isMessage(child, bodies.length));
    expect(iot.calls).toHaveLength(1);
    expect(dynamo.counts()).toEqual({ DescribeTable: 1, BatchGetItem: 1, UpdateItem: 1 });
  });

  test.each([
    ['that names no incident', {}],
    ['that names one', { incidentId: 'i-1' }],
  ])('%s, and reads go together', async (_, fields) => {
    const { sandbox, user, start } = await setup();
    const dynamo = await startDynamo();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 30 });
    const bodies = ids.map((id) => bodyFor(id, fields));
    await user.sendAll(queues.urls.incident, bodies);
    const child = await start({ ...dynamo.environment, ...only.incident });
    await child.waitFor(isMessage(child, ids.length));
    expect(iot.calls).toHaveLength(ids.length);
    const { BatchGetItem = 0, UpdateItem } = dynamo.counts();
    expect(UpdateItem).toBe(ids.length);
    expect(BatchGetItem).toBeLessThan(ids.length);
    const read = dynamo.requests.flatMap(({ body }) => keysIn(body));
    expect(read).toHaveLength(ids.length);
  });
});

function keysIn({ RequestItems }: Readonly<Record<string, unknown>>): readonly unknown[] {
  const tables = (RequestItems ?? {}) as Record<string, { readonly Keys: readonly unknown[] }>;
  return Object.values(tables).flatMap(({ Keys }) => Keys);
}
