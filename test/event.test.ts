import { describe, expect, test } from 'vitest';
import type { Acknowledgement } from '../src/acknowledgement.ts';
import { eventOf, levelOf, textOf, type MessageEvent, type Settled } from '../src/event.ts';
import type { Intent, Origin } from '../src/intent.ts';
import type { Message } from '../src/message.ts';
import type { Outcome } from '../src/outcome.ts';
import { bodyOf, certificateIdOf, messageOf, requestOf } from './helpers/message.ts';
import { callStory, outcomes } from './helpers/outcome.ts';

const deleted: Acknowledgement = { kind: 'delete' };
const carried = { done: true };

describe('the event of a message', () => {
  test('tells its whole story', () => {
    const message = messageOf({
      lane: 'incident',
      messageId: 'm-7',
      receiveCount: 2,
      sentAtMs: Date.UTC(2026, 10, 21, 3),
      receivedAtMs: 1000,
    });
    const request = requestOf({
      newStatus: 'INACTIVE',
      partition: 'aws',
      requestId: 'r-1',
      requestedBy: 'soc@example.com',
      reason: 'keyCompromise',
      comment: 'found on a public server',
      incidentId: 'INC-1',
      other: { device: 7 },
    });
    const call = callStory({ attempts: 3, startedAtMs: 1400.4, callMs: 99.6, awsRequestId: 'aws' });
    const settled: Settled = { request, outcome: { kind: 'applied', call } };
    expect(eventOf(message, [settled], deleted, carried, 1600.2)).toEqual({
      event: 'message',
      lane: 'incident',
      messageId: 'm-7',
      receiveCount: 2,
      sentAt: '2026-11-21T03:00:00.000Z',
      certificateId: certificateIdOf(0),
      newStatus: 'INACTIVE',
      sentStatus: 'REVOKED',
      requestId: 'r-1',
      requestedBy: 'soc@example.com',
      reason: 'keyCompromise',
      comment: 'found on a public server',
      incidentId: 'INC-1',
      other: { device: 7 },
      outcome: 'applied',
      awsRequestId: 'aws',
      attempts: 3,
      waitMs: 400,
      callMs: 100,
      acknowledgement: 'delete',
      acknowledged: true,
      totalMs: 600,
    });
  });

  test('tells of the status that was sent only where it is not the one asked for', () => {
    expect(tellOf(outcomes.applied)).not.toHaveProperty('sentStatus');
  });

  test('tells which message led to the call that covers it', () => {
    const call = callStory({ awsRequestId: 'of the call', attempts: 1 });
    const outcome: Outcome = {
      ...outcomes.covered,
      byMessageId: 'm-1',
      awsRequestId: 'of the proof',
      call,
    };
    expect(tellOf(outcome)).toMatchObject({
      outcome: 'covered',
      cause: 'joined the call of message m',
      coveredBy: 'm-1',
      awsRequestId: 'of the proof',
      attempts: 1,
    });
  });

  test('tells of no call where the ledger covers it', () => {
    const event = tellOf(outcomes.covered);
    expect(event).toMatchObject({ attempts: 0 });
    for (const field of ['callMs', 'waitMs', 'sentStatus', 'awsRequestId']) {
      expect(event).not.toHaveProperty(field);
    }
  });

  test('tells what failed, and what the queue was told', () => {
    expect(
      tellOf(outcomes.rejected, { kind: 'dead-letter', failureKind: 'x', reason: 'y' }),
    ).toMatchObject({
      outcome: 'rejected',
      failureKind: 'not-found',
      cause: 'ResourceNotFoundException: no such certificate',
      acknowledgement: 'dead-letter',
    });
    expect(tellOf(outcomes.deferred, { kind: 'retry', afterSeconds: 40 })).toMatchObject({
      outcome: 'deferred',
      failureKind: 'throttled',
      acknowledgement: 'retry',
      retryAfterSeconds: 40,
    });
  });

  test('tells when the queue did not take the acknowledgement', () => {
    const event = eventOf(
      messageOf(),
      [{ request: requestOf(), outcome: outcomes.applied }],
      deleted,
      { done: false, cause: 'ReceiptHandleIsInvalid' },
      0,
    );
    expect(event).toMatchObject({
      acknowledged: false,
      acknowledgementCause: 'ReceiptHandleIsInvalid',
    });
  });

  test('tells of a body that could not be read, without the body', () => {
    const body = bodyOf({ comment: 'a secret' });
    const refused: Outcome = {
      kind: 'rejected',
      failureKind: 'malformed-body',
      cause: 'it is bad',
    };
    const event = eventOf(messageOf({ body }), [{ outcome: refused }], deleted, carried, 0);
    expect(event).toMatchObject({ outcome: 'rejected', cause: 'it is bad', attempts: 0 });
    expect(JSON.stringify(event)).not.toContain('secret');
    expect(event).not.toHaveProperty('certificateId');
  });

  test('tells of an alert what it named, and what was made of it', () => {
    const origin: Origin = { format: 'device-defender-detect', name: 'fleet/messages', id: 'v-1' };
    const message = messageOf({ lane: 'alert' });
    const stories: readonly [Intent, object][] = [
      [
        { target: { kind: 'thing', thingName: 'sensor-1' }, origin, other: { floor: 7 } },
        { thingName: 'sensor-1', origin, other: { floor: 7 } },
      ],
      [
        {
          target: { kind: 'certificate', certificateId: certificateIdOf(1), partition: 'aws' },
          thingName: 'sensor-2',
          newStatus: 'REVOKED',
        },
        { certificateId: certificateIdOf(1), thingName: 'sensor-2', newStatus: 'REVOKED' },
      ],
      [{ target: { kind: 'audit', taskId: 'task', checkName: 'CHECK' }, origin }, { origin }],
    ];
    for (const [request, story] of stories) {
      const settled: Settled = { request, outcome: outcomes.ignored };
      // Strictly: nothing else is said, not even that it is undefined.
      expect(eventOf(message, [settled], deleted, carried, 0)).toStrictEqual({
        event: 'message',
        lane: 'alert',
        messageId: 'message-1',
        receiveCount: 1,
        sentAt: '1970-01-01T00:00:01.000Z',
        ...story,
        outcome: 'ignored',
        cause: 'the alarm was cleared',
        attempts: 0,
        acknowledgement: 'delete',
        acknowledged: true,
        totalMs: 0,
      });
    }
  });

  test('tells by which thing and which alert a certificate was found', () => {
    const found = { thingName: 'sensor-1', origin: { format: 'iot-rule', name: '' } } as const;
    const settled: Settled = { request: requestOf(found), outcome: outcomes.applied };
    expect(eventOf(messageOf(), [settled], deleted, carried, 0)).toMatchObject(found);
  });

  test('tells of each request, where there are several, and the outcome that decides', () => {
    const settled: Settled[] = [
      { request: requestOf(), outcome: outcomes.applied },
      { request: requestOf({ certificateId: certificateIdOf(1) }), outcome: outcomes.deferred },
    ];
    const event = eventOf(messageOf(), settled, { kind: 'retry', afterSeconds: 5 }, carried, 0);
    expect(event).toMatchObject({ outcome: 'deferred', failureKind: 'throttled' });
    expect(levelOf(event)).toBe('warn');
    expect(event.requests).toMatchObject([
      { certificateId: certificateIdOf(0), outcome: 'applied' },
      { certificateId: certificateIdOf(1), outcome: 'deferred', failureKind: 'throttled' },
    ]);
    expect(event).not.toHaveProperty('certificateId');
  });

  test('tells of a message without any request', () => {
    const event = eventOf(messageOf(), [], { kind: 'retry', afterSeconds: 5 }, carried, 0);
    expect(event).toMatchObject({ outcome: 'deferred', requests: [] });
  });

  test('tells of no sent time that SQS did not give', () => {
    expect(tellOf(outcomes.applied, deleted, { sentAtMs: Infinity })).not.toHaveProperty('sentAt');
  });

  test('tells of no wait below nothing, where the call had started before the receipt', () => {
    const outcome: Outcome = { ...outcomes.covered, call: callStory({ startedAtMs: 10 }) };
    expect(tellOf(outcome, deleted, { receivedAtMs: 50 })).toMatchObject({ waitMs: 0 });
  });

  test('leaves unknown fields out that no log would take', () => {
    const fields = Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [`f${n}`, 'x'.repeat(200)]),
    );
    const event = tellOf(outcomes.applied, deleted, {}, fields);
    expect(event.other).toEqual({
      leftOut: expect.stringMatching(/^\d{4} characters of JSON$/),
      fields: Array.from({ length: 20 }, (_, n) => `f${n}`),
    });
  });

  test('keeps unknown fields of up to 4096 characters', () => {
    const other = { a: 'x'.repeat(4096 - '{"a":""}'.length) };
    expect(tellOf(outcomes.applied, deleted, {}, other).other).toEqual(other);
    const longer = { a: `${other.a}x` };
    expect(tellOf(outcomes.applied, deleted, {}, longer).other).toEqual({
      leftOut: '4097 characters of JSON',
      fields: ['a'],
    });
  });

  test('stays short whatever the unknown fields are called', () => {
    const event = tellOf(outcomes.applied, deleted, {}, { ['x'.repeat(1_000_000)]: 1 });
    expect(JSON.stringify(event).length).toBeLessThan(6000);
  });
});

