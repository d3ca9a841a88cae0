import { describe, expect, test } from 'vitest';
import type { FailureKind } from '../src/call.ts';
import { coveredEntryOf, entryOf, proofOf, type LedgerEntry } from '../src/ledger-entry.ts';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Message } from '../src/message.ts';
import type { Request } from '../src/request.ts';
import {
  beginCall,
  endCall,
  join,
  openUpdate,
  type Ending,
  type Joiner,
  type Update,
} from '../src/update.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

function joinerOf(request: Partial<Request> = {}, message: Partial<Message> = {}): Joiner {
  return { request: requestOf(request), message: messageOf(message), settle: () => undefined };
}

/** An update whose one call has ended so, 70 ms after it started. */
function afterCall(
  ending: Ending,
  joiners: readonly [Joiner, ...Joiner[]] = [joinerOf()],
  watermarkMs = 10_000,
): Update {
  const [first, ...others] = joiners;
  const update = openUpdate(first);
  for (const joiner of others) join(update, joiner);
  const calling = beginCall(update, watermarkMs, 100);
  if (ending.kind !== 'stopped') endCall(update, calling, ending, 170);
  return update;
}

function entryAfter(
  ending: Ending,
  joiners?: readonly [Joiner, ...Joiner[]],
  watermarkMs?: number,
): LedgerEntry | undefined {
  return entryOf(afterCall(ending, joiners, watermarkMs), ending);
}

const applied: Ending = { kind: 'applied', awsRequestId: 'aws-1' };
const failedAs = (kind: FailureKind): Ending => ({
  kind: 'failed',
  failure: { kind, name: 'Exception', message: 'no', awsRequestId: 'aws-2' },
});

