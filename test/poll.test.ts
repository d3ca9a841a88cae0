import { describe, expect, test } from 'vitest';
import { createIntake } from '../src/intake.ts';
import type { Message } from '../src/message.ts';
import { poll } from '../src/poll.ts';
import type { Received } from '../src/queue.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeLog } from './helpers/log.ts';
import { messageOf } from './helpers/message.ts';
import { createFakeReceives } from './helpers/queue.ts';

function brought(count: number): Received {
  const messages = Array.from({ length: count }, (_, n) => messageOf({ messageId: `${n}` }));
  return { kind: 'messages', messages };
}

const unreachable: Received = {
  kind: 'failed',
  failure: { kind: 'unreachable', name: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
};

/** A poll of the rotation lane at 10 calls a second. `load` is how many updates wait. */
async function setup() {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const [stopping, abandon] = [new AbortController(), new AbortController()];
  const queue = createFakeReceives();
  const world = { load: 0, rate: 10, over: false };
  const handled: Message[] = [];
  const finish: (() => void)[] = [];
  const intake = createIntake({
    handle: (message) => {
      handled.push(message);
      return new Promise((resolve) => finish.push(resolve));
    },
    load: () => world.load,
    rate: () => world.rate,
    stopping: stopping.signal,
  });
  const polled = poll({
    lane: 'rotation',
    queue,
    intake,
    log,
    clock,
    random: () => 0.5,
    waitSeconds: 5,
    visibilitySeconds: 30,
    stopping: stopping.signal,
    abandon: abandon.signal,
  }).then(() => (world.over = true));
  /** Answers the oldest receive, and lets all follow that needs no time. */
  async function answer(received: Received): Promise<void> {
    queue.answer(received);
    await clock.advance(0);
  }
  async function finishOne(): Promise<void> {
    finish.shift()?.();
    await clock.advance(0);
  }
  await clock.advance(0); // the first poll has begun
  return { clock, log, stopping, queue, world, handled, finishOne, answer, polled };
}

/** A poll without room amid duplicates, which has just begun to glance at the queue. */
async function glancing() {
  const poll = await setup();
  for (let n = 0; n < 8; n++) await poll.answer(brought(10));
  poll.world.load = 35;
  while (poll.queue.underWay() > 0) await poll.answer(brought(10));
  await poll.clock.advance(100);
  expect(poll.queue.underWay()).toBe(1);
  return poll;
}

/** How long a receive takes, ms. */
const receiveMs = 20;

/**
 * Ten minutes of a backlog without end in which each message needs a call. Of the calls, `rate` a second,
 * the lane has `callsPerSecond`.
 */
async function workOff({
  rate,
  callsPerSecond,
}: {
  readonly rate: number;
  readonly callsPerSecond: number;
}) {
  const clock = createVirtualClock();
  const stopping = new AbortController();
  const waiting: (() => void)[] = [];
  const receivedAtMs: number[] = [];
  let [calls, mostHeld] = [0, 0];
  const intake = createIntake({
    handle: () => new Promise((resolve) => (mostHeld = Math.max(mostHeld, waiting.push(resolve)))),
    load: () => waiting.length,
    rate: () => rate,
    stopping: stopping.signal,
  });
  const polled = poll({
    lane: 'rotation',
    queue: {
      receive: async ({ most }) => {
        await clock.sleep(receiveMs);
        receivedAtMs.push(clock.now());
        return brought(most);
      },
    },
    intake,
    log: createFakeLog(),
    clock,
    random: () => 0.5,
    waitSeconds: 5,
    visibilitySeconds: 30,
    stopping: stopping.signal,
    abandon: stopping.signal,
  });
  while (clock.now() < 600_000) {
    await clock.advance(1000 / callsPerSecond);
    waiting.shift()?.();
    calls++;
  }
  stopping.abort();
  await clock.run(polled);
  return { calls, mostHeld, receivedAtMs };
}

describe('a poll', () => {
  test('waits and hides as it is told, and hands on what it brings', async () => {
    const { queue, handled, answer } = await setup();
    expect(queue.wish()).toEqual({ most: 10, waitSeconds: 5, visibilitySeconds: 30 });
    await answer(brought(2));
    expect(handled.map(({ messageId }) => messageId)).toEqual(['0', '1']);
  });

  test('is followed by the next at once', async () => {
    const { queue, answer } = await setup();
    await answer(brought(0));
    await answer(brought(9));
    expect(queue.begun()).toBe(3);
    expect(queue.underWay()).toBe(1);
  });

  test('that comes back full brings others beside it, as far as there is room', async () => {
    const { queue, world, answer } = await setup();
    world.rate = 100;
    await answer(brought(10));
    expect(queue.underWay()).toBe(2);
    await answer(brought(10));
    expect(queue.underWay()).toBe(4);
    for (let n = 0; n < 10; n++) await answer(brought(10));
    expect(queue.underWay()).toBe(8);
  });

  test('keeps room for what those beside it may bring', async () => {
    const { queue, answer } = await setup();
    await answer(brought(10)); // duplicates: nothing waits for a call
    await answer(brought(10));
    await answer(brought(10));
    expect(queue.underWay()).toBe(3); // of 30
  });

  test('that comes back with less is alone again', async () => {
    const { queue, world, answer } = await setup();
    world.rate = 100;
    for (let n = 0; n < 5; n++) await answer(brought(10));
    expect(queue.underWay()).toBe(8);
    for (let n = 0; n < 8; n++) await answer(brought(3));
    expect(queue.underWay()).toBe(1);
  });

  test('does not begin while enough updates wait for a call, and begins when they do not', async () => {
    const { queue, world, answer, finishOne } = await setup();
    world.load = 30;
    await answer(brought(10));
    expect(queue.underWay()).toBe(0);
    await finishOne();
    expect(queue.underWay()).toBe(0);
    world.load = 29;
    await finishOne();
    expect(queue.underWay()).toBe(1);
  });

  test('keeps on bringing duplicates, which need no call', async () => {
    const { queue, world, handled, answer } = await setup();
    world.load = 1;
    for (let n = 0; n < 50; n++) await answer(brought(10));
    expect(handled).toHaveLength(500);
    expect(queue.underWay()).toBeGreaterThan(0);
  });

  test('without room glances at the queue, a message every 100 ms', async () => {
    const { clock, queue, world, handled, answer } = await setup();
    for (let n = 0; n < 8; n++) await answer(brought(10));
    world.load = 35;
    while (queue.underWay() > 0) await answer(brought(10));
    expect(queue.underWay()).toBe(0);
    await clock.advance(99);
    expect(queue.underWay()).toBe(0);
    await clock.advance(1);
    expect(queue.wish()).toEqual({ most: 1, waitSeconds: 0, visibilitySeconds: 30 });
    await clock.advance(1000);
    expect(queue.underWay()).toBe(1);
    const before = handled.length;
    await answer(brought(1));
    expect(handled).toHaveLength(before + 1);
    await clock.advance(100);
    expect(queue.underWay()).toBe(1);
  });

  test('glances again after a glance that failed', async () => {
    const { clock, queue, handled, answer } = await glancing();
    const before = handled.length;
    await answer(unreachable);
    await clock.advance(100);
    expect(queue.underWay()).toBe(0); // a failure is waited out, as a poll's is
    await clock.advance(1000);
    expect(queue.underWay()).toBe(1);
    await answer(brought(1));
    expect(handled).toHaveLength(before + 1);
  });

  test('does not glance beside a poll that is under way', async () => {
    const { clock, queue, world, answer } = await setup();
    for (let n = 0; n < 8; n++) await answer(brought(10));
    const underWay = queue.underWay();
    expect(underWay).toBeGreaterThan(1);
    world.load = 35;
    await answer(brought(10));
    const begun = queue.begun();
    await clock.advance(1000);
    expect([queue.underWay(), queue.begun()]).toEqual([underWay - 1, begun]);
  });

  test('without room does not glance where too much of what it holds needs calls', async () => {
    const { clock, queue, world, answer } = await setup();
    world.load = 39;
    await answer(brought(10));
    await clock.advance(10_000);
    expect(queue.underWay()).toBe(0);
    world.load = 38;
    await clock.advance(100);
    expect(queue.underWay()).toBe(1);
  });
});

describe('a backlog in which each message needs a call', () => {
  test.each([0.2, 0.5, 3, 10, 50])(
    'at %d calls a second is never out of sight for long, nor asked for more often than it is called for',
    async (rate) => {
      const { calls, receivedAtMs } = await workOff({ rate, callsPerSecond: rate });
      const longestMs = Math.max(...receivedAtMs.map((at, n) => at - (receivedAtMs[n - 1] ?? 0)));
      expect(longestMs).toBeLessThanOrEqual(2 * Math.max(100, 1000 / rate) + 2 * receiveMs);
      expect(receivedAtMs.length).toBeLessThanOrEqual(calls + 10);
    },
  );

  test.each([
    { rate: 10, callsPerSecond: 10, most: 39 },
    { rate: 10, callsPerSecond: 1, most: 39 }, // a more urgent lane has the other slots
    { rate: 10, callsPerSecond: 0.1, most: 39 },
    { rate: 3, callsPerSecond: 3, most: 18 },
    { rate: 0.5, callsPerSecond: 0.5, most: 11 },
    { rate: 0.5, callsPerSecond: 0.01, most: 11 },
    { rate: 0.2, callsPerSecond: 0.01, most: 10 },
  ])(
    'at $rate calls a second, $callsPerSecond of them its own, holds $most at most: three seconds and a poll',
    async ({ most, ...pace }) => {
      const { mostHeld } = await workOff(pace);
      expect(mostHeld).toBeLessThanOrEqual(most);
    },
  );
});

describe('a queue that cannot be read', () => {
  test('is asked again after a growing backoff, for as long as it lasts', async () => {
    const { clock, queue, answer } = await setup();
    const asked: number[] = [];
    for (let n = 0; n < 8; n++) {
      const before = clock.now();
      await answer(unreachable);
      while (queue.underWay() === 0) await clock.advance(500);
      asked.push(clock.now() - before);
    }
    expect(asked).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]); // half the bound
  });

  test('is told at the first failure, the second, the fourth, and so on', async () => {
    const { clock, log, answer } = await setup();
    for (let n = 0; n < 20; n++) {
      await answer(unreachable);
      await clock.advance(15_000);
    }
    expect(log.of('receive-failed').map(({ failures }) => failures)).toEqual([1, 2, 4, 8, 16]);
    expect(log.lines[0]).toEqual({
      level: 'warn',
      text: 'the queue cannot be read',
      event: 'receive-failed',
      lane: 'rotation',
      failureKind: 'unreachable',
      cause: 'ECONNREFUSED: connect ECONNREFUSED',
      failures: 1,
    });
  });

  test('is shouted about when the permission is missing', async () => {
    const { log, answer } = await setup();
    await answer({
      kind: 'failed',
      failure: { kind: 'unauthorized', name: 'AccessDenied', message: 'no' },
    });
    expect(log.lines).toMatchObject([{ level: 'error', cause: 'AccessDenied: no' }]);
  });

  test('is told when it can be read again, and starts afresh', async () => {
    const { clock, log, answer } = await setup();
    for (let n = 0; n < 3; n++) {
      await answer(unreachable);
      await clock.advance(5000);
    }
    await answer(brought(1));
    expect(log.lines.at(-1)).toMatchObject({
      level: 'info',
      event: 'receive-recovered',
      failures: 3,
    });
    await answer(brought(1));
    await answer(unreachable);
    expect(log.lines.map(({ event, failures }) => [event, failures])).toEqual([
      ['receive-failed', 1],
      ['receive-failed', 2],
      ['receive-recovered', 3],
      ['receive-failed', 1],
    ]);
  });

  test('keeps no room while nobody asks', async () => {
    const { clock, queue, world, answer } = await setup();
    world.rate = 100;
    for (let n = 0; n < 4; n++) await answer(brought(10));
    const before = queue.underWay();
    for (let n = 0; n < before; n++) await answer(unreachable);
    expect(queue.underWay()).toBe(0);
    await clock.advance(60_000);
    expect(queue.underWay()).toBe(1);
  });
});

