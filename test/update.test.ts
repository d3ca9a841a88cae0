import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CallResult, FailureKind } from '../src/call.ts';
import { lanes, type Lane } from '../src/lane.ts';
import type { Outcome } from '../src/outcome.ts';
import { statuses, strongest, type Status } from '../src/status.ts';
import {
  beginCall,
  endCall,
  hurryOf,
  join,
  leaderOf,
  openUpdate,
  outcomeFor,
  type Joiner,
  type Update,
} from '../src/update.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

describe('an update', () => {
  test('is opened by the first request for its certificate', () => {
    const first = joinerOf('first', { lane: 'alert' });
    expect(openUpdate(first)).toMatchObject({
      certificateId: certificateIdOf(0),
      lane: 'alert',
      joined: [first],
      late: [],
      attempts: 0,
    });
  });

  test('is as urgent as the most urgent of those who wait', () => {
    const update = openUpdate(joinerOf('first', { lane: 'rotation' }));
    expect(join(update, joinerOf('a', { lane: 'rotation' }))).toEqual({ promoted: false });
    expect(join(update, joinerOf('b', { lane: 'incident' }))).toEqual({ promoted: true });
    expect(join(update, joinerOf('c', { lane: 'alert' }))).toEqual({ promoted: false });
    expect(join(update, joinerOf('d', { lane: 'incident' }))).toEqual({ promoted: false });
    expect(update.lane).toBe('incident');
  });

  test('hurries when it becomes more urgent, and only then', () => {
    const update = openUpdate(joinerOf('first', { lane: 'alert' }));
    join(update, joinerOf('a', { lane: 'rotation' }));
    expect(hurryOf(update).aborted).toBe(false);
    join(update, joinerOf('b', { lane: 'incident' }));
    expect(hurryOf(update).aborted).toBe(true);
  });

  test('no longer hurries once its call has begun', () => {
    const update = openUpdate(joinerOf('first', { lane: 'alert' }));
    join(update, joinerOf('b', { lane: 'incident' }));
    beginCall(update, 0, 0);
    expect(hurryOf(update).aborted).toBe(false);
  });

  test('becomes more urgent during its call, for the next one', () => {
    const update = openUpdate(joinerOf('first', { lane: 'rotation' }));
    beginCall(update, 0, 0);
    expect(join(update, joinerOf('late', { lane: 'incident' }))).toEqual({ promoted: true });
    expect([update.lane, hurryOf(update).aborted]).toEqual(['incident', true]);
  });
});

