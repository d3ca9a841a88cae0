import { describe, expect, test } from 'vitest';
import { handleInvocation, type SqsBatchResponse, type SqsRecord } from '../src/invocation.ts';
import { lanes } from '../src/lane.ts';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Taken } from '../src/queue.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeCertificates, createFakeThrottle, failedAs, updated } from './helpers/fakes.ts';
import { createFakeLog } from './helpers/log.ts';
import { bodyOf, certificateIdOf, deployment } from './helpers/message.ts';
import { createFakeQueues, done, lost, type Told } from './helpers/queue.ts';
import { eventOf } from './helpers/sqs-event.ts';
import { alertPorts } from './helpers/alert-ports.ts';

/** A container that serves the queues incident-queue, alert-queue and rotation-queue. */
function setup(answer: (told: Told) => Taken | undefined = () => done) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const queues = createFakeQueues((told) => answer(told) ?? done);
  const certificates = createFakeCertificates();
  const throttle = createFakeThrottle();
  const ports = {
    deployment,
    laneOf: (queue: string) => lanes.find((lane) => queue.endsWith(`/${lane}-queue`)),
    queues: Object.fromEntries(lanes.map((lane) => [lane, queues.lane])),
    deadLetters: queues.deadLetters,
    certificates,
    ledger: createMemoryLedger(),
    throttle,
    log,
    clock,
    random: () => 0.5,
    ...alertPorts(),
  };
  /** Begins an invocation that may take 30 s. */
  async function invoke(records: readonly Partial<SqsRecord>[], remainingMs = 30_000) {
    const invocation: { response?: SqsBatchResponse; atMs?: number } = {};
    void handleInvocation(ports, eventOf(...records), remainingMs).then((response) =>
      Object.assign(invocation, { response, atMs: clock.now() }),
    );
    await clock.advance(0);
    return invocation;
  }
  return { ...queues, clock, log, certificates, throttle, ports, invoke };
}

const first = { messageId: 'm1', receiptHandle: 'r1' };
const second = {
  messageId: 'm2',
  receiptHandle: 'r2',
  body: bodyOf({ certificateId: certificateIdOf(1) }),
};

const failuresOf = ({ response }: { readonly response?: SqsBatchResponse }): unknown =>
  response?.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);

describe('an invocation', () => {
  test('leaves the delete of what was applied to Lambda', async () => {
    const { clock, log, told, invoke, throttle, certificates } = setup();
    const invocation = await invoke([first, { ...first, messageId: 'm2', receiptHandle: 'r2' }]);
    await throttle.fire();
    await certificates.answer(updated);
    expect(invocation.response).toEqual({ batchItemFailures: [] });
    expect(told).toEqual([]);
    expect(log.of('message')).toMatchObject([
      { messageId: 'm1', lane: 'incident', outcome: 'applied', acknowledgement: 'delete' },
      { messageId: 'm2', outcome: 'covered', coveredBy: 'm1' },
    ]);
    expect(clock.sleeping).toBe(0);
  });

  test('names what has to be tried again, and delays it', async () => {
    const { told, clock, invoke, throttle, certificates } = setup();
    const invocation = await invoke([first, second]);
    await throttle.fire();
    await certificates.answer(failedAs('unauthorized'));
    await throttle.fire();
    await certificates.answer(updated);
    await clock.advance(100);
    expect(failuresOf(invocation)).toEqual(['m1']);
    expect(told).toEqual(['hide r1 4']);
  });

  test('sends dead letters itself, and leaves their delete to Lambda', async () => {
    const { told, letters, invoke } = setup();
    const invocation = await invoke([{ ...first, body: 'garbage' }]);
    expect(failuresOf(invocation)).toEqual([]);
    expect(told).toEqual(['letter garbage']);
    expect(letters[0]?.attributes).toMatchObject({ lane: { stringValue: 'incident' } });
  });

  test('names a message whose dead letter no queue took', async () => {
    const { log, clock, invoke } = setup((told) => (told.startsWith('letter') ? lost : done));
    const invocation = await invoke([{ ...first, body: 'garbage' }]);
    await clock.advance(10_000);
    expect(failuresOf(invocation)).toEqual(['m1']);
    expect(log.of('message')).toMatchObject([{ acknowledged: false, level: 'error' }]);
  });

  test('names a message whose delay no queue took, too', async () => {
    const { log, clock, invoke, throttle, certificates } = setup(() => lost);
    const invocation = await invoke([first]);
    await throttle.fire();
    await certificates.answer(failedAs('unauthorized'));
    await clock.advance(10_000);
    expect(failuresOf(invocation)).toEqual(['m1']);
    expect(log.of('message')).toMatchObject([{ acknowledged: false, level: 'error' }]);
  });

  test('tells the lane by the queue’s name', async () => {
    const { log, invoke, throttle, certificates } = setup();
    const arn = (name: string): string => `arn:aws:sqs:eu-central-1:123456789012:${name}`;
    await invoke(lanes.map((lane) => ({ ...first, messageId: lane, eventSourceARN: arn(`${lane}-queue`) }))); // prettier-ignore
    await throttle.fire();
    await certificates.answer(updated);
    expect(log.of('message').map(({ lane, messageId }) => [lane, messageId])).toEqual(
      lanes.map((lane) => [lane, lane]),
    );
  });

  test('with a queue of nobody’s fails as a whole, and says which variables name the lanes', async () => {
    const { ports, certificates } = setup();
    const event = eventOf(first, { ...second, eventSourceARN: 'arn:aws:sqs:eu-central-1:1:other' });
    await expect(handleInvocation(ports, event, 30_000)).rejects.toThrow(
      'arn:aws:sqs:eu-central-1:1:other is none of the lanes; INCIDENT_QUEUE_URL, ALERT_QUEUE_URL and ROTATION_QUEUE_URL name them',
    );
    expect(certificates.calls).toEqual([]);
  });

  test('with no record has nothing to tell', async () => {
    const { invoke } = setup();
    expect(failuresOf(await invoke([]))).toEqual([]);
  });

  test('keeps the message’s own attributes in its dead letter', async () => {
    const { letters, invoke } = setup();
    const messageAttributes = {
      trace: { dataType: 'String', stringValue: 'abc', stringListValues: [], binaryListValues: [] },
      blob: { dataType: 'Binary', binaryValue: '/wA=' },
    };
    await invoke([{ ...first, body: 'garbage', messageAttributes }]);
    expect(letters[0]?.attributes).toMatchObject({
      trace: { dataType: 'String', stringValue: 'abc' },
      blob: { dataType: 'Binary', binaryValue: Uint8Array.of(255, 0) },
    });
  });

  test('covers by what an earlier one of the same container applied', async () => {
    const { log, invoke, throttle, certificates } = setup();
    const attributes = { SentTimestamp: '1000', ApproximateFirstReceiveTimestamp: '5000' };
    await invoke([{ ...first, attributes }]);
    await throttle.fire();
    await certificates.answer(updated);
    const invocation = await invoke([{ ...first, messageId: 'm2', attributes }]);
    expect(failuresOf(invocation)).toEqual([]);
    expect(log.of('message').map(({ outcome }) => outcome)).toEqual(['applied', 'covered']);
    expect(certificates.calls).toHaveLength(1);
  });
});

