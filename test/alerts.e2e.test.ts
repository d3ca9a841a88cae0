// Alerts end to end in one process: SNS, SQS and the control plane of AWS IoT on loopback, the real SDK
// between. test/entry/alerts.test.ts has them in processes of their own.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readPolicy } from '../src/policy-file.ts';
import type { Policy } from '../src/policy.ts';
import type { Lane } from '../src/lane.ts';
import { startSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';
import { alertOf } from './helpers/alerts.ts';
import { inSns } from './helpers/envelope.ts';
import { createFakeLog, type FakeLog, type Line } from './helpers/log.ts';
import {
  startContainerHere,
  startWorkerHere,
  type Running,
  type Start,
} from './helpers/runtimes.ts';
import { useLaterClock } from './helpers/later.ts';
import { publish } from './helpers/sns.ts';
import { queueUserOf, type QueueUser } from './helpers/sqs.ts';

vi.setConfig({ testTimeout: 60_000 });

const checkName = 'DEVICE_CERTIFICATE_SHARED_CHECK';

/** SQS's clock is this process's, and so is the brake's of workers that run here. */
const wait = useLaterClock();

interface World {
  readonly sandbox: Sandbox;
  readonly user: QueueUser;
  readonly log: FakeLog;
  readonly start: (limits?: Parameters<Start>[2]) => Running;
  /** A thing with so many certificates; answers their ids. */
  readonly enter: (thingName: string, count: number) => Promise<readonly string[]>;
  readonly statusOf: (ids: readonly string[]) => readonly (string | undefined)[];
  /** UpdateCertificate calls so far. */
  readonly updates: () => Sandbox['iot']['calls'];
  /** Messages in a queue, hidden ones too. */
  readonly left: (queue: Lane | 'deadLetter') => Promise<number>;
  /** What the dead letters say, by failureKind. */
  readonly deadLetters: () => Promise<
    readonly (readonly [string | undefined, string | undefined])[]
  >;
}

async function setup(begin: Start): Promise<World> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  const { iot, queues } = sandbox;
  const user = queueUserOf(queues);
  const log = createFakeLog();
  return {
    sandbox,
    user,
    log,
    start: (limits) => begin(sandbox, log, limits),
    enter: async (thingName, count) => {
      const certificateIds = await iot.seed({ count });
      iot.enterThing({ thingName, certificateIds });
      return certificateIds;
    },
    statusOf: (ids) => ids.map((id) => iot.status(id)),
    updates: () => iot.calls.filter(({ operation }) => operation === 'UpdateCertificate'),
    left: async (queue) => {
      const { visible, hidden } = await user.counts(queues.urls[queue]);
      return visible + hidden;
    },
    deadLetters: async () =>
      (await user.drain(queues.urls.deadLetter)).map(({ MessageAttributes = {} }) => [
        MessageAttributes['failureKind']?.StringValue,
        MessageAttributes['failureReason']?.StringValue,
      ]),
  };
}

/** As a fixture has it, but of the sandbox's account and region. */
function alertHere(name: string, change: (text: string) => string = (text) => text): object {
  const text = JSON.stringify(alertOf(name))
    .replaceAll('123456789012', '000000000000')
    .replaceAll('eu-central-1', 'us-east-1');
  return JSON.parse(change(text)) as object;
}

function violationOf(thingName: string, fields: object = {}): object {
  return { ...alertHere('detect-in-alarm'), thingName, ...fields };
}

function auditOf(taskId: string, fields: object = {}): object {
  return { ...alertHere('audit-shared'), taskId, ...fields };
}

const findingsAbout = (ids: readonly string[]): { checkName: string; certificateId: string }[] =>
  ids.map((certificateId) => ({ checkName, certificateId }));

function policyOf(value: object): Policy {
  const reading = readPolicy(value);
  if (reading.kind === 'problems') throw new Error(reading.problems.join());
  return reading.policy;
}

const all = (status: string, count: number): readonly string[] =>
  Array.from({ length: count }, () => status);

const requestsIn = (line: Line | undefined): readonly Record<string, unknown>[] =>
  line?.['requests'] as readonly Record<string, unknown>[];

