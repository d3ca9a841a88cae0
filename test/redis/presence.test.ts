import { describe, expect, test } from 'vitest';
import { createPresence, type Presence } from '../../src/redis/presence.ts';
import { createVirtualClock, type VirtualClock } from '../helpers/clock.ts';
import { createFakeLog, type FakeLog } from '../helpers/log.ts';

function setup(): { presence: Presence; clock: VirtualClock; log: FakeLog } {
  const clock = createVirtualClock(1_000_000);
  const log = createFakeLog();
  return { presence: createPresence(log, clock), clock, log };
}

const eventsOf = ({ lines }: FakeLog): readonly unknown[] => lines.map(({ event }) => event);

describe('the presence of Redis', () => {
  test('is taken for granted at first', () => {
    const { presence, log } = setup();
    expect([presence.isAway(), presence.isTimeToLook()]).toEqual([false, false]);
    expect(log.lines).toEqual([]);
  });

  test('is told about once when it ends, and once when it is back', async () => {
    const { presence, clock, log } = setup();
    for (let n = 0; n < 1000; n++) {
      presence.lose('no answer', 0.25);
      await clock.advance(1000);
    }
    expect(presence.isAway()).toBe(true);
    presence.find(4);
    expect(presence.isAway()).toBe(false);
    presence.find(4);
    expect(log.lines).toEqual([
      {
        level: 'warn',
        event: 'redis-lost',
        cause: 'no answer',
        part: 0.25,
        text: 'going on alone with a part of the quota, until Redis is back',
      },
      { level: 'info', event: 'redis-back', peers: 4, text: 'the quota is shared again' },
    ]);
  });

  test('that comes and goes is told about once a minute', async () => {
    const { presence, clock, log } = setup();
    for (let second = 0; second < 120; second++) {
      presence.lose('no answer', 0.25);
      await clock.advance(500);
      presence.find(4);
      await clock.advance(500);
    }
    expect(eventsOf(log)).toEqual(['redis-lost', 'redis-back', 'redis-lost', 'redis-back']);
  });

  test('that ends for good soon after it came back is told about when the minute is over', async () => {
    const { presence, clock, log } = setup();
    presence.lose('no answer', 0.25);
    presence.find(4);
    for (let second = 0; second < 59; second++) {
      await clock.advance(1000);
      presence.lose('gone', 0.25);
    }
    expect(eventsOf(log)).toEqual(['redis-lost', 'redis-back']);
    await clock.advance(1000);
    presence.lose('gone', 0.25);
    expect(log.lines.at(-1)).toMatchObject({ event: 'redis-lost', cause: 'gone' });
  });

  test('is looked for once a second, and not while a look is under way', async () => {
    const { presence, clock } = setup();
    presence.lose('no answer', 0.25);
    await clock.advance(999);
    expect(presence.isTimeToLook()).toBe(false);
    await clock.advance(1);
    expect(presence.isTimeToLook()).toBe(true);
    await clock.advance(10_000);
    expect(presence.isTimeToLook()).toBe(false);
    presence.lose('no answer', 0.25);
    await clock.advance(1000);
    expect(presence.isTimeToLook()).toBe(true);
    presence.find(1);
    await clock.advance(1000);
    expect(presence.isTimeToLook()).toBe(false);
  });
});
