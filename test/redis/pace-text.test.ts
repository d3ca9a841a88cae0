import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adapt, startPace, type Pace } from '../../src/pace.ts';
import { readPace, writePace } from '../../src/redis/pace-text.ts';

const limits = { share: 10, ceiling: 50 };
const begun = startPace(limits, 1000);
const throttled = adapt(begun, { kind: 'throttled', startedAtMs: 2000 }, 2060, () => 0.5);

describe('a pace in Redis', () => {
  test('comes back as it was, to processes whose clocks show other times', () => {
    for (const pace of [begun, throttled]) {
      const text = writePace(pace, 1_000_000);
      expect(readPace(text, limits, 1_000_000, 2060)).toEqual(pace);
      const elsewhere = readPace(text, limits, 999_000, 3060);
      expect(elsewhere?.countedAtMs).toBe(pace.countedAtMs + 1000);
      expect(elsewhere?.pausedUntilMs).toBe(pace.pausedUntilMs + 1000);
    }
  });

  test('may be one of a version that did not count refused probes', () => {
    const { refused: _none, ...older } = JSON.parse(writePace(throttled, 0)) as Pace;
    expect(readPace(JSON.stringify(older), limits, 0, 2060)).toEqual(throttled);
  });

  test('is held to the reader’s own limits', () => {
    const own = { share: 2, ceiling: 5 };
    expect(readPace(writePace(begun, 0), own, 0, 1000)).toMatchObject({ rate: 5, limits: own });
  });

  test('is refused where it is of a time to come, or would stop everything', () => {
    const wrong: readonly Partial<Pace>[] = [
      { reactedAtMs: 10_000 },
      { probedAtMs: 10_000 },
      { emptyAtMs: 10_000 },
      { pausedUntilMs: 10_000 },
      { rate: 1e-9 },
      { rate: 0 },
      { rate: -1 },
    ];
    for (const change of wrong) {
      expect(readPace(writePace({ ...throttled, ...change }, 0), limits, 0, 2060)).toBeUndefined();
    }
  });

  test('is refused where it is none, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(readPace(text, limits, 0, 0)).toBeUndefined();
      }),
    );
  });
});
