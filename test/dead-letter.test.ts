import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deadLettersOf } from '../src/dead-letter.ts';
import type { MessageAttribute } from '../src/message.ts';
import type { DeadLetter } from '../src/queue.ts';
import { messageOf } from './helpers/message.ts';

const refusal = { failureKind: 'malformed-body', reason: 'body: it is not JSON' };

const ofOurs = {
  lane: { dataType: 'String', stringValue: 'rotation' },
  failureKind: { dataType: 'String', stringValue: 'malformed-body' },
  failureReason: { dataType: 'String', stringValue: 'body: it is not JSON' },
  originalMessageId: { dataType: 'String', stringValue: 'message-1' },
};

const string = (stringValue: string): MessageAttribute => ({ dataType: 'String', stringValue });

function named(count: number): Record<string, MessageAttribute> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`own${n}`, string(`${n}`)]));
}

/** Body and attributes, names, types and values, bytes (AWS docs, "message metadata"). */
function sizeOf({ body, attributes }: DeadLetter): number {
  const bytes = (text: string): number => Buffer.byteLength(text);
  return Object.entries(attributes).reduce(
    (sum, [name, { dataType, stringValue = '', binaryValue }]) =>
      sum + bytes(name) + bytes(dataType) + bytes(stringValue) + (binaryValue?.length ?? 0),
    bytes(body),
  );
}

