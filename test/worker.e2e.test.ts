// End to end in one process: SQS and the control plane of AWS IoT on loopback, the real SDK between.

import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FaultEffect } from '../src/sandbox/fault.ts';
import { startSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';
import { badBodies } from './helpers/bad-bodies.ts';
import { bodies } from './helpers/body.ts';
import { inEventBridge, inSns } from './helpers/envelope.ts';
import { createFakeLog, type FakeLog, type Line } from './helpers/log.ts';
import { eventsIn, lambdaRuntime, workerRuntime, type Runtime } from './helpers/runtimes.ts';
import { queueUserOf, type QueueUser } from './helpers/sqs.ts';

/** A message, and how its event must read; `id` is a certificate of its own. */
interface Story {
  readonly body?: (id: string) => string;
  /** The certificate's status before; none is one that does not exist. */
  readonly before?: 'ACTIVE' | 'INACTIVE' | 'REVOKED' | 'PENDING_TRANSFER' | 'none';
  /** The certificate's status after; default as before. */
  readonly after?: string;
  readonly faults?: readonly WithoutTarget[];
  readonly event: Readonly<Record<string, unknown>>;
}

/** Strikes UpdateCertificate, for the story's certificate. */
type WithoutTarget = FaultEffect & { readonly times?: number | 'always' };

const exception = (name: string, times?: number | 'always', status?: number): WithoutTarget => ({
  kind: 'exception',
  name,
  times: times ?? 1,
  ...(status !== undefined && { status }),
});

const ask =
  (fields: Readonly<Record<string, unknown>> = {}) =>
  (id: string): string =>
    JSON.stringify({ certificateId: id, newStatus: 'REVOKED', ...fields });

const deferred = { outcome: 'deferred', acknowledgement: 'retry', acknowledged: true, retryAfterSeconds: 3 }; // prettier-ignore
const rejected = { outcome: 'rejected', acknowledgement: 'dead-letter', acknowledged: true, level: 'warn' }; // prettier-ignore
const applied = {
  outcome: 'applied',
  acknowledgement: 'delete',
  acknowledged: true,
  level: 'info',
};

/** The acknowledgement table, row by row. */
const stories: Readonly<Record<string, Story>> = {
  'a revocation': { after: 'REVOKED', event: { ...applied, attempts: 1 } },
  'a deactivation': {
    body: ask({ newStatus: 'INACTIVE' }),
    after: 'INACTIVE',
    event: { ...applied, attempts: 1, newStatus: 'INACTIVE' },
  },
  'a revocation by ARN, with all its fields': {
    body: (id) =>
      JSON.stringify({
        certificateArn: `arn:aws:iot:us-east-1:000000000000:cert/${id.toUpperCase()}`,
        newStatus: 'REVOKED',
        requestId: 'request 1',
        requestedBy: 'alice',
        reason: 'keyCompromise',
        comment: 'stolen €\u2028',
        incidentId: 'INC-1',
        ticket: { number: 7 },
      }),
    after: 'REVOKED',
    event: {
      ...applied,
      requestId: 'request 1',
      requestedBy: 'alice',
      reason: 'keyCompromise',
      comment: 'stolen €\u2028',
      incidentId: 'INC-1',
      other: { ticket: { number: 7 } },
    },
  },
  'a revocation in a notification in an event': {
    body: (id) => inSns(inEventBridge(JSON.parse(ask()(id)))),
    after: 'REVOKED',
    event: applied,
  },
  'a revocation with spaces and line breaks': {
    body: (id) => `\r\n\t${ask()(id)}\r\n`,
    after: 'REVOKED',
    event: applied,
  },
  'a revocation that was made before': {
    before: 'REVOKED',
    event: { ...applied, attempts: 1 },
  },
  'a revocation that was made before, where AWS minds': {
    before: 'REVOKED',
    faults: [exception('CertificateStateException')],
    event: {
      outcome: 'unchanged',
      acknowledgement: 'delete',
      acknowledged: true,
      level: 'info',
      cause: 'the certificate is REVOKED already',
      attempts: 1,
    },
  },
  'a deactivation of what is revoked': {
    body: ask({ newStatus: 'INACTIVE' }),
    before: 'REVOKED',
    event: { outcome: 'unchanged', acknowledgement: 'delete' },
  },
  'a certificate that is not there': {
    before: 'none',
    event: { ...rejected, failureKind: 'not-found', cause: expect.stringMatching(/^ResourceNotFoundException: /) }, // prettier-ignore
  },
  'an invalid request, as AWS sees it': {
    faults: [exception('InvalidRequestException')],
    event: { ...rejected, failureKind: 'invalid-request' },
  },
  'a state that cannot change': {
    before: 'PENDING_TRANSFER',
    faults: [exception('CertificateStateException', 'always')],
    event: {
      ...rejected,
      failureKind: 'state-conflict',
      cause: expect.stringContaining(
        'the certificate is PENDING_TRANSFER and cannot become REVOKED',
      ),
    },
  },
  'a state that could not change at that moment': {
    faults: [exception('CertificateStateException')],
    after: 'REVOKED',
    event: { ...applied, attempts: 2 },
  },
  'no permission': {
    faults: [exception('AccessDeniedException', 'always')],
    event: { ...deferred, failureKind: 'unauthorized', attempts: 1, level: 'error' },
  },
  'no authorization': {
    faults: [exception('UnauthorizedException', 'always')],
    event: { ...deferred, failureKind: 'unauthorized', attempts: 1, level: 'error' },
  },
  'one throttled call': {
    faults: [exception('ThrottlingException')],
    after: 'REVOKED',
    event: { ...applied, attempts: 2 },
  },
  'two failures of AWS': {
    faults: [exception('InternalFailureException'), exception('ServiceUnavailableException')],
    after: 'REVOKED',
    event: { ...applied, attempts: 3 },
  },
  'failures of AWS without end': {
    faults: [exception('InternalFailureException', 'always')],
    event: { ...deferred, failureKind: 'unavailable', attempts: 5, level: 'warn' },
  },
  'a load balancer’s page': {
    faults: [{ kind: 'html' }],
    after: 'REVOKED',
    event: { ...applied, attempts: 2 },
  },
  'a connection that broke after the call had landed': {
    faults: [{ kind: 'reset', when: 'after-applying' }],
    after: 'REVOKED',
    event: { ...applied, attempts: 2 },
  },
  'connections that break without end': {
    faults: [{ kind: 'reset', when: 'before-applying', times: 'always' }],
    event: { ...deferred, failureKind: 'unknown-result', attempts: 5, level: 'warn' },
  },
  'an exception that nobody knows': {
    faults: [exception('TeapotException', 'always', 418)],
    event: { ...deferred, failureKind: 'unknown-exception', attempts: 5, level: 'error' },
  },
  ...Object.fromEntries(
    Object.entries(badBodies).map(([what, { body, failureKind, reason }]) => [
      what,
      {
        body: () => body,
        event: { ...rejected, failureKind, cause: expect.stringMatching(reason), attempts: 0 },
      },
    ]),
  ),
};

/** A story's message in its queue. */
interface Sent {
  readonly id: string;
  readonly messageId: string;
  readonly body: string;
}

/** What has come of a story. */
interface Told extends Sent {
  readonly event: Line | undefined;
  readonly letter: { readonly body: string | undefined; readonly attributes: unknown } | undefined;
  readonly status: string | undefined;
}

/** Tells every story to a runtime. */
async function tellAll(runtime: Runtime): Promise<ReadonlyMap<string, Told>> {
  const { sandbox, log, user } = await setup();
  const { iot, queues } = sandbox;
  const sent = new Map<string, Sent>();
  for (const [name, story] of Object.entries(stories)) {
    sent.set(name, await prepare(story, sandbox, user));
  }
  await runtime(sandbox, log, sent.size);

  const events = eventsIn(log);
  expect(events).toHaveLength(sent.size);
  const letters = await user.drain(queues.urls.deadLetter);
  const { visible, hidden } = await user.counts(queues.urls.rotation);
  const kept = Object.values(stories).filter(({ event }) => event['outcome'] === 'deferred');
  expect(visible + hidden).toBe(kept.length);
  const tell = ({ id, messageId, body }: Sent): Told => {
    const mine = letters.filter(({ MessageAttributes, Body }) =>
      MessageAttributes === undefined
        ? Body === body // no room for attributes beside 1 MiB
        : MessageAttributes['originalMessageId']?.StringValue === messageId,
    );
    expect(mine.length).toBeLessThanOrEqual(1);
    return {
      id,
      messageId,
      body,
      event: named(
        events.find((line) => line['messageId'] === messageId),
        id,
        messageId,
      ),
      letter: mine[0] && {
        body: mine[0].Body,
        attributes: named(mine[0].MessageAttributes, id, messageId),
      },
      status: iot.status(id),
    };
  };
  return new Map([...sent].map(([name, one]) => [name, tell(one)]));
}

/** Sets the scene for a story, and sends its message. */
async function prepare(story: Story, { iot, queues }: Sandbox, user: QueueUser): Promise<Sent> {
  const { body: write = ask(), before = 'ACTIVE', faults = [] } = story;
  const [seeded] = before === 'none' ? [] : await iot.seed({ count: 1, status: before });
  const id = seeded ?? 'f'.repeat(64);
  for (const fault of faults) {
    iot.inject({ operation: 'UpdateCertificate', ...fault, certificateId: id });
  }
  const body = write(id);
  return { id, body, messageId: await user.send(queues.urls.rotation, body) };
}

/** With the names of this run replaced by names that every run has. */
function named<T>(value: T, id: string, messageId: string): T {
  if (value === undefined) return value;
  const text = JSON.stringify(value).replaceAll(id, 'the certificate').replaceAll(messageId, 'the message'); // prettier-ignore
  return JSON.parse(text) as T;
}

async function setup(): Promise<{
  readonly sandbox: Sandbox;
  readonly log: FakeLog;
  readonly user: QueueUser;
}> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  return { sandbox, log: createFakeLog(), user: queueUserOf(sandbox.queues) };
}

