import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  adapt,
  slotOf,
  startPace,
  type Pace,
  type PaceEvent,
  type PaceLimits,
} from '../src/pace.ts';
import { randomFrom, simulate, type Figures, type Scenario } from './helpers/metered.ts';

const half = (): number => 0.5;

describe('a pace', () => {
  test('begins with the share that it was told', () => {
    const pace = startPace({ share: 10, ceiling: 50 }, 0);
    expect(pace.rate).toBe(10);
    expect(slotOf(pace)).toEqual({ attempts: 1, intervalMs: 100 });
  });

  test('serves several attempts with each slot where bottleneck would be the limit', () => {
    const limits = { share: 1000, ceiling: 1000 };
    expect(slotOf(startPace(limits, 0))).toEqual({ attempts: 10, intervalMs: 10 });
  });

  test('yields to the first throttled call at once, and leaves the bucket alone for a moment', () => {
    const pace = after(startPace({ share: 10, ceiling: 10 }, 0), [
      [{ kind: 'throttled', startedAtMs: 1000 }, 1060],
    ]);
    expect(pace.rate).toBe(7);
    expect(pace.pausedUntilMs).toBe(1360);
  });

  test('counts what was under way when it yielded as part of the same', () => {
    const once = after(startPace({ share: 10, ceiling: 10 }, 0), [
      [{ kind: 'throttled', startedAtMs: 1000 }, 1060],
    ]);
    expect(after(once, [[{ kind: 'throttled', startedAtMs: 1050 }, 1110]])).toBe(once);
    expect(after(once, [[{ kind: 'throttled', startedAtMs: 1400 }, 1460]]).rate).toBeCloseTo(4.9);
  });

  test('measures what the bucket gives from one empty bucket to the next', () => {
    const events: [PaceEvent, number][] = [[{ kind: 'throttled', startedAtMs: 0 }, 60]];
    for (let n = 1; n <= 65; n++)
      events.push([{ kind: 'succeeded', startedAtMs: n * 153 }, n * 153]);
    events.push([{ kind: 'throttled', startedAtMs: 10_000 }, 10_060]);
    expect(after(startPace({ share: 10, ceiling: 10 }, 0), events).rate).toBeCloseTo(6.5);
  });

  test('never goes beyond its ceiling', () => {
    const { startedAtMs } = run({
      calls: 2000,
      workers: [{ share: 10, ceiling: 20 }],
      quota: () => 500,
    });
    expect(mostWithin(startedAtMs, 10_000)).toBeLessThanOrEqual(2 + 20 * 10);
  });

  test('does not probe at all where the ceiling is its share', () => {
    const { startedAtMs } = run({
      calls: 2000,
      workers: [{ share: 10, ceiling: 10 }],
      quota: () => 500,
    });
    expect(mostWithin(startedAtMs, 10_000)).toBeLessThanOrEqual(2 + 10 * 10);
  });

  test('goes back to its share after a minute without anything to do', () => {
    const slow = after(startPace({ share: 10, ceiling: 10 }, 0), [
      [{ kind: 'throttled', startedAtMs: 0 }, 60],
      [{ kind: 'idle' }, 30_000],
    ]);
    expect(slow.rate).toBe(7);
    expect(after(slow, [[{ kind: 'idle' }, 61_000]]).rate).toBe(10);
  });

  test('stays between a fiftieth of its share and its ceiling, whatever it is told', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const limits = { share: 10, ceiling: 30 };
        let pace = startPace(limits, 0);
        for (const [event, atMs] of history) {
          pace = adapt(pace, event, atMs, half);
          expect(pace.rate).toBeGreaterThanOrEqual(0.2);
          expect(pace.rate).toBeLessThanOrEqual(30);
          expect(pace.pausedUntilMs - atMs).toBeLessThanOrEqual(5000);
        }
      }),
    );
  });

  test('probes soon while it is far below its share, and ever more rarely if that is refused', () => {
    const calls = refusals({ share: 10, ceiling: 10 }, 100);
    expect(calls.slice(0, 3).every((between) => between <= 10)).toBe(true);
    expect(calls.toSorted((a, b) => a - b)).toEqual(calls);
    expect(calls.at(-1)).toBe(40);
  });

  test('is as eager as before once it has had nearly its share, or has rested for a minute', () => {
    const tired: Pace = { ...startPace({ share: 10, ceiling: 10 }, 0), rate: 6, refused: 50 };
    const won = after({ ...tired, probing: true, tokens: -2 }, [
      [{ kind: 'taken', attempts: 1 }, 0],
    ]);
    expect([won.rate, won.refused]).toEqual([10, 0]);
    const half = { ...tired, rate: 3, probing: true, tokens: -2 };
    expect(after(half, [[{ kind: 'taken', attempts: 1 }, 0]]).refused).toBe(50);
    expect(after(tired, [[{ kind: 'idle' }, 61_000]]).refused).toBe(0);
  });

  test('counts what the bucket gave since it was empty: calls that started after that', () => {
    const empty = after(startPace({ share: 10, ceiling: 10 }, 0), [
      [{ kind: 'throttled', startedAtMs: 1000 }, 1060],
    ]);
    const given = (startedAtMs: number): number =>
      after(empty, [[{ kind: 'succeeded', startedAtMs }, 1500]]).givenSinceEmpty;
    expect([given(999), given(1000), given(1001)]).toEqual([0, 0, 1]);
  });

  test('has reacted to all that started before, and in the same moment', () => {
    const pace = { ...startPace({ share: 10, ceiling: 10 }, 0), reactedAtMs: 1000 };
    expect(after(pace, [[{ kind: 'throttled', startedAtMs: 1000 }, 1060]])).toBe(pace);
    expect(after(pace, [[{ kind: 'throttled', startedAtMs: 1001 }, 1060]]).rate).toBe(7);
  });

  test('leaves to the bucket what comes while it yields', () => {
    const pace = after(startPace({ share: 10, ceiling: 10 }, 0), [
      [{ kind: 'throttled', startedAtMs: 1000 }, 1060],
    ]);
    expect(pace.tokens).toBeCloseTo(2.1); // 300 ms at 7 a second
    expect(pace.countedAtMs).toBe(1360);
  });

  test('measures from a second and four calls on; less tells nothing', () => {
    const rate = (givenSinceEmpty: number, startedAtMs: number): number => {
      const pace = { ...startPace({ share: 10, ceiling: 10 }, 0), emptyAtMs: 0, givenSinceEmpty };
      return after(pace, [[{ kind: 'throttled', startedAtMs }, startedAtMs]]).rate;
    };
    expect(rate(4, 1000)).toBe(5); // 4 were measured, and it never more than halves
    expect([rate(3, 1000), rate(4, 999)]).toEqual([7, 7]);
  });

  test('that was throttled is slower than before, unless it was the probe that went too far', () => {
    const rate = (probing: boolean): number => {
      const limits = { share: 10, ceiling: 10 };
      const pace = { ...startPace(limits, 0), probing, emptyAtMs: 0, givenSinceEmpty: 30 };
      return after(pace, [[{ kind: 'throttled', startedAtMs: 1000 }, 1000]]).rate;
    };
    expect([rate(false), rate(true)]).toEqual([9.9, 10]);
  });

  test('gives back of what others left, and never of its own share', () => {
    const rate = (givenSinceEmpty: number): number => {
      const limits = { share: 5, ceiling: 20 };
      const pace = { ...startPace(limits, 0), rate: 10, emptyAtMs: 0, givenSinceEmpty };
      return after(pace, [[{ kind: 'throttled', startedAtMs: 10_000 }, 10_000]]).rate;
    };
    expect(rate(80)).toBeCloseTo(7.2);
    expect(rate(52)).toBe(5);
  });

  test('has forgotten after a minute, to the millisecond, and ends a probe when nobody calls', () => {
    const limits = { share: 10, ceiling: 10 };
    const pace = { ...startPace(limits, 0), rate: 7, reactedAtMs: 0, probing: true };
    const idle = (atMs: number): Pace => after(pace, [[{ kind: 'idle' }, atMs]]);
    expect([idle(59_999).rate, idle(60_000).rate]).toEqual([7, 10]);
    expect(idle(1).probing).toBe(false);
  });

  test('always recovers, whatever it was told before', () => {
    fc.assert(
      fc.property(histories, (history) => {
        let pace = after(startPace({ share: 10, ceiling: 10 }, 0), history);
        let now = history.at(-1)?.[1] ?? 0;
        for (let calls = 0; calls < 2000; calls++) {
          now = Math.max(now, pace.pausedUntilMs) + slotOf(pace).intervalMs;
          pace = adapt(pace, { kind: 'taken', attempts: 1 }, now, half);
          pace = adapt(pace, { kind: 'succeeded', startedAtMs: now }, now, half);
        }
        expect(pace.rate).toBe(10);
      }),
    );
  });
});

