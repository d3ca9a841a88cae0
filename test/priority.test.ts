import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lanes, type Lane } from '../src/lane.ts';
import { createPriority, type Priority } from '../src/priority.ts';

describe('the next slot', () => {
  test('serves nobody where nobody waits', () => {
    expect(createPriority().take()).toBeUndefined();
  });

  test('serves the most urgent lane, and in a lane whoever came first', () => {
    const { add, takeAll } = setup();
    for (const name of ['rotation-1', 'alert-1', 'incident-1', 'alert-2', 'incident-2']) add(name);
    expect(takeAll()).toEqual(['incident-1', 'incident-2', 'alert-1', 'alert-2', 'rotation-1']);
  });

  test('serves an incident that came just before it fired, whoever has waited', () => {
    const { priority, add, take } = setup();
    for (let n = 0; n < 1000; n++) add(`rotation-${n}`);
    take();
    add('incident-1');
    expect(take()).toBe('incident-1');
    expect(priority.size).toBe(999);
  });

  test('serves rotation at least once in ten while it waits, and no oftener', () => {
    const { add, takeAll } = setup();
    for (let n = 0; n < 30; n++) add(`incident-${n}`);
    for (let n = 0; n < 3; n++) add(`rotation-${n}`);
    const served = takeAll();
    expect(served.flatMap((name, n) => (name.startsWith('rotation') ? [n + 1] : []))).toEqual([
      10, 20, 30,
    ]);
  });

  test('does not serve rotation for the time before it came', () => {
    const { add, take } = setup();
    for (let n = 0; n < 30; n++) add(`incident-${n}`);
    for (let n = 0; n < 15; n++) take();
    add('rotation-1');
    const next = Array.from({ length: 10 }, take);
    expect(next.indexOf('rotation-1')).toBe(9);
  });

  test('serves the others where the floor is due to a rotation that does not wait any more', () => {
    const { priority, add, take } = setup();
    const promoted = add('rotation-1');
    for (let n = 0; n < 12; n++) add(`alert-${n}`);
    for (let n = 0; n < 9; n++) take();
    promoted.lane = 'incident';
    priority.promote(promoted);
    expect([take(), take()]).toEqual(['rotation-1', 'alert-9']);
  });

  test('keeps no floor for alerts: an incident ends first', () => {
    const { add, takeAll } = setup();
    add('alert-1');
    for (let n = 0; n < 30; n++) add(`incident-${n}`);
    expect(takeAll().at(-1)).toBe('alert-1');
  });
});

describe('a waiter whose lane has become more urgent', () => {
  test('is served with its new lane, behind those who wait there', () => {
    const { priority, add, takeAll } = setup();
    const promoted = add('rotation-1');
    add('incident-1');
    add('alert-1');
    promoted.lane = 'incident';
    priority.promote(promoted);
    expect(takeAll()).toEqual(['incident-1', 'rotation-1', 'alert-1']);
  });

  test('stays away if it does not wait', () => {
    const { priority, add, take } = setup();
    const promoted = add('rotation-1');
    take();
    promoted.lane = 'incident';
    priority.promote(promoted);
    expect(priority.size).toBe(0);
    expect(take()).toBeUndefined();
  });
});

describe('all who wait', () => {
  test('are counted', () => {
    const { priority, add, take } = setup();
    for (const name of ['rotation-1', 'alert-1', 'incident-1']) add(name);
    expect(priority.size).toBe(3);
    take();
    expect(priority.size).toBe(2);
  });

  test('are handed over at once when the queue is drained', () => {
    const { priority, add } = setup();
    for (const name of ['rotation-1', 'alert-1', 'incident-1']) add(name);
    expect(
      priority
        .drain()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(['alert-1', 'incident-1', 'rotation-1']);
    expect([priority.size, priority.take()]).toEqual([0, undefined]);
  });
});

describe('whoever comes, is promoted and is served', () => {
  type Step = { readonly kind: 'add' | 'promote'; readonly lane: Lane; readonly n: number };
  const steps = fc.array(
    fc.oneof(
      fc.record<Step>({
        kind: fc.constantFrom('add', 'add', 'promote'),
        lane: fc.constantFrom(...lanes),
        n: fc.nat({ max: 50 }),
      }),
      fc.constant('take' as const),
    ),
    { size: '+1' },
  );

  test('the most urgent goes first, rotation moves, and nobody is lost or served twice', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const { priority, add } = setup();
        const came: Waiter[] = [];
        const waiting = new Set<Waiter>();
        let sinceRotation = 0;
        const take = (): void => {
          const served = priority.take();
          expect(served !== undefined).toBe(waiting.size > 0);
          if (served === undefined) return;
          expect(waiting.has(served)).toBe(true);
          const moreUrgent = [...waiting].filter(
            ({ lane }) => lanes.indexOf(lane) < lanes.indexOf(served.lane),
          );
          // Only the floor goes before its betters, and only after nine of them.
          const isFloor = served.lane === 'rotation' && sinceRotation === 9;
          expect(isFloor || moreUrgent.length === 0).toBe(true);
          const passed = served.lane !== 'rotation' && [...waiting].some(waitsForRotation);
          sinceRotation = passed ? sinceRotation + 1 : 0;
          expect(sinceRotation).toBeLessThan(10);
          waiting.delete(served);
        };
        for (const step of all) {
          if (step === 'take') {
            take();
          } else if (step.kind === 'add') {
            const waiter = add(`${step.lane}-${came.length}`);
            came.push(waiter);
            waiting.add(waiter);
          } else {
            const waiter = came[step.n];
            if (waiter === undefined || lanes.indexOf(step.lane) > lanes.indexOf(waiter.lane)) {
              continue;
            }
            waiter.lane = step.lane;
            priority.promote(waiter);
          }
          expect(priority.size).toBe(waiting.size);
        }
        while (waiting.size > 0) take();
        expect(priority.take()).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});

function waitsForRotation({ lane }: Waiter): boolean {
  return lane === 'rotation';
}

interface Waiter {
  readonly name: string;
  lane: Lane;
}

function setup(): {
  priority: Priority<Waiter>;
  add: (name: string) => Waiter;
  take: () => string | undefined;
  takeAll: () => string[];
} {
  const priority = createPriority<Waiter>();
  return {
    priority,
    /** Adds a waiter whose name starts with its lane. */
    add: (name) => {
      const waiter = { name, lane: lanes.find((lane) => name.startsWith(lane)) ?? 'rotation' };
      priority.add(waiter);
      return waiter;
    },
    take: () => priority.take()?.name,
    takeAll: () => Array.from({ length: priority.size }, () => priority.take()?.name ?? ''),
  };
}