describe('the entry of an update', () => {
  test('that was applied tells what was sent, what that proves, and on whose word', () => {
    const asked = {
      requestId: 'r-1',
      requestedBy: 'soc@example.com',
      reason: 'keyCompromise',
      comment: 'found on a forum',
      incidentId: 'i-1',
      other: { ticket: 7 },
    };
    const joiner = joinerOf(asked, { lane: 'incident', messageId: 'm-1' });
    expect(entryAfter(applied, [joiner])).toEqual({
      certificateId: certificateIdOf(0),
      outcome: 'applied',
      sentStatus: 'REVOKED',
      watermarkMs: 10_000,
      attempts: 1,
      callMs: 70,
      awsRequestId: 'aws-1',
      proof: {
        status: 'REVOKED',
        watermarkMs: 10_000,
        how: 'applied',
        messageId: 'm-1',
        awsRequestId: 'aws-1',
      },
      asked: [
        {
          lane: 'incident',
          messageId: 'm-1',
          newStatus: 'REVOKED',
          requestId: 'r-1',
          requestedBy: 'soc@example.com',
          reason: 'keyCompromise',
          comment: 'found on a forum',
          incidentId: 'i-1',
        },
      ],
    });
  });

  test('names the alert that led to it, and the thing that it was found by', () => {
    const asked = {
      thingName: 'sensor-17',
      origin: { format: 'device-defender-detect', name: 'Sensors/Floods', id: 'v-1' },
    } as const;
    const entry = entryAfter(applied, [joinerOf(asked, { lane: 'alert', messageId: 'm-1' })]);
    expect(entry?.asked).toEqual([
      { lane: 'alert', messageId: 'm-1', newStatus: 'REVOKED', ...asked },
    ]);
  });

  test('has no field for what nobody said', () => {
    const entry = entryAfter({ kind: 'applied' });
    expect(entry?.asked).toStrictEqual([
      { lane: 'rotation', messageId: 'message-1', newStatus: 'REVOKED' },
    ]);
    expect(entry).not.toHaveProperty('awsRequestId');
    expect(entry?.proof).not.toHaveProperty('awsRequestId');
  });

  test('names the leader first, then the others in the order they came', () => {
    const joiners = [
      joinerOf({ newStatus: 'INACTIVE' }, { messageId: 'weaker' }),
      joinerOf({ newStatus: 'REVOKED' }, { messageId: 'leader' }),
      joinerOf({ newStatus: 'REVOKED' }, { messageId: 'third' }),
    ] as const;
    const entry = entryAfter(applied, joiners);
    expect(entry?.asked.map(({ messageId }) => messageId)).toEqual(['leader', 'weaker', 'third']);
    expect(entry).toMatchObject({ sentStatus: 'REVOKED', proof: { messageId: 'leader' } });
  });

  test('does not name who came too late for the call', () => {
    const update = afterCall(applied);
    join(update, joinerOf({}, { messageId: 'late' }));
    expect(entryOf(update, applied)?.asked).toHaveLength(1);
  });

  test('that found REVOKED proves as much as one that revoked', () => {
    const joiners = [joinerOf({ newStatus: 'INACTIVE' })] as const;
    const ending: Ending = { kind: 'unchanged', status: 'REVOKED', awsRequestId: 'aws-look' };
    expect(entryAfter(ending, joiners)).toMatchObject({
      outcome: 'unchanged',
      cause: 'it was REVOKED already',
      sentStatus: 'INACTIVE',
      proof: { status: 'REVOKED', how: 'observed', watermarkMs: 10_000, awsRequestId: 'aws-look' },
    });
  });

  test('that merely found INACTIVE proves nothing: anybody may undo that', () => {
    const joiners = [joinerOf({ newStatus: 'INACTIVE' })] as const;
    const entry = entryAfter({ kind: 'unchanged', status: 'INACTIVE' }, joiners);
    expect(entry).toMatchObject({ outcome: 'unchanged', cause: 'it was INACTIVE already' });
    expect(entry).not.toHaveProperty('proof');
  });

  test.each(['not-found', 'invalid-request', 'state-conflict'] as const)(
    'that was refused as %s proves nothing, and tells why',
    (kind) => {
      const entry = entryAfter(failedAs(kind));
      expect(entry).toMatchObject({
        outcome: 'rejected',
        failureKind: kind,
        cause: 'Exception: no',
        awsRequestId: 'aws-2',
      });
      expect(entry).not.toHaveProperty('proof');
    },
  );

  test.each([
    'throttled',
    'unavailable',
    'unknown-result',
    'unreachable',
    'unknown-exception',
    'contested',
    'unauthorized',
  ] as const)('that goes back to its queue as %s is none yet', (kind) => {
    expect(entryAfter(failedAs(kind))).toBeUndefined();
  });

  test('that was stopped is none, also after an attempt', () => {
    const stopped: Ending = { kind: 'stopped', cause: 'SIGTERM' };
    expect(entryAfter(stopped)).toBeUndefined();
    expect(entryOf(afterCall(failedAs('unavailable')), stopped)).toBeUndefined();
  });

  test('tells of the last attempt, and counts all', () => {
    const update = afterCall(failedAs('unavailable'));
    const calling = beginCall(update, 20_000, 300);
    endCall(update, calling, applied, 310);
    expect(entryOf(update, applied)).toMatchObject({
      attempts: 2,
      callMs: 10,
      watermarkMs: 20_000,
      proof: { watermarkMs: 20_000 },
    });
  });
});

describe('the proof in an entry', () => {
  test('covers no later request than its own watermark does', () => {
    const { proof } = entryAfter(applied) ?? {};
    if (proof === undefined) throw new Error('it proves something');
    const ledger = createMemoryLedger({ marginMs: 1000 });
    ledger.record('c', proof);
    expect(ledger.covering('c', 'REVOKED', 8999)).toEqual(proof);
    expect(ledger.covering('c', 'REVOKED', 9000)).toBeUndefined();
  });

  test('of a queue that tells no times covers nothing', () => {
    expect(entryAfter(applied, undefined, -Infinity)?.proof?.watermarkMs).toBe(-Infinity);
  });

  test('is none before a call has ended', () => {
    const update = openUpdate(joinerOf());
    expect(proofOf(update, { kind: 'applied' })).toBeUndefined();
  });
});

test('the entry of a covered request names the proof, and the one who asked', () => {
  const proof = { status: 'REVOKED', watermarkMs: 5, how: 'applied', messageId: 'm-1' } as const;
  const joiner = joinerOf({ incidentId: 'i-2' }, { messageId: 'm-2', lane: 'alert' });
  expect(coveredEntryOf(joiner, proof)).toEqual({
    certificateId: certificateIdOf(0),
    proof,
    asked: [{ lane: 'alert', messageId: 'm-2', newStatus: 'REVOKED', incidentId: 'i-2' }],
  });
});