/** What must be the same in every run: not times, and not AWS's ids. */
function comparable(told: Told | undefined): unknown {
  const { sentAt, totalMs, waitMs, callMs, awsRequestId, cause, ...event } = told?.event ?? noEvent;
  return {
    status: told?.status,
    letter: told?.letter?.attributes,
    event,
    cause: typeof cause === 'string' ? cause.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…') : cause,
    has: [sentAt, totalMs, waitMs, callMs, awsRequestId].map((field) => typeof field),
  };
}

const noEvent: Readonly<Record<string, unknown>> = {};

test('the worker and the Lambda function tell the same stories', { timeout: 60_000 }, async () => {
  const byWorker = await tellAll(workerRuntime);
  const byLambda = await tellAll(lambdaRuntime);
  for (const [name, { before = 'ACTIVE', after, event }] of Object.entries(stories)) {
    const told = byWorker.get(name);
    expect.soft(told?.event, name).toMatchObject({ lane: 'rotation', receiveCount: 1, ...event });
    expect.soft(told?.status, name).toBe(before === 'none' ? undefined : (after ?? before));
    if (event['outcome'] === 'rejected') {
      expect.soft(told?.letter?.body === told?.body, `${name}: body as it came`).toBe(true);
    } else {
      expect.soft(told?.letter, name).toBeUndefined();
    }
    expect.soft(comparable(byLambda.get(name)), name).toEqual(comparable(told));
  }
});

