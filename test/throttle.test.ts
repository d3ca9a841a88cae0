import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Clock } from '../src/clock.ts';
import type { Lane } from '../src/lane.ts';
import { startPace, type Feedback, type Pace } from '../src/pace.ts';
import type { Permit, SharedQuota, SlotWish } from '../src/shared-quota.ts';
import { createThrottle, type Serve, type Throttle } from '../src/throttle.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('a slot', () => {
  test('fires for the first who waits almost at once', async () => {
    const { throttle, always, firedAtMs } = setup();
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(10);
    expect(firedAtMs).toHaveLength(1);
  });

  test('asks whom it serves only when it fires', async () => {
    const { throttle, firedAtMs } = setup();
    const asked: string[] = [];
    let mostUrgent = 'rotation';
    throttle.wake(() => {
      asked.push(mostUrgent);
      firedAtMs.push(Date.now());
      return Promise.resolve('succeeded');
    });
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(50);
    mostUrgent = 'alert';
    await vi.advanceTimersByTimeAsync(40);
    mostUrgent = 'incident';
    await vi.advanceTimersByTimeAsync(50);
    expect(asked).toEqual(['rotation', 'incident']);
  });

  test('asks the newest of those who woke the throttle', async () => {
    const { throttle } = setup();
    const asked: string[] = [];
    throttle.wake(() => void asked.push('older'));
    throttle.wake(() => void asked.push('newer'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual(['newer']);
  });

  test('is the last one if nobody waits, until the throttle is woken again', async () => {
    const { throttle, firedAtMs, serveOnly } = setup();
    throttle.wake(serveOnly(2));
    await vi.advanceTimersByTimeAsync(5000);
    expect(firedAtMs).toHaveLength(2);
    throttle.wake(serveOnly(1));
    await vi.advanceTimersByTimeAsync(5000);
    expect(firedAtMs).toHaveLength(3);
  });

  test('is not waited for twice, however often the throttle is woken', async () => {
    const { throttle, firedAtMs, serveOnly } = setup();
    const serve = serveOnly(3);
    for (let n = 0; n < 100; n++) throttle.wake(serve);
    await vi.advanceTimersByTimeAsync(150);
    expect(firedAtMs).toHaveLength(2);
    for (let n = 0; n < 100; n++) throttle.wake(serve);
    await vi.advanceTimersByTimeAsync(1000);
    expectPaced(firedAtMs, 10);
    expect(firedAtMs).toHaveLength(3);
  });

  test('comes again although an attempt broke', async () => {
    const { throttle, firedAtMs } = setup();
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return firedAtMs.length > 3 ? undefined : Promise.reject(new Error('bug'));
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(firedAtMs).toHaveLength(4);
  });
});

