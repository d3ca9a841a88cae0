// The Lambda handler in a container, a process of its own, with this test as the Lambda service.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { setTimeout as passes } from 'node:timers/promises';
import type { SqsRecord } from '../../src/invocation.ts';
import type { Lane } from '../../src/lane.ts';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { freePort } from '../helpers/redis.ts';
import { startChild, type Child } from '../helpers/child.ts';
import { recordOf } from '../helpers/runtimes.ts';
import { queueUserOf, type QueueUser } from '../helpers/sqs.ts';

vi.setConfig({ testTimeout: 30_000 }); // processes have to start, on machines that do other things

interface Service {
  readonly sandbox: Sandbox;
  readonly user: QueueUser;
  readonly container: Child;
  /** Sends bodies to a lane, receives them, and invokes the function with them. */
  readonly invoke: (lane: Lane, bodies: readonly string[], remainingMs?: number) => Promise<Answer>;
}

interface Answer {
  readonly records: readonly SqsRecord[];
  readonly response?: {
    readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
  };
  readonly error?: string;
}

async function setup(environment: Readonly<Record<string, string>> = {}): Promise<Service> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  const user = queueUserOf(sandbox.queues);
  const container = startContainer({
    ...sandbox.environment,
    UPDATE_CERTIFICATE_TPS: '100',
    ...environment,
  });
  return {
    sandbox,
    user,
    container,
    invoke: async (lane, bodies, remainingMs = 30_000) => {
      const url = sandbox.queues.urls[lane];
      await user.sendAll(url, bodies);
      const records = (await user.receive(url)).map((message) => recordOf(message, url));
      const answer = await container.ask({ event: { Records: records }, remainingMs });
      return { records, ...(answer as object) };
    },
  };
}

function startContainer(environment: Readonly<Record<string, string>>): Child {
  return startChild('test/helpers/container.ts', environment);
}

const revoke = (certificateId: string): string =>
  JSON.stringify({ certificateId, newStatus: 'REVOKED' });

const failuresIn = ({ response }: Answer): unknown =>
  response?.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);

describe('a container', () => {
  test('fails to start in a wrong environment, and says all that is wrong', async () => {
    const container = startContainer({ AWS_REGION: 'eu-west-1', UPDATE_CERTIFICATE_TPS: 'ten' });
    expect(await container.ended).toBe(1);
    expect(container.stderr()).toContain('iot-revocation-worker cannot start:');
    expect(container.stderr()).toMatch(/^ {2}UPDATE_CERTIFICATE_TPS: it holds "ten"; /m);
    expect(container.stderr()).toMatch(/^ {2}DEAD_LETTER_QUEUE_URL: it is not set; /m);
  });

  test('answers with what has to be tried again, and delays that', async () => {
    const { sandbox, user, container, invoke } = await setup();
    const { iot, queues } = sandbox;
    const [good = '', denied = ''] = await iot.seed({ count: 2 });
    iot.inject({
      operation: 'UpdateCertificate',
      kind: 'exception',
      name: 'AccessDeniedException',
      certificateId: denied,
    });
    const answer = await invoke('incident', [revoke(good), revoke(denied), 'garbage']);
    const [goodRecord, deniedRecord, garbageRecord] = answer.records;
    expect(answer.response).toEqual({
      batchItemFailures: [{ itemIdentifier: deniedRecord?.messageId }],
    });
    expect([iot.status(good), iot.status(denied)]).toEqual(['REVOKED', 'ACTIVE']);
    expect(container.of('message').map(({ messageId, outcome }) => [messageId, outcome]).toSorted()).toEqual(
      [
        [goodRecord?.messageId, 'applied'],
        [deniedRecord?.messageId, 'deferred'],
        [garbageRecord?.messageId, 'rejected'],
      ].toSorted(),
    ); // prettier-ignore
    const [letter, ...others] = await user.drain(queues.urls.deadLetter);
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      Body: 'garbage',
      MessageAttributes: {
        lane: { StringValue: 'incident' },
        failureKind: { StringValue: 'malformed-body' },
        originalMessageId: { StringValue: garbageRecord?.messageId },
      },
    });
    // Delayed by 3 to 5 seconds, no longer for the 30 of the receive.
    const now = Date.now.bind(Date);
    vi.spyOn(Date, 'now').mockImplementation(() => now() + 6_000);
    const back = await user.receive(queues.urls.incident);
    vi.restoreAllMocks();
    expect(back.map(({ MessageId }) => MessageId)).toEqual([deniedRecord?.messageId]);
    expect(container.stderr()).toBe('');
  });

  test('remembers from one invocation to the next', async () => {
    const { sandbox, container, invoke } = await setup();
    const [id = ''] = await sandbox.iot.seed({ count: 1 });
    const { urls } = sandbox.queues;
    const first = await invoke('alert', [revoke(id)]);
    const [record] = first.records;
    // A copy that was sent long before the call.
    const copy = {
      ...record,
      messageId: 'copy',
      attributes: { ...record?.attributes, SentTimestamp: '1000' },
    };
    const answer = await container.ask({ event: { Records: [copy] }, remainingMs: 30_000 });
    expect(answer).toEqual({ response: { batchItemFailures: [] } });
    expect(container.of('message').map(({ outcome }) => outcome)).toEqual(['applied', 'covered']);
    expect(sandbox.iot.calls).toHaveLength(1);
    expect(urls.alert).toBeDefined();
  });

  test('works though Redis, which shares the pace, is away: with its part, and says so once', async () => {
    const redisUrl = `redis://:hunter2@127.0.0.1:${await freePort()}`;
    const { sandbox, container, invoke } = await setup({
      REDIS_URL: redisUrl,
      MAXIMUM_CONCURRENCY: '10',
    });
    const ids = await sandbox.iot.seed({ count: 6 });
    for (const id of ids) expect(failuresIn(await invoke('alert', [revoke(id)]))).toEqual([]);
    expect(ids.map((id) => sandbox.iot.status(id))).toEqual(ids.map(() => 'REVOKED'));
    expect(container.of('redis-lost')).toMatchObject([
      { level: 'warn', cause: expect.stringMatching(/^connect ECONNREFUSED /), part: 0.1 },
    ]);
    expect(JSON.stringify(container.lines) + container.stderr()).not.toContain('hunter2');
  });

  test('near the deadline gives back what it cannot start, visible at once', async () => {
    const { sandbox, user, invoke } = await setup({ UPDATE_CERTIFICATE_TPS: '1' });
    const ids = await sandbox.iot.seed({ count: 10 });
    const answer = await invoke('rotation', ids.map(revoke), 8500); // no call after 1500 ms
    const calls = sandbox.iot.calls.length;
    expect(calls).toBeGreaterThanOrEqual(1);
    expect(calls).toBeLessThanOrEqual(3);
    expect(answer.response?.batchItemFailures).toHaveLength(ids.length - calls);
    expect((await user.counts(sandbox.queues.urls.rotation)).visible).toBe(ids.length - calls);
  });

  test('that is asked too late starts nothing', async () => {
    const { sandbox, invoke } = await setup();
    const ids = await sandbox.iot.seed({ count: 3 });
    const answer = await invoke('rotation', ids.map(revoke), 5000);
    expect(answer.response?.batchItemFailures).toHaveLength(3);
    expect(sandbox.iot.calls).toEqual([]);
  });

  test('fails for a queue that is none of its lanes, and lives', async () => {
    const { sandbox, container, invoke } = await setup();
    const [id = ''] = await sandbox.iot.seed({ count: 1 });
    const arn = 'arn:aws:sqs:us-east-1:000000000000:other';
    const record = { messageId: 'm', receiptHandle: 'r', body: revoke(id), attributes: {}, messageAttributes: {}, eventSourceARN: arn }; // prettier-ignore
    expect(await container.ask({ event: { Records: [record] }, remainingMs: 30_000 })).toEqual({
      error: `Error: ${arn} is none of the lanes; INCIDENT_QUEUE_URL, ALERT_QUEUE_URL and ROTATION_QUEUE_URL name them`,
    });
    expect(failuresIn(await invoke('incident', [revoke(id)]))).toEqual([]);
  });

  test('answers while SQS is down: what it could not tell stays', async () => {
    const { sandbox, container, invoke } = await setup();
    const [denied = ''] = await sandbox.iot.seed({ count: 1 });
    const { records } = await invoke('incident', [revoke(denied)]);
    await sandbox.queues.stop();
    const garbage = { ...records[0], messageId: 'g', body: 'garbage' };
    const answer = await container.ask({ event: { Records: [garbage] }, remainingMs: 30_000 });
    expect(answer).toEqual({ response: { batchItemFailures: [{ itemIdentifier: 'g' }] } });
    expect(container.of('message').at(-1)).toMatchObject({
      level: 'error',
      outcome: 'rejected',
      acknowledged: false,
      acknowledgementCause: expect.stringMatching(/^dead-letter queue: ECONNREFUSED/),
    });
  });
});

