// A clock whose time moves only when a test says so. Sleepers wake in the order of their times, and
// everything that a waking sleeper sets going is done before the next one wakes.

import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on by `ms`, waking whoever's time comes on the way. */
  advance(ms: number): Promise<void>;
  /** Moves time on from sleeper to sleeper until `work` has settled. Throws if it waits for no sleeper. */
  run<T>(work: Promise<T>): Promise<T>;
  /** How many sleep now. */
  readonly sleeping: number;
}

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/** A clock that shows `startMs`. */
export function createVirtualClock(startMs = 0): VirtualClock {
  let nowMs = startMs;
  const sleepers: Sleeper[] = []; // the next to wake first; equal times in the order they lay down

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { dueMs: nowMs + Math.max(0, ms), wake };
      const place = sleepers.findLastIndex(({ dueMs }) => dueMs <= sleeper.dueMs) + 1;
      sleepers.splice(place, 0, sleeper);
      signal?.addEventListener('abort', wake, { once: true });
      function wake(): void {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        signal?.removeEventListener('abort', wake);
        resolve();
      }
    });
  }

  /** Wakes the next sleeper, if its time comes by `untilMs`. */
  function wakeNext(untilMs: number): boolean {
    const [next] = sleepers;
    if (next === undefined || next.dueMs > untilMs) return false;
    nowMs = Math.max(nowMs, next.dueMs);
    next.wake();
    return true;
  }

  return {
    now: () => nowMs,
    sleep,
    advance: async (ms) => {
      const untilMs = nowMs + ms;
      do
        await turn(); // every promise that can go on without time has gone on
      while (wakeNext(untilMs));
      nowMs = untilMs;
    },
    run: async (work) => {
      const settled = work.then(
        () => true,
        () => true,
      );
      while (!(await Promise.race([settled, turn(false)]))) {
        if (!wakeNext(Infinity)) throw new Error('the work waits, and nobody sleeps');
      }
      return work;
    },
    get sleeping() {
      return sleepers.length;
    },
  };
}
