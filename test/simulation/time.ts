// True time, which moves from event to event and never by itself. All that an event sets going is done
// before the next one comes.

import type { Clock } from '../../src/clock.ts';

export interface Time extends Clock {
  /** Calls `wake` after `ms`; the function that is returned calls it off. */
  readonly after: (ms: number, wake: () => void) => () => void;
  /** Lets time go by until `isOver`, until nothing is left to happen, or until `lastMs`. */
  readonly run: (isOver: () => boolean, lastMs: number) => Promise<'over' | 'late' | 'asleep'>;
}

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  wake: (() => void) | undefined;
}

export function createTime(startMs: number): Time {
  const heap: Entry[] = [];
  let nowMs = startMs;
  let orders = 0;

  function after(ms: number, wake: () => void): () => void {
    const entry: Entry = { dueMs: nowMs + Math.max(0, ms), order: orders++, wake };
    push(heap, entry);
    return () => {
      entry.wake = undefined;
    };
  }

  function wakeNext(lastMs: number): 'woken' | 'late' | 'asleep' {
    for (;;) {
      const next = heap[0];
      if (next === undefined) return 'asleep';
      if (next.wake !== undefined && next.dueMs > lastMs) return 'late';
      pop(heap);
      if (next.wake === undefined) continue;
      nowMs = next.dueMs;
      next.wake();
      return 'woken';
    }
  }

  return {
    now: () => nowMs,
    after,
    sleep: (ms) => new Promise((resolve) => after(ms, resolve)),
    run: (isOver, lastMs) =>
      new Promise((resolve, reject) => {
        function step(): void {
          try {
            if (isOver()) return resolve('over');
            const woken = wakeNext(lastMs);
            if (woken !== 'woken') return resolve(woken);
            turn(step);
          } catch (bug) {
            reject(bug);
          }
        }
        turn(step);
      }),
  };
}

/**
 * Calls `next` once no promise can go on any more: a tick that is asked for by a microtask comes after
 * all other microtasks. A second and a third, because dataloader gathers its batches by a tick too. Ten
 * times as fast as an immediate, which goes around the event loop.
 */
function turn(next: () => void, rounds = 3): void {
  const again = rounds === 1 ? next : (): void => turn(next, rounds - 1);
  queueMicrotask(() => process.nextTick(again));
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || !isBefore(entry, parent)) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let childAt = 2 * at + 1;
    let child = heap[childAt];
    if (child === undefined) break;
    const other = heap[childAt + 1];
    if (other !== undefined && isBefore(other, child)) {
      child = other;
      childAt++;
    }
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = last;
}
