import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import {
  createMemoryBrakeStore,
  createSharedBrakeStore,
  type BrakeStore,
  type BrakeTable,
  type Versioned,
} from '../src/brake-store.ts';
import { createBrake } from '../src/brake.ts';
import type { Failure } from '../src/call.ts';
import type { Lane } from '../src/lane.ts';
import type { TableAnswer } from '../src/shared-ledger.ts';
import { admit, emptyWindow, type Window } from '../src/window.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeLog } from './helpers/log.ts';
import { certificateIdOf } from './helpers/message.ts';

const start = Date.UTC(2026, 10, 21, 3);
const hourMs = 3_600_000;

const failure: Failure = { kind: 'unavailable', name: 'InternalServerError', message: 'no' };
const failed: TableAnswer<never> = { kind: 'failed', failure };

interface FakeTable extends BrakeTable {
  readonly calls: readonly string[];
  readonly windows: Map<Lane, Versioned>;
}

/** A table that `bother` may keep waiting or cut off, before what is asked happens or after it. */
function createFakeTable(
  bother: (when: 'before' | 'after') => Promise<'goes on' | 'fails'> = async () => 'goes on',
): FakeTable {
  const windows = new Map<Lane, Versioned>();
  const calls: string[] = [];
  async function answer<T>(call: string, happen: () => T): Promise<TableAnswer<T>> {
    calls.push(call);
    if ((await bother('before')) === 'fails') return failed;
    const value = happen();
    return (await bother('after')) === 'fails' ? failed : { kind: 'answered', value };
  }
  const stored = (lane: Lane): Versioned =>
    windows.get(lane) ?? { window: emptyWindow, version: 0 };
  return {
    calls,
    windows,
    read: (lane) => answer('read', () => stored(lane)),
    replace: (lane, { window, version }) =>
      answer('replace', () => {
        if (stored(lane).version !== version) return 'conflict';
        windows.set(lane, { window, version: version + 1 });
        return 'replaced';
      }),
  };
}

function setup(processes = 1, ...bother: Parameters<typeof createFakeTable>) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const table = createFakeTable(...bother);
  const stores = Array.from({ length: processes }, () =>
    createSharedBrakeStore({ table, log, clock }),
  );
  const [store = createMemoryBrakeStore()] = stores;
  return { clock, log, table, stores, store };
}

/** Whether a certificate goes by this store's window, of a ceiling of 4. */
async function goes(store: BrakeStore, id: string, nowMs = start): Promise<boolean> {
  const { isRefused } = await store.revise('alert', (window, part) =>
    admit(window, id, Math.floor(4 * part), nowMs),
  );
  return !isRefused;
}

async function admittedBy(store: BrakeStore, lane: Lane = 'alert'): Promise<readonly string[]> {
  const { window } = await store.revise(lane, () => undefined);
  return [...window.admitted.keys()];
}

describe('windows in memory', () => {
  test('are one for each lane', async () => {
    const store = createMemoryBrakeStore();
    expect(await goes(store, 'a')).toBe(true);
    expect([await admittedBy(store), await admittedBy(store, 'rotation')]).toEqual([['a'], []]);
  });

  test('stay as they are where the change is refused', async () => {
    const store = createMemoryBrakeStore(0.25);
    expect([await goes(store, 'a'), await goes(store, 'b')]).toEqual([true, false]);
    expect(await store.revise('alert', () => undefined)).toMatchObject({
      part: 0.25,
      isRefused: true,
      window: { admitted: new Map([['a', start]]) },
    });
  });
});

describe('windows that are shared', () => {
  test('count for all processes together', async () => {
    const { stores } = setup(3);
    const gone: boolean[] = [];
    for (const n of [0, 1, 2, 3, 4]) {
      for (const store of stores) gone.push(await goes(store, `c${n}`));
    }
    expect(gone.filter(Boolean)).toHaveLength(12); // each of four certificates, by three processes
    for (const store of stores) expect(await admittedBy(store)).toEqual(['c0', 'c1', 'c2', 'c3']);
  });

  test('are tried again where another process came between', async () => {
    const { stores, table } = setup(4);
    const gone = await Promise.all(stores.map((store, n) => goes(store, `c${n}`)));
    expect(gone).toEqual([true, true, true, true]);
    expect(table.windows.get('alert')).toMatchObject({ version: 4 });
  });

  test('are not written where nothing changes', async () => {
    const { store, table } = setup();
    await store.revise('alert', () => undefined);
    await store.revise('alert', (window) => window);
    expect(table.calls).toEqual(['read', 'read']);
  });

  test('are asked once for all who come while they are asked', async () => {
    const { store, table } = setup();
    const gone = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => goes(store, id)));
    expect(gone).toEqual([true, true, true, true, false, false]);
    expect(table.calls).toEqual(['read', 'replace', 'read', 'replace']);
  });

  test('tell a bug to whoever met it, and nobody later', async () => {
    const { store } = setup();
    const bug = store.revise('alert', () => {
      throw new TypeError('no such thing');
    });
    await expect(bug).rejects.toThrow('no such thing');
    expect(await goes(store, 'a')).toBe(true);
  });
});

