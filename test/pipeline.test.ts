import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Acknowledgement } from '../src/acknowledgement.ts';
import type { Brake } from '../src/brake.ts';
import type { FailureKind } from '../src/call.ts';
import type { SendBack } from '../src/expansion.ts';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Message } from '../src/message.ts';
import { createPipeline, type Ports } from '../src/pipeline.ts';
import { createVirtualClock } from './helpers/clock.ts';
import {
  createFakeCertificates,
  createFakeThrottle,
  describedAs,
  failedAs,
  updated,
} from './helpers/fakes.ts';
import { createFakeLog } from './helpers/log.ts';
import { bodyOf, certificateIdOf, deployment, messageOf } from './helpers/message.ts';
import { alertPorts } from './helpers/alert-ports.ts';

function setup(ports: Partial<Ports> = {}) {
  const certificates = createFakeCertificates();
  const throttle = createFakeThrottle();
  const clock = createVirtualClock();
  const log = createFakeLog();
  const stop = new AbortController();
  const acknowledged: Record<string, Acknowledgement> = {};
  const pipeline = createPipeline({
    deployment,
    certificates,
    throttle,
    clock,
    log,
    ledger: createMemoryLedger(),
    random: () => 0.5,
    stopping: stop.signal,
    abandon: new AbortController().signal,
    acknowledge: async ({ messageId }, acknowledgement) => {
      acknowledged[messageId] = acknowledgement;
      return { done: true };
    },
    ...alertPorts(),
    ...ports,
  });
  /** A message arrives, sent so late that no ledger covers it. */
  async function receive(fields: Partial<Message>): Promise<void> {
    void pipeline.handle(messageOf({ sentAtMs: 1e12, receivedAtMs: clock.now(), ...fields }));
    await turn();
  }
  /** Each attempt gets the same answer, for as long as somebody asks. */
  async function answerAlways(answer: ReturnType<typeof failedAs>): Promise<void> {
    while (await throttle.fire()) {
      await certificates.answer(answer);
      await clock.advance(5000);
    }
  }
  return {
    certificates,
    throttle,
    clock,
    log,
    stop,
    acknowledged,
    pipeline,
    receive,
    answerAlways,
  };
}

function bug(): never {
  throw new TypeError('no such thing');
}

/** How a call can fail, what becomes of the request, and what the queue is told. */
const contract: readonly (readonly [FailureKind, string, string, string])[] = [
  ['throttled', 'deferred', 'retry', 'warn'],
  ['unavailable', 'deferred', 'retry', 'warn'],
  ['unknown-result', 'deferred', 'retry', 'warn'],
  ['unreachable', 'deferred', 'retry', 'warn'],
  ['unknown-exception', 'deferred', 'retry', 'error'],
  ['unauthorized', 'deferred', 'retry', 'error'],
  ['not-found', 'rejected', 'dead-letter', 'warn'],
  ['invalid-request', 'rejected', 'dead-letter', 'warn'],
];