describe('a probe', () => {
  const limits = { share: 10, ceiling: 20 };
  const taken: PaceEvent = { kind: 'taken', attempts: 1 };

  /** Whether one begins after so many calls, at that time. */
  function begins(calls: number, atMs: number, fields: Partial<Pace> = {}): boolean {
    const pace = { ...startPace(limits, 0), givenSinceProbe: calls, ...fields };
    return after(pace, [[taken, atMs]]).probing;
  }

  test('begins soon while nothing is known: after 8 calls and 2 seconds', () => {
    expect([begins(8, 2000), begins(7, 2000), begins(8, 1999)]).toEqual([true, false, false]);
  });

  test('begins as soon far below the share, which is six tenths of it', () => {
    expect(begins(8, 2000, { emptyAtMs: 0, rate: 6 })).toBe(true);
    expect(begins(8, 2000, { emptyAtMs: 0, rate: 6.1 })).toBe(false);
  });

  test('takes its time where the bucket is known: 130 calls and 10 seconds', () => {
    const known = { emptyAtMs: 0 };
    expect(begins(130, 10_000, known)).toBe(true);
    expect([begins(129, 10_000, known), begins(130, 9999, known)]).toEqual([false, false]);
  });

  test('is put off by patience, in calls as in time', () => {
    const patient = { patience: 1.25 };
    expect(begins(10, 2500, patient)).toBe(true);
    expect([begins(9, 2500, patient), begins(10, 2499, patient)]).toEqual([false, false]);
  });

  test('is none at the ceiling: there is nothing to learn, and the count begins anew', () => {
    const pace = {
      ...startPace({ share: 10, ceiling: 10 }, 0),
      probing: true,
      givenSinceProbe: 50,
    };
    expect(after(pace, [[taken, 5000]])).toMatchObject({
      probing: false,
      givenSinceProbe: 0,
      probedAtMs: 5000,
    });
  });

  test('wins once it has spent 2.5 tokens more than there were, and not before', () => {
    const rate = (tokens: number): number =>
      after({ ...startPace(limits, 0), rate: 4, probing: true, tokens }, [[taken, 0]]).rate;
    expect([rate(-1.5), rate(-1.4)]).toEqual([7, 4]);
  });

  test('that wins nine tenths of the share is the end of all refusals', () => {
    const refused = (rate: number): number => {
      const pace = { ...startPace({ share: 14, ceiling: 20 }, 0), rate, refused: 3 };
      return after({ ...pace, probing: true, tokens: -9 }, [[taken, 0]]).refused;
    };
    expect([refused(7.2), refused(7.1)]).toEqual([0, 3]); // 12.6 is nine tenths of 14
  });

  test('counts as refused only if it was one, and far below the share', () => {
    const refused = (probing: boolean, rate: number): number => {
      const pace = { ...startPace(limits, 0), probing, rate };
      return after(pace, [[{ kind: 'throttled', startedAtMs: 5000 }, 5000]]).refused;
    };
    expect([refused(true, 5), refused(false, 5), refused(true, 10)]).toEqual([1, 0, 0]);
  });
});

