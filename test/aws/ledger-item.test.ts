import { marshall } from '@aws-sdk/util-dynamodb';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  certificateKeyOf,
  expiryOf,
  filedValueOf,
  incidentItemOf,
  incidentKeyOf,
  proofsOf,
  slotOf,
  slotValueOf,
} from '../../src/aws/ledger-item.ts';
import type { LedgerEntry } from '../../src/ledger-entry.ts';
import type { Proof } from '../../src/ledger.ts';
import { statuses } from '../../src/status.ts';
import {
  askedOf,
  coveredEntryOf,
  ledgerEntryOf,
  proofOf,
  unprovenEntryOf,
} from '../helpers/ledger.ts';
import { certificateIdOf, deployment } from '../helpers/message.ts';

/** The time of day of these tests, ms. */
const at = Date.UTC(2026, 0, 2, 3, 4, 5);

/** An item as DynamoDB gives it back, after these were written. */
function itemOf(...entries: readonly LedgerEntry[]): Readonly<Record<string, unknown>> {
  return marshall(
    Object.fromEntries(entries.map((entry) => [slotOf(entry), slotValueOf(entry, at)])),
  );
}

/** A slot of ours, with something else in it. */
function slotWith(fields: Readonly<Record<string, unknown>>): unknown {
  return marshall({ slot: { ...slotValueOf(ledgerEntryOf(), at), ...fields } })['slot'];
}

describe('keys', () => {
  test('name the account, the region and the certificate', () => {
    expect(certificateKeyOf(deployment, 'c')).toBe('123456789012/eu-central-1/c');
    expect(incidentKeyOf(deployment, 'i-1')).toBe('123456789012/eu-central-1/i-1');
    expect(incidentItemOf('i-1')).toBe('incident/i-1');
  });

  test('hold as much as DynamoDB takes, whatever an incident is called, and stay apart', () => {
    const long = '€'.repeat(1024);
    for (const key of [incidentItemOf, (id: string) => incidentKeyOf(deployment, id)]) {
      expect(Buffer.byteLength(key(long))).toBeLessThan(1024);
      expect(key(long)).not.toBe(key(`${long.slice(1)}$`));
      expect(key(long)).toBe(key(long));
      expect(key('x'.repeat(512))).toContain('x'.repeat(512));
      expect(key('x'.repeat(513))).toMatch(/sha256:[0-9a-f]{64}$/);
    }
  });

  test('hold no half characters, which DynamoDB does not take', () => {
    expect(incidentItemOf('i\ud800').isWellFormed()).toBe(true);
    expect(incidentKeyOf(deployment, 'i\ud800').isWellFormed()).toBe(true);
  });
});