describe('a call', () => {
  test('fixes its status, its watermark and its time as it begins', () => {
    const update = openUpdate(joinerOf('first', { newStatus: 'INACTIVE' }));
    expect(beginCall(update, 5000, 70)).toEqual({
      status: 'INACTIVE',
      watermarkMs: 5000,
      startedAtMs: 70,
    });
    expect(update.attempts).toBe(1);
  });

  test('sends the strongest status of all who joined before it began', () => {
    const asked = fc.array(fc.constantFrom(...statuses), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(asked, asked, ([first = 'INACTIVE', ...more], late) => {
        const update = openUpdate(joinerOf('first', { newStatus: first }));
        for (const newStatus of more) join(update, joinerOf('joiner', { newStatus }));
        expect(beginCall(update, 0, 0).status).toBe(strongest([first, ...more]));
        for (const newStatus of late) join(update, joinerOf('late', { newStatus }));
        expect(beginCall(update, 0, 0).status).toBe(strongest([first, ...more, ...late]));
      }),
    );
  });

  test('is not joined by those who come after it has begun, nor after it has ended', () => {
    const update = openUpdate(joinerOf('first'));
    const during = joinerOf('during', { newStatus: 'REVOKED' });
    const after = joinerOf('after');
    const calling = beginCall(update, 0, 0);
    join(update, during);
    endCall(update, calling, { kind: 'applied' }, 0);
    join(update, after);
    expect(namesOf(update.joined)).toEqual(['first']);
    expect(namesOf(update.late)).toEqual(['during', 'after']);
  });

  test('is joined by those who came too late for the one before', () => {
    const update = openUpdate(joinerOf('first', { newStatus: 'INACTIVE' }));
    endCall(update, beginCall(update, 0, 0), failed('unavailable'), 0);
    join(update, joinerOf('late', { newStatus: 'REVOKED' }));
    expect(beginCall(update, 0, 0).status).toBe('REVOKED');
    expect(namesOf(update.joined)).toEqual(['first', 'late']);
    expect(update.late).toEqual([]);
  });

  test('leaves a story when it has ended', () => {
    const update = openUpdate(joinerOf('first'));
    endCall(update, beginCall(update, 0, 100), failed('throttled'), 130);
    expect(update.story).toEqual({
      sentStatus: 'REVOKED',
      watermarkMs: 0,
      attempts: 1,
      startedAtMs: 100,
      callMs: 30,
      awsRequestId: 'f',
    });
    const story = endCall(update, beginCall(update, 7, 500), { kind: 'applied' }, 520);
    // Strictly: nothing else is said, not even that it is undefined.
    expect(story).toStrictEqual({
      sentStatus: 'REVOKED',
      watermarkMs: 7,
      attempts: 2,
      startedAtMs: 500,
      callMs: 20,
    });
    expect(update.story).toBe(story);
  });

  test('is led by the first message that asked for what was sent', () => {
    const update = openUpdate(joinerOf('first', { newStatus: 'INACTIVE' }));
    join(update, joinerOf('second', { newStatus: 'REVOKED' }));
    join(update, joinerOf('third', { newStatus: 'REVOKED' }));
    expect(leaderOf(update, 'REVOKED')?.message.messageId).toBe('second');
    expect(leaderOf(update, 'INACTIVE')?.message.messageId).toBe('first');
  });
});

describe('the outcome of a call', () => {
  test('that succeeded is applied for its leader, and covered for all others', () => {
    const { update, outcomes } = ended({ kind: 'applied', awsRequestId: 'r' });
    const call = update.story;
    const covered = {
      kind: 'covered',
      cause: 'joined the call of message revoker before it started',
      byMessageId: 'revoker',
      awsRequestId: 'r',
      call,
    };
    expect(outcomes).toEqual({
      deactivator: covered,
      revoker: { kind: 'applied', call },
      other: covered,
    });
  });

  test('names no AWS request where the call had no id', () => {
    const { outcomes } = ended({ kind: 'applied' });
    expect(outcomes['other']).not.toHaveProperty('awsRequestId');
  });

  test('that found the certificate there already is unchanged for everybody', () => {
    const { update, outcomes } = ended({ kind: 'unchanged', status: 'REVOKED' });
    const unchanged = {
      kind: 'unchanged',
      cause: 'the certificate is REVOKED already',
      call: update.story,
    };
    expect(outcomes).toEqual({ deactivator: unchanged, revoker: unchanged, other: unchanged });
  });

  test.each<FailureKind>([
    'throttled',
    'unavailable',
    'unknown-result',
    'unreachable',
    'unknown-exception',
    'contested',
    'unauthorized',
  ])('that failed and may succeed later is deferred for everybody: %s', (failureKind) => {
    const { update, outcomes } = ended(failed(failureKind));
    const deferred = {
      kind: 'deferred',
      failureKind,
      cause: 'AnException: no',
      call: update.story,
    };
    expect(outcomes).toEqual({ deactivator: deferred, revoker: deferred, other: deferred });
  });

  test.each<FailureKind>(['not-found', 'invalid-request', 'state-conflict'])(
    'that can never succeed is rejected for everybody: %s',
    (failureKind) => {
      const { update, outcomes } = ended(failed(failureKind));
      const rejected = {
        kind: 'rejected',
        failureKind,
        cause: 'AnException: no',
        call: update.story,
      };
      expect(outcomes).toEqual({ deactivator: rejected, revoker: rejected, other: rejected });
    },
  );

  test('that was never made is deferred', () => {
    const first = joinerOf('first');
    const update = openUpdate(first);
    const stopping = { kind: 'deferred', failureKind: 'stopping' };
    expect(outcomeFor(first, update, { kind: 'stopped', cause: 'SIGTERM' })).toEqual({
      ...stopping,
      cause: 'SIGTERM',
    });
    expect(outcomeFor(first, update, { kind: 'applied' })).toEqual({
      ...stopping,
      cause: 'no call was made',
    });
  });

  test('that was stopped before another attempt is deferred, and tells of the last one', () => {
    const first = joinerOf('first');
    const update = openUpdate(first);
    endCall(update, beginCall(update, 0, 0), failed('unavailable'), 9);
    expect(outcomeFor(first, update, { kind: 'stopped', cause: 'SIGTERM' })).toEqual({
      kind: 'deferred',
      failureKind: 'stopping',
      cause: 'SIGTERM',
      call: update.story,
    });
  });
});