// The goals that this policy is held to: each on 20 seeds, and the worst of them counts.
describe('of a quota, in virtual time', () => {
  const ten = { share: 10, ceiling: 10 };
  const quarter = { share: 2.5, ceiling: 2.5 };
  const upToTen = { share: 2.5, ceiling: 10 };

  test('that is known, one worker wastes nothing and is not throttled', () => {
    const worst = worstOf({ calls: 3000, workers: [ten], quota: () => 10 });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.99);
    expect(worst.throttled).toBeLessThanOrEqual(0.005);
  });

  test('that is divided among four who start together, nearly nothing is wasted', () => {
    const worst = worstOf({
      calls: 3000,
      workers: [quarter, quarter, quarter, quarter],
      quota: () => 10,
    });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.95);
    expect(worst.throttled).toBeLessThanOrEqual(0.03);
  });

  test('that four were told a quarter of, one who is busy alone gets all within a minute', () => {
    const worst = worstOf({
      calls: 3000,
      workers: [upToTen],
      quota: () => 10,
      countFromMs: 60_000,
    });
    expect(worst.ratePerSecond).toBeGreaterThanOrEqual(0.85 * 10);
    expect(worst.throttled).toBeLessThanOrEqual(0.02);
  });

  test('that is really 7 where 10 was told, nearly nothing is wasted', () => {
    const worst = worstOf({ calls: 3000, workers: [ten], quota: () => 7 });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.98);
    expect(worst.throttled).toBeLessThanOrEqual(0.04);
  });

  test('that is really 3 where 10 was told, probes wear off', () => {
    const worst = worstOf({ calls: 3000, workers: [ten], quota: () => 3 });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.9);
    expect(worst.throttled).toBeLessThanOrEqual(0.04);
  });

  test('that was raised to 50 where 10 was told, four fifths are found within a minute', () => {
    const workers = [{ share: 10, ceiling: 100 }];
    const worst = worstOf({ calls: 6000, workers, quota: () => 50, countFromMs: 60_000 });
    expect(worst.ratePerSecond).toBeGreaterThanOrEqual(0.8 * 50);
    expect(worst.throttled).toBeLessThanOrEqual(0.02);
  });

  test('that another client takes 3 calls a second of, both get theirs', () => {
    const worst = worstOf({ calls: 3000, workers: [ten], quota: () => 10, others: 3 });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.97);
    expect(worst.throttled).toBeLessThanOrEqual(0.03);
    expect(worst.othersThrottled).toBeLessThanOrEqual(0.03);
  });

  test('that drops from 50 to 5 and comes back, little is wasted', () => {
    const quota = (atMs: number): number => (atMs >= 20_000 && atMs < 80_000 ? 5 : 50);
    const worst = worstOf({ calls: 3000, workers: [{ share: 50, ceiling: 50 }], quota });
    expect(worst.utilisation).toBeGreaterThanOrEqual(0.93);
    expect(worst.throttled).toBeLessThanOrEqual(0.04);
  });
});