describe('the acknowledgement contract', () => {
  test.each(contract)('%s: %s, %s', async (failureKind, outcome, acknowledgement, level) => {
    const { receive, answerAlways, acknowledged, log } = setup();
    await receive({ messageId: 'm' });
    await answerAlways(failedAs(failureKind, { name: 'SomeException', message: 'some words' }));
    expect(acknowledged['m']?.kind).toBe(acknowledgement);
    expect(log.lines).toMatchObject([
      { level, outcome, acknowledgement, failureKind, cause: 'SomeException: some words' },
    ]);
  });

  test('what cannot succeed is tried once, and goes to the dead letters with its reason', async () => {
    const { receive, answerAlways, acknowledged, certificates } = setup();
    await receive({ messageId: 'm' });
    await answerAlways(
      failedAs('not-found', { name: 'ResourceNotFoundException', message: 'none' }),
    );
    expect(certificates.calls).toHaveLength(1);
    expect(acknowledged['m']).toEqual({
      kind: 'dead-letter',
      failureKind: 'not-found',
      reason: 'ResourceNotFoundException: none',
    });
  });

  test('what only a person can mend is tried once, and comes back later', async () => {
    const { receive, answerAlways, acknowledged, certificates } = setup();
    await receive({ messageId: 'm', receiveCount: 3 });
    await answerAlways(failedAs('unauthorized'));
    expect(certificates.calls).toHaveLength(1);
    expect(acknowledged['m']).toEqual({ kind: 'retry', afterSeconds: 15 });
  });

  test('applied: delete', async () => {
    const { receive, throttle, certificates, acknowledged } = setup();
    await receive({ messageId: 'm' });
    expect(acknowledged).toEqual({});
    await throttle.fire();
    expect(acknowledged).toEqual({});
    await certificates.answer(updated);
    expect(acknowledged).toEqual({ m: { kind: 'delete' } });
  });

  test('covered, by a call that it joined or by one that is over: delete', async () => {
    const { receive, throttle, certificates, acknowledged, log } = setup();
    await receive({ messageId: 'leads', firstReceivedAtMs: 50_000 });
    await receive({ messageId: 'joins' });
    await throttle.fire();
    await certificates.answer(updated);
    await receive({ messageId: 'was sent before', sentAtMs: 48_999 });
    expect(log.lines.map(({ outcome, coveredBy }) => [outcome, coveredBy])).toEqual([
      ['applied', undefined],
      ['covered', 'leads'],
      ['covered', 'leads'],
    ]);
    expect(new Set(Object.values(acknowledged).map(({ kind }) => kind))).toEqual(
      new Set(['delete']),
    );
    expect(certificates.calls).toHaveLength(1);
  });

  test('already REVOKED, as a look after the state conflict shows: unchanged, delete', async () => {
    const { receive, throttle, certificates, acknowledged, log } = setup();
    await receive({ messageId: 'm' });
    await throttle.fire();
    await certificates.answer(failedAs('state-conflict'));
    await certificates.answer(describedAs('REVOKED'));
    expect(acknowledged).toEqual({ m: { kind: 'delete' } });
    expect(log.lines).toMatchObject([{ level: 'info', outcome: 'unchanged' }]);
  });

  test('in a state that cannot change: rejected, dead-letter', async () => {
    const { receive, throttle, certificates, acknowledged } = setup();
    await receive({ messageId: 'm' });
    await throttle.fire();
    await certificates.answer(failedAs('state-conflict'));
    await certificates.answer(describedAs('PENDING_TRANSFER'));
    expect(acknowledged['m']).toMatchObject({ kind: 'dead-letter', failureKind: 'state-conflict' });
  });

  test('stopping: what has not started goes back at once, what is under way is finished', async () => {
    const { receive, throttle, certificates, stop, acknowledged, log } = setup();
    await receive({ messageId: 'under way' });
    await throttle.fire();
    await receive({ messageId: 'waits', body: bodyOf({ certificateId: certificateIdOf(1) }) });
    stop.abort('SIGTERM');
    await turn();
    expect(acknowledged).toEqual({ waits: { kind: 'retry', afterSeconds: 0 } });
    await certificates.answer(updated);
    expect(acknowledged).toMatchObject({ 'under way': { kind: 'delete' } });
    expect(log.lines).toMatchObject([
      { level: 'info', messageId: 'waits', failureKind: 'stopping', cause: 'SIGTERM' },
      { level: 'info', messageId: 'under way', outcome: 'applied' },
    ]);
  });
});

