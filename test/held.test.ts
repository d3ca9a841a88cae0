import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeld } from '../src/held.ts';
import { messageOf } from './helpers/message.ts';

describe('the messages we hold', () => {
  test('prove no time while there are none', () => {
    expect(createHeld().newestMs()).toBe(-Infinity);
  });

  test('prove the newest time at which SQS handed one of them out first', () => {
    const held = createHeld();
    held.add(messageOf({ firstReceivedAtMs: 20 }));
    held.add(messageOf({ firstReceivedAtMs: 30 }));
    held.add(messageOf({ firstReceivedAtMs: 10 }));
    expect(held.newestMs()).toBe(30);
  });

  test('prove less once the newest is gone', () => {
    const held = createHeld();
    const newest = messageOf({ firstReceivedAtMs: 30 });
    held.add(messageOf({ firstReceivedAtMs: 20 }));
    held.add(newest);
    held.remove(newest);
    expect(held.newestMs()).toBe(20);
  });

  test('are told apart even if SQS delivered the same message twice', () => {
    const held = createHeld();
    const first = messageOf({ firstReceivedAtMs: 30 });
    const again = messageOf({ firstReceivedAtMs: 30 });
    held.add(first);
    held.add(again);
    held.remove(first);
    expect(held.newestMs()).toBe(30);
    held.remove(again);
    expect(held.newestMs()).toBe(-Infinity);
  });

  test('are not changed by the removal of one that is not among them', () => {
    const held = createHeld();
    held.add(messageOf({ firstReceivedAtMs: 20 }));
    held.remove(messageOf({ firstReceivedAtMs: 20 }));
    held.remove(messageOf({ firstReceivedAtMs: 30 }));
    expect(held.newestMs()).toBe(20);
  });

  test('always prove the maximum of what is held, whatever came and went', () => {
    const times = fc.oneof(fc.nat({ max: 5 }), fc.constant(-Infinity));
    const step = fc.record({ firstReceivedAtMs: times, removed: fc.option(fc.nat({ max: 20 })) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const held = createHeld();
        const messages: ReturnType<typeof messageOf>[] = [];
        for (const { firstReceivedAtMs, removed } of steps) {
          const message = messageOf({ firstReceivedAtMs });
          held.add(message);
          messages.push(message);
          const gone = removed === null ? undefined : messages.splice(removed, 1)[0];
          if (gone !== undefined) held.remove(gone);
          expect(held.newestMs()).toBe(
            Math.max(...messages.map(({ firstReceivedAtMs }) => firstReceivedAtMs)),
          );
        }
      }),
    );
  });
});
