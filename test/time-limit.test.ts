import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { within } from '../src/time-limit.ts';
import { createVirtualClock } from './helpers/clock.ts';

describe('waiting within a limit', () => {
  test('brings the answer, and leaves no sleeper behind', async () => {
    const { clock, answer, waited, lateness } = setup(1000);
    await clock.advance(999);
    answer.resolve('in time');
    expect(await waited).toBe('in time');
    await turn();
    expect(clock.sleeping).toBe(0);
    expect(lateness).toEqual([]);
  });

  test('ends with what is said of being late, once the time is over', async () => {
    const { clock, answer, waited, lateness } = setup(1000);
    await clock.advance(1000);
    expect(await waited).toBe('late');
    answer.resolve('too late');
    await turn();
    expect(lateness).toEqual([1000]);
  });

  test('fails as the answer does', async () => {
    const { clock, answer, waited } = setup(1000);
    answer.reject(new Error('a bug'));
    await expect(waited).rejects.toThrow('a bug');
    await turn();
    expect(clock.sleeping).toBe(0);
  });

  test('does not mind an answer that fails too late', async () => {
    const { clock, answer, waited } = setup(1000);
    await clock.advance(1000);
    answer.reject(new Error('a bug'));
    expect(await waited).toBe('late');
  });
});

function setup(limitMs: number) {
  const clock = createVirtualClock();
  const answer = Promise.withResolvers<string>();
  /** When somebody was told that it is late. */
  const lateness: number[] = [];
  const waited = within(limitMs, clock, answer.promise, () => {
    lateness.push(clock.now());
    return 'late';
  });
  return { clock, answer, waited, lateness };
}
