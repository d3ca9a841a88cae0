import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admit, countOf, emptyWindow, roomFromMs, windowMs, type Window } from '../src/window.ts';

const start = Date.UTC(2026, 10, 21, 3);

/** A certificate that asks, and how much later (or earlier, where a clock is set back) than the one before. */
interface Asking {
  readonly id: string;
  readonly afterMs: number;
}

const id = fc.integer({ min: 0, max: 12 }).map((n) => `c${n}`);
const later = fc.oneof(
  fc.constantFrom(0, 1, windowMs - 1, windowMs, windowMs + 1),
  fc.integer({ min: 0, max: windowMs / 4 }),
);
const anyTime = fc.oneof(later, fc.integer({ min: -3 * windowMs, max: windowMs }));
const ceiling = fc.integer({ min: 1, max: 5 });

/** The times and ids that were let go, one after the other. */
function admitted(asked: readonly Asking[], ceiling: number): readonly (Asking & At)[] {
  let window = emptyWindow;
  let atMs = start;
  const gone: (Asking & At)[] = [];
  for (const asking of asked) {
    atMs += asking.afterMs;
    const after = admit(window, asking.id, ceiling, atMs);
    if (after === undefined) continue;
    gone.push({ ...asking, atMs });
    window = after;
  }
  return gone;
}

interface At {
  readonly atMs: number;
}

describe('in no hour are more distinct certificates let go than the ceiling', () => {
  test('whatever asks, and whenever, re-admissions included', () => {
    const asked = fc.array(fc.record({ id, afterMs: later }), { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(asked, ceiling, (asked, ceiling) => {
        const gone = admitted(asked, ceiling);
        for (const { atMs: last } of gone) {
          const hour = gone.filter(({ atMs }) => atMs <= last && last < atMs + windowMs);
          expect(new Set(hour.map(({ id }) => id)).size).toBeLessThanOrEqual(ceiling);
        }
      }),
    );
  });

  test('also where the clock is set back and forth: what goes in a row goes by one ceiling', () => {
    const asked = fc.array(fc.record({ id, afterMs: anyTime }), { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(asked, ceiling, (asked, ceiling) => {
        const gone = admitted(asked, ceiling);
        for (const [from, { atMs: first }] of gone.entries()) {
          const longer = gone.slice(from).findIndex(({ atMs }) => atMs >= first + windowMs);
          const row = gone.slice(from, longer === -1 ? gone.length : from + longer);
          expect(new Set(row.map(({ id }) => id)).size).toBeLessThanOrEqual(ceiling);
        }
      }),
    );
  });

  test('a certificate that goes again counts from then on', () => {
    const first = windowOf({ a: start, b: start + 1000 });
    const again = admit(first, 'a', 2, start + windowMs - 1);
    expect(again && admit(again, 'c', 2, start + windowMs + 500)).toBeUndefined();
    expect(again && admit(again, 'c', 2, start + windowMs + 1000)).toBeDefined();
  });

  test('one that went before goes again, even at the ceiling', () => {
    const full = windowOf({ a: start, b: start });
    expect(admit(full, 'a', 2, start + 5)?.admitted).toEqual(
      windowOf({ a: start + 5, b: start }).admitted,
    );
  });

  test('the hour is over to the millisecond', () => {
    const full = windowOf({ a: start });
    expect(admit(full, 'b', 1, start + windowMs - 1)).toBeUndefined();
    expect(admit(full, 'b', 1, start + windowMs)?.admitted).toEqual(
      new Map([['b', start + windowMs]]),
    );
  });
});

describe('a window that a person has lifted', () => {
  const lifted: Window = { ...windowOf({ a: start }), liftedUntilMs: start + 60_000 };

  test('lets everybody go and counts nobody, until its time', () => {
    expect(admit(lifted, 'b', 1, start + 59_999)).toBe(lifted);
    expect(admit(lifted, 'b', 1, start + 60_000)).toBeUndefined();
  });

  test('has room now', () => {
    expect(roomFromMs(lifted, 1, start + 59_999)).toBe(start + 59_999);
    expect(roomFromMs(lifted, 1, start + 60_000)).toBe(start + windowMs);
  });

  test('keeps what was said of lifting, when more goes after it', () => {
    const after = admit(lifted, 'b', 2, start + 60_000);
    expect(after?.liftedUntilMs).toBe(start + 60_000);
  });
});

describe('the time from which there is room', () => {
  test('is the earliest at which one more is let go', () => {
    const times = fc.array(fc.integer({ min: 0, max: 2 * windowMs }), { maxLength: 20 });
    fc.assert(
      fc.property(times, ceiling, fc.nat({ max: 2 * windowMs }), (times, ceiling, afterMs) => {
        const window: Window = {
          admitted: new Map(times.map((ms, n) => [`c${n}`, start + ms])),
        };
        const nowMs = start + afterMs;
        const roomMs = roomFromMs(window, ceiling, nowMs);
        expect(roomMs).toBeGreaterThanOrEqual(nowMs);
        expect(admit(window, 'new', ceiling, roomMs)).toBeDefined();
        if (roomMs > nowMs) expect(admit(window, 'new', ceiling, roomMs - 1)).toBeUndefined();
      }),
    );
  });

  test('never comes where nothing may go at all', () => {
    expect(roomFromMs(emptyWindow, 0, start)).toBe(Infinity);
    expect(admit(emptyWindow, 'a', 0, start)).toBeUndefined();
  });
});

test('what counts is what went within the hour', () => {
  expect(countOf(windowOf({ a: start, b: start + 1 }), start + windowMs)).toBe(1);
});

function windowOf(admitted: Readonly<Record<string, number>>): Window {
  return { admitted: new Map(Object.entries(admitted)) };
}
