import { describe, expect, test } from 'vitest';
import type { Call } from '../../../src/sandbox/call-log.ts';
import type { DeadLetter, Evidence } from '../../../src/sandbox/demo/evidence.ts';
import { figuresOf, incidentOf, type Figures } from '../../../src/sandbox/demo/figures.ts';
import { callOf, deadLetterOf, eventOf, nothingSeen, sentOf } from './evidence.ts';

describe('the figures of a demo', () => {
  test('count messages by lane', () => {
    const sent = [sentOf({}), sentOf({}), sentOf({ lane: 'alert' })];
    expect(figures({ sent }).messages).toEqual({ incident: 0, alert: 1, rotation: 2 });
  });

  test('count UpdateCertificate calls, whatever came of them, and no others', () => {
    const calls = [
      callOf('a'),
      failed('ThrottlingException'),
      failed('reset'),
      callOf('a', { operation: 'DescribeCertificate' }),
    ];
    expect(figures({ calls }).calls).toBe(3);
  });

  test('count what was applied, merged and deferred, by the worker’s word', () => {
    const events = [
      eventOf('a'),
      eventOf('b', { outcome: 'covered' }),
      eventOf('c', { outcome: 'covered' }),
      eventOf('d', { outcome: 'deferred', acknowledgement: 'retry' }),
    ];
    expect(figures({ events })).toMatchObject({ applied: 1, merged: 2, deferred: 1 });
  });

  test('do not count as deferred what the brake has held', () => {
    const back = { outcome: 'deferred', acknowledgement: 'retry' } as const;
    const events = [
      eventOf('a', { ...back, failureKind: 'brake' }),
      eventOf('b', { ...back, failureKind: 'unavailable' }),
    ];
    expect(figures({ events }).deferred).toBe(1);
  });

  test('tell of the flood what waited for the brake, once it was lifted', () => {
    const asked = (certificateId: string, newStatus: 'INACTIVE' | 'REVOKED') => ({
      request: { certificateId, newStatus },
      inFlood: true as const,
    });
    const sent = [
      ...['a', 'b', 'c'].map((id) => sentOf({ lane: 'alert', ...asked(id, 'INACTIVE') })),
      sentOf({ lane: 'incident', ...asked('key', 'REVOKED') }, { sentAtMs: 50 }),
    ];
    const calls = [
      callOf('a', { receivedAtMs: 10 }),
      callOf('key', { newStatus: 'REVOKED', receivedAtMs: 70 }),
      callOf('b', { receivedAtMs: 101 }),
      callOf('c', { receivedAtMs: 102 }),
    ];
    expect(figures({ sent, calls }).flood).toBeUndefined();
    expect(figures({ sent, calls, brake: { heldAtMs: 20, liftedAtMs: 100 } }).flood).toEqual({
      alarms: 3,
      held: 2,
      switchedOff: 1,
      stolen: { certificates: 1, tookMs: 20 },
    });
    expect(incidentOf({ sent, calls }, 10)).toBeUndefined(); // which is the other one
  });

  test('count failed attempts by what the control plane answered', () => {
    const calls = [
      callOf('a'),
      failed('InternalFailureException'),
      failed('ServiceUnavailableException'),
      failed('ServiceUnavailableException'),
      failed('reset'),
    ];
    expect(Object.fromEntries(figures({ calls }).failed)).toEqual({
      InternalFailureException: 1,
      ServiceUnavailableException: 2,
      reset: 1,
    });
  });

  test('count as failed neither what is throttled, nor what is refused for good', () => {
    const calls = [
      failed('ThrottlingException'),
      failed('ResourceNotFoundException'),
      failed('pending'),
    ];
    expect(figures({ calls })).toMatchObject({ throttled: { calls: 1 }, failed: new Map() });
  });

  test('tell when calls were throttled: at the full quota or at less', () => {
    const throttled = (receivedAtMs: number): Call => ({
      ...failed('ThrottlingException'),
      receivedAtMs,
    });
    const grants = [
      { atMs: 0, rate: 10 },
      { atMs: 100, rate: 4 },
      { atMs: 200, rate: 10 },
    ];
    const calls = [50, 101, 150, 200, 201].map(throttled);
    expect(figures({ calls, grants }).throttled).toEqual({
      calls: 5,
      atFullQuota: 2, // at 50 and 201; at 200 it was the call that ended the lower grant
      leastGranted: 4,
    });
  });

  test('tell what the alerts took: calls that revoked one of their certificates', () => {
    const about = (certificateId: string) => ({ certificateId, newStatus: 'REVOKED' }) as const;
    const sent = [
      ...['a', 'b', 'a', 'b', 'a'].map((id) => sentOf({ lane: 'alert', request: about(id) })),
      sentOf({ lane: 'alert', refusal: 'malformed-body' }),
    ];
    const calls = [
      callOf('a', { newStatus: 'INACTIVE' }), // the rotation’s
      callOf('a', { newStatus: 'REVOKED', answer: 'ThrottlingException' }),
      callOf('a', { newStatus: 'REVOKED' }),
      callOf('b', { newStatus: 'REVOKED' }),
      callOf('c', { newStatus: 'REVOKED' }),
    ];
    expect(figures({ sent, calls }).storm).toEqual({ alerts: 5, certificates: 2, calls: 2 });
  });

  test('group dead letters by kind, the most frequent first, with the shortest reason', () => {
    const letters = [
      deadLetterOf('1', '{}', { failureKind: 'not-found', failureReason: 'there is none' }),
      deadLetterOf('2', '{}', { failureKind: 'malformed-body', failureReason: 'a longer one' }),
      deadLetterOf('3', '{}', { failureKind: 'malformed-body', failureReason: 'short' }),
    ];
    expect(figures({}, letters).deadLetters).toEqual([
      { failureKind: 'malformed-body', count: 2, reason: 'short' },
      { failureKind: 'not-found', count: 1, reason: 'there is none' },
    ]);
  });
});