describe('whoever joins, and whenever', () => {
  test('nobody is lost, served twice, or served by a call that began before they came', () => {
    const step = fc.oneof(
      fc.record({ lane: fc.constantFrom(...lanes), newStatus: fc.constantFrom(...statuses) }),
      fc.constantFrom('begin' as const, 'end' as const),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const first = joinerOf('0');
        const update = openUpdate(first);
        const cameBefore = new Map<Joiner, number>([[first, 1]]);
        for (const step of steps) {
          if (step === 'begin') {
            beginCall(update, 0, 0);
          } else if (step === 'end') {
            const calling = { status: 'REVOKED', watermarkMs: 0, startedAtMs: 0 } as const;
            if (update.attempts > 0) endCall(update, calling, { kind: 'applied' }, 0);
          } else {
            const joiner = joinerOf(String(cameBefore.size), step);
            cameBefore.set(joiner, update.attempts + 1);
            join(update, joiner);
          }
          const everybody = [...update.joined, ...update.late];
          expect(new Set(everybody)).toEqual(new Set(cameBefore.keys()));
          expect(everybody).toHaveLength(cameBefore.size);
          for (const joiner of update.joined) {
            const firstCall = cameBefore.get(joiner) ?? 0;
            expect(update.attempts === 0 || firstCall <= update.attempts).toBe(true);
          }
        }
      }),
    );
  });
});

/** An update of three messages, with the outcome of each by its name. */
function ended(result: CallResult): { update: Update; outcomes: Record<string, Outcome> } {
  const joiners = [
    joinerOf('deactivator', { newStatus: 'INACTIVE' }),
    joinerOf('revoker'),
    joinerOf('other'),
  ] as const;
  const [first, ...others] = joiners;
  const update = openUpdate(first);
  for (const joiner of others) join(update, joiner);
  endCall(update, beginCall(update, 0, 0), result, 0);
  const outcomes = Object.fromEntries(
    joiners.map((joiner) => [joiner.message.messageId, outcomeFor(joiner, update, result)]),
  );
  return { update, outcomes };
}

function failed(kind: FailureKind): CallResult {
  return {
    kind: 'failed',
    failure: { kind, name: 'AnException', message: 'no', awsRequestId: 'f' },
  };
}

function joinerOf(
  messageId: string,
  { lane = 'rotation', newStatus = 'REVOKED' }: { lane?: Lane; newStatus?: Status } = {},
): Joiner {
  return {
    request: requestOf({ newStatus }),
    message: messageOf({ messageId, lane }),
    settle: () => {},
  };
}

function namesOf(joiners: readonly Joiner[]): string[] {
  return joiners.map(({ message }) => message.messageId);
}
