import { describe, expect, test } from 'vitest';
import { atLeast, strongest } from '../src/status.ts';

describe('a status', () => {
  test.each([
    ['REVOKED', 'REVOKED', true],
    ['REVOKED', 'INACTIVE', true],
    ['INACTIVE', 'INACTIVE', true],
    ['INACTIVE', 'REVOKED', false],
  ] as const)('%s is at least %s: %s', (a, b, expected) => {
    expect(atLeast(a, b)).toBe(expected);
  });

  test('of several is as strong as the strongest, wherever that stands', () => {
    expect(strongest(['INACTIVE'])).toBe('INACTIVE');
    expect(strongest(['INACTIVE', 'INACTIVE'])).toBe('INACTIVE');
    expect(strongest(['INACTIVE', 'REVOKED', 'INACTIVE'])).toBe('REVOKED');
    expect(strongest(['REVOKED', 'INACTIVE'])).toBe('REVOKED');
  });
});
