import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createMemoryBrakeStore, type BrakeStore } from '../src/brake-store.ts';
import { createBrake, type Brake, type Ceilings, type Stay } from '../src/brake.ts';
import type { Lane } from '../src/lane.ts';
import { windowMs } from '../src/window.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeLog } from './helpers/log.ts';
import { certificateIdOf } from './helpers/message.ts';

const start = Date.UTC(2026, 10, 21, 3);

/** A brake over a store in memory that counts who asks it. */
function setup(ceilings: Ceilings = { alert: 2 }, part = 1) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const stop = new AbortController();
  const wall = { aheadMs: 0 };
  const wallClock = (): number => start + clock.now() + wall.aheadMs;
  const memory = createMemoryBrakeStore(part);
  const asked: Lane[] = [];
  const store: BrakeStore = {
    revise: async (lane, change) => {
      asked.push(lane);
      return memory.revise(lane, change);
    },
  };
  const brake = createBrake({
    ceilings,
    store,
    wallClock,
    clock,
    log,
    stopping: stop.signal,
  });
  return {
    brake,
    clock,
    log,
    stop,
    asked,
    wall,
    /** Whether each of the certificates is let go, one after the other. */
    goes: async (lane: Lane, ...certificates: readonly number[]): Promise<readonly boolean[]> => {
      const gone: boolean[] = [];
      for (const n of certificates) gone.push((await admit(brake, lane, n)) === undefined);
      return gone;
    },
    kept: async (lane: Lane): Promise<readonly string[]> => {
      const { window } = await memory.revise(lane, () => undefined);
      return [...window.admitted.keys()];
    },
    lift: async (lane: Lane, forMs: number): Promise<void> => {
      await memory.revise(lane, (window) => ({ ...window, liftedUntilMs: wallClock() + forMs }));
    },
  };
}

/** The alert lane has let 0 and 1 go, a minute apart, and holds 2. */
async function held() {
  const world = setup();
  await world.goes('alert', 0);
  await world.clock.advance(60_000);
  await world.goes('alert', 1, 2);
  return world;
}

function admit(brake: Brake, lane: Lane, n: number): Promise<Stay | undefined> {
  return brake.admit(lane, certificateIdOf(n));
}

function settled(promise: Promise<void>): { readonly now: () => Promise<boolean> } {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  return {
    now: async () => {
      await turn();
      return isSettled;
    },
  };
}

describe('a lane with a ceiling', () => {
  test('lets so many distinct certificates go, and the next one stays', async () => {
    const { goes } = setup();
    expect(await goes('alert', 0, 0, 1, 2, 3)).toEqual([true, true, true, false, false]);
  });

  test('keeps twenty characters of an id, from both of its ends', async () => {
    const { goes, kept } = setup();
    await goes('alert', 0xabc);
    const id = certificateIdOf(0xabc);
    expect(await kept('alert')).toEqual([id.slice(0, 10) + id.slice(54)]);
  });

  test('tells why one has to stay, and until when', async () => {
    const { brake, goes } = setup();
    await goes('alert', 0, 1);
    expect(await admit(brake, 'alert', 2)).toEqual({
      cause:
        'the alert lane has reached its ceiling of 2 certificates an hour; there is room again at 2026-11-21T04:05:00.000Z',
    });
  });

  test('holds no other lane', async () => {
    const { brake, goes } = setup({ alert: 1, rotation: 1 });
    expect(await goes('alert', 0, 1)).toEqual([true, false]);
    expect(await goes('rotation', 1, 2)).toEqual([true, false]);
    expect(await goes('incident', 3)).toEqual([true]);
    expect([brake.holds('incident'), brake.holds('alert')]).toEqual([false, true]);
  });

  test('stands at its ceiling only once somebody has had to stay', async () => {
    const { brake, goes } = setup();
    await goes('alert', 0, 1);
    expect(brake.holds('alert')).toBe(false);
    await goes('alert', 2);
    expect(brake.holds('alert')).toBe(true);
  });

  test('lets one that it has let go before go again, at the ceiling, and holds all the same', async () => {
    const { brake, goes, clock } = await held();
    await clock.advance(5000);
    expect(await goes('alert', 1, 0)).toEqual([true, true]);
    expect(brake.holds('alert')).toBe(true);
    expect(await goes('alert', 3)).toEqual([false]);
  });

  test('counts the certificates that differ anywhere in their ids', async () => {
    const { brake } = setup({ alert: 1 });
    const ids = ['0'.repeat(64), `${'0'.repeat(63)}1`, `1${'0'.repeat(63)}`];
    const stays = await Promise.all(ids.map((id) => brake.admit('alert', id)));
    expect(stays.filter((stay) => stay === undefined)).toHaveLength(1);
  });
});

