import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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
    const { throttle, always, firedAtMs } = setup({ ceiling: 10, attemptMs: 2000 });
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
        const { throttle, firedAtMs } = setup({ ceiling });
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
    const { throttle, firedAtMs } = setup({ ceiling: 10, slowestCallMs: 1000 });
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return new Promise(() => {});
    });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(firedAtMs).toHaveLength(11);
  });
});

describe('a throttled attempt', () => {
  test('lowers the rate at once, and the slots from the third on follow it', async () => {
    const { throttle, firedAtMs } = setup({ ceiling: 10 });
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return after(5, firedAtMs.length === 3 ? 'throttled' : 'failed');
    });
    await vi.advanceTimersByTimeAsync(220);
    expect(throttle.rate()).toBe(8);
    await vi.advanceTimersByTimeAsync(2000);
    const gaps = gapsOf(firedAtMs);
    expect(gaps[0]).toBeLessThan(125);
    // Two slots had their times already: the one that was due, and the one behind it.
    for (const gap of gaps.slice(4)) expect(gap).toBeGreaterThanOrEqual(125);
  });

  test('is made good by successes, up to the ceiling', async () => {
    const { throttle, firedAtMs } = setup({ ceiling: 10 });
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return Promise.resolve(firedAtMs.length === 1 ? 'throttled' : 'succeeded');
    });
    await vi.advanceTimersByTimeAsync(4000);
    expect(throttle.rate()).toBe(10);
    const lastGaps = gapsOf(firedAtMs).slice(-5);
    for (const gap of lastGaps) expect(gap).toBeLessThan(110);
    expectPaced(firedAtMs, 10);
  });

  test('lets the slots go on at a twentieth of the ceiling in the worst storm', async () => {
    const { throttle, firedAtMs } = setup({ ceiling: 10 });
    throttle.wake(() => {
      firedAtMs.push(Date.now());
      return Promise.resolve('throttled');
    });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(throttle.rate()).toBe(0.5);
    expect(gapsOf(firedAtMs).at(-1)).toBeLessThan(2100);
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
 * In each window from one call to another: no more calls than one, and the rate times its length.
 * A timer may fire a little late, which brings a call that much closer to the next.
 */
function expectPaced(firedAtMs: readonly number[], rate: number): void {
  const latenessMs = 2;
  for (const [from, start] of firedAtMs.entries()) {
    for (const [more, end] of firedAtMs.slice(from + 1).entries()) {
      expect(more + 2).toBeLessThanOrEqual(1 + (rate * (end - start + latenessMs)) / 1000);
    }
  }
}

function gapsOf(firedAtMs: readonly number[]): number[] {
  return firedAtMs.slice(1).map((at, n) => at - (firedAtMs[n] ?? 0));
}

function after(ms: number, feedback: Feedback): Promise<Feedback> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, feedback);
  });
}

function setup({ ceiling = 10, slowestCallMs = 5000, attemptMs = 0 } = {}): {
  throttle: Throttle;
  firedAtMs: number[];
  always: Serve;
  serveOnly: (attempts: number) => Serve;
} {
  const firedAtMs: number[] = [];
  const throttle = createThrottle({ ceiling, slowestCallMs, clock: { now: () => Date.now() } });
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