describe('the figures of an incident', () => {
  const rotation = ['r1', 'r2', 'r3'].map((certificateId) =>
    sentOf({ lane: 'rotation', request: { certificateId, newStatus: 'INACTIVE' } }),
  );
  const incident = ['i1', 'i2'].map((certificateId, at) =>
    sentOf(
      { lane: 'incident', request: { certificateId, newStatus: 'REVOKED' } },
      { sentAtMs: 1000 + at },
    ),
  );
  const sent = [...rotation, ...incident];
  const revoked = (id: string, atMs: number): Call =>
    callOf(id, { newStatus: 'REVOKED', receivedAtMs: atMs - 5, answeredAtMs: atMs });

  test('run from the first message to the last certificate’s first revocation', () => {
    const calls = [revoked('i2', 1500), revoked('i1', 1700), revoked('i1', 9000)];
    expect(incidentOf({ sent, calls }, 10)).toMatchObject({ certificates: 2, tookMs: 700 });
  });

  test('count a revocation that the worker never heard of, at the time it was made', () => {
    const calls = [
      { ...revoked('i1', 1200), answer: 'reset' },
      revoked('i2', 1300),
      revoked('i1', 2000),
    ];
    expect(incidentOf({ sent, calls }, 10)?.tookMs).toBe(300);
  });

  test('are not there while a certificate is in service', () => {
    const throttled = { ...revoked('i2', 1600), applied: false };
    expect(incidentOf({ sent, calls: [revoked('i1', 1500), throttled] }, 10)).toBeUndefined();
    expect(incidentOf({ sent: rotation, calls: [] }, 10)).toBeUndefined();
  });

  test('count the rotation requests that waited when it began, and who slipped in', () => {
    const calls = [
      callOf('r1', { receivedAtMs: 900 }),
      callOf('r2', { receivedAtMs: 990, answeredAtMs: 1010 }), // still out when it began
      revoked('i1', 1500),
      callOf('r3', { receivedAtMs: 1550 }),
      revoked('i2', 1600),
      callOf('r4', { receivedAtMs: 1700 }),
    ];
    expect(incidentOf({ sent, calls }, 10)).toMatchObject({ waiting: 2, slippedIn: 1 });
  });

  test('compute what it would have taken behind all that waited, at the full quota', () => {
    const calls = [callOf('r1'), revoked('i1', 1500), revoked('i2', 1600)];
    const figures = incidentOf({ sent, calls }, 10);
    expect(figures).toMatchObject({ waiting: 2, computedInOrderMs: 400 });
  });
});

function figures(evidence: Partial<Evidence>, deadLetters: readonly DeadLetter[] = []): Figures {
  return figuresOf({ ...nothingSeen, ...evidence }, deadLetters, 10);
}

function failed(answer: string): Call {
  return callOf('a', { answer, applied: false });
}