describe('a lane without a ceiling', () => {
  test('is not limited, never holds, and asks nobody', async () => {
    const { brake, asked } = setup();
    expect([brake.limits('rotation'), brake.limits('alert')]).toEqual([false, true]);
    for (let n = 0; n < 200; n++) expect(await admit(brake, 'rotation', n)).toBeUndefined();
    expect(brake.stays('rotation', certificateIdOf(0))).toBeUndefined();
    await brake.released('rotation');
    expect(asked).toEqual([]);
  });
});

describe('a held lane', () => {
  test('does not ask the store for each message', async () => {
    const { goes, asked, clock } = await held();
    const before = asked.length;
    await goes('alert', ...Array.from({ length: 500 }, (_, n) => n + 2));
    expect(asked.length).toBe(before);
    await clock.advance(5000);
    await goes('alert', ...Array.from({ length: 500 }, (_, n) => n + 2));
    expect(asked.length).toBe(before + 1);
  });

  test('does not ask for everybody who comes at the same time either', async () => {
    const { brake, asked, clock } = await held();
    await clock.advance(5000);
    const before = asked.length;
    const all = await Promise.all([2, 3, 4, 5].map((n) => admit(brake, 'alert', n)));
    expect(all.filter((stay) => stay === undefined)).toEqual([]);
    expect(asked.length).toBe(before + 1);
  });

  test('tells at once who stays, but not of those it may let go', async () => {
    const { brake, clock } = await held();
    expect(brake.stays('alert', certificateIdOf(2))?.cause).toContain('has reached its ceiling');
    expect(brake.stays('alert', certificateIdOf(0))).toBeUndefined();
    await clock.advance(5000);
    expect(brake.stays('alert', certificateIdOf(2))).toBeUndefined();
  });

  test('goes on when time has made room, for as many as that', async () => {
    const { brake, goes, clock } = await held();
    await clock.advance(windowMs - 60_000);
    expect(await goes('alert', 2, 3)).toEqual([true, false]);
    await clock.advance(60_000);
    expect(await goes('alert', 3, 4)).toEqual([true, false]);
    expect(brake.holds('alert')).toBe(true);
    expect(await goes('alert', 3)).toEqual([true]);
  });

  test('goes on when a person has lifted the brake, and holds again when that is over', async () => {
    const { goes, clock, lift, log } = await held();
    await lift('alert', 60_000);
    await clock.advance(5000);
    expect(await goes('alert', 2, 3, 4, 5)).toEqual([true, true, true, true]);
    expect(log.of('brake-released')).toHaveLength(1);
    await clock.advance(55_000);
    expect(await goes('alert', 6)).toEqual([false]);
  });
});