describe('stopping', () => {
  test('waits for the poll under way, hands on what it brings, and begins no other', async () => {
    const { clock, stopping, queue, world, handled, answer } = await setup();
    stopping.abort();
    await clock.advance(0);
    expect(world.over).toBe(false);
    await answer(brought(10));
    expect(handled).toHaveLength(10);
    expect(world.over).toBe(true);
    expect(queue.begun()).toBe(1);
  });

  test('waits for all the polls under way', async () => {
    const { clock, stopping, queue, world, handled, answer } = await setup();
    await answer(brought(10));
    await answer(brought(10));
    const underWay = queue.underWay();
    stopping.abort();
    await clock.advance(0);
    for (let n = 0; n < underWay; n++) {
      expect(world.over).toBe(false);
      await answer(brought(1));
    }
    expect(world.over).toBe(true);
    expect(handled).toHaveLength(20 + underWay);
  });

  test('waits for the glance under way, and hands on what it brings', async () => {
    const { clock, stopping, world, handled, answer } = await glancing();
    stopping.abort();
    await clock.advance(0);
    expect(world.over).toBe(false);
    const before = handled.length;
    await answer(brought(1));
    expect(world.over).toBe(true);
    expect(handled).toHaveLength(before + 1);
  });

  test('does not wait for room', async () => {
    const { stopping, queue, world, answer, polled } = await setup();
    world.load = 30;
    await answer(brought(10));
    stopping.abort();
    await polled;
    expect(queue.begun()).toBe(1);
  });

  test('cuts the backoff', async () => {
    const { clock, stopping, queue, answer, polled } = await setup();
    await answer(unreachable);
    stopping.abort();
    await polled;
    expect(clock.now()).toBe(0);
    expect(queue.begun()).toBe(1);
  });

  test('does not complain of a poll that it cut', async () => {
    const { log, stopping, answer, polled } = await setup();
    stopping.abort();
    await answer({
      kind: 'failed',
      failure: { kind: 'unknown-result', name: 'AbortError', message: 'Request aborted' },
    });
    await polled;
    expect(log.lines).toEqual([]);
  });

  test('that came before the start lets no poll begin', async () => {
    const stopping = AbortSignal.abort();
    const queue = createFakeReceives();
    const clock = createVirtualClock();
    const intake = createIntake({
      handle: async () => undefined,
      load: () => 0,
      rate: () => 10,
      stopping,
    });
    await poll({
      lane: 'alert',
      queue,
      intake,
      clock,
      log: createFakeLog(),
      random: Math.random,
      waitSeconds: 5,
      visibilitySeconds: 30,
      stopping,
      abandon: stopping,
    });
    expect(queue.begun()).toBe(0);
  });
});
