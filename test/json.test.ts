import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deepest, readJson } from '../src/json.ts';
import { bodies } from './helpers/body.ts';

describe('a JSON text', () => {
  test('gives its value', () => {
    expect(readJson(' {"a": [1, 2.5e3, true, null, "\\u00e4\\n"]}\r\n')).toEqual({
      kind: 'json',
      value: { a: [1, 2500, true, null, 'ä\n'] },
    });
  });

  test('gives what JSON.parse gives, or is refused', () => {
    fc.assert(
      fc.property(bodies(), (text) => {
        const read = readJson(text);
        fc.pre(read.kind === 'json');
        expect(read).toEqual({ kind: 'json', value: JSON.parse(text) });
      }),
      { numRuns: 1000 },
    );
  });

  test('gives every value that JSON.stringify wrote, without NUL and `__proto__`', () => {
    const values = fc
      .jsonValue()
      .filter((value) => !/\\u0000|\\u[dD][89a-fA-F]|__proto__/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value);
        expect(readJson(text)).toEqual({ kind: 'json', value: JSON.parse(text) });
      }),
    );
  });
});

test('a space behind a text, which makes it be read closely, changes no verdict', () => {
  const written = fc.oneof(
    bodies(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc
      .array(fc.tuple(fc.constantFrom('a', 'b', '__proto__', '\\u0061', '1'), fc.nat(3)))
      .map((pairs) => `{${pairs.map(([key, value]) => `"${key}":${value}`).join(',')}}`),
  );
  fc.assert(
    fc.property(written, (text) => {
      const read = readJson(text);
      const isJson = read.kind === 'json' || /the key|a key|holds a/.test(read.reason);
      fc.pre(isJson && text.length < 262_144);
      expect(read).toEqual(readJson(`${text} `));
    }),
    { numRuns: 500 },
  );
});

describe('a text is refused, and the reason says that', () => {
  test.each([
    ['it is empty', '', 'it is empty; a JSON object is expected'],
    ['it is blank', ' \r\n\t', 'it is empty; a JSON object is expected'],
    ['it starts with a byte order mark', '\uFEFF{}', 'it starts with a byte order mark (U+FEFF)'],
    ['it holds a lone surrogate', '{"a":"\uD800"}', 'it holds a lone surrogate'],
    ['a string escapes a lone surrogate', String.raw`["\uDC00"]`, 'holds a lone surrogate'],
    ['a key escapes a lone surrogate', String.raw`{"\uDC00":1}`, 'holds a lone surrogate'],
    ['a string holds NUL', String.raw`["a\u0000b"]`, String.raw`"a\u0000b" holds a NUL character`],
    ['a key holds NUL', String.raw`{"\u0000":1}`, String.raw`"\u0000" holds a NUL character`],
    ['it has a raw control character', '{"a":"\u0007"}', 'it is not JSON'],
    ['it is no JSON', 'REVOKED', "it is not JSON (Unexpected token 'R'"],
    ['it is cut short', '{"newStatus":"REV', 'it is not JSON (Unterminated string'],
    ['it goes on after its value', '{} {}', 'it is not JSON'],
    ['it has a comma too many', '{"a":1,}', 'it is not JSON'],
    ['it has a comment', '{} // no', 'it is not JSON'],
    ['it has single quotes', "{'a':1}", 'it is not JSON'],
    ['it is NaN', 'NaN', 'it is not JSON'],
    ['it has a key twice', '{"id":1,"x":{},"id":2}', 'it has the key "id" twice'],
    ['it has a key twice, the same', '{"a":1,"a":1}', 'it has the key "a" twice'],
    [
      'it has a key twice, once escaped',
      String.raw`{"a":1,"\u0061":2}`,
      'it has the key "a" twice',
    ],
    ['an inner object has a key twice', '[{"x":{"a":1,"a":2}}]', 'it has the key "a" twice'],
    ['it has a key twice, around an object', '{"a":{"b":1},"a":2}', 'it has the key "a" twice'],
    ['it has the empty key twice', '{"":1,"":2}', 'it has the key "" twice'],
    ['it has a key `__proto__`', '{"__proto__":{"newStatus":"REVOKED"}}', '"__proto__"'],
    ['it escapes a key `__proto__`', String.raw`{"\u005f_proto__":1}`, '"__proto__"'],
  ])('%s', (_, text, reason) => {
    expect(readJson(text)).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) });
  });

  test('it is nested too deep', () => {
    expect(readJson('['.repeat(deepest) + ']'.repeat(deepest)).kind).toBe('json');
    expect(readJson('['.repeat(deepest + 1) + ']'.repeat(deepest + 1))).toEqual({
      kind: 'refused',
      reason: 'it is nested more than 32 levels deep',
    });
  });

  test('it is nested too deep, with objects and arrays in turn', () => {
    const nested = `${'{"a":['.repeat(deepest)}${']}'.repeat(deepest)}`;
    expect(readJson(nested).kind).toBe('refused');
  });
});

describe('what looks wrong and is right', () => {
  test.each([
    ['the same key in different objects', '[{"a":1},{"a":2},{"b":{"a":3},"a":4}]'],
    ['a string that equals a key', '{"a":"a","b":["a","a"]}'],
    ['`__proto__` as a value', '{"a":"__proto__"}'],
    ['brackets inside strings', JSON.stringify({ a: '['.repeat(99), b: '\\"{{{{'.repeat(99) })],
    ['many brackets side by side', JSON.stringify(Array.from({ length: 99 }, () => ({ a: [] })))],
    ['a surrogate pair, escaped', String.raw`["\ud83d\udd12"]`],
    ['keys named as methods of objects', '{"constructor":1,"toString":2,"hasOwnProperty":3}'],
    ['a number beyond every double', '1e999'],
  ])('%s', (_, text) => {
    expect(readJson(text)).toEqual({ kind: 'json', value: JSON.parse(text) });
  });
});

describe('a text as long as SNS and EventBridge carry', () => {
  const ofLength = (length: number): string => JSON.stringify('x'.repeat(length - 2));

  test('is read', () => {
    expect(readJson(ofLength(262_144)).kind).toBe('json');
  });

  test('is refused if it is one character longer', () => {
    expect(readJson(ofLength(262_145))).toEqual({
      kind: 'refused',
      reason: 'it is 262145 characters long; at most 262144 are expected',
    });
  });
});