const histories = fc
  .array(
    fc.record({
      kind: fc.constantFrom('taken', 'idle', 'succeeded', 'throttled'),
      waitMs: fc.nat({ max: 3000 }),
      lateMs: fc.nat({ max: 500 }),
    }),
    { maxLength: 300 },
  )
  .map((steps) => {
    let atMs = 0;
    return steps.map(({ kind, waitMs, lateMs }): [PaceEvent, number] => {
      atMs += waitMs;
      const event = { kind, attempts: 1, startedAtMs: Math.max(0, atMs - lateMs) };
      return [event, atMs];
    });
  });

function after(start: Pace, history: readonly (readonly [PaceEvent, number])[]): Pace {
  return history.reduce((pace, [event, atMs]) => adapt(pace, event, atMs, half), start);
}

/** Calls between the probes of one that is at 3 a second and always refused. */
function refusals(limits: PaceLimits, probes: number): readonly number[] {
  let pace: Pace = { ...startPace(limits, 0), rate: 3 };
  let now = 0;
  return Array.from({ length: probes }, () => {
    now += 1;
    // Refused, and measured to be right.
    pace = after(pace, [[{ kind: 'throttled', startedAtMs: now }, now]]);
    pace = { ...pace, rate: 3 };
    let calls = 0;
    for (; !pace.probing; calls++) {
      now += 1000 / 3;
      pace = after(pace, [
        [{ kind: 'succeeded', startedAtMs: now }, now],
        [{ kind: 'taken', attempts: 1 }, now],
      ]);
    }
    return calls;
  });
}

function run(scenario: Scenario, seed = 1): Figures {
  return simulate(scenario, randomFrom(seed));
}

function worstOf(scenario: Scenario): Omit<Figures, 'startedAtMs'> {
  const all = Array.from({ length: 20 }, (_, seed) => run(scenario, seed));
  return {
    utilisation: Math.min(...all.map((one) => one.utilisation)),
    throttled: Math.max(...all.map((one) => one.throttled)),
    othersThrottled: Math.max(...all.map((one) => one.othersThrottled)),
    ratePerSecond: Math.min(...all.map((one) => one.ratePerSecond)),
  };
}

/** The most calls that started within any window of that length. */
function mostWithin(startedAtMs: readonly number[], windowMs: number): number {
  let from = 0;
  let most = 0;
  for (const [to, atMs] of startedAtMs.entries()) {
    while (atMs - (startedAtMs[from] ?? 0) > windowMs) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
