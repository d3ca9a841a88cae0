import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryLedger, defaultMarginMs, type Ledger, type Proof } from '../src/ledger.ts';
import { atLeast, statuses, type Status } from '../src/status.ts';
import { certificateIdOf } from './helpers/message.ts';

describe('a ledger', () => {
  test('covers what was sent clearly before the watermark of a call', () => {
    const ledger = createMemoryLedger();
    const proof = proofOf({ watermarkMs: 10_000 });
    ledger.record('c', proof);
    expect(ledger.covering('c', 'REVOKED', 10_000 - defaultMarginMs - 1)).toEqual(proof);
    expect(ledger.covering('c', 'REVOKED', 10_000 - defaultMarginMs)).toBeUndefined();
    expect(ledger.covering('c', 'REVOKED', 10_001)).toBeUndefined();
  });

  test('allows the hosts of SQS to disagree by a second, unless told otherwise', () => {
    expect(defaultMarginMs).toBe(1000);
    const ledger = createMemoryLedger({ marginMs: 0 });
    ledger.record('c', proofOf({ watermarkMs: 10_000 }));
    expect(ledger.covering('c', 'REVOKED', 9_999)).toBeDefined();
    expect(ledger.covering('c', 'REVOKED', 10_000)).toBeUndefined();
  });

  test('covers the message that the call was made for, whatever the clock says, and no other', () => {
    const ledger = createMemoryLedger();
    const proof = proofOf({ status: 'INACTIVE', watermarkMs: 10_000, messageId: 'mine' });
    ledger.record('c', proof);
    expect(ledger.covering('c', 'INACTIVE', 10_000, 'mine')).toEqual(proof);
    expect(ledger.covering('c', 'INACTIVE', 10_000, 'another')).toBeUndefined();
    expect(ledger.covering('c', 'REVOKED', 10_000, 'mine')).toBeUndefined();
    expect(ledger.covering('d', 'INACTIVE', 10_000, 'mine')).toBeUndefined();
    ledger.record('d', proofOf({ watermarkMs: 10_000, messageId: '' }));
    expect(ledger.covering('d', 'REVOKED', 10_000, '')).toBeUndefined();
  });

  test('covers nothing for another certificate', () => {
    const ledger = createMemoryLedger();
    ledger.record('c', proofOf({}));
    expect(ledger.covering('d', 'REVOKED', 0)).toBeUndefined();
    expect(ledger.knowsRevoked('d')).toBe(false);
  });

  test('covers INACTIVE with REVOKED, and never REVOKED with INACTIVE', () => {
    const ledger = createMemoryLedger();
    ledger.record('revoked', proofOf({ status: 'REVOKED' }));
    ledger.record('inactive', proofOf({ status: 'INACTIVE' }));
    expect(ledger.covering('revoked', 'INACTIVE', 0)).toBeDefined();
    expect(ledger.covering('inactive', 'INACTIVE', 0)).toBeDefined();
    expect(ledger.covering('inactive', 'REVOKED', 0)).toBeUndefined();
  });

  test('covers with an older REVOKED what a newer INACTIVE cannot', () => {
    const ledger = createMemoryLedger({ marginMs: 0 });
    ledger.record('c', proofOf({ status: 'REVOKED', watermarkMs: 100 }));
    ledger.record('c', proofOf({ status: 'INACTIVE', watermarkMs: 200 }));
    expect(ledger.covering('c', 'REVOKED', 50)).toMatchObject({ status: 'REVOKED' });
    expect(ledger.covering('c', 'REVOKED', 150)).toBeUndefined();
    expect(ledger.covering('c', 'INACTIVE', 150)).toMatchObject({ status: 'INACTIVE' });
  });

  test('covers nothing that has no sent time, and nothing with a call that proves no time', () => {
    const ledger = createMemoryLedger();
    ledger.record('c', proofOf({ watermarkMs: Number.MAX_SAFE_INTEGER }));
    ledger.record('d', proofOf({ watermarkMs: -Infinity }));
    expect(ledger.covering('c', 'REVOKED', Infinity)).toBeUndefined();
    expect(ledger.covering('d', 'REVOKED', 0)).toBeUndefined();
  });

  test('knows that a certificate is revoked, whenever that was', () => {
    const ledger = createMemoryLedger();
    ledger.record('c', proofOf({ watermarkMs: -Infinity }));
    ledger.record('d', proofOf({ status: 'INACTIVE' }));
    expect(ledger.knowsRevoked('c')).toBe(true);
    expect(ledger.knowsRevoked('d')).toBe(false);
    ledger.record('c', proofOf({ status: 'INACTIVE' }));
    expect(ledger.knowsRevoked('c')).toBe(true);
  });

  test('keeps the newer of two proofs, in whatever order they come', () => {
    const ledger = createMemoryLedger({ marginMs: 0 });
    ledger.record('c', proofOf({ watermarkMs: 200, messageId: 'newer' }));
    ledger.record('c', proofOf({ watermarkMs: 100, messageId: 'older' }));
    expect(ledger.covering('c', 'REVOKED', 50)?.messageId).toBe('newer');
  });

  test('keeps the first of two that prove the same time: it was that one’s call', () => {
    const ledger = createMemoryLedger({ marginMs: 0 });
    ledger.record('c', proofOf({ watermarkMs: 200, messageId: 'first' }));
    ledger.record('c', proofOf({ watermarkMs: 200, messageId: 'second' }));
    expect(ledger.covering('c', 'REVOKED', 50)?.messageId).toBe('first');
  });

  test('forgets the certificates that were not used for the longest time', () => {
    const ledger = createMemoryLedger({ capacity: 2 });
    ledger.record('a', proofOf({}));
    ledger.record('b', proofOf({}));
    ledger.covering('a', 'REVOKED', 0);
    ledger.record('c', proofOf({}));
    expect(['a', 'b', 'c'].map((id) => ledger.knowsRevoked(id))).toEqual([true, false, true]);
  });
});

