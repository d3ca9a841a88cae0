// The worker as it is started: a process of its own, its environment, its signals, its exit code.

import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { startChild, type Child } from '../helpers/child.ts';
import { queueUserOf, type QueueUser } from '../helpers/sqs.ts';
import { wireTo } from '../helpers/wire.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

vi.setConfig({ testTimeout: 30_000 }); // processes have to start, on machines that do other things

const worker = 'src/entry/worker.ts';

/** Short, so that a poll that waits for a message does not keep a stop waiting for long. */
const stopTimeout = { STOP_TIMEOUT_SECONDS: '4' };

async function setup(): Promise<{ readonly sandbox: Sandbox; readonly user: QueueUser }> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  return { sandbox, user: queueUserOf(sandbox.queues) };
}

function start(sandbox: Sandbox, environment: Readonly<Record<string, string>> = {}): Child {
  return startChild(worker, { ...sandbox.environment, ...stopTimeout, ...environment });
}

const revoke = (certificateId: string): string =>
  JSON.stringify({ certificateId, newStatus: 'REVOKED' });

const idIn = (body: string | undefined): string =>
  (JSON.parse(body ?? '{}') as { readonly certificateId: string }).certificateId;

/** SQS's clock in this process moves on, so that what is hidden now is visible again. */
function letVisibilityRunOut(): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
}

