import { describe, expect, test } from 'vitest';
import { createVirtualClock } from './clock.ts';

describe('the virtual clock', () => {
  test('wakes sleepers in the order of their times, first come first served', async () => {
    const clock = createVirtualClock();
    const woken: string[] = [];
    const sleeper = (name: string, ms: number): Promise<void> =>
      clock.sleep(ms).then(() => void woken.push(`${name} at ${clock.now()}`));
    void sleeper('c', 20);
    void sleeper('a', 10);
    void sleeper('b', 10);
    await clock.advance(15);
    expect(woken).toEqual(['a at 10', 'b at 10']);
    expect([clock.now(), clock.sleeping]).toEqual([15, 1]);
    await clock.advance(5);
    expect(woken).toEqual(['a at 10', 'b at 10', 'c at 20']);
  });

  test('runs work that sleeps again and again to its end', async () => {
    const clock = createVirtualClock(1000);
    const work = (async () => {
      for (let n = 0; n < 5; n++) await clock.sleep(100);
      return clock.now();
    })();
    expect(await clock.run(work)).toBe(1500);
  });

  test('tells of work that waits for something else than time', async () => {
    const clock = createVirtualClock();
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow('nobody sleeps');
    await expect(clock.run(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  test('ends a sleep when its signal aborts, without moving time', async () => {
    const clock = createVirtualClock();
    const hurry = new AbortController();
    const slept = clock.sleep(1000, hurry.signal);
    hurry.abort();
    await slept;
    await clock.sleep(1000, hurry.signal);
    expect([clock.now(), clock.sleeping]).toEqual([0, 0]);
  });
});
