import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Sha256 } from '../../src/aws/sha256.ts';

const hex = async (hash: Sha256): Promise<string> =>
  Buffer.from(await hash.digest()).toString('hex');

describe('a hash', () => {
  test('without a secret is SHA-256 (FIPS 180-2, B.1)', async () => {
    const hash = new Sha256();
    hash.update('a');
    hash.update('bc');
    expect(await hex(hash)).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  test('with a secret is HMAC-SHA-256 (RFC 4231, 4.3)', async () => {
    const hash = new Sha256('Jefe');
    hash.update('what do ya want for nothing?');
    expect(await hex(hash)).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  const key = createHash('sha256').update('a key of 32 bytes').digest();
  const padded = new Uint8Array([1, 2, ...key, 3]);
  test.each([
    ['bytes', key],
    ['a part of a buffer', padded.subarray(2, 34)],
    ['a view of a part of a buffer', new DataView(padded.buffer, 2, 32)],
    ['a buffer', padded.buffer.slice(2, 34)],
  ])('takes its secret and its data as %s', async (_what, bytes) => {
    const hash = new Sha256(bytes);
    hash.update(bytes);
    expect(await hex(hash)).toBe(createHmac('sha256', key).update(key).digest('hex'));
  });

  test('knows one secret and one text from another, asked in whatever order', async () => {
    const pairs = ['a a', 'a b', 'a b', 'b b', 'b a', 'a a', 'a b'];
    for (const [secret = '', text = ''] of pairs.map((pair) => pair.split(' '))) {
      const hash = new Sha256(secret);
      hash.update(text);
      const expected = createHmac('sha256', secret).update(text).digest('hex');
      expect(await hex(hash)).toBe(expected);
    }
  });

  test('hands out a digest that may be written to', async () => {
    const digest = async (): Promise<Uint8Array> => {
      const hash = new Sha256('secret');
      hash.update('text');
      return hash.digest();
    };
    const mine = await digest();
    const copy = Uint8Array.from(mine);
    mine.fill(0);
    expect(await digest()).toEqual(copy);
  });

  test('with an empty secret is an HMAC still', async () => {
    expect(await hex(new Sha256(''))).toBe(createHmac('sha256', '').digest('hex'));
  });

  test.each([undefined, 'a secret', key])('begins anew once reset', async (secret) => {
    const hash = new Sha256(secret);
    const first = await hex(hash);
    hash.reset();
    hash.update('something');
    hash.reset();
    expect(await hex(hash)).toBe(first);
  });
});
