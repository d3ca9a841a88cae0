import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { fit, isObject, present, refused } from '../src/shape.ts';

const shape = z.object({
  a: z.string({ error: 'a string is expected' }),
  b: z.object(
    { c: z.number({ error: 'a number is expected' }) },
    { error: 'an object is expected' },
  ),
});

describe('a value', () => {
  test('that fits is handed on as the shape has it', () => {
    expect(fit(shape, { a: 'x', b: { c: 1 }, d: 2 }, [])).toEqual({
      kind: 'fits',
      value: { a: 'x', b: { c: 1 } },
    });
  });

  test('that does not is refused with all that is wrong, each by its place and by what it holds', () => {
    expect(fit(shape, { a: 1, b: { c: 'y' } }, ['Message', 'detail'])).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason:
        'Message.detail.a: it holds 1; a string is expected; Message.detail.b.c: it holds "y"; a number is expected',
    });
  });

  test('that is wrong as a whole is called the body, or by its path', () => {
    const whole = z.string({ error: 'a string is expected' });
    expect(fit(whole, 1, [])).toMatchObject({
      reason: 'body: it holds 1; a string is expected',
    });
    expect(fit(whole, 1, ['detail'])).toMatchObject({
      reason: 'detail: it holds 1; a string is expected',
    });
  });
});

describe('a reason', () => {
  const problems = Array.from({ length: 15 }, (_, n) => `p${n}`);

  test('tells up to twelve problems in full', () => {
    const twelve = problems.slice(0, 12);
    expect(refused('invalid-request', ...twelve)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: twelve.join('; '),
    });
  });

  test('counts those beyond', () => {
    expect(refused('malformed-body', ...problems).reason).toBe(
      `${problems.slice(0, 12).join('; ')}; and 3 more of the kind`,
    );
    expect(refused('malformed-body', ...problems.slice(0, 13)).reason).toMatch(
      /p11; and 1 more of the kind$/,
    );
  });
});

test('the fields that hold something are those that are neither absent nor null', () => {
  const fields = { a: 1, b: undefined, c: null, d: '', e: 0, f: false };
  expect(present(fields)).toStrictEqual({ a: 1, d: '', e: 0, f: false });
});

test.each([
  [{}, true],
  [{ a: 1 }, true],
  [[], false],
  [null, false],
  [undefined, false],
  ['{}', false],
  [() => undefined, false],
])('%j is an object: %j', (value, is) => {
  expect(isObject(value)).toBe(is);
});