describe('a worker that cannot start', () => {
  test('says all that is wrong with its environment, for people, and exits with 1', async () => {
    const child = startChild(worker, {
      ALERT_QUEUE_URL: 'alert',
      UPDATE_CERTIFICATE_TPS: '0',
      REDIS_URL: 'redis://:hunter2/@localhost',
    });
    expect(await child.ended).toBe(1);
    const [first, ...problems] = child.stderr().trimEnd().split('\n');
    expect(first).toBe('iot-revocation-worker cannot start:');
    expect(problems.map((problem) => problem.replace(/:.*/, '')).toSorted()).toEqual([
      '  ALERT_QUEUE_URL',
      '  AWS_REGION',
      '  DEAD_LETTER_QUEUE_URL',
      '  REDIS_URL',
      '  UPDATE_CERTIFICATE_TPS',
    ]);
    expect(child.stderr()).not.toContain('hunter2');
    expect(child.lines).toEqual([]);
  });

  test('names every queue that is not there, and exits with 1', async () => {
    const { sandbox } = await setup();
    const { urls } = sandbox.queues;
    const child = start(sandbox, {
      ALERT_QUEUE_URL: `${urls.alert}-gone`,
      DEAD_LETTER_QUEUE_URL: `${urls.deadLetter}-gone`,
    });
    expect(await child.ended).toBe(1);
    expect(child.stderr()).toBe(
      [
        'iot-revocation-worker cannot start:',
        `  ALERT_QUEUE_URL: there is no queue ${urls.alert}-gone (QueueDoesNotExist)`,
        `  DEAD_LETTER_QUEUE_URL: there is no queue ${urls.deadLetter}-gone (QueueDoesNotExist)`,
        '',
      ].join('\n'),
    );
  });

  test('says that nobody answers for its queues, and exits with 1', async () => {
    const { sandbox } = await setup();
    await sandbox.queues.stop();
    const child = start(sandbox);
    expect(await child.ended).toBe(1);
    expect(child.stderr()).toMatch(/^ {2}INCIDENT_QUEUE_URL: .* cannot be used: ECONNREFUSED: ./m);
    expect(child.stderr()).not.toContain('    at ');
  });

  test('says that it does not know its account, and exits with 1', async () => {
    const { sandbox } = await setup();
    const { AWS_ACCOUNT_ID: _account, ...environment } = sandbox.environment;
    const child = startChild(worker, {
      ...environment,
      AWS_ENDPOINT_URL_STS: sandbox.iot.endpoint, // which is no STS
    });
    expect(await child.ended).toBe(1);
    expect(child.stderr()).toMatch(
      /^ {2}AWS_ACCOUNT_ID: it is not set, and STS could not be asked \(/m,
    );
    expect(child.stderr()).not.toContain('    at ');
  });
});

describe('a worker that runs', () => {
  test('says what it works on', async () => {
    const { sandbox } = await setup();
    const child = start(sandbox, { QUOTA_SHARE: '0.5' });
    await child.waitFor((lines) => lines.length > 0);
    expect(child.lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        event: 'started',
        lanes: ['incident', 'alert', 'rotation'],
        accountId: '000000000000',
        region: 'us-east-1',
        callsPerSecond: 5,
        msg: 'working; Ctrl-C or SIGTERM stops',
      },
    ]);
  });

  test('asks STS for its account, where nothing names it', async () => {
    const { sandbox } = await setup();
    const { AWS_ACCOUNT_ID: _account, ...environment } = sandbox.environment;
    const child = startChild(worker, {
      ...environment,
      AWS_ENDPOINT_URL_STS: sandbox.queues.endpoint,
    });
    await child.waitFor((lines) => lines.length > 0);
    expect(child.lines).toMatchObject([{ event: 'started', accountId: '000000000000' }]);
  });

  test('revokes, and tells the story in one line', async () => {
    const { sandbox, user } = await setup();
    const child = start(sandbox);
    const [id = ''] = await sandbox.iot.seed({ count: 1 });
    const messageId = await user.send(sandbox.queues.urls.incident, revoke(id));
    await child.waitFor(() => child.of('message').length > 0);
    expect(child.of('message')).toMatchObject([
      {
        level: 'info',
        lane: 'incident',
        messageId,
        certificateId: id,
        newStatus: 'REVOKED',
        outcome: 'applied',
        acknowledgement: 'delete',
        acknowledged: true,
        msg: 'applied',
      },
    ]);
    expect(sandbox.iot.status(id)).toBe('REVOKED');
    expect(await user.counts(sandbox.queues.urls.incident)).toEqual({ visible: 0, hidden: 0 });
  });

  test('outlives AWS IoT being down, and goes on when it is back', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    const wire = await wireTo(iot.endpoint);
    await wire.cut();
    const child = start(sandbox, { AWS_ENDPOINT_URL_IOT: wire.endpoint });
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.incident, revoke(id));
    await child.waitFor(() => child.of('message').length > 0);
    expect(child.of('message')).toMatchObject([
      {
        level: 'warn',
        outcome: 'deferred',
        failureKind: 'unreachable',
        cause: expect.stringMatching(/^ECONNREFUSED: connect ECONNREFUSED/),
        attempts: 5,
        acknowledgement: 'retry',
        acknowledged: true,
      },
    ]);
    expect(await user.counts(queues.urls.incident)).toEqual({ visible: 0, hidden: 1 });
    await wire.mend();
    letVisibilityRunOut();
    await child.waitFor(() => child.of('message').length > 1);
    expect(child.of('message')[1]).toMatchObject({ outcome: 'applied', receiveCount: 2 });
    expect(iot.status(id)).toBe('REVOKED');
  });

  test('outlives SQS being down, says so now and then, and goes on when it is back', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    const wire = await wireTo(queues.endpoint);
    const { ALERT_QUEUE_URL: _alert, ROTATION_QUEUE_URL: _rotation, ...environment } = sandbox.environment; // prettier-ignore
    const child = startChild(worker, {
      ...environment,
      ...stopTimeout,
      AWS_ENDPOINT_URL_SQS: wire.endpoint,
    });
    await child.waitFor(() => child.of('started').length > 0);
    await wire.cut();
    await child.waitFor(() => child.of('receive-failed').length > 1);
    await wire.mend();
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.incident, revoke(id));
    await child.waitFor(() => child.of('message').length > 0);
    expect(child.of('message')).toMatchObject([{ outcome: 'applied', acknowledged: true }]);
    const failures = child.of('receive-failed');
    expect(failures.every(({ level, lane }) => level === 'warn' && lane === 'incident')).toBe(true);
    expect(failures.map(({ failures: count }) => count)).toEqual([1, 2, 4, 8].slice(0, failures.length)); // prettier-ignore
    expect(child.of('receive-recovered')).toHaveLength(1);
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
  });
});