describe('an event is as loud as it needs somebody', () => {
  test.each<[string, Pick<MessageEvent, 'outcome' | 'failureKind'>]>([
    ['info', { outcome: 'applied' }],
    ['info', { outcome: 'covered' }],
    ['info', { outcome: 'unchanged' }],
    ['info', { outcome: 'expanded' }],
    ['info', { outcome: 'ignored' }],
    ['warn', { outcome: 'rejected', failureKind: 'not-found' }],
    ['warn', { outcome: 'deferred', failureKind: 'throttled' }],
    ['warn', { outcome: 'deferred', failureKind: 'unknown-result' }],
    ['info', { outcome: 'deferred', failureKind: 'stopping' }],
    ['info', { outcome: 'deferred', failureKind: 'brake' }],
    ['info', { outcome: 'deferred', failureKind: 'dry-run' }],
    ['warn', { outcome: 'rejected', failureKind: 'protected' }],
    ['warn', { outcome: 'rejected', failureKind: 'unauthorized' }],
    ['error', { outcome: 'deferred', failureKind: 'unauthorized' }],
    ['error', { outcome: 'deferred', failureKind: 'unknown-exception' }],
    ['error', { outcome: 'deferred', failureKind: 'bug' }],
    ['warn', { outcome: 'deferred' }],
  ])('%s: %j', (level, event) => {
    expect(levelOf({ ...event, acknowledged: true })).toBe(level);
  });

  test('error, if the queue did not take the acknowledgement', () => {
    expect(levelOf({ outcome: 'applied', acknowledged: false })).toBe('error');
  });
});

test('an event is skimmed by its outcome, or by what a dry run would do', () => {
  expect(textOf({ outcome: 'applied' })).toBe('applied');
  expect(textOf({ outcome: 'deferred', failureKind: 'throttled' })).toBe('deferred');
  expect(textOf({ outcome: 'deferred', failureKind: 'dry-run' })).toBe('would apply');
});

/** The event of a message of one request. */
function tellOf(
  outcome: Outcome,
  acknowledgement: Acknowledgement = deleted,
  message: Partial<Message> = {},
  other?: Readonly<Record<string, unknown>>,
): MessageEvent {
  const request = requestOf(other === undefined ? {} : { other });
  return eventOf(messageOf(message), [{ request, outcome }], acknowledgement, carried, 0);
}
