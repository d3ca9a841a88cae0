import { describe, expect, test } from 'vitest';
import { createTokenBucket, type Quota } from '../../src/sandbox/token-bucket.ts';

describe('a token bucket', () => {
  test('starts full and refuses once the burst is spent', () => {
    const { takes } = setup({ rate: 10, burst: 3 });
    expect(takes(5)).toEqual([true, true, true, false, false]);
  });

  test('earns one token each 1/rate seconds', () => {
    const { takes, advance } = setup({ rate: 10, burst: 1 });
    takes(1);
    advance(99);
    expect(takes(1)).toEqual([false]);
    advance(1);
    expect(takes(2)).toEqual([true, false]);
  });

  test('earns whole tokens over many fractional steps', () => {
    const { takes, advance } = setup({ rate: 10, burst: 10 });
    takes(10);
    const taken = Array.from({ length: 100 }, () => {
      advance(10);
      return takes(1)[0];
    });
    expect(taken.filter(Boolean)).toHaveLength(10);
  });

  test('never holds more than the burst', () => {
    const { takes, advance } = setup({ rate: 10, burst: 2 });
    advance(3_600_000);
    expect(takes(3)).toEqual([true, true, false]);
  });

  test('earns nothing when the clock steps back', () => {
    const { takes, advance } = setup({ rate: 10, burst: 1 });
    takes(1);
    advance(-10_000);
    expect(takes(1)).toEqual([false]);
    advance(100);
    expect(takes(1)).toEqual([true]);
  });

  test('with rate and burst 0 refuses everything', () => {
    const { takes, advance } = setup({ rate: 0, burst: 0 });
    advance(60_000);
    expect(takes(2)).toEqual([false, false]);
  });
});

function setup(quota: Quota) {
  let nowMs = 0;
  const bucket = createTokenBucket(quota, () => nowMs);
  return {
    takes: (count: number) => Array.from({ length: count }, () => bucket.take()),
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}