describe('a worker that is stopped', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s while idle exits with 0', async (signal) => {
    const { sandbox } = await setup();
    const child = start(sandbox);
    await child.waitFor(() => child.of('started').length > 0);
    child.kill(signal);
    expect(await child.ended).toBe(0);
    expect(child.lines.slice(1)).toMatchObject([
      { event: 'stopping', cause: `stopping on ${signal}` },
      { event: 'stopped', level: 'info' },
    ]);
    expect(child.stderr()).toBe('');
  });

  test('under load finishes its calls, gives the rest back at once, and exits with 0', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 120 });
    await user.sendAll(queues.urls.rotation, ids.map(revoke));
    iot.inject({ operation: 'UpdateCertificate', kind: 'slow', ms: 100, times: 'always' });
    const child = start(sandbox, { UPDATE_CERTIFICATE_TPS: '25' });
    await iot.waitFor((calls) => calls.filter(({ answer }) => answer === 'ok').length >= 10);
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    expect(child.lines.at(-1)).toMatchObject({ event: 'stopped', level: 'info' });

    const { visible, hidden } = await user.counts(queues.urls.rotation);
    expect(hidden).toBe(0);
    const revoked = ids.filter((id) => iot.status(id) === 'REVOKED');
    expect(revoked.length).toBeGreaterThanOrEqual(10);
    expect(visible).toBe(ids.length - revoked.length);
    expect(visible).toBeGreaterThan(0);
    const back = await user.receive(queues.urls.rotation);
    expect([...revoked, ...back.map(({ Body }) => idIn(Body))].toSorted()).toEqual(ids.toSorted());
    const events = child.of('message');
    expect(new Set(events.map(({ messageId }) => messageId)).size).toBe(events.length);
    expect(events.filter(({ outcome }) => outcome === 'applied')).toHaveLength(revoked.length);
    expect(events.every(({ acknowledged }) => acknowledged)).toBe(true);
    expect(child.stderr()).toBe('');
  });

  test('by a Ctrl-C that npm doubles still stops in order', async () => {
    const { sandbox } = await setup();
    const child = start(sandbox);
    await child.waitFor(() => child.of('started').length > 0);
    child.kill('SIGINT');
    await child.waitFor(() => child.of('stopping').length > 0);
    child.kill('SIGINT');
    expect(await child.ended).toBe(0);
  });

  test('twice exits at once, with 130 for Ctrl-C', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    iot.inject({ operation: 'UpdateCertificate', kind: 'hang', when: 'before-applying' });
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.incident, revoke(id));
    const child = start(sandbox, { STOP_TIMEOUT_SECONDS: '3600' });
    await iot.waitFor((calls) => calls.length > 0);
    child.kill('SIGINT');
    await child.waitFor(() => child.of('stopping').length > 0);
    const impatience = setInterval(() => child.kill('SIGINT'), 50);
    expect(await child.ended).toBe(130);
    clearInterval(impatience);
    expect(child.of('stopped')).toEqual([]);
  });

  test('in time, though AWS does not answer, gives back what it could not finish', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    iot.inject({ operation: 'UpdateCertificate', kind: 'hang', when: 'before-applying' });
    const [id = ''] = await iot.seed({ count: 1 });
    await user.send(queues.urls.incident, revoke(id));
    const child = start(sandbox, { STOP_TIMEOUT_SECONDS: '2' });
    await iot.waitFor((calls) => calls.length > 0);
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
    expect(child.of('message')).toMatchObject([{ outcome: 'deferred', failureKind: 'stopping' }]);
    expect(await user.counts(queues.urls.incident)).toEqual({ visible: 1, hidden: 0 });
  });

  test('by the loss of its log gives back what is not settled, and exits with 1', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    const child = start(sandbox, { UPDATE_CERTIFICATE_TPS: '5' });
    await child.waitFor(() => child.of('started').length > 0);
    child.stopReading();
    const ids = await iot.seed({ count: 10 });
    await user.sendAll(queues.urls.alert, ids.map(revoke));
    expect(await child.ended).toBe(1);
    expect(child.stderr()).toMatch(/^stopping: the log cannot be written \(.*EPIPE.*\)\n$/);
    const revoked = ids.filter((id) => iot.status(id) === 'REVOKED').length;
    expect(revoked).toBeLessThan(ids.length);
    expect(await user.counts(queues.urls.alert)).toEqual({
      visible: ids.length - revoked,
      hidden: 0,
    });
  });

  test('by kill -9 loses nothing: the next one brings every certificate to its status', async () => {
    const { sandbox, user } = await setup();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 60 });
    const asked = (at: number): string => (at % 2 === 0 ? 'REVOKED' : 'INACTIVE');
    const bodies = ids.map((certificateId, at) =>
      JSON.stringify({ certificateId, newStatus: asked(at) }),
    );
    await user.sendAll(queues.urls.rotation, bodies);
    iot.inject({ operation: 'UpdateCertificate', kind: 'slow', ms: 50, times: 'always' });
    const first = start(sandbox, { UPDATE_CERTIFICATE_TPS: '15' });
    await iot.waitFor((calls) => calls.filter(({ answer }) => answer === 'ok').length >= 8);
    first.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect((await user.counts(queues.urls.rotation)).hidden).toBeGreaterThan(0);

    letVisibilityRunOut();
    const second = start(sandbox, { UPDATE_CERTIFICATE_TPS: '500' });
    await second.waitFor(() => {
      const settled = second.of('message').length + first.of('message').length;
      return settled >= ids.length && ids.every((id, at) => iot.status(id) === asked(at));
    });
    second.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    expect(await user.counts(queues.urls.rotation)).toEqual({ visible: 0, hidden: 0 });
    expect(await user.drain(queues.urls.deadLetter)).toEqual([]);
  });
});
