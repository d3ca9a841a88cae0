import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adapt, intervalMs, startPace, type Feedback, type Pace } from '../src/pace.ts';

describe('a pace', () => {
  test('starts at its ceiling', () => {
    expect(startPace(10).rate).toBe(10);
    expect(intervalMs(startPace(10))).toBe(100);
  });

  test('falls by a fifth when an attempt was throttled', () => {
    expect(adapt(startPace(10), 'throttled', 0).rate).toBe(8);
    expect(intervalMs(adapt(startPace(10), 'throttled', 0))).toBe(125);
  });

  test('takes throttles within half a second for one signal', () => {
    const [first, same, almost, next] = afterAll(startPace(10), [
      ['throttled', 1000],
      ['throttled', 1000],
      ['throttled', 1499],
      ['throttled', 1500],
    ]);
    expect([first, same, almost]).toEqual([8, 8, 8]);
    expect(next).toBeCloseTo(6.4);
  });

  test('counts half a second from the last time that it fell, not from the last throttle', () => {
    const rates = afterAll(startPace(10), [
      ['throttled', 0],
      ['throttled', 400],
      ['throttled', 600],
    ]);
    expect(rates.at(-1)).toBeCloseTo(6.4);
  });

  test('wins back a hundredth of its ceiling with each success', () => {
    const throttled = adapt(startPace(10), 'throttled', 0);
    expect(adapt(throttled, 'succeeded', 0).rate).toBeCloseTo(8.1);
  });

  test('learns nothing from a failure that was no throttle', () => {
    const pace = adapt(startPace(10), 'throttled', 0);
    expect(adapt(pace, 'failed', 10_000)).toBe(pace);
  });

  test('is back at its ceiling after 95 successes, from however far down', () => {
    const slow: Pace = { ceiling: 10, rate: 0.5, loweredAtMs: 0 };
    const successes = Array.from({ length: 95 }, () => ['succeeded', 0] as const);
    expect(afterAll(slow, successes).at(-1)).toBeCloseTo(10);
    expect(afterAll(slow, successes.slice(1)).at(-1)).toBeLessThan(9.95);
  });

  test('stays between a twentieth of its ceiling and its ceiling, whatever it is told', () => {
    const feedback = fc.constantFrom<Feedback>('throttled', 'succeeded', 'failed');
    const told = fc.array(fc.tuple(feedback, fc.nat({ max: 1000 })), { size: 'medium' });
    const ceiling = fc.double({ min: 0.1, max: 1000, noNaN: true });
    fc.assert(
      fc.property(told, ceiling, (attempts, ceiling) => {
        let now = 0;
        const rates = afterAll(
          startPace(ceiling),
          attempts.map(([feedback, waited]) => [feedback, (now += waited)]),
        );
        for (const rate of rates) {
          expect(rate).toBeGreaterThanOrEqual(ceiling * 0.05);
          expect(rate).toBeLessThanOrEqual(ceiling);
        }
      }),
    );
  });

  test('comes to rest at a twentieth of its ceiling in a storm of throttles', () => {
    const storm = Array.from({ length: 20 }, (_, n) => ['throttled', n * 500] as const);
    expect(afterAll(startPace(10), storm).at(-1)).toBe(0.5);
  });
});

/** The rate after each of the attempts. */
function afterAll(
  start: Pace,
  attempts: readonly (readonly [feedback: Feedback, atMs: number])[],
): number[] {
  let pace = start;
  return attempts.map(([feedback, atMs]) => {
    pace = adapt(pace, feedback, atMs);
    return pace.rate;
  });
}