describe('the pace of a container', () => {
  /** When the calls of an invocation started, in order, ms after its beginning, by the container's clock. */
  function starts(container: Child, records: readonly SqsRecord[]): readonly number[] {
    const ids = new Set(records.map(({ messageId }) => messageId));
    const waits = container.of('message').filter(({ messageId }) => ids.has(messageId as string));
    return waits.map(({ waitMs }) => waitMs as number).toSorted((a, b) => a - b);
  }

  /** In any time as many calls as the throttle promises: one and a half, and the rate times that time. */
  function expectPace(times: readonly number[], intervalMs: number): void {
    for (const [first, from] of times.entries()) {
      for (const [more, to] of times.slice(first + 1).entries()) {
        expect(to - from).toBeGreaterThanOrEqual((more + 0.5) * intervalMs - 13); // timers are late, and times rounded
      }
    }
  }

  test('is its part of the quota', async () => {
    const { sandbox, container, invoke } = await setup({
      UPDATE_CERTIFICATE_TPS: '40',
      QUOTA_SHARE: '0.5',
      MAXIMUM_CONCURRENCY: '2',
    });
    const ids = await sandbox.iot.seed({ count: 5 });
    const answer = await invoke('incident', ids.map(revoke));
    expectPace(starts(container, answer.records), 100);
  });

  test('does not make up after a freeze for what it has missed', async () => {
    const { sandbox, user, container, invoke } = await setup({ UPDATE_CERTIFICATE_TPS: '5' });
    const ids = await sandbox.iot.seed({ count: 6 });
    const url = sandbox.queues.urls.incident;
    await invoke('incident', ids.slice(0, 2).map(revoke));
    // Lambda freezes the container as soon as it has the answer, and thaws it for the next event.
    container.kill('SIGSTOP');
    await user.sendAll(url, ids.slice(2).map(revoke));
    const records = (await user.receive(url)).map((message) => recordOf(message, url));
    await passes(700);
    const answer = container.ask({ event: { Records: records }, remainingMs: 30_000 });
    container.kill('SIGCONT');
    expect(await answer).toEqual({ response: { batchItemFailures: [] } });
    expectPace(starts(container, records), 200);
  });
});
