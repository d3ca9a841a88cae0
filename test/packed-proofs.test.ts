import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Proof } from '../src/ledger.ts';
import { createPackedProofs, type PackedProofs } from '../src/packed-proofs.ts';
import { statuses } from '../src/status.ts';
import { certificateIdOf } from './helpers/message.ts';

const uuid = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';

describe('packed proofs', () => {
  test('come back as they were, the weaker first', () => {
    const proofs = createPackedProofs({ capacity: 1 });
    const revoked = proofOf({ status: 'REVOKED', how: 'observed', awsRequestId: uuid });
    const inactive = proofOf({ status: 'INACTIVE', watermarkMs: -Infinity });
    proofs.keep(certificateIdOf(1), revoked);
    proofs.keep(certificateIdOf(1), inactive);
    expect(proofs.get(certificateIdOf(1))).toStrictEqual([inactive, revoked]);
    expect(proofs.get(certificateIdOf(2))).toEqual([]);
  });

  test.each([
    ['', 'nothing'],
    ['m', 'short'],
    ['m'.repeat(100), 'long'],
    [uuid.toUpperCase(), 'a UUID in capitals'],
    [uuid.replaceAll('-', ''), 'a UUID without dashes'],
    [`-${uuid.replace('-', '')}`, 'a UUID with a dash elsewhere'],
    [`${uuid}0`, 'a UUID and a digit'],
    [`${uuid}-`, 'a UUID and a dash'],
    [uuid.slice(1), 'a UUID less a digit'],
    [uuid.replace('f', 'g'), 'a UUID less a hexadecimal digit'],
    [certificateIdOf(1).toUpperCase(), 'a fingerprint in capitals'],
    ['\ud800 ✓', 'no text at all'],
  ])('come back as they were from ids like %j, %s', (id) => {
    const proofs = createPackedProofs({ capacity: 2 });
    const proof = proofOf({ messageId: id, awsRequestId: id });
    // The bytes that a UUID leaves behind must not show through.
    proofs.keep(id, proofOf({ messageId: uuid, awsRequestId: uuid, watermarkMs: 1 }));
    proofs.keep(id, proof);
    proofs.keep(certificateIdOf(1), proof);
    expect(proofs.get(id)).toStrictEqual([proof]);
    expect(proofs.get(certificateIdOf(1))).toStrictEqual([proof]);
  });

  test('of many more certificates than there is room for: the last ones stay', () => {
    const proofs = createPackedProofs({ capacity: 1000 });
    const proof = (n: number): Proof => proofOf({ watermarkMs: n, messageId: `message ${n}` });
    for (let n = 0; n < 10_000; n++) proofs.keep(certificateIdOf(n), proof(n));
    for (let n = 0; n < 9000; n++) expect(proofs.get(certificateIdOf(n))).toEqual([]);
    for (let n = 9000; n < 10_000; n++) expect(proofs.get(certificateIdOf(n))).toEqual([proof(n)]);
  });

  test('leave nothing to the certificate that takes the place of another', () => {
    const proofs = createPackedProofs({ capacity: 1 });
    for (const status of statuses) {
      proofs.keep('a', proofOf({ status, messageId: 'odd', awsRequestId: 'odd' }));
    }
    const proof = proofOf({ watermarkMs: -Infinity });
    proofs.keep('b', proof);
    expect(proofs.get('b')).toStrictEqual([proof]);
    expect(proofs.get('a')).toEqual([]);
  });

  test('take memory as certificates come', () => {
    const before = process.memoryUsage().arrayBuffers;
    const proofs = createPackedProofs({ capacity: 10_000_000 });
    proofs.keep(certificateIdOf(1), proofOf());
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });

  test.each([
    ['the usual hash', {}],
    ['another seed', { seed: -7 }],
    ['one hash for all', { hashOf: () => 4_294_967_295 }],
    ['few hashes', { hashOf: (text: string) => (text.codePointAt(63) ?? 0) % 3 }],
  ])('are those that a Map would keep: %s', (_, hash) => {
    const capacity = fc.constantFrom(1, 2, 3, 63, 64, 65, 150);
    fc.assert(
      fc.property(capacity, fc.array(steps(), { maxLength: 300, size: 'max' }), (capacity, all) => {
        const proofs = createPackedProofs({ capacity, ...hash });
        const plain = createPlainProofs(capacity);
        for (const step of all) expect(step(proofs)).toStrictEqual(step(plain));
      }),
    );
  });
});

function createPlainProofs(capacity: number): PackedProofs {
  const entries = new Map<string, readonly Proof[]>();
  const use = (id: string, proofs: readonly Proof[]): void => {
    entries.delete(id);
    entries.set(id, proofs);
    const [oldest] = entries.keys();
    if (oldest !== undefined && entries.size > capacity) entries.delete(oldest);
  };
  return {
    get(id) {
      const proofs = entries.get(id);
      if (proofs !== undefined) use(id, proofs);
      return proofs ?? [];
    },
    keep(id, proof) {
      const known = entries.get(id) ?? [];
      const isKnown = known.some(
        ({ status, watermarkMs }) => status === proof.status && watermarkMs >= proof.watermarkMs,
      );
      const others = known.filter(({ status }) => status !== proof.status);
      const all = isKnown ? known : [...others, proof];
      use(
        id,
        all.toSorted((a, b) => statuses.indexOf(a.status) - statuses.indexOf(b.status)),
      );
    },
  };
}

/** One thing that is asked of them, and the answer. */
function steps(): fc.Arbitrary<(proofs: PackedProofs) => unknown> {
  const id = fc.oneof(
    fc.nat({ max: 4 }).map(certificateIdOf),
    fc.nat({ max: 99 }).map(certificateIdOf),
    fc.constantFrom('', 'c', certificateIdOf(0).toUpperCase()),
  );
  const text = fc.oneof(fc.uuid(), fc.string({ unit: 'binary' }));
  const proof = fc.record(
    {
      status: fc.constantFrom(...statuses),
      watermarkMs: fc.oneof(fc.nat({ max: 9 }), fc.double({ noNaN: true })),
      how: fc.constantFrom('applied' as const, 'observed' as const),
      messageId: text,
      awsRequestId: text,
    },
    { requiredKeys: ['status', 'watermarkMs', 'how', 'messageId'], noNullPrototype: true },
  );
  return fc.oneof(
    fc.tuple(id, proof).map((asked) => (proofs: PackedProofs) => proofs.keep(...asked)),
    id.map((asked) => (proofs: PackedProofs) => proofs.get(asked)),
  );
}

function proofOf(fields: Partial<Proof> = {}): Proof {
  return { status: 'REVOKED', watermarkMs: 10_000, how: 'applied', messageId: uuid, ...fields };
}