describe('while the table is away', () => {
  test('nobody knows what the others let go, so nothing goes', async () => {
    let isAway = false;
    const { stores } = setup(2, async () => (isAway ? 'fails' : 'goes on'));
    const [mine] = stores as [BrakeStore, BrakeStore];
    expect(await goes(mine, 'a')).toBe(true);
    isAway = true;
    for (const store of stores) {
      for (const id of ['a', 'b']) expect(await goes(store, id)).toBe(false);
      expect(await store.revise('alert', () => emptyWindow)).toEqual({
        window: emptyWindow,
        part: 0,
        isRefused: true,
      });
    }
    isAway = false;
    expect(await goes(mine, 'b')).toBe(true);
    expect(await admittedBy(mine)).toEqual(['a', 'b']);
  });

  test('what happened although the answer got lost counts, and did not go', async () => {
    let isLost = false;
    const { store } = setup(1, async (when) => (isLost && when === 'after' ? lost() : 'goes on'));
    let answers = 0;
    const lost = (): 'goes on' | 'fails' => (++answers % 2 === 0 ? 'fails' : 'goes on');
    isLost = true; // the read comes through, and the change happens, but nobody hears of it
    expect(await goes(store, 'a')).toBe(false);
    isLost = false;
    expect(await admittedBy(store)).toEqual(['a']);
  });

  test('one warning tells so, and one line that it is back, once it has been for 10 s', async () => {
    let isAway = true;
    const { store, clock, log } = setup(2, async () => (isAway ? 'fails' : 'goes on'));
    for (let n = 0; n < 5; n++) await goes(store, `c${n}`);
    expect(log.lines).toMatchObject([
      {
        level: 'warn',
        text: 'the ledger table does not say what the lane has let go; it is held until the table answers',
        event: 'brake-away',
        lane: 'alert',
        failureKind: 'unavailable',
        cause: 'InternalServerError: no',
      },
    ]);
    for (let n = 0; n < 5; n++) {
      isAway = n % 2 === 0;
      await clock.advance(3000);
      await goes(store, 'a');
    }
    expect(log.lines).toHaveLength(1);
    isAway = false;
    await clock.advance(9999);
    await goes(store, 'a');
    expect(log.lines).toHaveLength(1);
    await clock.advance(1);
    for (let n = 0; n < 5; n++) await goes(store, 'a');
    expect(log.lines.slice(1)).toMatchObject([
      {
        level: 'info',
        event: 'brake-back',
        lane: 'alert',
        text: 'the ledger table counts for the brake again',
      },
    ]);
  });

  test('nobody waits for it longer than a second, and a change is not made later', async () => {
    const late = Promise.withResolvers<'goes on'>();
    const { store, clock, log, table } = setup(2, () => late.promise);
    const gone = goes(store, 'a');
    await clock.advance(999);
    expect(log.lines).toEqual([]);
    await clock.advance(1);
    expect(await gone).toBe(false);
    expect(log.of('brake-away')).toMatchObject([
      { failureKind: 'unknown-result', cause: 'TimeoutError: no answer within 1000 ms' },
    ]);
    late.resolve('goes on');
    await turn();
    expect(table.calls).toEqual(['read']);
    expect(clock.sleeping).toBe(0);
  });

  test('as it is where others change it again and again', async () => {
    const { table, clock, log } = setup();
    let others = 0;
    const busy: BrakeTable = {
      ...table,
      read: async () => ({ kind: 'answered', value: { window: emptyWindow, version: others++ } }),
      replace: async () => ({ kind: 'answered', value: 'conflict' }),
    };
    const store = createSharedBrakeStore({ table: busy, clock, log });
    expect(await goes(store, 'a')).toBe(false);
    expect(log.of('brake-away')).toMatchObject([
      {
        failureKind: 'contested',
        cause: 'Conflict: others changed it 50 times in between',
      },
    ]);
    expect(others).toBe(50);
  });
});

/** What happens to one call of the table, before or after it takes effect. */
interface Bother {
  readonly ms: number;
  readonly fails: boolean;
}