describe('the rate', () => {
  test('is used to the full by attempts that take a while', async () => {
    const { throttle, always, firedAtMs } = setup({ attemptMs: 2000 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(10_000);
    expectPaced(firedAtMs, 10);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(95);
  });

  test('holds in every window, without a burst, whenever work comes and however long it takes', async () => {
    const arrivals = fc.array(
      fc.record({ waitMs: fc.nat({ max: 700 }), work: fc.nat({ max: 9 }) }),
      {
        maxLength: 20,
      },
    );
    const durations = fc.array(fc.nat({ max: 3000 }), { minLength: 1 });
    const feedback = fc.constantFrom<Feedback>('succeeded', 'failed', 'throttled');
    const ceiling = fc.integer({ min: 1, max: 50 });
    await fc.assert(
      fc.asyncProperty(ceiling, arrivals, durations, feedback, async (ceiling, all, ms, told) => {
        const { throttle, firedAtMs } = setup({ rate: ceiling });
        let work = 0;
        const serve = (): Promise<Feedback> | undefined => {
          if (work === 0) return undefined;
          work--;
          firedAtMs.push(Date.now());
          return after(ms[firedAtMs.length % ms.length] ?? 0, told);
        };
        for (const arrival of all) {
          work += arrival.work;
          throttle.wake(serve);
          await vi.advanceTimersByTimeAsync(arrival.waitMs);
        }
        await vi.runAllTimersAsync();
        expectPaced(firedAtMs, ceiling);
        expect(work).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test('is not made up for after the event loop stood still', async () => {
    const { throttle, always, firedAtMs } = setup();
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(1000);
    const before = firedAtMs.length;
    vi.setSystemTime(Date.now() + 60_000); // no timer has fired in the meantime
    await vi.advanceTimersByTimeAsync(1000);
    // The late slot, the one behind it, and from then on the rate.
    expectPaced(firedAtMs.slice(before + 1), 10);
    expect(firedAtMs.length - before).toBeLessThanOrEqual(12);
  });

  test('is used to the full although all timers fire a little late', async () => {
    const { throttle, always, firedAtMs } = setup({ rate: 50, lateMs: 15 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(995);
    expectPaced(firedAtMs, 50, 1 + 50 * 0.02);
  });

  test('holds although timers fire much too late: that is not made up for', async () => {
    const { throttle, always, firedAtMs } = setup({ rate: 50, lateMs: 200 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(90);
    expectPaced(firedAtMs, 50, 1 + 50 * 0.02);
  });

  test('lets slots come together that have come due while the event loop was busy', async () => {
    allTimersLate(8); // bottleneck needs several for a slot
    const { throttle, always, firedAtMs } = setup({ rate: 1000 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(2000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(1900);
    expectPaced(firedAtMs, 1000, 1.5 * 20 + 1000 * 0.02);
  });

  test('is not made up for after a pause without work', async () => {
    const { throttle, firedAtMs, serveOnly } = setup();
    throttle.wake(serveOnly(1));
    await vi.advanceTimersByTimeAsync(60_000);
    throttle.wake(serveOnly(10));
    await vi.advanceTimersByTimeAsync(5000);
    expectPaced(firedAtMs, 10);
    expect(firedAtMs).toHaveLength(11);
  });

  test('leaves no more attempts out at once than its slowest call needs', async () => {
    const { throttle, firedAtMs } = setup({ slowestCallMs: 1000 });
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return new Promise(() => {});
    });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(firedAtMs).toHaveLength(11);
  });
});

describe('a throttled attempt', () => {
  test('lowers the rate at once, and no slot fires until the bucket has had a moment', async () => {
    const { throttle, firedAtMs } = setup();
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return after(5, firedAtMs.length === 3 ? 'throttled' : 'failed');
    });
    await vi.advanceTimersByTimeAsync(220);
    expect(throttle.rate()).toBe(7);
    await vi.advanceTimersByTimeAsync(2000);
    const gaps = gapsOf(firedAtMs);
    expect(gaps[0]).toBeLessThan(110);
    expect(gaps[2]).toBeGreaterThanOrEqual(300);
    for (const gap of gaps.slice(4)) expect(gap).toBeGreaterThanOrEqual(1000 / 7 - 2);
  });

  test('is forgotten once nobody has had anything to do for a minute', async () => {
    const { throttle, serveOnly } = setup();
    throttle.wake(() => after(50, 'throttled'));
    await vi.advanceTimersByTimeAsync(200);
    throttle.wake(() => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(throttle.rate()).toBeLessThan(10);
    throttle.wake(serveOnly(0));
    await vi.advanceTimersByTimeAsync(1000);
    expect(throttle.rate()).toBe(10);
  });

  test('is made good by probes that succeed, up to the ceiling', async () => {
    const { throttle, firedAtMs } = setup();
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return Promise.resolve(firedAtMs.length === 1 ? 'throttled' : 'succeeded');
    });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(throttle.rate()).toBe(10);
    for (const gap of gapsOf(firedAtMs).slice(-5)) expect(gap).toBeLessThan(110);
  });

  test('lets the slots go on even in the worst storm', async () => {
    const { throttle, firedAtMs } = setup();
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return Promise.resolve('throttled');
    });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(throttle.rate()).toBe(0.2);
    expect(gapsOf(firedAtMs).at(-1)).toBeLessThan(10_100);
  });
});

describe('a high rate', () => {
  test('is carried by slots that serve several attempts', async () => {
    const { throttle, firedAtMs, always } = setup({ rate: 1000 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(2000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(1980);
    expectPaced(firedAtMs, 1000, 1.5 * 20);
  });
});

describe('the system’s clock', () => {
  test('may be set back by an hour: the slots go on', async () => {
    const { throttle, firedAtMs, always } = setup({ slowestCallMs: 1000 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(1000);
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(5000);
    const before = firedAtMs.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(firedAtMs.length - before).toBeGreaterThanOrEqual(95);
    expect(firedAtMs.length - before).toBeLessThanOrEqual(102);
  });
});

describe('slots', () => {
  test('of processes that start together do not stay in step', async () => {
    const firedAtMs = [0.1, 0.4, 0.9].map((chance) => {
      const one = setup({ random: () => chance });
      one.throttle.wake(one.always);
      return one.firedAtMs;
    });
    await vi.advanceTimersByTimeAsync(100);
    expect(new Set(firedAtMs.map(([first]) => first)).size).toBe(3);
  });

  test('that are put off by chance still come at the rate', async () => {
    let n = 0;
    const { throttle, firedAtMs, always } = setup({ random: () => (n++ * 0.37) % 1 });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(597);
    expectPaced(firedAtMs, 10, 1.5);
  });
});

describe('a throttle that is stopped', () => {
  test('drops the slot that is due, and leaves no timer behind', async () => {
    const { throttle, always, firedAtMs } = setup();
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(250);
    const fired = firedAtMs.length;
    const stopped = throttle.stop();
    await vi.advanceTimersByTimeAsync(10);
    await stopped;
    expect(vi.getTimerCount()).toBe(0);
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(5000);
    expect(firedAtMs).toHaveLength(fired);
  });

  test('waits for the attempts that are out', async () => {
    const { throttle, firedAtMs } = setup();
    const attempt = Promise.withResolvers<Feedback>();
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return attempt.promise;
    });
    await vi.advanceTimersByTimeAsync(10);
    let stopped = false;
    const stopping = throttle.stop().then(() => (stopped = true));
    await vi.advanceTimersByTimeAsync(5000);
    expect([firedAtMs.length, stopped]).toEqual([1, false]);
    attempt.resolve('succeeded');
    await vi.advanceTimersByTimeAsync(10);
    await stopping;
    expect(firedAtMs).toHaveLength(1);
  });

  test('can be one that nobody ever woke', async () => {
    const { throttle } = setup();
    const stopped = throttle.stop();
    await vi.advanceTimersByTimeAsync(10);
    await stopped;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a shared quota', () => {
  const pace = (): Pace => startPace({ share: 10, ceiling: 10 }, performance.now());
  const granted = (inMs = 0, rested = false): Permit => ({
    kind: 'granted',
    inMs,
    pace: pace(),
    rested,
    part: 1,
  });
  const yields = (forMs: number): Permit => ({ kind: 'yield', forMs, pace: pace(), part: 1 });
  const unavailable: Permit = { kind: 'unavailable', part: 0.25 };

  test('is asked for each slot', async () => {
    const { throttle, serveOnly, firedAtMs, wishes } = share(() => granted());
    throttle.wake(serveOnly(3));
    await vi.advanceTimersByTimeAsync(5000);
    expect(firedAtMs).toHaveLength(3);
    expect(wishes).toHaveLength(4); // the last finds nobody, as it cannot know
    expect(new Set(wishes.map(({ lane }) => lane))).toEqual(new Set(['rotation'])); // unless told
  });

  test('is asked again after a while, for the lane of that moment', async () => {
    const answers = [yields(1000), yields(1000), granted()];
    const { throttle, always, firedAtMs, wishes } = share(() => answers.shift() ?? yields(1e6));
    let lane: Lane = 'rotation';
    throttle.wake(always, () => lane);
    await vi.advanceTimersByTimeAsync(500);
    expect(firedAtMs).toEqual([]);
    lane = 'alert';
    await vi.advanceTimersByTimeAsync(1000);
    lane = 'incident';
    await vi.advanceTimersByTimeAsync(1000);
    expect(wishes.map(({ lane }) => lane).slice(0, 3)).toEqual(['rotation', 'alert', 'incident']);
    expect(firedAtMs).toHaveLength(1);
  });

  test('grants a slot that serves whoever is most urgent when it begins', async () => {
    const { throttle } = share(() => granted(500));
    const served: string[] = [];
    let lane: Lane = 'rotation';
    throttle.wake(
      () => {
        served.push(lane);
        return Promise.resolve('succeeded');
      },
      () => (served.length === 0 ? lane : undefined),
    );
    await vi.advanceTimersByTimeAsync(400);
    expect(served).toEqual([]);
    lane = 'incident';
    await vi.advanceTimersByTimeAsync(200);
    expect(served).toEqual(['incident']);
  });

  test('grants slots that are put off by half an interval at most, from when they begin', async () => {
    const random = (): number => 0.99;
    const begunAtMs = performance.now();
    const { throttle, serveOnly } = share(() => granted(500), { random });
    const calledAtMs: number[] = [];
    const serve = serveOnly(1);
    throttle.wake(() => {
      calledAtMs.push(performance.now() - begunAtMs);
      return serve();
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(calledAtMs[0]).toBeGreaterThanOrEqual(545);
    expect(calledAtMs[0]).toBeLessThanOrEqual(555);
  });

  test('uses each slot to the full, however the calls are put off', async () => {
    let nextMs = 0;
    let n = 0;
    const { throttle, always, firedAtMs } = share(
      () => {
        const now = performance.now();
        if (now < nextMs - 100) return yields(nextMs - 100 - now);
        const inMs = Math.max(0, nextMs - now);
        nextMs = Math.max(nextMs, now) + 100;
        return granted(inMs);
      },
      { random: () => (n++ * 0.37) % 1 },
    );
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(598);
    expectPaced(firedAtMs, 10, 1.5);
  });

  test('that is unavailable leaves this process its part of the rate, and gives it all back', async () => {
    let isAway = true;
    const { throttle, always, firedAtMs } = share(() => (isAway ? unavailable : granted()));
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(20_000);
    expectPaced(firedAtMs, 2.5);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(49);
    expect(throttle.rate()).toBe(2.5);
    isAway = false;
    const before = firedAtMs.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(firedAtMs.length - before).toBeGreaterThanOrEqual(195);
    expectPaced(firedAtMs, 10);
    expect(throttle.rate()).toBe(10);
  });

  test('that is there again is asked once the time of the last slot without it is over', async () => {
    let isAway = true;
    let lastAloneAtMs = 0;
    const askedAtMs: number[] = [];
    const { throttle, always, firedAtMs } = share(() => {
      if (isAway) return unavailable;
      if (askedAtMs.length === 0) lastAloneAtMs = firedAtMs.at(-1) ?? 0;
      askedAtMs.push(Date.now());
      return granted();
    });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(2000);
    isAway = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect((askedAtMs[0] ?? 0) - lastAloneAtMs).toBeGreaterThanOrEqual(390);
  });

  test('that takes its time to find out that it is unavailable is not made up for', async () => {
    const { throttle, always, firedAtMs } = share(async () => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return unavailable;
    });
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(20_000);
    expectPaced(firedAtMs, 2.5);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(19);
  });

  test('knows the pace; a pause that others have begun holds here too', async () => {
    const { throttle, always, firedAtMs } = share(() => ({
      kind: 'granted',
      inMs: 0,
      pace: { ...pace(), rate: 5, pausedUntilMs: 3000 },
      rested: false,
      part: 0.5,
    }));
    const beginsInMs = 3000 - performance.now();
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(beginsInMs - 10);
    expect(firedAtMs).toEqual([]);
    expect(throttle.rate()).toBe(2.5); // its part of the 5
    await vi.advanceTimersByTimeAsync(2000);
    expectPaced(firedAtMs, 5);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(9);
  });

  test('grants a slot that waits for a pause which began in the meantime', async () => {
    const answers = [granted(), granted(50)];
    const { throttle, firedAtMs } = share(() => answers.shift() ?? yields(1e6));
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return after(60, 'throttled');
    });
    await vi.advanceTimersByTimeAsync(2000);
    expect(gapsOf(firedAtMs)).toEqual([expect.toSatisfy((gap: number) => gap >= 60 + 300)]);
  });

  test('is told what the attempts teach', async () => {
    const { throttle, serveOnly, revised } = share(() => granted());
    throttle.wake(serveOnly(2));
    await vi.advanceTimersByTimeAsync(1000);
    expect(revised()).toMatchObject({ givenSinceEmpty: 2, tokens: expect.closeTo(-1, 0) });
  });

  test('alone knows that all rest: that nobody waits here says nothing', async () => {
    let rested = false;
    const { throttle, serveOnly, revised } = share(() => granted(0, rested));
    throttle.wake(serveOnly(1));
    await vi.advanceTimersByTimeAsync(1000);
    expect(revised().tokens).toBeLessThan(0);
    rested = true;
    throttle.wake(serveOnly(1));
    await vi.advanceTimersByTimeAsync(1000);
    expect(revised().tokens).toBeGreaterThan(0);
    expect(revised().givenSinceEmpty).toBeLessThan(2);
  });

  test('sets the pace, however much faster than this process began', async () => {
    const limits = { share: 40, ceiling: 40 };
    const { throttle, always, firedAtMs } = share(() => ({
      kind: 'granted',
      inMs: 0,
      pace: startPace(limits, performance.now()),
      rested: false,
      part: 1,
    }));
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(5000);
    expect(firedAtMs.length).toBeGreaterThan(180);
    expectPaced(firedAtMs, 40, 1.5);
  });

  test('that is unavailable lets this process find out by itself that it rests', async () => {
    const { throttle, serveOnly, revised } = share(() => unavailable);
    throttle.wake(serveOnly(1));
    await vi.advanceTimersByTimeAsync(1000);
    expect(revised().tokens).toBeGreaterThan(0);
  });

  test('is told where this process waits after each slot, and when that becomes more urgent', async () => {
    const answers = [granted(), yields(60_000)];
    const { throttle, told } = share(() => answers.shift() ?? granted());
    const waiting: Lane[] = ['alert', 'rotation'];
    const serve = (): Promise<Feedback> | undefined =>
      waiting.shift() && Promise.resolve('succeeded');
    throttle.wake(serve, () => waiting[0]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(told).toEqual(['rotation']);
    waiting.unshift('incident');
    throttle.wake(serve, () => waiting[0]);
    expect(told).toEqual(['rotation', 'incident']);
    await vi.advanceTimersByTimeAsync(70_000);
    expect(told).toEqual(['rotation', 'incident', 'rotation', undefined, undefined]);
  });

  test('is not asked while nobody waits, and whoever comes then is served', async () => {
    let lane: Lane | undefined = 'rotation';
    const { throttle, serveOnly, firedAtMs, wishes } = share(() =>
      wishes.length === 1 ? yields(1000) : granted(),
    );
    throttle.wake(serveOnly(5), () => lane);
    await vi.advanceTimersByTimeAsync(500);
    lane = undefined; // served elsewhere, or stopped
    await vi.advanceTimersByTimeAsync(60_000);
    expect([firedAtMs, wishes.length]).toEqual([[], 1]);
    lane = 'incident';
    throttle.wake(serveOnly(1), () => (firedAtMs.length === 0 ? lane : undefined));
    await vi.advanceTimersByTimeAsync(1000);
    expect([firedAtMs.length, wishes.length]).toEqual([1, 2]);
  });

  test('does not lose one who comes just when it turns out that nobody waits', async () => {
    const asked: (Lane | undefined)[] = [undefined, 'alert', 'alert', 'alert'];
    const { throttle, serveOnly, firedAtMs } = share(() => granted());
    throttle.wake(serveOnly(1), () => (asked.length > 0 ? asked.shift() : undefined));
    await vi.advanceTimersByTimeAsync(2000);
    expect(firedAtMs).toHaveLength(1);
  });

  test.each([
    ['its turn', () => yields(60_000)],
    ['its slot', () => granted(60_000)],
  ])('lets a throttle stop that waits for %s', async (_what, answer) => {
    const { throttle, always, firedAtMs, told } = share(answer);
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(500);
    const stopped = throttle.stop();
    await vi.advanceTimersByTimeAsync(10);
    await stopped;
    expect(told).toContain(undefined);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(firedAtMs).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('carries several attempts with a slot at high rates', async () => {
    const { throttle, always, firedAtMs } = share(
      () => ({
        kind: 'granted',
        inMs: 0,
        pace: startPace({ share: 1000, ceiling: 1000 }, 0),
        rested: false,
        part: 1,
      }),
      { rate: 1000 },
    );
    throttle.wake(always);
    await vi.advanceTimersByTimeAsync(2000);
    expect(firedAtMs.length).toBeGreaterThanOrEqual(1960);
    expectPaced(firedAtMs, 1000, 1.5 * 20);
  });

  /** A throttle, and what its quota heard of it. */
  function share(
    answer: (wish: SlotWish) => Permit | Promise<Permit>,
    options: Parameters<typeof setup>[0] = {},
  ): ReturnType<typeof setup> & {
    wishes: SlotWish[];
    told: (Lane | undefined)[];
    revised: () => Pace;
  } {
    const wishes: SlotWish[] = [];
    const told: (Lane | undefined)[] = [];
    let revised = pace();
    const shared: SharedQuota = {
      slot: async (wish) => {
        wishes.push(wish);
        return answer(wish);
      },
      waits: (lane) => void told.push(lane),
      revise: (change) => (revised = change(revised)),
    };
    return { ...setup({ ...options, shared }), wishes, told, revised: () => revised };
  }
});

/**
 * In each window from one call to another: no more calls than the burst, and the rate times its length.
 * A timer may fire a little late, which brings a call that much closer to the next.
 */
function expectPaced(firedAtMs: readonly number[], rate: number, burst = 1): void {
  const latenessMs = 2;
  const mostAhead = (from: number): number =>
    Math.max(
      ...firedAtMs.slice(from).map((at, more) => {
        const windowMs = at - (firedAtMs[from] ?? 0) + latenessMs;
        return more + 1 - (rate * windowMs) / 1000;
      }),
    );
  expect(Math.max(0, ...firedAtMs.map((_, from) => mostAhead(from)))).toBeLessThanOrEqual(burst);
}

function gapsOf(firedAtMs: readonly number[]): number[] {
  return firedAtMs.slice(1).map((at, n) => at - (firedAtMs[n] ?? 0));
}

function after(ms: number, feedback: Feedback): Promise<Feedback> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, feedback);
  });
}

function setup({
  rate = 10,
  slowestCallMs = 5000,
  attemptMs = 0,
  lateMs = 0,
  random = zero,
  shared,
}: {
  readonly rate?: number;
  readonly slowestCallMs?: number;
  readonly attemptMs?: number;
  /** How late the throttle's timers are; bottleneck has its own. */
  readonly lateMs?: number;
  readonly random?: () => number;
  readonly shared?: SharedQuota;
} = {}): {
  throttle: Throttle;
  firedAtMs: number[];
  always: Serve;
  serveOnly: (attempts: number) => Serve;
} {
  const firedAtMs: number[] = [];
  const limits = { share: rate, ceiling: rate };
  const throttle = createThrottle({
    limits,
    slowestCallMs,
    clock: createFakeClock(lateMs),
    random,
    ...(shared !== undefined && { shared }),
  });
  function always(): Promise<Feedback> {
    firedAtMs.push(Date.now());
    return after(attemptMs, 'succeeded');
  }
  function serveOnly(attempts: number): Serve {
    let left = attempts;
    return () => (left-- > 0 ? always() : undefined);
  }
  return { throttle, firedAtMs, always, serveOnly };
}

/** As where each round of the event loop takes its time, ms. */
function allTimersLate(lateMs: number): void {
  const inTime = globalThis.setTimeout;
  vi.stubGlobal('setTimeout', (end: () => void, ms = 0, ...told: readonly []) =>
    inTime(end, ms + lateMs, ...told),
  );
}

/** A clock on vitest's fake timers, which never goes back although the system's may. */
function createFakeClock(lateMs: number): Clock {
  return {
    now: () => performance.now(),
    sleep: async (ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(end, ms + lateMs);
        function end(): void {
          clearTimeout(timer);
          resolve();
        }
        if (signal?.aborted === true) end();
        signal?.addEventListener('abort', end, { once: true });
      }),
  };
}

function zero(): number {
  return 0;
}