/** How often each outcome came. */
function tally(log: FakeLog): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const line of log.of('message')) {
    const outcome = String(line['outcome']);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

describe.each([
  ['the worker', startWorkerHere],
  ['the Lambda function', startContainerHere],
])('%s', (_name, begin) => {
  test('takes all certificates of a thing that violates its profile out of service', async () => {
    const { sandbox, log, start, statusOf, left } = await setup(begin);
    const { iot } = sandbox;
    const ids = await iot.seed({ count: 3 });
    const [bystander = ''] = await iot.seed({ count: 1 });
    const role = 'arn:aws:iam::000000000000:user/operator';
    iot.enterThing({ thingName: 'pump-7', certificateIds: ids, otherPrincipals: [role] });
    await publish(sandbox, violationOf('pump-7'));
    await start().through(1);
    expect(statusOf([...ids, bystander])).toEqual([...all('INACTIVE', 3), 'ACTIVE']);
    expect(log.of('message')).toMatchObject([
      { lane: 'alert', outcome: 'applied', acknowledgement: 'delete', acknowledged: true },
    ]);
    const requests = requestsIn(log.of('message')[0]);
    expect(requests.map(({ certificateId }) => certificateId).toSorted()).toEqual(ids.toSorted());
    for (const request of requests) {
      expect(request).toMatchObject({
        newStatus: 'INACTIVE',
        outcome: 'applied',
        thingName: 'pump-7',
        origin: {
          format: 'device-defender-detect',
          name: 'Sensors/MessagesSent',
          id: '37e18651d207bbc74236c13faf146127',
        },
      });
    }
    expect(await left('alert')).toBe(0);
    expect(await left('deadLetter')).toBe(0);
  });

  test('keeps a message until all of its certificates are settled', async () => {
    const { sandbox, log, start, enter, statusOf, updates, left } = await setup(begin);
    const [one = '', two = '', three = ''] = await enter('pump-7', 3);
    const fault = { operation: 'UpdateCertificate', kind: 'exception' } as const;
    sandbox.iot.inject({ ...fault, name: 'AccessDeniedException', certificateId: two });
    await publish(sandbox, violationOf('pump-7'));
    const running = start();
    await running.through(1);
    expect(log.of('message')).toMatchObject([
      { outcome: 'deferred', failureKind: 'unauthorized', acknowledgement: 'retry' },
    ]);
    expect(statusOf([one, two, three])).toEqual(['INACTIVE', 'ACTIVE', 'INACTIVE']);
    expect(await left('alert')).toBe(1);
    wait(60_000);
    await running.through(1);
    expect(log.of('message')[1]).toMatchObject({ outcome: 'applied', acknowledgement: 'delete' });
    const outcomes = requestsIn(log.of('message')[1]).map((request) => [
      request['certificateId'],
      request['outcome'],
    ]);
    expect(new Map(outcomes as [string, string][])).toEqual(
      new Map([
        [one, 'covered'],
        [two, 'applied'],
        [three, 'covered'],
      ]),
    );
    expect(updates()).toHaveLength(4);
    expect(statusOf([one, two, three])).toEqual(all('INACTIVE', 3));
    expect(await left('alert')).toBe(0);
  });

  test('deletes alerts that call for no action, with the cause', async () => {
    const { sandbox, log, start, enter, statusOf, left } = await setup(begin);
    const ids = await enter('sensor-17', 1);
    const names = [
      'detect-alarm-cleared',
      'detect-alarm-invalidated',
      'detect-false-positive',
      'detect-benign-positive',
      'audit-on-demand-compliant',
      'audit-expiring',
      'audit-failed',
      'audit-canceled',
    ];
    await publish(sandbox, ...names.map((name) => alertHere(name)));
    await sandboxSend(
      'security-hub-detect-archived',
      'security-hub-detect-suppressed',
      'security-hub-detect-resolved',
      'security-hub-audit-expiring',
      'security-hub-audit-suppressed',
      'security-hub-other-product-passed',
      'cloud-trail-update-certificate',
    );
    await start().through(15);
    for (const line of log.of('message')) {
      expect(line).toMatchObject({ outcome: 'ignored', acknowledgement: 'delete', level: 'info' });
      expect(line['cause']).toEqual(expect.stringMatching(/\w/));
    }
    expect(statusOf(ids)).toEqual(['ACTIVE']);
    expect(sandbox.iot.calls).toEqual([]);
    expect(await left('alert')).toBe(0);
    expect(await left('deadLetter')).toBe(0);

    async function sandboxSend(...fixtures: readonly string[]): Promise<void> {
      const user = queueUserOf(sandbox.queues);
      const bodies = fixtures.map((name) => JSON.stringify(alertHere(name)));
      await user.sendAll(sandbox.queues.urls.alert, bodies);
    }
  });

  test('dead-letters an alert about a thing that is not there, or has no certificate', async () => {
    const { sandbox, start, enter, left, deadLetters } = await setup(begin);
    await enter('bare', 0);
    await publish(sandbox, violationOf('gone'), violationOf('bare'));
    await start().through(2);
    expect(new Map(await deadLetters())).toEqual(
      new Map([
        ['not-found', expect.stringMatching(/^looking up thing "gone": ResourceNotFound/)],
        ['no-certificate', 'thing "bare" has no certificate, so there is nothing to take out of service'], // prettier-ignore
      ]),
    );
    expect(await left('alert')).toBe(0);
  });

  test.each([12, 300])('makes a request of each of %i findings of an audit', async (count) => {
    const { sandbox, user, log, start, statusOf, updates, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count });
    const taskId = iot.enterAudit({ findings: findingsAbout(ids) });
    await publish(sandbox, auditOf(taskId));
    await start().through(1 + count);
    expect(tally(log)).toEqual({ expanded: 1, applied: count });
    const [expanded, ...others] = log.of('message');
    expect(expanded).toMatchObject({
      cause: `${count} certificates are named; a request for each has been sent to the alert queue`,
      acknowledgement: 'delete',
    });
    const origin = { format: 'device-defender-audit', name: checkName, id: taskId };
    for (const line of others) expect(line).toMatchObject({ newStatus: 'INACTIVE', origin });
    expect(statusOf(ids)).toEqual(all('INACTIVE', count));
    expect(updates()).toHaveLength(count);
    expect(await left('alert')).toBe(0);
    expect(await user.counts(queues.urls.deadLetter)).toEqual({ visible: 0, hidden: 0 });
  });

  test('does no harm where it ends between sending requests back and the delete', async () => {
    const { sandbox, user, log, start, statusOf, updates, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 12 });
    const taskId = iot.enterAudit({ findings: findingsAbout(ids) });
    const body = inSns(JSON.stringify(auditOf(taskId)), { TopicArn: sandbox.topicArn });
    // The message is there again, beside the requests that it has become already.
    await user.sendAll(queues.urls.alert, [body, body]);
    await start().through(2 + 24);
    const { expanded, applied = 0, covered = 0, unchanged = 0 } = tally(log);
    expect([expanded, applied, covered + unchanged]).toEqual([2, 12, 12]);
    expect(updates()).toHaveLength(12);
    expect(statusOf(ids)).toEqual(all('INACTIVE', 12));
    expect(await left('alert')).toBe(0);
  });

  test('sends no request back as long as part of the alert cannot be looked up', async () => {
    const { sandbox, log, start, statusOf, left } = await setup(begin);
    const { iot } = sandbox;
    const ids = await iot.seed({ count: 13 });
    const other = 'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK';
    const [last = '', ...first] = ids;
    const taskId = iot.enterAudit({
      findings: [...findingsAbout(first), { checkName: other, certificateId: last }],
    });
    const found = { checkRunStatus: 'COMPLETED_NON_COMPLIANT', nonCompliantResourcesCount: 12 };
    await publish(
      sandbox,
      auditOf(taskId, {
        auditDetails: [
          { checkName, ...found },
          { checkName: other, ...found },
        ],
      }),
    );
    iot.inject({
      operation: 'ListAuditFindings',
      kind: 'exception',
      name: 'UnauthorizedException',
    });
    const running = start();
    await running.through(1);
    expect(log.of('message')).toMatchObject([{ outcome: 'deferred', failureKind: 'unauthorized' }]);
    expect(await left('alert')).toBe(1);
    wait(60_000);
    await running.through(1 + 13);
    expect(tally(log)).toEqual({ deferred: 1, expanded: 1, applied: 13 });
    expect(statusOf(ids)).toEqual(all('INACTIVE', 13));
  });

  test('looks at what an audit finds, and leaves what is out of service already', async () => {
    const { sandbox, log, start, statusOf, updates, left } = await setup(begin);
    const { iot } = sandbox;
    const [mine = '', revoked = '', fresh = ''] = [
      ...(await iot.seed({ count: 1, status: 'INACTIVE' })),
      ...(await iot.seed({ count: 1, status: 'REVOKED' })),
      ...(await iot.seed({ count: 1 })),
    ];
    const taskId = iot.enterAudit({ findings: findingsAbout([mine, revoked, fresh]) });
    await publish(sandbox, auditOf(taskId));
    await start().through(1);
    const outcomes = requestsIn(log.of('message')[0]).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['unchanged', 'unchanged', 'applied']);
    expect(updates().map(({ certificateId }) => certificateId)).toEqual([fresh]);
    expect(statusOf([mine, revoked, fresh])).toEqual(['INACTIVE', 'REVOKED', 'INACTIVE']);
    expect(await left('alert')).toBe(0);
  });

  test('takes findings of Security Hub, and what a person has chosen as far as policy goes', async () => {
    const { sandbox, user, log, start, enter, statusOf, left } = await setup(begin);
    const { queues } = sandbox;
    const imported = await enter('sensor-17', 1);
    const chosen = await enter('sensor-18', 2);
    const other = await enter('sensor-19', 1);
    const about = (name: string, thing: string, action = 'Revoke certificate'): string =>
      JSON.stringify(
        alertHere(name, (text) =>
          text.replaceAll('sensor-17', thing).replaceAll('Revoke certificate', action),
        ),
      );
    await user.sendAll(queues.urls.alert, [
      about('security-hub-detect', 'sensor-17'),
      about('security-hub-custom-action', 'sensor-18'),
      about('security-hub-custom-action', 'sensor-19', 'Look at it'),
    ]);
    const policy = policyOf({
      alerts: [
        { format: 'security-hub-custom-action', name: 'Revoke certificate', newStatus: 'REVOKED' },
      ],
    });
    await start({ policy }).through(3);
    expect(tally(log)).toEqual({ applied: 3 });
    expect(statusOf([...imported, ...chosen, ...other])).toEqual([
      'INACTIVE',
      'REVOKED',
      'REVOKED',
      'INACTIVE',
    ]);
    expect(await left('alert')).toBe(0);
  });

  test('touches what is protected by the incident lane only', async () => {
    const { sandbox, user, log, start, enter, statusOf, deadLetters } = await setup(begin);
    const { iot, queues } = sandbox;
    const [claim = ''] = await iot.seed({ count: 1 });
    const [gateway = ''] = await enter('gateway-1', 1);
    const policy = policyOf({ protected: { certificates: [claim], things: ['gateway-*'] } });
    const ask = (certificateId: string): string =>
      JSON.stringify({ certificateId, newStatus: 'INACTIVE' });
    await publish(sandbox, violationOf('gateway-1'), { certificateId: claim, tamper: true });
    await user.sendAll(queues.urls.alert, [ask(claim)]);
    await user.sendAll(queues.urls.rotation, [ask(claim), ask(gateway)]);
    const running = start({ policy });
    await running.through(5);
    expect(tally(log)).toEqual({ rejected: 5 });
    const letters = await deadLetters();
    expect(letters.map(([kind]) => kind)).toEqual(all('protected', 5));
    expect(new Set(letters.map(([, reason]) => reason))).toEqual(
      new Set([
        'the certificate serves thing "gateway-1", which is protected (policy, "protected.things", "gateway-*"); only the incident lane may take it out of service',
        'the certificate is on the protected list (policy, "protected.certificates"); only the incident lane may take it out of service',
      ]),
    );
    expect(statusOf([claim, gateway])).toEqual(['ACTIVE', 'ACTIVE']);
    await user.sendAll(queues.urls.incident, [ask(claim), ask(gateway)]);
    await running.through(2);
    expect(statusOf([claim, gateway])).toEqual(['INACTIVE', 'INACTIVE']);
  });

  test('refuses an alert that would switch off several things, unless it is asked outright', async () => {
    const { sandbox, user, start, statusOf, deadLetters } = await setup(begin);
    const { iot, queues } = sandbox;
    const [shared = ''] = await iot.seed({ count: 1 });
    for (const thingName of ['lamp-1', 'lamp-2', 'lamp-3']) {
      iot.enterThing({ thingName, certificateIds: [shared] });
    }
    await publish(sandbox, violationOf('lamp-2'));
    const running = start();
    await running.through(1);
    expect(await deadLetters()).toEqual([
      [
        'shared-certificate',
        '3 things share the certificate, at most 1 may go down at once (policy, "mostThings"): lamp-1, lamp-2, lamp-3; if all of them shall, ask by the incident lane',
      ],
    ]);
    expect(statusOf([shared])).toEqual(['ACTIVE']);
    const body = JSON.stringify({ certificateId: shared, newStatus: 'INACTIVE' });
    await user.send(queues.urls.alert, body);
    await running.through(1);
    expect(statusOf([shared])).toEqual(['INACTIVE']);
  });

  test('makes no call in a dry run, and carries out what has waited once it is over', async () => {
    const { sandbox, log, start, enter, statusOf, updates, left } = await setup(begin);
    const ids = await enter('pump-7', 2);
    await publish(sandbox, violationOf('pump-7'));
    const dry = start({ dryRun: ['alert'] });
    await dry.through(1);
    await dry.stop();
    expect(log.of('message')).toMatchObject([
      { level: 'info', text: 'would apply', outcome: 'deferred', failureKind: 'dry-run' },
    ]);
    expect(requestsIn(log.of('message')[0])).toMatchObject([
      { cause: 'dry run: would apply INACTIVE', thingName: 'pump-7' },
      { cause: 'dry run: would apply INACTIVE', thingName: 'pump-7' },
    ]);
    expect(log.of('message')[0]).toMatchObject({ acknowledgement: 'retry', retryAfterSeconds: 3600 }); // prettier-ignore
    expect([updates(), await left('alert')]).toEqual([[], 1]);
    wait(3_700_000);
    const live = createFakeLog();
    await begin(sandbox, live).through(1);
    expect(live.of('message')).toMatchObject([{ outcome: 'applied', receiveCount: 2 }]);
    expect(statusOf(ids)).toEqual(all('INACTIVE', 2));
    expect(await left('alert')).toBe(0);
  });

  test('deletes in a dry run what a real call has covered meanwhile', async () => {
    const { sandbox, user, log, start, enter, statusOf, left } = await setup(begin);
    const { queues } = sandbox;
    const ids = await enter('pump-7', 1);
    await publish(sandbox, violationOf('pump-7'));
    const running = start({ dryRun: ['alert'] });
    await running.through(1);
    wait(5000);
    const body = JSON.stringify({ certificateId: ids[0], newStatus: 'REVOKED' });
    const messageId = await user.send(queues.urls.incident, body);
    await running.through(1);
    wait(3_700_000);
    await running.through(1);
    expect(log.of('message').map(({ lane, outcome }) => [lane, outcome])).toEqual([
      ['alert', 'deferred'],
      ['incident', 'applied'],
      ['alert', 'covered'],
    ]);
    expect(log.of('message')[2]).toMatchObject({ coveredBy: messageId });
    expect(statusOf(ids)).toEqual(['REVOKED']);
    expect(await left('alert')).toBe(0);
  });

  test('makes no call in any lane where all of them are dry', async () => {
    const { sandbox, user, log, start, updates, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const [one = '', two = ''] = await iot.seed({ count: 2 });
    const ask = (certificateId: string): string =>
      JSON.stringify({ certificateId, newStatus: 'REVOKED' });
    await user.send(queues.urls.incident, ask(one));
    await user.send(queues.urls.rotation, ask(two));
    await start({ dryRun: ['incident', 'alert', 'rotation'] }).through(2);
    expect(log.of('message').map(({ text }) => text)).toEqual(['would apply', 'would apply']);
    expect([updates(), await left('incident'), await left('rotation')]).toEqual([[], 1, 1]);
  });

  test('lets exactly its ceiling of 5,000 false alarms through, and an incident beside', async () => {
    const { sandbox, user, log, start, statusOf, updates, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 5000 });
    const stolen = await iot.seed({ count: 30 });
    const alarms = ids.map((certificateId) => JSON.stringify({ certificateId, tamper: true }));
    await user.sendAll(queues.urls.alert, alarms);
    const running = start({ ceilings: { alert: 100 } });
    while (log.of('brake').length === 0) await running.through(1);
    await iot.waitFor((calls) => calls.filter(isDone).length >= 100);
    const ask = (certificateId: string): string =>
      JSON.stringify({ certificateId, newStatus: 'REVOKED' });
    await user.sendAll(queues.urls.incident, stolen.map(ask));
    while (statusOf(stolen).includes('ACTIVE')) await running.through(1);
    await log.waitFor(() => tally(log)['applied'] === 100 + 30);
    expect(updates()).toHaveLength(100 + 30);
    expect(statusOf(ids).filter((status) => status === 'INACTIVE')).toHaveLength(100);
    expect(statusOf(ids).filter((status) => status === 'ACTIVE')).toHaveLength(4900);
    expect(log.of('brake')).toMatchObject([
      { level: 'error', lane: 'alert', ceilingPerHour: 100, certificates: 100 },
    ]);
    expect(await left('alert')).toBe(4900);
    expect(await left('deadLetter')).toBe(0);
  });

  test('gives held messages back with a delay, and says why', async () => {
    const { sandbox, user, log, start, statusOf, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 12 });
    const alarms = ids.map((certificateId) => JSON.stringify({ certificateId, tamper: true }));
    await user.sendAll(queues.urls.alert, alarms);
    await start({ ceilings: { alert: 10 } }).through(12);
    expect(tally(log)).toEqual({ applied: 10, deferred: 2 });
    for (const line of log.of('message').filter(({ outcome }) => outcome === 'deferred')) {
      expect(line).toMatchObject({
        level: 'info',
        failureKind: 'brake',
        cause: expect.stringMatching(/^the alert lane has reached its ceiling of 10 certificates an hour; there is room again at 20/), // prettier-ignore
        acknowledgement: 'retry',
        acknowledged: true,
      });
    }
    expect(statusOf(ids).filter((status) => status === 'ACTIVE')).toHaveLength(2);
    expect([await left('alert'), await left('deadLetter')]).toEqual([2, 0]);
  });

  test('goes on in the other lanes while lookups are denied, and has the alerts back after', async () => {
    const { sandbox, user, log, start, enter, statusOf, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = await enter('pump-7', 1);
    const [ruled = '', stolen = ''] = await iot.seed({ count: 2 });
    const taskId = iot.enterAudit({ findings: findingsAbout(ids) });
    const mend = [
      iot.inject({ ...denied, operation: 'ListThingPrincipals' }),
      iot.inject({ ...denied, operation: 'ListPrincipalThings' }),
      iot.inject({ ...down, operation: 'ListAuditFindings' }),
    ];
    await publish(sandbox, violationOf('pump-7'), { certificateId: ruled }, auditOf(taskId));
    await user.send(
      queues.urls.incident,
      JSON.stringify({ certificateId: stolen, newStatus: 'REVOKED' }),
    );
    const running = start();
    await running.through(4);
    expect(statusOf([stolen, ruled, ...ids])).toEqual(['REVOKED', 'ACTIVE', 'ACTIVE']);
    const deferred = log.of('message').filter(({ outcome }) => outcome === 'deferred');
    const kinds = deferred.map(({ level, failureKind, cause }) => [level, failureKind, String(cause).split(':')[0]]); // prettier-ignore
    expect(kinds.toSorted()).toEqual([
      ['error', 'unauthorized', `looking up certificate ${ruled}`],
      ['error', 'unauthorized', 'looking up thing "pump-7"'],
      ['warn', 'unavailable', `looking up check ${checkName} of audit task ${taskId}`],
    ]);
    expect([await left('alert'), await left('deadLetter')]).toEqual([3, 0]);
    for (const end of mend) end();
    wait(60_000);
    await running.through(3);
    expect(statusOf([ruled, ...ids])).toEqual(['INACTIVE', 'INACTIVE']);
    expect(await left('alert')).toBe(0);
  });

  test('gives each alert that it cannot use an answer', async () => {
    const { sandbox, user, log, start, enter, statusOf, left } = await setup(begin);
    const { iot, queues } = sandbox;
    const ids = [...(await enter('sensor-17', 1)), ...(await iot.seed({ count: 1 }))];
    const [, second = ''] = ids;
    const stories = unusable(second, sandbox.topicArn);
    for (const { body } of stories) await user.send(queues.urls.alert, body);
    await start().through(stories.length);
    const letters = await user.drain(queues.urls.deadLetter);
    for (const { body, event, failureKind, cause } of stories) {
      const letter = letters.find(({ Body }) => Body === body);
      const attributes = letter?.MessageAttributes;
      const told =
        event === 'ignored'
          ? log.of('message').filter((line) => cause.test(String(line['cause']))).map(({ outcome }) => [outcome, undefined, true])[0] // prettier-ignore
          : [letter && 'rejected', attributes?.['failureKind']?.StringValue, cause.test(attributes?.['failureReason']?.StringValue ?? '')]; // prettier-ignore
      expect.soft(told, `${body.slice(0, 200)} ${attributes?.['failureReason']?.StringValue}`).toEqual([event, failureKind, true]); // prettier-ignore
    }
    expect(letters).toHaveLength(stories.filter(({ event }) => event === 'rejected').length);
    expect(statusOf(ids)).toEqual(['ACTIVE', 'ACTIVE']);
    expect(await left('alert')).toBe(0);
  });
});

