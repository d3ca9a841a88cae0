import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryLedger, defaultMarginMs, type Ledger, type Proof } from '../src/ledger.ts';
import { statuses, type Status } from '../src/status.ts';

describe('a ledger', () => {
  test('covers what was sent clearly before the watermark of a call', () => {
    const ledger = createMemoryLedger();
    const proof = proofOf({ watermarkMs: 10_000 });
    ledger.record('c', proof);
    expect(ledger.covering('c', 'REVOKED', 10_000 - defaultMarginMs - 1)).toBe(proof);
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
    expect(ledger.covering('c', 'INACTIVE', 10_000, 'mine')).toBe(proof);
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
