import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quote } from '../src/quote.ts';

describe('a quoted value', () => {
  test.each([
    ['a string, in quotation marks', 'REVOKED', '"REVOKED"'],
    ['a string with quotation marks in it', 'say "no"', String.raw`"say \"no\""`],
    ['an empty string', '', '""'],
    ['a number', 42, '42'],
    ['a boolean', false, 'false'],
    ['null', null, 'null'],
    ['what is absent', undefined, 'nothing'],
    ['an array, by its length', [1, 2, 3], 'an array of 3'],
    ['an object, without its contents', { secret: 'x' }, 'an object'],
    ['letters of every language, as they are', 'Gerät № 7 — 装置', '"Gerät № 7 — 装置"'],
  ])('shows %s', (_, value, shown) => {
    expect(quote(value)).toBe(shown);
  });

  test.each([
    ['a line feed', '\n', String.raw`"\n"`],
    ['an escape sequence of a terminal', '\u001b[31m', String.raw`"\u001b[31m"`],
    ['DEL and C1 controls', '\u007f\u0085\u009f', String.raw`"\u007f\u0085\u009f"`],
    ['line separators', '\u2028\u2029', String.raw`"\u2028\u2029"`],
    ['bidirectional marks', '\u202e\u2066\u061c', String.raw`"\u202e\u2066\u061c"`],
    ['what has no width', '\u200b\ufeff', String.raw`"\u200b\ufeff"`],
    ['a lone surrogate', '\ud800', String.raw`"\ud800"`],
  ])('escapes %s', (_, value, shown) => {
    expect(quote(value)).toBe(shown);
  });

  test('is cut after 80 characters', () => {
    expect(quote('a'.repeat(80))).toBe(`"${'a'.repeat(80)}"`);
    expect(quote('a'.repeat(81))).toBe(`"${'a'.repeat(80)}…"`);
    expect(quote(10n ** 90n)).toBe(`1${'0'.repeat(79)}…`);
  });

  test('stays whole where the cut goes through a surrogate pair', () => {
    expect(quote(`${'a'.repeat(79)}🔒🔒`)).toBe(String.raw`"${'a'.repeat(79)}\ud83d…"`);
  });

  test('is on one line, well-formed and short, whatever it shows', () => {
    const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.anything());
    fc.assert(
      fc.property(anything, (value) => {
        const shown = quote(value);
        expect(shown).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
        expect(shown.isWellFormed()).toBe(true);
        expect(shown.length).toBeLessThan(500);
      }),
      { numRuns: 1000 },
    );
  });
});