describe('a dead letter', () => {
  test('keeps the body, and says where it came from and why it lies there', () => {
    const [letter] = deadLettersOf(messageOf({ body: '\r\n\tnonsense ' }), refusal);
    expect(letter).toEqual({ body: '\r\n\tnonsense ', attributes: ofOurs });
  });

  test('keeps the message’s own attributes, of whatever type', () => {
    const attributes = {
      traceId: string('1-5'),
      weight: { dataType: 'Number', stringValue: '7' },
      blob: { dataType: 'Binary.png', binaryValue: Uint8Array.of(0, 255) },
    };
    const [letter] = deadLettersOf(messageOf({ attributes }), refusal);
    expect(letter?.attributes).toEqual({ ...attributes, ...ofOurs });
  });

  test('lets ours win over the message’s own of the same name', () => {
    const attributes = { lane: string('fast'), failureReason: string('none') };
    const [letter] = deadLettersOf(messageOf({ attributes }), refusal);
    expect(letter?.attributes).toEqual(ofOurs);
  });

  test('keeps ours, and six of the message’s ten own', () => {
    const [letter] = deadLettersOf(messageOf({ attributes: named(10) }), refusal);
    expect(Object.keys(letter?.attributes ?? {})).toHaveLength(10);
    expect(letter?.attributes).toMatchObject(ofOurs);
  });

  test('keeps ours even among ten that are called as JavaScript’s own', () => {
    const names = ['lane', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf'];
    const attributes = Object.fromEntries(
      [...names, 'toLocaleString', 'propertyIsEnumerable', '__proto__', 'x'].map((name) => [
        name,
        string(name),
      ]),
    );
    const [letter] = deadLettersOf(messageOf({ attributes }), refusal);
    expect(letter?.attributes).toMatchObject(ofOurs);
  });

  test('has a bare body beside it, for a queue that takes no attribute', () => {
    expect(deadLettersOf(messageOf({ body: 'x', attributes: named(2) }), refusal)).toEqual([
      { body: 'x', attributes: { ...named(2), ...ofOurs } },
      { body: 'x', attributes: ofOurs },
      { body: 'x', attributes: ofOurs },
      { body: 'x', attributes: {} },
    ]);
  });

  test('of 1 MiB has no room for attributes, and is sent all the same', () => {
    const body = 'x'.repeat(1_048_576);
    expect(deadLettersOf(messageOf({ body, attributes: {} }), refusal)).toEqual([
      { body, attributes: {} },
    ]);
  });

  test('of almost 1 MiB leaves out what does not fit', () => {
    const ours = sizeOf({ body: '', attributes: ofOurs });
    const body = 'x'.repeat(1_048_576 - ours);
    const [letter] = deadLettersOf(messageOf({ body, attributes: named(1) }), refusal);
    expect(letter).toEqual({ body, attributes: ofOurs });
    const [shorter] = deadLettersOf(messageOf({ body: `${body}x` }), refusal);
    expect(shorter?.attributes).toEqual({});
  });

  test('counts the bytes of a binary attribute, and no others for it', () => {
    const ours = sizeOf({ body: '', attributes: ofOurs });
    const blob = { dataType: 'Binary', binaryValue: new Uint8Array(100) };
    const own = sizeOf({ body: '', attributes: { blob } });
    const body = 'x'.repeat(1_048_576 - ours - own);
    const [letter] = deadLettersOf(messageOf({ body, attributes: { blob } }), refusal);
    expect(letter?.attributes).toEqual({ blob, ...ofOurs });
    const more = messageOf({ body: `${body}x`, attributes: { blob } });
    expect(deadLettersOf(more, refusal)[0]?.attributes).toEqual(ofOurs);
  });

  test('counts bytes, not characters', () => {
    const body = '€'.repeat(Math.floor(1_048_576 / 3));
    expect(deadLettersOf(messageOf({ body }), refusal)).toEqual([{ body, attributes: {} }]);
  });

  test('has no character in its attributes that SQS refuses', () => {
    const reason = 'a\u0000b\u0008c\u000Bd\u001Fe\uFFFEf\uFFFFg\uD800h\ti\nj\r\u007F😀';
    const [letter] = deadLettersOf(messageOf(), { failureKind: '', reason });
    expect(letter?.attributes['failureReason']?.stringValue).toBe(
      'a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf\uFFFDg\uFFFDh\ti\nj\r\u007F😀',
    );
    expect(letter?.attributes['failureKind']?.stringValue).toBe('-');
  });

  test('shortens a reason that is a story', () => {
    const [letter, , short] = deadLettersOf(messageOf(), { ...refusal, reason: 'x'.repeat(5000) });
    expect(letter?.attributes['failureReason']?.stringValue).toBe(`${'x'.repeat(1023)}…`);
    expect(short?.attributes['failureReason']?.stringValue).toBe(`${'x'.repeat(99)}…`);
  });

  test('tells a reason of 1024 characters in full', () => {
    const reason = 'x'.repeat(1024);
    const [letter] = deadLettersOf(messageOf(), { ...refusal, reason });
    expect(letter?.attributes['failureReason']?.stringValue).toBe(reason);
  });

  test('is not broken by a cut through a character', () => {
    const reason = `${'x'.repeat(1022)}😀${'x'.repeat(10)}`;
    const [letter] = deadLettersOf(messageOf(), { ...refusal, reason });
    expect(letter?.attributes['failureReason']?.stringValue?.isWellFormed()).toBe(true);
  });
});

test('every dead letter is within SQS’s limits, and one of them is always there', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,30}$/),
    fc.constantFrom('lane', 'failureKind', 'failureReason', '__proto__', 'constructor', 'toString'),
  );
  const value = fc.oneof(
    fc.string({ minLength: 1 }).map(string),
    fc.nat(300_000).map((length) => string('x'.repeat(length + 1))),
    fc.uint8Array({ minLength: 1 }).map((binaryValue) => ({ dataType: 'Binary', binaryValue })),
  );
  const attributes = fc.uniqueArray(fc.tuple(name, value), { maxLength: 10, selector: ([n]) => n });
  const body = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.nat(3000).map((less) => 'x'.repeat(1_048_576 - less)),
    fc.nat(3000).map((less) => '😀'.repeat((1_048_576 - less) / 4)),
  );
  const reason = fc.oneof(fc.string({ unit: 'binary', maxLength: 3000 }), fc.string());
  fc.assert(
    fc.property(body, attributes, reason, fc.string(), (body, own, reason, failureKind) => {
      const message = messageOf({ body, attributes: Object.fromEntries(own) });
      const letters = deadLettersOf(message, { failureKind, reason });
      expect(letters.at(-1)?.attributes).toEqual({});
      for (const letter of letters) {
        expect(letter.body).toBe(body);
        expect(sizeOf(letter)).toBeLessThanOrEqual(1_048_576);
        const entries = Object.entries(letter.attributes);
        expect(entries.length).toBeLessThanOrEqual(10);
        if (entries.length > 0) {
          expect(letter.attributes).toMatchObject({ lane: string('rotation') });
          for (const ours of ['lane', 'failureKind', 'failureReason', 'originalMessageId']) {
            const text = letter.attributes[ours]?.stringValue ?? '';
            // What SQS takes (AWS API reference, SendMessage).
            expect(text).toMatch(/^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]+$/u);
          }
        }
      }
    }),
  );
});
