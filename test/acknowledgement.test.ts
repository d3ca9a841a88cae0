import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acknowledgementFor, delaySeconds } from '../src/acknowledgement.ts';
import type { FailureKind } from '../src/call.ts';
import { lanes, type Lane } from '../src/lane.ts';
import type { Outcome, PolicyRefusalKind } from '../src/outcome.ts';
import type { RefusalKind } from '../src/request.ts';
import { messageOf } from './helpers/message.ts';
import { outcomes } from './helpers/outcome.ts';

const message = messageOf({ lane: 'incident', receiveCount: 1 });
const longest = (): number => 1;

describe('a message', () => {
  test.each(['applied', 'covered', 'unchanged', 'expanded', 'ignored'] as const)(
    'is deleted if %s',
    (kind) => {
      expect(acknowledgementFor(message, [outcomes[kind]], longest)).toEqual({ kind: 'delete' });
    },
  );

  test.each<FailureKind | RefusalKind | PolicyRefusalKind>([
    'malformed-body',
    'invalid-request',
    'status-not-allowed',
    'foreign-account',
    'foreign-region',
    'not-found',
    'state-conflict',
    'policy',
    'protected',
    'shared-certificate',
    'no-certificate',
  ])('goes to the dead-letter queue with its reason if rejected: %s', (failureKind) => {
    const rejected: Outcome = { kind: 'rejected', failureKind, cause: 'because' };
    expect(acknowledgementFor(message, [rejected], longest)).toEqual({
      kind: 'dead-letter',
      failureKind,
      reason: 'because',
    });
  });

  test.each<FailureKind | 'brake' | 'bug'>([
    'throttled',
    'unavailable',
    'unknown-result',
    'unreachable',
    'unknown-exception',
    'unauthorized',
    'brake',
    'bug',
  ])('is kept and comes back after a while if deferred: %s', (failureKind) => {
    const deferred: Outcome = { kind: 'deferred', failureKind, cause: 'because' };
    expect(acknowledgementFor(message, [deferred], longest)).toEqual({
      kind: 'retry',
      afterSeconds: 5,
    });
  });

  test('goes back at once if we are stopping, however often it was delivered', () => {
    const stopping: Outcome = { kind: 'deferred', failureKind: 'stopping', cause: 'SIGTERM' };
    const often = messageOf({ lane: 'rotation', receiveCount: 9 });
    expect(acknowledgementFor(often, [stopping], longest)).toEqual({
      kind: 'retry',
      afterSeconds: 0,
    });
  });

  test('comes back in an hour after a dry run, however often it was delivered', () => {
    const dryRun: Outcome = { kind: 'deferred', failureKind: 'dry-run', cause: 'would apply' };
    for (const receiveCount of [1, 9, 900]) {
      const often = messageOf({ lane: 'alert', receiveCount });
      expect(acknowledgementFor(often, [dryRun], () => 0)).toEqual({
        kind: 'retry',
        afterSeconds: 3600,
      });
    }
  });

  test('waits ever longer while the brake holds its lane', () => {
    const held: Outcome = { kind: 'deferred', failureKind: 'brake', cause: 'the ceiling' };
    const often = messageOf({ lane: 'alert', receiveCount: 7 });
    expect(acknowledgementFor(often, [held], longest)).toEqual({
      kind: 'retry',
      afterSeconds: 300,
    });
  });

  test('is kept if there was no request in it at all: nothing proves that it may go', () => {
    expect(acknowledgementFor(message, [], longest)).toEqual({ kind: 'retry', afterSeconds: 5 });
  });

  test('is deleted only once all of its requests have succeeded', () => {
    const any = fc.array(fc.constantFrom(...Object.values(outcomes)), { minLength: 1 });
    fc.assert(
      fc.property(any, (all) => {
        const kinds = new Set<Outcome['kind']>(all.map(({ kind }) => kind));
        const expected = kinds.has('deferred')
          ? 'retry'
          : kinds.has('rejected')
            ? 'dead-letter'
            : 'delete';
        expect(acknowledgementFor(message, all, longest).kind).toBe(expected);
      }),
    );
  });
});

describe('the delay of a message that comes back', () => {
  test.each(['incident', 'alert', 'rotation'] as const)(
    'lets the lane %s keep it for longer than ten days before SQS gives up on it',
    (lane) => {
      const counts = Array.from({ length: 1000 }, (_, n) => n + 1);
      const shortest = counts.map((receiveCount) => delaySeconds({ lane, receiveCount }, () => 0));
      const average = counts.map((receiveCount) => delaySeconds({ lane, receiveCount }, () => 0.5));
      const days = (delays: number[]): number => delays.reduce((sum, s) => sum + s, 0) / 86_400;
      expect(days(average)).toBeGreaterThan(10);
      expect(days(shortest)).toBeGreaterThan(8);
    },
  );

  test.each<[Lane, number[]]>([
    ['incident', [5, 10, 20, 40, 80, 120, 120, 120, 120]],
    ['alert', [5, 10, 20, 40, 80, 160, 300, 300, 300]],
    ['rotation', [5, 10, 20, 40, 80, 160, 320, 640, 900]],
  ])('doubles with each delivery up to the longest of the lane %s', (lane, expected) => {
    const delays = expected.map((_, n) => delaySeconds({ lane, receiveCount: n + 1 }, longest));
    expect(delays).toEqual(expected);
  });

  test('is at least half of that', () => {
    expect(delaySeconds({ lane: 'rotation', receiveCount: 5 }, () => 0)).toBe(40);
    expect(delaySeconds({ lane: 'rotation', receiveCount: 5 }, () => 0.5)).toBe(60);
  });

  test('is a whole number of seconds that SQS takes, after any number of deliveries', () => {
    const bounds = { incident: 120, alert: 300, rotation: 900 };
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(...lanes), fc.nat(), chance, (lane, receiveCount, random) => {
        const delay = delaySeconds({ lane, receiveCount }, () => random);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(3);
        expect(delay).toBeLessThanOrEqual(Math.max(bounds[lane], Math.min(3600, 3 * receiveCount)));
      }),
    );
  });
});