describe.each([
  ['the worker', workerRuntime],
  ['the Lambda function', lambdaRuntime],
])('%s', (_name, runtime) => {
  test('makes one call for all who ask for a certificate, with the strongest status', async () => {
    const { sandbox, log, user } = await setup();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    const bodies = [ask({ newStatus: 'INACTIVE' })(id), ask()(id), ask()(id)];
    await user.sendAll(queues.urls.incident, bodies);
    await runtime(sandbox, log, 3);
    expect(iot.calls).toMatchObject([{ newStatus: 'REVOKED', answer: 'ok' }]);
    const leader = eventsIn(log).find(({ outcome }) => outcome === 'applied');
    const others = eventsIn(log).filter(({ outcome }) => outcome === 'covered');
    const { messageId: coveredBy, awsRequestId } = leader ?? noEvent;
    expect(others).toMatchObject([
      { newStatus: 'INACTIVE', sentStatus: 'REVOKED', coveredBy, awsRequestId },
      { newStatus: 'REVOKED', coveredBy, awsRequestId },
    ]);
    expect(await user.counts(queues.urls.incident)).toEqual({ visible: 0, hidden: 0 });
  });

  test(
    'dead-letters each of many strange bodies once, as it came',
    { timeout: 30_000 },
    async () => {
      const { sandbox, log, user } = await setup();
      const { queues } = sandbox;
      // What SQS takes (AWS API reference, SendMessage); fauxqs takes nothing beyond U+FFFF.
      const accepted = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD]+$/;
      const strange = fc.sample(
        bodies().filter((body) => accepted.test(body)),
        200,
      );
      await user.sendAll(queues.urls.alert, strange);
      await runtime(sandbox, log, strange.length);
      const letters = await user.drain(queues.urls.deadLetter);
      expect(letters.map(({ Body }) => Body).toSorted()).toEqual(strange.toSorted());
      expect(eventsIn(log).every(({ outcome }) => outcome === 'rejected')).toBe(true);
      expect(await user.counts(queues.urls.alert)).toEqual({ visible: 0, hidden: 0 });
    },
  );

  test('tries again what gets no answer, and then later', { timeout: 30_000 }, async () => {
    const { sandbox, log, user } = await setup();
    const { iot, queues } = sandbox;
    const [id = ''] = await iot.seed({ count: 1 });
    iot.inject({
      operation: 'UpdateCertificate',
      kind: 'hang',
      when: 'before-applying',
      times: 'always',
    });
    await user.send(queues.urls.alert, ask()(id));
    await runtime(sandbox, log, 1, { timeLimitMs: 200 });
    expect(eventsIn(log)).toMatchObject([
      { ...deferred, lane: 'alert', failureKind: 'unknown-result', attempts: 5, level: 'warn' },
    ]);
    const { visible, hidden } = await user.counts(queues.urls.alert);
    expect(visible + hidden).toBe(1);
  });
});