describe('whatever a ledger has recorded', () => {
  test('it covers a request exactly if a call proves it: as strong, and clearly later', () => {
    fc.assert(
      fc.property(records(), queries(), fc.nat({ max: 20 }), (recorded, asked, marginMs) => {
        const ledger = createMemoryLedger({ capacity: 10, marginMs });
        for (const { id, proof } of recorded) ledger.record(id, proof);
        for (const { id, status, sentAtMs } of asked) {
          const proven = recorded.some(
            ({ id: known, proof }) =>
              known === id &&
              (proof.status === 'REVOKED' || status === 'INACTIVE') &&
              sentAtMs < proof.watermarkMs - marginMs,
          );
          expect(ledger.covering(id, status, sentAtMs) !== undefined).toBe(proven);
        }
      }),
    );
  });

  test('the order of the records does not matter', () => {
    const shuffled = records().chain((recorded) =>
      fc.tuple(
        fc.constant(recorded),
        fc.shuffledSubarray(recorded, { minLength: recorded.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, queries(), ([inOrder, inDisorder], asked) => {
        expect(answersOf(inOrder, asked)).toEqual(answersOf(inDisorder, asked));
      }),
    );
  });

  test('eviction only forgets: a small ledger covers nothing that a large one does not', () => {
    fc.assert(
      fc.property(
        records(),
        queries(),
        fc.integer({ min: 1, max: 3 }),
        (recorded, asked, capacity) => {
          const large = answersOf(recorded, asked);
          const small = answersOf(recorded, asked, createMemoryLedger({ capacity, marginMs: 10 }));
          expect(small.filter((covered, n) => covered && large[n] !== true)).toEqual([]);
        },
      ),
    );
  });
});

test('a ledger answers as a plain list of its certificates does, whatever it is asked', () => {
  const setting = fc.record({
    capacity: fc.integer({ min: 1, max: 5 }),
    marginMs: fc.nat({ max: 20 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(setting, fc.array(steps(), { maxLength: 60 }), (options, asked) => {
      const ledger = createMemoryLedger(options);
      const plain = createPlainLedger(options);
      for (const step of asked) expect(step(ledger)).toEqual(step(plain));
    }),
    { numRuns: 1000 },
  );
});

/** What the ledger should be, as plainly as can be: its certificates in a list, the last used last. */
function createPlainLedger(options: { capacity: number; marginMs: number }): Ledger {
  let entries: { readonly id: string; readonly proofs: readonly Proof[] }[] = [];
  const proofsOf = (id: string): readonly Proof[] => {
    const proofs = entries.find((entry) => entry.id === id)?.proofs;
    if (proofs !== undefined) put(id, proofs);
    return proofs ?? [];
  };
  const put = (id: string, proofs: readonly Proof[]): void => {
    entries = [...entries.filter((entry) => entry.id !== id), { id, proofs }];
    entries = entries.slice(-options.capacity);
  };
  return {
    covering(id, status, sentAtMs, messageId = '') {
      const proofs = proofsOf(id).filter(
        (proof) =>
          atLeast(proof.status, status) &&
          (sentAtMs < proof.watermarkMs - options.marginMs ||
            (messageId !== '' && messageId === proof.messageId)),
      );
      return proofs.find((proof) => proof.status === 'INACTIVE') ?? proofs[0];
    },
    knowsRevoked: (id) => proofsOf(id).some(({ status }) => status === 'REVOKED'),
    record(id, proof) {
      const others = proofsOf(id).filter(({ status }) => status !== proof.status);
      const known = proofsOf(id).find(({ status }) => status === proof.status);
      const isOlder = known !== undefined && known.watermarkMs >= proof.watermarkMs;
      put(id, [...others, isOlder ? known : proof]);
    },
  };
}

/** One thing that is asked of a ledger, and its answer. */
function steps(): fc.Arbitrary<(ledger: Ledger) => unknown> {
  const id = fc.constantFrom(...[0, 1, 2, 3, 4, 5].map(certificateIdOf), 'c', 'd');
  const timeMs = fc.oneof(fc.nat({ max: 100 }), fc.constantFrom(-Infinity, Infinity));
  const messageId = fc.constantFrom('', 'm', ...uuids);
  const proof = fc.record(
    {
      status: anyStatus,
      watermarkMs: timeMs,
      how: fc.constantFrom('applied' as const, 'observed' as const),
      messageId,
      awsRequestId: messageId,
    },
    { requiredKeys: ['status', 'watermarkMs', 'how', 'messageId'] },
  );
  return fc.oneof(
    fc.tuple(id, proof).map((asked) => (ledger: Ledger) => ledger.record(...asked)),
    fc
      .tuple(id, anyStatus, timeMs, fc.option(messageId, { nil: undefined }))
      .map((asked) => (ledger: Ledger) => ledger.covering(...asked)),
    id.map((asked) => (ledger: Ledger) => ledger.knowsRevoked(asked)),
  );
}

interface Recorded {
  readonly id: string;
  readonly proof: Proof;
}

interface Asked {
  readonly id: string;
  readonly status: Status;
  readonly sentAtMs: number;
}

const ids = fc.constantFrom('a', 'b', 'c', 'd');
const anyStatus = fc.constantFrom(...statuses);
const uuids = ['0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0', 'ffffffff-0000-4000-8000-000000000001'];

function records(): fc.Arbitrary<Recorded[]> {
  const watermarkMs = fc.oneof(fc.nat({ max: 100 }), fc.constant(-Infinity));
  return fc.array(
    fc
      .record({ id: ids, status: anyStatus, watermarkMs })
      .map(({ id, ...fields }) => ({ id, proof: proofOf(fields) })),
    { maxLength: 12 },
  );
}

function queries(): fc.Arbitrary<Asked[]> {
  const sentAtMs = fc.oneof(fc.nat({ max: 100 }), fc.constant(Infinity));
  return fc.array(fc.record({ id: ids, status: anyStatus, sentAtMs }));
}

function answersOf(
  recorded: readonly Recorded[],
  asked: readonly Asked[],
  ledger: Ledger = createMemoryLedger({ capacity: 10, marginMs: 10 }),
): boolean[] {
  for (const { id, proof } of recorded) ledger.record(id, proof);
  return asked.map(
    ({ id, status, sentAtMs }) => ledger.covering(id, status, sentAtMs) !== undefined,
  );
}

function proofOf(fields: Partial<Proof>): Proof {
  return { status: 'REVOKED', watermarkMs: 10_000, how: 'applied', messageId: 'm', ...fields };
}
