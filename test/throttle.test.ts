import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Clock } from '../src/clock.ts';
import type { Feedback } from '../src/pace.ts';
import { createThrottle, type Serve, type Throttle } from '../src/throttle.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});

afterEach(() => {
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

function setup({ rate = 10, slowestCallMs = 5000, attemptMs = 0, random = zero } = {}): {
  throttle: Throttle;
  firedAtMs: number[];
  always: Serve;
  serveOnly: (attempts: number) => Serve;
} {
  const firedAtMs: number[] = [];
  const limits = { share: rate, ceiling: rate };
  const throttle = createThrottle({ limits, slowestCallMs, clock: createFakeClock(), random });
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

/** A clock on vitest's fake timers, which never goes back although the system's may. */
function createFakeClock(): Clock {
  return {
    now: () => performance.now(),
    sleep: async (ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(end, ms);
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