describe('a loud event', () => {
  test('tells what is held, since when, until when, and how to let it go', async () => {
    const { log } = await held();
    expect(log.of('brake')).toEqual([
      {
        level: 'error',
        text: 'the alert lane has reached its ceiling of 2 certificates an hour and is held; its messages stay in the queue. To let it go: iot-revoke brake lift alert (needs LEDGER_TABLE), or restart with a higher ALERT_CEILING_PER_HOUR',
        event: 'brake',
        lane: 'alert',
        ceilingPerHour: 2,
        certificates: 2,
        heldSince: '2026-11-21T03:01:00.000Z',
        heldUntil: '2026-11-21T04:05:00.000Z',
      },
    ]);
  });

  test('comes once an hour, however many messages come, and however often the lane goes on', async () => {
    const { brake, goes, clock, log } = setup({ alert: 10 });
    for (let n = 0; n < 10; n++) {
      await goes('alert', n);
      await clock.advance(60_000);
    }
    let next = 10;
    for (let minute = 0; minute < 240; minute++) {
      await goes('alert', next, next + 1, next + 2);
      if (!brake.holds('alert')) next++;
      await clock.advance(60_000);
    }
    expect(log.of('brake')).toHaveLength(4);
  });

  test('comes again for a lane that has been held for longer than that, and tells since when', async () => {
    const { brake, clock, log, wall } = await held();
    wall.aheadMs = -1.5 * windowMs; // set back: there is no room yet when the hour is over
    const released = brake.released('alert');
    await clock.advance(windowMs);
    expect(log.of('brake').map((line) => line['heldSince'])).toEqual([
      '2026-11-21T03:01:00.000Z',
      '2026-11-21T03:01:00.000Z',
    ]);
    await clock.run(released);
  });

  test('comes for each lane', async () => {
    const { goes, log } = setup({ alert: 1, rotation: 1 });
    await goes('alert', 0, 1);
    await goes('rotation', 0, 1);
    expect(log.of('brake').map(({ lane }) => lane)).toEqual(['alert', 'rotation']);
  });
});

describe('waiting for a lane to be released', () => {
  test('is over at once where it is not held', async () => {
    const { brake, clock } = setup();
    await brake.released('alert');
    expect(clock.sleeping).toBe(0);
  });

  test('is over soon after a person has lifted the brake', async () => {
    const { brake, clock, lift, log } = await held();
    const released = settled(brake.released('alert'));
    await clock.advance(20_000);
    expect(await released.now()).toBe(false);
    await lift('alert', 60_000);
    await clock.advance(5000);
    expect(await released.now()).toBe(true);
    expect(brake.holds('alert')).toBe(false);
    expect(log.of('brake-released')).toEqual([
      { level: 'info', text: 'the alert lane goes on', event: 'brake-released', lane: 'alert' },
    ]);
  });

  test('is over soon after time has made room', async () => {
    const { brake, clock } = await held();
    await clock.run(brake.released('alert'));
    expect(clock.now()).toBeGreaterThanOrEqual(windowMs);
    expect(clock.now()).toBeLessThan(windowMs + 5000);
  });

  test('is over at once when stopping, and asks nobody any more', async () => {
    const { brake, stop, asked } = await held();
    const released = settled(brake.released('alert'));
    await turn();
    const before = asked.length;
    stop.abort();
    expect(await released.now()).toBe(true);
    expect(asked.length).toBe(before);
    await brake.released('alert');
  });

  test('asks the store every five seconds, however many wait', async () => {
    const { brake, clock, asked } = await held();
    const all = [brake.released('alert'), brake.released('alert'), brake.released('alert')];
    const before = asked.length;
    await clock.advance(60_000);
    expect(asked.length - before).toBe(12);
    await clock.run(Promise.all(all));
  });

  test('is over when somebody else has found that the lane goes on', async () => {
    const { brake, clock, goes, lift } = await held();
    const released = settled(brake.released('alert'));
    await lift('alert', 60_000);
    await clock.advance(4999);
    expect(await goes('alert', 0)).toEqual([true]);
    expect(brake.holds('alert')).toBe(false);
    await clock.advance(5000);
    expect(await released.now()).toBe(true);
  });
});

describe('a process that may let only a part of the ceiling go', () => {
  test('rounds it down, and says that it is a part', async () => {
    const { goes, log } = setup({ alert: 10 }, 1 / 4);
    expect(await goes('alert', 0, 1, 2)).toEqual([true, true, false]);
    expect(log.of('brake')).toMatchObject([
      {
        ceilingPerHour: 10,
        partOfCeiling: 2,
        text: expect.stringContaining(
          'the alert lane has reached this process’s part (2) of its ceiling of 10 certificates an hour',
        ),
      },
    ]);
  });

  test('lets nothing go while that is none', async () => {
    const { brake, log } = setup({ alert: 3 }, 1 / 4);
    expect((await admit(brake, 'alert', 0))?.cause).toBe(
      'the ledger table does not tell what the alert lane has let go of its ceiling of 3 certificates an hour; there is room again once the ledger table answers',
    );
    expect(brake.holds('alert')).toBe(true);
    // Its store tells why.
    expect(log.of('brake')).toEqual([]);
  });
});