interface Scenario {
  readonly processes: number;
  readonly ceiling: number;
  readonly steps: readonly {
    readonly afterMs: number;
    readonly process: number;
    readonly certificate: number;
  }[];
  readonly bothers: readonly Bother[];
  readonly skewMs: readonly number[];
}

function scenarios(bother: fc.Arbitrary<Bother>): fc.Arbitrary<Scenario> {
  return fc.record({
    processes: fc.integer({ min: 1, max: 4 }),
    ceiling: fc.integer({ min: 1, max: 8 }),
    steps: fc.array(
      fc.record({
        afterMs: fc.oneof(fc.nat({ max: 50 }), fc.constantFrom(6000, hourMs / 3, hourMs)),
        process: fc.nat({ max: 3 }),
        certificate: fc.nat({ max: 20 }),
      }),
      { maxLength: 60, size: 'max' },
    ),
    bothers: fc.array(bother, { minLength: 1, maxLength: 20 }),
    skewMs: fc.array(fc.integer({ min: -150_000, max: 150_000 }), { minLength: 4, maxLength: 4 }),
  });
}

/** The certificates that the brakes of several processes let go, and the true time at which each did. */
async function simulate({ processes, ceiling, steps, bothers, skewMs }: Scenario) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  let calls = 0;
  const table = createFakeTable(async () => {
    const { ms, fails } = bothers[calls++ % bothers.length] ?? { ms: 0, fails: false };
    if (ms > 0) await clock.sleep(ms);
    return fails ? 'fails' : 'goes on';
  });
  const brakes = Array.from({ length: processes }, (_, n) =>
    createBrake({
      ceilings: { alert: ceiling },
      store: createSharedBrakeStore({ table, log, clock }),
      wallClock: () => start + clock.now() + (skewMs[n] ?? 0),
      stopping: new AbortController().signal,
      clock,
      log,
    }),
  );
  const gone: { readonly certificate: number; readonly atMs: number }[] = [];
  const asked: Promise<void>[] = [];
  async function ask(process: number, certificate: number): Promise<void> {
    const stay = await brakes[process % processes]?.admit('alert', certificateIdOf(certificate));
    if (stay === undefined) gone.push({ certificate, atMs: clock.now() });
  }
  for (const { afterMs, process, certificate } of steps) {
    await clock.advance(afterMs);
    asked.push(ask(process, certificate));
  }
  await clock.run(Promise.all(asked));
  return { gone, log };
}

/** The most distinct certificates that went in any hour. */
function mostInAnHour(gone: Awaited<ReturnType<typeof simulate>>['gone']): number {
  return Math.max(
    0,
    ...gone.map(({ atMs: first }) => {
      const hour = gone.filter(({ atMs }) => first <= atMs && atMs < first + hourMs);
      return new Set(hour.map(({ certificate }) => certificate)).size;
    }),
  );
}

describe('however many processes share a window', { timeout: 60_000 }, () => {
  test('no hour has more certificates than the ceiling, whatever happens to the table', async () => {
    const bother = fc.record({
      ms: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 100 }), fc.nat({ max: 3000 })),
      fails: fc.oneof(fc.constant(false), fc.boolean()),
    });
    await fc.assert(
      fc.asyncProperty(scenarios(bother), async (scenario) => {
        const { gone } = await simulate(scenario);
        expect(mostInAnHour(gone)).toBeLessThanOrEqual(scenario.ceiling);
      }),
      { numRuns: 600 },
    );
  });

  test('the ceiling is reached, and no less, while the table answers in time', async () => {
    const bother = fc.record({ ms: fc.nat({ max: 20 }), fails: fc.constant(false) });
    await fc.assert(
      fc.asyncProperty(scenarios(bother), async (scenario) => {
        const { gone, log } = await simulate(scenario);
        const asked = new Set(scenario.steps.map(({ certificate }) => certificate)).size;
        const went = new Set(gone.map(({ certificate }) => certificate)).size;
        expect(went).toBeGreaterThanOrEqual(Math.min(asked, scenario.ceiling));
        expect(log.of('brake-away')).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

test('a window that a person has lifted in the table lets everybody go', async () => {
  const { store, table } = setup();
  for (const id of ['a', 'b', 'c', 'd']) await goes(store, id);
  const { window, version } = table.windows.get('alert') ?? { window: emptyWindow, version: 0 };
  const lifted: Window = { ...window, liftedUntilMs: start + 60_000 };
  table.windows.set('alert', { window: lifted, version: version + 1 });
  expect(await goes(store, 'e', start + 59_999)).toBe(true);
  expect(await goes(store, 'f', start + 60_000)).toBe(false);
});