test('a thing with more certificates than the ceiling is done within hours, and none twice', async () => {
  const { sandbox, log, start, enter, statusOf, updates, left } = await setup(startWorkerHere);
  const ids = await enter('pump-7', 3);
  await publish(sandbox, violationOf('pump-7'));
  await start({ ceilings: { alert: 2 } }).through(1);
  expect(statusOf(ids).toSorted()).toEqual(['ACTIVE', 'INACTIVE', 'INACTIVE']);
  wait(7_200_000);
  await log.waitFor(() => log.of('message').at(-1)?.['outcome'] === 'applied');
  expect(statusOf(ids)).toEqual(all('INACTIVE', 3));
  expect(updates()).toHaveLength(3);
  expect(await left('alert')).toBe(0);
});

const isDone = ({ operation, answer }: Sandbox['iot']['calls'][number]): boolean =>
  operation === 'UpdateCertificate' && answer === 'ok';

const denied = { kind: 'exception', name: 'AccessDeniedException', times: 'always' } as const;
const down = { kind: 'exception', name: 'ServiceUnavailableException', times: 'always' } as const;

interface Unusable {
  readonly body: string;
  readonly event: 'rejected' | 'ignored';
  readonly failureKind?: string;
  readonly cause: RegExp;
}

/** What is wrong with an alert, of each format; `id` is a certificate that must stay as it is. */
function unusable(id: string, topicArn: string): readonly Unusable[] {
  const sns = (message: object | string): string =>
    inSns(typeof message === 'string' ? message : JSON.stringify(message), { TopicArn: topicArn });
  const bad = (failureKind: string, cause: RegExp, body: object | string): Unusable => ({
    body: typeof body === 'string' ? body : JSON.stringify(body),
    event: 'rejected',
    failureKind,
    cause,
  });
  const invalid = (cause: RegExp, body: object | string): Unusable =>
    bad('invalid-request', cause, body);
  const over = (cause: RegExp, body: object | string): Unusable => ({
    body: typeof body === 'string' ? body : JSON.stringify(body),
    event: 'ignored',
    cause,
  });
  const finding = (change: (text: string) => string): object =>
    alertHere('security-hub-detect', change);
  return [
    // The names of things.
    ...['pump 7', 'pümp', 'a'.repeat(129), '../pump-7', 'pump-7/principals', ''].map((thingName) =>
      invalid(/^Message\.thingName: it holds .*of a thing’s name/, sns(violationOf(thingName))),
    ),
    invalid(/^thingName: it holds "pump 7"/, { thingName: 'pump 7', tamper: true }),
    invalid(/thingName/, { thingName: 'pump 7', newStatus: 'INACTIVE' }),
    // Missing, or of the wrong type.
    invalid(
      /^Message\.thingName: it holds nothing/,
      sns(violationOf('x', { thingName: undefined })),
    ),
    invalid(/^Message\.behavior: it holds 7/, sns(violationOf('sensor-17', { behavior: 7 }))),
    invalid(/^Message\.violationEventType: it holds "alarm"/, sns(violationOf('sensor-17', { violationEventType: 'alarm' }))), // prettier-ignore
    invalid(/^Message\.taskId: it holds nothing/, sns(auditOf('x', { taskId: undefined }))),
    invalid(/^Message\.auditDetails: it holds "none"/, sns(auditOf('x', { auditDetails: 'none' }))),
    invalid(/^detail\.findings: it holds nothing/, { ...finding((text) => text), detail: {} }),
    invalid(/detail\.findings\.0\.ProductFields\.SecurityProfileName: it holds nothing/, finding((text) => text.replaceAll('"SecurityProfileName"', '"Profile"'))), // prettier-ignore
    invalid(/^detail-type: it holds "Security Hub Insight Results"/, finding((text) => text.replace('Security Hub Findings - Imported', 'Security Hub Insight Results'))), // prettier-ignore
    invalid(/^certificateId: it holds 7/, { certificateId: 7, tamper: true }),
    invalid(/^principalIdentifier: .*Amazon Cognito identity/, { principalIdentifier: 'us-east-1:11111111-2222-3333-4444-555555555555' }), // prettier-ignore
    invalid(/^newStatus: it holds nothing/, { certificateId: id, reason: 'keyCompromise' }),
    // Of another account or region.
    bad('foreign-account', /^TopicArn: it is of account 999999999999/, inSns(JSON.stringify(violationOf('sensor-17')), { TopicArn: topicArn.replace('000000000000', '999999999999') })), // prettier-ignore
    bad('foreign-region', /^TopicArn: it is of region eu-west-1/, inSns(JSON.stringify(violationOf('sensor-17')), { TopicArn: topicArn.replace('us-east-1', 'eu-west-1') })), // prettier-ignore
    bad('foreign-account', /^Message\.accountId: it is of account 999999999999/, sns(auditOf('x', { accountId: '999999999999' }))), // prettier-ignore
    bad('foreign-account', /AwsAccountId: it is of account 999999999999/, finding((text) => text.replaceAll('000000000000', '999999999999'))), // prettier-ignore
    bad('foreign-region', /Region: it is of region eu-west-1/, finding((text) => text.replaceAll('us-east-1', 'eu-west-1'))), // prettier-ignore
    bad('foreign-account', /^accountId: it is of account 999999999999/, { certificateId: id, accountId: '999999999999' }), // prettier-ignore
    // What cannot be read.
    bad('malformed-body', /^Message: it is not JSON/, sns('the pump has been opened')),
    bad('malformed-body', /^Message: it is not JSON/, sns('{"thingName":"sensor-17"')),
    // What is not there any more.
    bad('not-found', /^looking up thing "gone"/, finding((text) => text.replaceAll('sensor-17', 'gone'))), // prettier-ignore
    over(/^audit task 4e2bcd1ccbc2a5dd15292a82ab80c380 ended as FAILED/, sns(alertHere('audit-failed'))), // prettier-ignore
    over(/^check DEVICE_CERTIFICATE_SHARED_CHECK of audit task vanished has no finding left/, sns(auditOf('vanished'))), // prettier-ignore
  ];
}