describe('a body that asks for nothing we do', () => {
  test.each([
    ['is no JSON', 'revoke it all!', 'malformed-body'],
    ['names no certificate', bodyOf({ certificateId: undefined }), 'invalid-request'],
    ['asks for ACTIVE', bodyOf({ newStatus: 'ACTIVE' }), 'status-not-allowed'],
  ])('%s: it is answered at once, and nothing is called', async (_what, body, failureKind) => {
    const { receive, throttle, acknowledged, log } = setup();
    await receive({ messageId: 'm', body });
    expect(acknowledged['m']).toMatchObject({ kind: 'dead-letter', failureKind });
    expect(acknowledged['m']).toHaveProperty('reason', log.lines[0]?.['cause']);
    expect(log.lines).toMatchObject([{ level: 'warn', outcome: 'rejected', failureKind }]);
    expect(await throttle.fire()).toBe(false);
  });

  test('holds up no other', async () => {
    const { receive, throttle, certificates, acknowledged } = setup();
    await receive({ messageId: 'bad', body: '{' });
    await receive({ messageId: 'good' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(acknowledged).toMatchObject({ good: { kind: 'delete' }, bad: { kind: 'dead-letter' } });
  });
});

describe('the event', () => {
  test('of a call tells who asked for what and why, what was sent, and how long each part took', async () => {
    const { receive, throttle, certificates, clock, log } = setup();
    const asked = {
      newStatus: 'INACTIVE',
      requestId: 'r-1',
      requestedBy: 'oncall@example.com',
      reason: 'keyCompromise',
      comment: 'found on a forum',
      incidentId: 'INC-7',
    };
    await receive({
      lane: 'incident',
      messageId: 'm',
      receiveCount: 2,
      sentAtMs: Date.UTC(2026, 10, 21),
      body: bodyOf({ ...asked, ticket: 4711 }),
    });
    await clock.advance(40);
    await throttle.fire();
    await clock.advance(7);
    await certificates.answer(updated);
    expect(log.lines).toEqual([
      {
        level: 'info',
        text: 'applied',
        event: 'message',
        lane: 'incident',
        messageId: 'm',
        receiveCount: 2,
        sentAt: '2026-11-21T00:00:00.000Z',
        certificateId: certificateIdOf(0),
        ...asked,
        other: { ticket: 4711 },
        outcome: 'applied',
        awsRequestId: 'aws-1',
        attempts: 1,
        waitMs: 40,
        callMs: 7,
        totalMs: 47,
        acknowledgement: 'delete',
        acknowledged: true,
      },
    ]);
  });

  test('of a weaker request that joined tells the status that was sent, and for whom', async () => {
    const { receive, throttle, certificates, log } = setup();
    await receive({ messageId: 'weaker', body: bodyOf({ newStatus: 'INACTIVE' }) });
    await receive({ messageId: 'stronger' });
    await throttle.fire();
    await certificates.answer(updated);
    const [weaker] = log.lines;
    expect(weaker).toMatchObject({
      newStatus: 'INACTIVE',
      sentStatus: 'REVOKED',
      coveredBy: 'stronger',
    });
    expect(weaker).toHaveProperty('cause', 'joined the call of message stronger before it started');
  });

  test('of a deferral tells when it comes back, and every attempt that was made', async () => {
    const { receive, answerAlways, log } = setup();
    await receive({ messageId: 'm', lane: 'rotation', receiveCount: 1 });
    await answerAlways(failedAs('unavailable', { awsRequestId: 'aws-last' }));
    expect(log.lines).toMatchObject([
      { attempts: 5, retryAfterSeconds: 4, awsRequestId: 'aws-last', acknowledgement: 'retry' },
    ]);
  });

  test('is written once for each delivery, also of the same message', async () => {
    const { receive, throttle, certificates, log } = setup();
    await receive({ messageId: 'm', receiveCount: 1, receiptHandle: 'a' });
    await receive({ messageId: 'm', receiveCount: 2, receiptHandle: 'b' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(log.lines.map(({ receiveCount, outcome }) => [receiveCount, outcome])).toEqual([
      [1, 'applied'],
      [2, 'covered'],
    ]);
  });

  test('says aloud that the queue did not take the acknowledgement', async () => {
    const { receive, throttle, certificates, log } = setup({
      acknowledge: async () => ({ done: false, cause: 'ReceiptHandleIsInvalid' }),
    });
    await receive({ messageId: 'm' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(log.lines).toMatchObject([
      { level: 'error', acknowledged: false, acknowledgementCause: 'ReceiptHandleIsInvalid' },
    ]);
  });

  test('waits until the queue has answered', async () => {
    const { promise, resolve } = Promise.withResolvers<{ done: true }>();
    const { receive, log } = setup({ acknowledge: () => promise });
    await receive({ messageId: 'm', body: '' });
    expect(log.lines).toEqual([]);
    resolve({ done: true });
    await turn();
    expect(log.lines).toHaveLength(1);
  });
});

describe('what is held', () => {
  test('proves how late it was by SQS’s clock when a call began', async () => {
    const { receive, throttle, certificates, log } = setup();
    await receive({ messageId: 'a', firstReceivedAtMs: 10_000 });
    await receive({
      messageId: 'elsewhere',
      firstReceivedAtMs: 70_000,
      body: bodyOf({ certificateId: certificateIdOf(1) }),
    });
    await throttle.fire();
    await certificates.answer(updated);
    await receive({ messageId: 'b', sentAtMs: 68_999 });
    expect(log.lines.at(-1)).toMatchObject({ messageId: 'b', outcome: 'covered' });
  });

  test('proves nothing any more once it is acknowledged', async () => {
    const { receive, throttle, certificates, log } = setup();
    await receive({ messageId: 'gone', firstReceivedAtMs: 70_000, body: 'nonsense' });
    await receive({ messageId: 'a', firstReceivedAtMs: 10_000 });
    await throttle.fire();
    await certificates.answer(updated);
    await receive({ messageId: 'b', sentAtMs: 9_000 });
    expect(log.lines.map(({ messageId }) => messageId)).toEqual(['gone', 'a']);
    expect(await throttle.fire()).toBe(true);
  });
});

describe('a message that the brake holds in part', () => {
  const stay = { cause: 'the alert lane has reached its ceiling' };

  /** Lets so many certificates go, and those again. */
  function brakeAfter(room: number): Brake {
    const gone = new Set<string>();
    return {
      limits: () => true,
      holds: () => false,
      stays: () => undefined,
      released: async () => {},
      admit: async (_lane, certificateId) => {
        if (gone.size < room) gone.add(certificateId);
        return gone.has(certificateId) ? undefined : stay;
      },
    };
  }

  /** A thing that has three certificates, in a lane with room for so many. */
  function setupThing(room: number, ports: Partial<Ports> = {}) {
    const principals = [0, 1, 2].map(
      (n) => `arn:aws:iot:eu-central-1:123456789012:cert/${certificateIdOf(n)}`,
    );
    const { directory } = alertPorts();
    const bodies: string[] = [];
    const sendBack: SendBack = async (lane, batch) => {
      expect(lane).toBe('alert');
      bodies.push(...batch);
      return batch.map(() => ({ done: true }));
    };
    const world = setup({
      brake: brakeAfter(room),
      directory: {
        ...directory,
        thingPrincipals: async () => ({ kind: 'page', items: principals }),
      },
      sendBack,
      ...ports,
    });
    const body = JSON.stringify({ thingName: 'pump-7', newStatus: 'INACTIVE', requestId: 'r-1' });
    return {
      ...world,
      bodies,
      receive: async (fields: Partial<Message> = {}) =>
        world.receive({ messageId: 'm', lane: 'alert', body, ...fields }),
      fireAll: async () => {
        while (await world.throttle.fire());
      },
    };
  }

  const ofNumber = (n: number): object => ({
    certificateId: certificateIdOf(n),
    newStatus: 'INACTIVE',
    requestId: 'r-1',
    thingName: 'pump-7',
  });
  const cause =
    '2 of 3 certificates are held back, for the alert lane has reached its ceiling; a request for each has been sent to the alert queue';

  test('ends, and what is held waits as requests of its own', async () => {
    const { receive, fireAll, certificates, acknowledged, bodies, log } = setupThing(1);
    await receive();
    await fireAll();
    await certificates.answer(updated);
    expect(bodies.map((body) => JSON.parse(body) as unknown)).toEqual([ofNumber(1), ofNumber(2)]);
    expect(acknowledged).toEqual({ m: { kind: 'delete' } });
    expect(log.lines).toMatchObject([
      {
        level: 'info',
        outcome: 'expanded',
        requests: [
          { ...ofNumber(0), outcome: 'applied' },
          { ...ofNumber(1), outcome: 'expanded', cause },
          { ...ofNumber(2), outcome: 'expanded', cause },
        ],
      },
    ]);
  });

  test('and what has been sent back is never sent again, however often it comes', async () => {
    const { receive, fireAll, certificates, acknowledged, bodies, log } = setupThing(1);
    await receive();
    await fireAll();
    await certificates.answer(updated);
    const [body = ''] = bodies;
    for (const receiveCount of [1, 2, 3]) {
      await receive({ messageId: 'own', body, receiveCount });
      await fireAll();
    }
    expect(acknowledged['own']).toMatchObject({ kind: 'retry' });
    expect(log.lines.at(-1)).toMatchObject({ ...ofNumber(1), failureKind: 'brake' });
    expect(bodies).toHaveLength(2);
  });

  test('ends where the rest is somebody else’s doing by now, or cannot be done', async () => {
    const { receive, fireAll, certificates, acknowledged, bodies } = setupThing(2);
    await receive();
    await fireAll();
    await certificates.answer(failedAs('state-conflict'));
    await certificates.answer(failedAs('not-found'));
    await certificates.answer(describedAs('REVOKED'));
    expect(bodies.map((body) => JSON.parse(body) as unknown)).toEqual([ofNumber(2)]);
    expect(acknowledged['m']).toMatchObject({ kind: 'dead-letter', failureKind: 'not-found' });
  });

  test('stays where the queue does not take all that is held', async () => {
    const { receive, fireAll, certificates, acknowledged, log } = setupThing(1, {
      sendBack: async () => [{ done: true }, { done: false, final: false, cause: 'not now' }],
    });
    await receive();
    await fireAll();
    await certificates.answer(updated);
    const notSent = {
      outcome: 'deferred',
      cause:
        '2 of 3 certificates are held back, for the alert lane has reached its ceiling, and the alert queue did not take a request for each: not now',
    };
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([
      {
        level: 'warn',
        outcome: 'deferred',
        failureKind: 'unavailable',
        requests: [{ outcome: 'applied' }, notSent, notSent],
      },
    ]);
  });

  test('stays where it has to come back for something else, too', async () => {
    const { receive, fireAll, certificates, acknowledged, bodies, log } = setupThing(1);
    await receive();
    await fireAll();
    await certificates.answer(failedAs('unauthorized'));
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([{ outcome: 'deferred', failureKind: 'unauthorized' }]);
    expect(bodies).toEqual([]);
  });

  test('stays as it is at a stop', async () => {
    const { receive, fireAll, certificates, stop, acknowledged, bodies } = setupThing(1);
    await receive();
    await fireAll();
    stop.abort('SIGTERM');
    await certificates.answer(updated);
    expect(acknowledged['m']).toEqual({ kind: 'retry', afterSeconds: 0 });
    expect(bodies).toEqual([]);
  });

  test('stays whole while all of it is held: it takes nobody’s room', async () => {
    const { receive, fireAll, acknowledged, bodies, log } = setupThing(0);
    await receive();
    await fireAll();
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([{ level: 'info', failureKind: 'brake' }]);
    expect(bodies).toEqual([]);
  });

  test('stays in a lane that runs dry', async () => {
    const dryRun = { lanes: new Set(['alert'] as const), brake: brakeAfter(1) };
    const { receive, acknowledged, bodies, log } = setupThing(1, { dryRun });
    await receive();
    expect(acknowledged['m']).toEqual({ kind: 'retry', afterSeconds: 3600 });
    expect(log.lines).toMatchObject([{ failureKind: 'dry-run' }]);
    expect(bodies).toEqual([]);
  });
});

describe('a bug in a port', () => {
  const deferral = { level: 'error', outcome: 'deferred', failureKind: 'bug', acknowledged: true };

  test('that calls AWS defers the message, and the next one is handled as ever', async () => {
    const certificates = { ...createFakeCertificates(), update: bug };
    const { receive, throttle, acknowledged, log } = setup({ certificates });
    await receive({ messageId: 'm' });
    await throttle.fire();
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([deferral]);
    expect(log.lines[0]).toHaveProperty('cause', expect.stringContaining('no such thing'));
    await receive({ messageId: 'next', body: 'nonsense' });
    expect(acknowledged['next']).toMatchObject({ kind: 'dead-letter' });
  });

  test('that keeps the ledger defers the message', async () => {
    const { receive, acknowledged, log } = setup({
      ledger: { ...createMemoryLedger(), covering: bug },
    });
    await receive({ messageId: 'm' });
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([deferral]);
  });

  test('that acknowledges leaves the message to its visibility timeout, and is told', async () => {
    const { receive, log } = setup({ acknowledge: async () => bug() });
    await receive({ messageId: 'm', body: 'nonsense' });
    expect(log.lines).toMatchObject([
      { level: 'error', acknowledged: false, acknowledgementCause: 'TypeError: no such thing' },
    ]);
  });

  test('that wakes the throttle defers those who need a slot, and nobody else', async () => {
    const { receive, acknowledged } = setup({ throttle: { wake: bug } });
    await receive({ messageId: 'm' });
    await receive({ messageId: 'nonsense', body: 'nonsense' });
    expect(acknowledged).toMatchObject({ m: { kind: 'retry' }, nonsense: { kind: 'dead-letter' } });
  });

  test('of our own, in reading the body, defers the message', async () => {
    const body = { toString: bug } as unknown as string;
    const { receive, acknowledged, log } = setup();
    await receive({ messageId: 'm', body });
    expect(acknowledged['m']).toMatchObject({ kind: 'retry' });
    expect(log.lines).toMatchObject([deferral]);
  });
});

describe('the load', () => {
  test('counts the updates of a lane that need a call, and neither duplicates nor nonsense', async () => {
    const { receive, pipeline, throttle, certificates } = setup();
    await receive({ messageId: 'a', lane: 'alert' });
    await receive({ messageId: 'b', lane: 'alert' });
    await receive({ messageId: 'c', lane: 'alert', body: 'nonsense' });
    expect(pipeline.load('alert')).toBe(1);
    await throttle.fire();
    await certificates.answer(updated);
    expect(pipeline.load('alert')).toBe(0);
  });
});