describe('a slot', () => {
  test('is the proof’s status, or that of endings that prove nothing', () => {
    expect(slotOf(ledgerEntryOf())).toBe('REVOKED');
    expect(slotOf(ledgerEntryOf({ proof: proofOf({ status: 'INACTIVE' }) }))).toBe('INACTIVE');
    expect(slotOf(unprovenEntryOf())).toBe('UNPROVEN');
  });

  test('tells what was done, when, in how many attempts, for whom and why', () => {
    const asked = [
      askedOf({ requestedBy: 'soc@example.com', reason: 'keyCompromise', incidentId: 'i-1' }),
    ];
    expect(slotValueOf(ledgerEntryOf({ asked, callMs: 50.4 }), at)).toEqual({
      version: 1,
      watermarkMs: 10_000,
      how: 'applied',
      messageId: 'message-1',
      at: '2026-01-02T03:04:05.000Z',
      outcome: 'applied',
      sentStatus: 'REVOKED',
      attempts: 1,
      callMs: 50,
      awsRequestId: 'aws-1',
      asked,
    });
  });

  test('tells why nothing was done, and claims no proof', () => {
    const value = slotValueOf(unprovenEntryOf(), at);
    expect(value).toMatchObject({ failureKind: 'not-found', cause: 'no such certificate' });
    expect(value).not.toHaveProperty('how');
  });

  test('names five of those who asked, and counts the rest', () => {
    const asked = Array.from({ length: 100 }, (_, n) => askedOf({ messageId: `m${n}` }));
    const value = slotValueOf(ledgerEntryOf({ asked }), at);
    expect(value).toMatchObject({ asked: asked.slice(0, 5), moreAsked: 95 });
    expect(slotValueOf(ledgerEntryOf({ asked: asked.slice(0, 5) }), at)).not.toHaveProperty(
      'moreAsked',
    );
  });

  test('holds no text that is longer than 256 characters, and no half of one', () => {
    const long = `${'😀'.repeat(127)}x😀😀`; // a cut at 255 goes through a character
    const fields = {
      requestId: long,
      requestedBy: long,
      comment: long,
      incidentId: long,
      messageId: '\udc00',
    };
    const cause = 'x'.repeat(256);
    const value = slotValueOf(unprovenEntryOf({ asked: [askedOf(fields)] }), at);
    const [told = {}] = value['asked'] as readonly Record<string, string>[];
    for (const text of Object.values(told)) {
      expect(text.isWellFormed()).toBe(true);
      expect(text.length).toBeLessThanOrEqual(256);
    }
    expect(told['comment']).toMatch(/^😀{127}x…$/u);
    expect(slotValueOf({ ...unprovenEntryOf(), cause }, at)).toMatchObject({ cause });
  });

  test('names the alert that led to it, in as few words', () => {
    const origin = { format: 'security-hub-imported', name: 'x'.repeat(2048), id: 'f' } as const;
    const value = slotValueOf(ledgerEntryOf({ asked: [askedOf({ origin })] }), at);
    expect(value['asked']).toEqual([
      { ...askedOf(), origin: { ...origin, name: `${'x'.repeat(255)}…` } },
    ]);
    expect(() => marshall(value)).not.toThrow();
  });

  test('of a queue that tells no times holds a number that proves nothing', () => {
    const proof = proofOf({ watermarkMs: -Infinity });
    expect(proofsOf(itemOf(ledgerEntryOf({ proof })))).toMatchObject([{ watermarkMs: 0 }]);
  });

  test('is small: a typical item costs one unit to write, and one to read', () => {
    const asked = [
      askedOf({
        messageId: crypto.randomUUID(),
        requestId: crypto.randomUUID(),
        requestedBy: 'incident-response@example.com',
        reason: 'keyCompromise',
        comment: 'private key found in a public repository',
        incidentId: 'INC-2026-000123',
      }),
    ];
    const awsRequestId = crypto.randomUUID();
    const proof = proofOf({ watermarkMs: at, messageId: crypto.randomUUID(), awsRequestId });
    const item = itemOf(ledgerEntryOf({ asked, proof, awsRequestId }));
    expect(JSON.stringify(item).length).toBeLessThan(1024); // its own JSON is longer than the item
  });
});

describe('what a certificate’s incident holds', () => {
  test('is who asked in its name, and what came of it', () => {
    const asked = [
      askedOf({ messageId: 'm1', incidentId: 'i-1' }),
      askedOf({ messageId: 'm2', incidentId: 'i-2' }),
    ];
    expect(filedValueOf(ledgerEntryOf({ asked }), 'i-2', at)).toEqual({
      version: 1,
      at: '2026-01-02T03:04:05.000Z',
      outcome: 'applied',
      status: 'REVOKED',
      awsRequestId: 'aws-1',
      asked: [asked[1]],
    });
    expect(filedValueOf(coveredEntryOf('i-3'), 'i-3', at)).toMatchObject({
      outcome: 'covered',
      asked: [{ incidentId: 'i-3' }],
    });
  });
});

test('an entry expires 400 days after it was last written, in whole seconds', () => {
  expect(expiryOf(at + 999)).toBe(at / 1000 + 400 * 86_400);
});