describe('near its deadline an invocation', () => {
  test('gives back what has not started, seven seconds before', async () => {
    const { clock, told, log, invoke, throttle } = setup();
    const invocation = await invoke([first, second]);
    await clock.advance(22_999);
    expect(invocation.response).toBeUndefined();
    await clock.advance(1);
    expect(failuresOf(invocation)).toEqual(['m1', 'm2']);
    expect(told).toEqual(['hide r1 0', 'hide r2 0']);
    expect(log.of('message')).toMatchObject([
      { outcome: 'deferred', failureKind: 'stopping', cause: 'the invocation’s deadline is near' },
      { outcome: 'deferred' },
    ]);
    expect(await throttle.fire()).toBe(false);
  });

  test('lets the call under way end', async () => {
    const { clock, invoke, throttle, certificates } = setup();
    const invocation = await invoke([first, second]);
    await throttle.fire();
    await clock.advance(27_000);
    expect(invocation.response).toBeUndefined();
    await certificates.answer(updated);
    expect(failuresOf(invocation)).toEqual(['m2']);
  });

  test('cuts a call that does not end, in time to answer', async () => {
    const { clock, told, invoke, throttle, certificates } = setup();
    const invocation = await invoke([first]);
    await throttle.fire();
    await clock.advance(28_500);
    expect(certificates.calls[0]?.signal.aborted).toBe(true);
    await certificates.answer(failedAs('unknown-result', { name: 'AbortError' }));
    await clock.advance(0);
    expect(failuresOf(invocation)).toEqual(['m1']);
    expect(told).toEqual(['hide r1 0']);
  });

  test('starts no call at all when it begins so late', async () => {
    const { clock, invoke, throttle, certificates } = setup();
    const begun = invoke([first], 6000);
    await throttle.fire();
    const invocation = await begun;
    await clock.advance(100);
    expect(certificates.calls).toEqual([]);
    expect(failuresOf(invocation)).toEqual(['m1']);
  });

  test('answers before it, whatever hangs: what is not known to be done stays', async () => {
    const world = setup();
    const { clock, log, throttle, certificates, ports } = world;
    const never = new Promise<never>(() => undefined);
    const hanging = {
      ...ports,
      queues: { incident: { ...world.lane, changeVisibility: () => never } },
      deadLetters: { send: () => never },
    };
    const records = [
      first,
      { ...second, messageId: 'applied' },
      { ...first, messageId: 'garbage', body: 'garbage' },
    ];
    const invocation: { response?: SqsBatchResponse } = {};
    void handleInvocation(hanging, eventOf(...records), 30_000).then((response) =>
      Object.assign(invocation, { response }),
    );
    await clock.advance(0);
    await throttle.fire(); // m1's call hangs
    await throttle.fire();
    await certificates.answer(failedAs('unauthorized'));
    await certificates.answer(updated);
    await clock.advance(29_000);
    expect(invocation.response).toBeUndefined();
    await clock.advance(999);
    expect(failuresOf(invocation)).toEqual(['m1', 'garbage']);
    expect(log.of('message').map(({ messageId }) => messageId)).toEqual(['applied']);
  });
});