describe('proofs', () => {
  test('come back as they were written, one a status', () => {
    const written = statuses.map((status, n) => proofOf({ status, watermarkMs: 1000 * n }));
    expect(proofsOf(itemOf(...written.map((proof) => ledgerEntryOf({ proof }))))).toEqual(written);
    const { awsRequestId: _id, ...proof } = proofOf({ how: 'observed' });
    const { awsRequestId: _other, ...entry } = ledgerEntryOf({ proof });
    expect(proofsOf(itemOf(entry))).toEqual([proof]);
  });

  test('come back as they were written, whatever they hold', () => {
    const proof = fc.record({
      status: fc.constantFrom(...statuses),
      watermarkMs: fc.integer({ min: 0, max: 999_999_999_999_999 }),
      how: fc.constantFrom('applied' as const, 'observed' as const),
      messageId: fc.string({ minLength: 1 }),
    });
    fc.assert(
      fc.property(proof, (written) => {
        const { awsRequestId: _id, ...entry } = ledgerEntryOf({ proof: written });
        expect(proofsOf(itemOf(entry))).toEqual([written]);
      }),
    );
  });

  test('are none in an item that is not there, or proves nothing', () => {
    expect(proofsOf(undefined)).toEqual([]);
    expect(proofsOf({})).toEqual([]);
    expect(proofsOf(itemOf(unprovenEntryOf()))).toEqual([]);
  });

  test.each([
    ['another version’s', { version: 2 }],
    ['a version in words', { version: '1' }],
    ['a watermark in words', { watermarkMs: '10000' }],
    ['a negative watermark', { watermarkMs: -1 }],
    ['half a millisecond', { watermarkMs: 0.5 }],
    ['a watermark that no clock has', { watermarkMs: 10n ** 30n }],
    ['no watermark', { watermarkMs: null }],
    ['no known way', { how: 'guessed' }],
    ['no message', { messageId: '' }],
    ['an id that is none', { awsRequestId: 7 }],
  ])('are none in a slot that holds %s', (_, fields) => {
    expect(proofsOf({ REVOKED: slotWith({}) })).toHaveLength(1);
    expect(proofsOf({ REVOKED: slotWith(fields) })).toEqual([]);
  });

  test('are none in a slot that is a text, a list, or made by another program', () => {
    for (const slot of [{ S: 'yes' }, { L: [slotWith({})] }, { NULL: true }, {}, null, 'REVOKED']) {
      expect(proofsOf({ REVOKED: slot })).toEqual([]);
    }
  });

  test('are still found beside a slot that somebody has spoilt, and beside strange attributes', () => {
    const item = {
      INACTIVE: { M: { watermarkMs: { N: 'NaN' } } },
      REVOKED: slotWith({}),
      strange: { N: '9007199254740993.5' }, // what the SDK's own unmarshall does not take
      other: { B: new Uint8Array([1]) },
    };
    expect(proofsOf(item)).toEqual([proofOf()]);
  });

  test('are exactly ours, whatever is in an item, and nothing makes us crash', () => {
    const scalar = fc.oneof(
      fc.record({ S: fc.string() }),
      fc.record({ N: fc.oneof(fc.double().map(String), fc.nat().map(String), fc.string()) }),
      fc.record({ BOOL: fc.boolean() }),
      fc.record({ NULL: fc.constant(true) }),
      fc.record({ SS: fc.array(fc.string()) }),
      fc.record({ B: fc.uint8Array() }),
      fc.anything(),
    );
    const ours = {
      version: fc.constantFrom<unknown[]>({ N: '1' }, { N: '2' }, { S: '1' }),
      watermarkMs: fc.constantFrom<unknown[]>({ N: '10000' }, { N: '-1' }, { S: '10000' }),
      how: fc.constantFrom<unknown[]>({ S: 'applied' }, { S: 'observed' }, { S: 'x' }),
      messageId: fc.constantFrom<unknown[]>({ S: 'm' }, { S: '' }, { N: '1' }),
    };
    const nearly = fc.record(ours, { requiredKeys: [] });
    const mixed = fc.tuple(nearly, fc.dictionary(fc.string(), scalar)).map(([a, b]) => ({ M: { ...b, ...a } })); // prettier-ignore
    const slot = fc.oneof(mixed, scalar, fc.record({ M: fc.anything() }));
    const item = fc.oneof(
      fc.dictionary(fc.constantFrom('INACTIVE', 'REVOKED', 'ACTIVE', '__proto__', 'status'), slot),
      fc.dictionary(fc.string(), scalar),
    );
    fc.assert(
      fc.property(item, (found) => {
        for (const proof of proofsOf(found)) expectExactlyOurs(proof, found[proof.status]);
      }),
      { numRuns: 1000 },
    );
  });
});

function expectExactlyOurs(proof: Proof, slot: unknown): void {
  expect(slot).toMatchObject({
    M: {
      version: { N: '1' },
      watermarkMs: { N: String(proof.watermarkMs) },
      how: { S: proof.how },
      messageId: { S: proof.messageId },
    },
  });
  expect(proof.messageId).not.toBe('');
  expect(Number.isSafeInteger(proof.watermarkMs) && proof.watermarkMs >= 0).toBe(true);
}

test('the certificate of a slot is nowhere in it: the key names it', () => {
  expect(JSON.stringify(slotValueOf(ledgerEntryOf(), at))).not.toContain(certificateIdOf(0));
});
