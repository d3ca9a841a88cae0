// The shared quota, on a real redis-server for each test. Time is not waited for: where a test needs
// some to pass, it moves what Redis holds into the past.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/entry/clock.ts';
import type { Lane } from '../../src/lane.ts';
import { adapt, startPace, type Pace, type PaceLimits } from '../../src/pace.ts';
import { createRedisQuota, type RedisQuota } from '../../src/redis/quota.ts';
import type { Permit } from '../../src/shared-quota.ts';
import { createFakeLog, type FakeLog } from '../helpers/log.ts';
import { freePort, startRedis, type RedisServer } from '../helpers/redis.ts';
import { missing } from '../sandbox/command.ts';

vi.setConfig({ testTimeout: 20_000 });

const hasNoRedis = missing('redis-server', ['--version']);
const prefix = 'iot-revocation-worker:{123456789012/eu-west-1}:';
const zsets = ['alive', 'incident', 'alert', 'rotation'].map((name) => prefix + name);

/** So slow that the time that a test takes does not count. */
const slow: PaceLimits = { share: 0.01, ceiling: 0.01 };
const slotMs = 100_000;

interface Process extends RedisQuota {
  readonly log: FakeLog;
  readonly ask: (lane?: Lane) => Promise<Permit>;
}

async function serve(...settings: readonly string[]): Promise<RedisServer> {
  const redis = await startRedis(...settings);
  onTestFinished(() => redis.stop());
  return redis;
}

let processes = 0;

function join(
  url: string,
  limits: PaceLimits = slow,
  known = 1,
  clock: Clock = systemClock,
): Process {
  const log = createFakeLog();
  const quota = createRedisQuota({
    url,
    name: '123456789012/eu-west-1',
    processId: `process ${processes++}`,
    processes: known,
    log,
    clock,
  });
  onTestFinished(quota.close);
  const pace = startPace(limits, clock.now());
  return { ...quota, log, ask: (lane = 'rotation') => quota.slot({ lane, pace }) };
}

/** Moves all that Redis holds so far into the past; a negative time sets its clock back. */
async function timePasses({ admin }: RedisServer, ms: number): Promise<void> {
  const next = Number(await admin.hget(`${prefix}slots`, 'next'));
  await admin.hset(`${prefix}slots`, 'next', next - ms * 1000);
  for (const key of zsets) {
    for (const member of await admin.zrange(key, 0, -1)) {
      await admin.zincrby(key, -ms * 1000, member);
    }
  }
  const text = await admin.hget(`${prefix}slots`, 'pace');
  if (text === null) return;
  const pace = JSON.parse(text) as Record<string, unknown>;
  for (const [name, value] of Object.entries(pace)) {
    if (name.endsWith('Ms') && typeof value === 'number') pace[name] = value - ms;
  }
  await admin.hset(`${prefix}slots`, 'pace', JSON.stringify(pace));
}

/** The next slot begins in so many ms. */
async function slotComesIn({ admin }: RedisServer, ms: number): Promise<void> {
  const script = `
    local time = redis.call('TIME')
    local next = time[1] * 1000000 + time[2] + ARGV[1] * 1000
    redis.call('HSET', KEYS[1], 'next', string.format('%.0f', next), 'length', 100000000)`;
  await admin.eval(script, 1, `${prefix}slots`, ms);
}

/** Processes of these names have just asked. */
async function isHeardOf({ admin }: RedisServer, ...names: readonly string[]): Promise<void> {
  const [seconds, microseconds] = await admin.time();
  const now = Number(seconds) * 1e6 + Number(microseconds);
  for (const name of names) await admin.zadd(`${prefix}alive`, now, name);
}

/** Waits no more, and Redis knows it. */
async function leave(redis: RedisServer, process: Process, lane: Lane = 'rotation'): Promise<void> {
  const before = await redis.admin.zcard(prefix + lane);
  process.waits(undefined);
  await vi.waitUntil(async () => (await redis.admin.zcard(prefix + lane)) === before - 1);
}

async function isEmpty({ admin }: RedisServer, lane: Lane): Promise<boolean> {
  return (await admin.zcard(prefix + lane)) === 0;
}

const kindsOf = (permits: readonly Permit[]): readonly string[] => permits.map(({ kind }) => kind);

describe.skipIf(hasNoRedis)('slots of several processes', () => {
  test('follow one another at the common pace', async () => {
    const redis = await serve();
    const all = Array.from({ length: 4 }, () => join(redis.url));
    await slotComesIn(redis, 0);
    for (let slot = 0; slot < 10; slot++) {
      const permits = await Promise.all(all.map(({ ask }) => ask()));
      expect(kindsOf(permits).toSorted()).toEqual(['granted', 'yield', 'yield', 'yield']);
      expect(kindsOf(await Promise.all(all.map(({ ask }) => ask())))).not.toContain('granted');
      await timePasses(redis, slotMs);
    }
  });

  test('are given away half their length before their time, and not earlier', async () => {
    const redis = await serve();
    const other = join(redis.url);
    await slotComesIn(redis, 60_000);
    expect(await other.ask()).toMatchObject({ kind: 'yield', forMs: 1000 });
    expect(await other.ask()).toMatchObject({ kind: 'yield', forMs: 1000 }); // it still counts as waiting
    await slotComesIn(redis, 40_000);
    const permit = await other.ask();
    expect(permit).toMatchObject({ kind: 'granted' });
    if (permit.kind === 'granted') {
      expect(permit.inMs).toBeLessThanOrEqual(40_000);
      expect(permit.inMs).toBeGreaterThan(20_000);
    }
  });

  test('come in turn: each is kept for whoever has waited longest', async () => {
    const redis = await serve();
    const all = [join(redis.url), join(redis.url), join(redis.url)];
    const first = join(redis.url);
    await first.ask();
    await leave(redis, first);
    for (const { ask } of all) await ask();
    const served: number[] = [];
    for (let slot = 0; slot < 9; slot++) {
      for (const [n, { ask }] of all.toReversed().entries()) {
        await slotComesIn(redis, 40_000);
        if ((await ask()).kind === 'granted') served.push(2 - n);
      }
    }
    expect(served.slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('are not lost because the one whose turn it is does not come', async () => {
    const redis = await serve();
    const [first, gone, other] = [join(redis.url), join(redis.url), join(redis.url)];
    await first.ask();
    await gone.ask();
    await slotComesIn(redis, 40_000);
    expect(await other.ask()).toMatchObject({ kind: 'yield' });
    await slotComesIn(redis, 0);
    expect(await other.ask()).toMatchObject({ kind: 'granted', inMs: 0 });
  });

  test('last as long as their attempts take at the common pace', async () => {
    const redis = await serve();
    await join(redis.url, { share: 1000, ceiling: 1000 }).ask();
    expect(await redis.admin.hget(`${prefix}slots`, 'length')).toBe('10000'); // µs, for 20 attempts
  });

  test('are not made up for after an idle hour, but for half of one', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    await timePasses(redis, 3_600_000);
    expect(await one.ask()).toMatchObject({ kind: 'granted', inMs: 0 });
    const second = await one.ask();
    expect(second).toMatchObject({ kind: 'granted' });
    if (second.kind === 'granted') expect(second.inMs).toBeGreaterThan(0.4 * slotMs);
    expect(await one.ask()).toMatchObject({ kind: 'yield' });
  });

  test('of another account or region are others', async () => {
    const redis = await serve();
    const one = join(redis.url);
    const other = createRedisQuota({
      url: redis.url,
      name: '123456789012/us-east-1',
      processId: 'other',
      processes: 1,
      log: createFakeLog(),
      clock: systemClock,
    });
    onTestFinished(other.close);
    const wish = { lane: 'alert', pace: startPace(slow, systemClock.now()) } as const;
    expect(kindsOf([await one.ask(), await other.slot(wish)])).toEqual(['granted', 'granted']);
  });
});

describe.skipIf(hasNoRedis)('lanes', () => {
  test('hold across processes: everybody yields to an incident elsewhere', async () => {
    const redis = await serve();
    const [incident, alert, rotation] = [join(redis.url), join(redis.url), join(redis.url)];
    await rotation.ask('rotation');
    await rotation.ask('rotation');
    await alert.ask('alert');
    await incident.ask('incident');
    for (const soonMs of [40_000, 0]) {
      await slotComesIn(redis, soonMs);
      expect(await rotation.ask('rotation')).toMatchObject({ kind: 'yield' });
      expect(await alert.ask('alert')).toMatchObject({ kind: 'yield' });
    }
    await slotComesIn(redis, 40_000);
    expect(await incident.ask('incident')).toMatchObject({ kind: 'granted' });
    await leave(redis, incident, 'incident');
    await slotComesIn(redis, 40_000);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'yield' });
    expect(await alert.ask('alert')).toMatchObject({ kind: 'granted' });
  });

  test('keep an incident’s place between its slots', async () => {
    const redis = await serve();
    const [incident, rotation] = [join(redis.url), join(redis.url)];
    await incident.ask('incident');
    await slotComesIn(redis, 0);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'yield' });
  });

  test('leave rotation one slot in ten', async () => {
    const redis = await serve();
    const [incident, rotation] = [join(redis.url), join(redis.url)];
    await rotation.ask('rotation');
    await rotation.ask('rotation');
    const served: Lane[] = [];
    for (let slot = 0; slot < 40; slot++) {
      await slotComesIn(redis, 40_000);
      if ((await incident.ask('incident')).kind === 'granted') served.push('incident');
      else if ((await rotation.ask('rotation')).kind === 'granted') served.push('rotation');
    }
    expect(served).toHaveLength(40);
    expect(served.flatMap((lane, n) => (lane === 'rotation' ? [n] : []))).toEqual([9, 19, 29, 39]);
  });

  test('do not wait for rotation’s tenth slot where nobody comes for it', async () => {
    const redis = await serve();
    const [incident, rotation] = [join(redis.url), join(redis.url)];
    await rotation.ask('rotation');
    await rotation.ask('rotation');
    for (let slot = 0; slot < 12; slot++) {
      await slotComesIn(redis, 0);
      expect(await incident.ask('incident')).toMatchObject({ kind: 'granted' });
    }
  });

  test('of a process that died cost the others a slot each time, and two seconds later nothing', async () => {
    const redis = await serve();
    const [incident, rotation] = [join(redis.url), join(redis.url)];
    await incident.ask('incident');
    await slotComesIn(redis, 0);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'yield' });
    await slotComesIn(redis, -slotMs);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'granted' });
    await slotComesIn(redis, 0);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'yield' });
    await timePasses(redis, 2000);
    await slotComesIn(redis, 0);
    expect(await rotation.ask('rotation')).toMatchObject({ kind: 'granted' });
  });

  test('are told when they change, not only with the next question', async () => {
    const redis = await serve();
    const [one, other] = [join(redis.url), join(redis.url)];
    await one.ask('rotation');
    one.waits('incident');
    await vi.waitUntil(() => isEmpty(redis, 'rotation'));
    await slotComesIn(redis, 40_000);
    expect(await other.ask('rotation')).toMatchObject({ kind: 'yield' });
  });
});

describe.skipIf(hasNoRedis)('a process', () => {
  test('knows its part: as many share the quota as have been heard of in ten seconds', async () => {
    const redis = await serve();
    const all = Array.from({ length: 4 }, () => join(redis.url));
    for (const { ask } of all) await ask();
    expect((await all[0]?.ask())?.part).toBe(0.25);
    await timePasses(redis, 10_000);
    expect((await all[0]?.ask())?.part).toBe(1);
    expect((await all[1]?.ask())?.part).toBe(0.5);
  });

  test('that begins takes over what the others believe', async () => {
    const redis = await serve();
    const old = join(redis.url, { share: 7, ceiling: 50 });
    await old.ask();
    expect((await old.ask()).kind).not.toBe('unavailable');
    const young = await join(redis.url, { share: 20, ceiling: 20 }).ask();
    expect(young).toMatchObject({ pace: { rate: 7, limits: { share: 20, ceiling: 20 } } });
  });

  test('that is throttled slows all of them down, and no slot comes in the pause', async () => {
    const redis = await serve();
    const [one, other] = [join(redis.url), join(redis.url)];
    await one.ask();
    await other.ask();
    await slotComesIn(redis, 0);
    const atMs = systemClock.now();
    one.revise((pace) => adapt(pace, { kind: 'throttled', startedAtMs: atMs }, atMs, () => 0.5));
    const pausedUntilMs = atMs + 1000 / 0.007;
    const seen = async (): Promise<Pace | undefined> => {
      const permit = await other.ask();
      return permit.kind === 'yield' ? permit.pace : undefined;
    };
    await vi.waitUntil(async () => (await redis.admin.hget(`${prefix}slots`, 'version')) === '2');
    const pace = await seen();
    expect(pace?.rate).toBeCloseTo(0.007);
    expect(Math.abs((pace?.pausedUntilMs ?? 0) - pausedUntilMs)).toBeLessThan(50);
    expect(await seen()).toBeDefined(); // for 143 s, and a slot of that length is given away 71 s before
    await timePasses(redis, 75_000);
    const permit = await other.ask();
    expect(permit).toMatchObject({ kind: 'granted' });
    if (permit.kind === 'granted') expect(permit.inMs).toBeGreaterThan(60_000);
  });

  test('that learns at the same time as another loses nothing of it', async () => {
    const redis = await serve();
    const all = [join(redis.url), join(redis.url), join(redis.url)];
    for (const { ask } of all) await ask();
    const one = (pace: Pace): Pace => ({ ...pace, givenSinceProbe: pace.givenSinceProbe + 1 });
    for (let n = 0; n < 50; n++) {
      for (const { revise } of all) revise(one);
      await Promise.all(all.map(({ ask }) => ask()));
    }
    await vi.waitUntil(async () => {
      await Promise.all(all.map(({ ask }) => ask()));
      const text = await redis.admin.hget(`${prefix}slots`, 'pace');
      return (JSON.parse(text ?? '{}') as Pace).givenSinceProbe === 150;
    });
    const permit = await all[0]?.ask();
    expect(permit).toMatchObject({ pace: { givenSinceProbe: 150 } });
  });

  test('learns that all have rested, if all have', async () => {
    const redis = await serve();
    const [one, other] = [join(redis.url), join(redis.url)];
    const rested = async (process: Process): Promise<boolean | undefined> => {
      const permit = await process.ask();
      return permit.kind === 'granted' ? permit.rested : undefined;
    };
    expect(await rested(one)).toBe(false);
    expect(await rested(other)).toBeUndefined();
    await leave(redis, one);
    await timePasses(redis, slotMs + 1);
    expect(await rested(other)).toBe(false);
    await leave(redis, other);
    await timePasses(redis, slotMs + 1);
    expect(await rested(one)).toBe(true);
    await timePasses(redis, slotMs + 1);
    expect(await rested(one)).toBe(false);
  });

  test('that stands still does not take that for Redis’s fault', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await slotComesIn(redis, 0);
    await one.ask();
    const asked = one.ask();
    await new Promise((resolve) => setTimeout(resolve)); // it is on its way
    const untilMs = performance.now() + 700;
    while (performance.now() < untilMs); // the answer lies there, and nobody reads it
    expect(await asked).toMatchObject({ kind: 'yield' });
    expect(one.log.lines).toEqual([]);
  });

  test('may ask before it is connected', async () => {
    const redis = await serve();
    expect(await join(redis.url).ask()).toMatchObject({ kind: 'granted' });
  });
});

describe.skipIf(hasNoRedis)('what Redis holds', () => {
  test('may be lost: the next question makes it anew, and the pace is remembered', async () => {
    const redis = await serve();
    const one = join(redis.url, { share: 7, ceiling: 7 });
    const other = join(redis.url);
    await one.ask();
    for (const { ask } of [other, one]) await ask();
    await redis.admin.flushall();
    await redis.admin.script('FLUSH');
    expect(await one.ask()).toMatchObject({ kind: 'granted', pace: { rate: 7 } });
    one.waits('alert'); // whatever it is, it tells the pace too
    await vi.waitUntil(async () => (await redis.admin.hget(`${prefix}slots`, 'pace'))?.includes('"rate":7,')); // prettier-ignore
    expect([...one.log.lines, ...other.log.lines]).toEqual([]);
  });

  test('may be somebody else’s: it is thrown away', async () => {
    const redis = await serve();
    for (const key of [`${prefix}slots`, ...zsets]) await redis.admin.set(key, 'text');
    const one = join(redis.url);
    expect(await one.ask()).toMatchObject({ kind: 'granted', inMs: 0 });
    expect(await one.ask()).toMatchObject({ kind: 'granted' });
    expect(await one.ask()).toMatchObject({ kind: 'yield' });
    expect(one.log.lines).toEqual([]);
  });

  test('may be nonsense in its place: it stops nobody', async () => {
    const redis = await serve();
    const one = join(redis.url);
    const value = fc.oneof(
      fc.constantFrom('', 'nan', '-nan', 'inf', '-inf', '1e308', '-1', '{}', 'null', '"', '0x10'),
      fc.double().map(String),
      fc.string(),
      fc.constant(undefined),
    );
    const fields = fc.record({
      next: value,
      length: value,
      passed: value,
      version: value,
      rested: value,
      pace: fc.oneof(
        value,
        fc
          .record({
            rate: fc.double(),
            probing: fc.boolean(),
            tokens: fc.double(),
            countedAtMs: fc.double(),
            givenSinceEmpty: fc.double(),
            givenSinceProbe: fc.double(),
            probedAtMs: fc.double(),
            patience: fc.double(),
            reactedAtMs: fc.double(),
            pausedUntilMs: fc.double(),
          })
          .map((pace) => JSON.stringify(pace)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fields, async (fields) => {
        await redis.admin.del(`${prefix}slots`);
        for (const [field, text] of Object.entries(fields)) {
          if (text !== undefined) await redis.admin.hset(`${prefix}slots`, field, text);
        }
        const permit = await one.ask();
        if (permit.kind === 'unavailable') throw new Error(JSON.stringify(one.log.lines));
        const { rate, pausedUntilMs } = permit.pace;
        expect(rate).toBeGreaterThanOrEqual(0.00001);
        expect(rate).toBeLessThanOrEqual(0.01);
        expect(pausedUntilMs).toBeLessThan(systemClock.now() + 1000 / rate + 2000);
        if (permit.kind === 'granted') expect(permit.inMs).toBeLessThanOrEqual(slotMs);
        else expect(permit.forMs).toBeLessThanOrEqual(1000);
        await redis.admin.hset(`${prefix}slots`, 'next', 0);
        expect((await one.ask()).kind).toBe('granted');
      }),
      { numRuns: 200 },
    );
    expect(one.log.lines).toEqual([]);
  });

  test('may be of an hour to come, since Redis’s clock was set back: nobody waits for it', async () => {
    const redis = await serve();
    const [one, other, gone] = [join(redis.url), join(redis.url), join(redis.url)];
    await one.ask('alert');
    await other.ask('rotation');
    await gone.ask('incident');
    const atMs = systemClock.now();
    one.revise((pace) => adapt(pace, { kind: 'throttled', startedAtMs: atMs }, atMs, () => 0.5));
    await vi.waitUntil(async () => (await redis.admin.hget(`${prefix}slots`, 'version')) === '2');
    await timePasses(redis, -3_600_000);
    expect(await one.ask('alert')).toMatchObject({ kind: 'granted' });
    await slotComesIn(redis, 40_000);
    const permit = await other.ask('rotation');
    expect(permit).toMatchObject({ kind: 'yield', part: 0.5 });
    if (permit.kind === 'yield') expect(permit.pace.pausedUntilMs).toBeLessThan(atMs + 300_000);
    await leave(redis, one, 'alert');
    expect(await other.ask('rotation')).toMatchObject({ kind: 'granted' });
  });
});

/** Asks until the answer is one of a common quota again. */
async function untilBack(...processes: readonly Process[]): Promise<void> {
  for (const { ask, log } of processes) {
    await vi.waitUntil(async () => (await ask()).kind !== 'unavailable', { timeout: 15_000 });
    expect(log.of('redis-lost')).toHaveLength(1);
    expect(log.of('redis-back')).toMatchObject([{ level: 'info' }]);
    expect(log.lines).toHaveLength(2);
  }
}

describe.skipIf(hasNoRedis)('while Redis is away', () => {
  test('each goes on with its part, says so once, and comes back by itself', async () => {
    const redis = await serve();
    const all = Array.from({ length: 4 }, () => join(redis.url));
    for (const { ask } of all) await ask();
    await redis.kill();
    for (const { ask, log } of all) {
      for (let n = 0; n < 20; n++) expect((await ask()).kind).toBe('unavailable');
      expect(log.lines).toMatchObject([
        {
          level: 'warn',
          event: 'redis-lost',
          cause: expect.stringMatching(/^(the connection is lost|connect ECONNREFUSED 127.0.0.1:\d+|read ECONNRESET)$/),
          text: 'going on alone with a part of the quota, until Redis is back',
        },
      ]); // prettier-ignore
    }
    expect((await all[3]?.ask())?.part).toBe(0.25);
    await redis.restart();
    await untilBack(...all);
    expect((await all[3]?.ask())?.part).toBe(0.25);
  });

  test('the part is no larger than what is known beforehand, and never the whole', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    expect(await join(url).ask()).toEqual({ kind: 'unavailable', part: 0.25 });
    expect(await join(url, slow, 10).ask()).toEqual({ kind: 'unavailable', part: 0.1 });
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    await redis.kill();
    expect(await one.ask()).toEqual({ kind: 'unavailable', part: 0.5 });
  });

  test('those who are back take their part of the rate, until all are or their time is over', async () => {
    const redis = await serve();
    let laterMs = 0;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + laterMs };
    const one = join(redis.url, slow, 1, clock);
    const others = Array.from({ length: 3 }, () => join(redis.url));
    for (const { ask } of [...others, one]) await ask();
    await redis.restart();
    await vi.waitUntil(async () => {
      laterMs += 1000; // it looks again
      return (await one.ask()).kind !== 'unavailable';
    }, 15_000);
    async function slotLength(): Promise<number> {
      await slotComesIn(redis, 0);
      const permit = await one.ask();
      if (permit.kind !== 'granted') throw new Error(permit.kind);
      return Number(await redis.admin.hget(`${prefix}slots`, 'length')) / 1000;
    }
    expect((await one.ask()).part).toBe(0.25);
    expect(await slotLength()).toBe(4 * slotMs);
    await isHeardOf(redis, 'a second');
    await one.ask(); // and hears of it
    expect(await slotLength()).toBe(2 * slotMs);
    await isHeardOf(redis, 'a third', 'a fourth');
    await one.ask();
    expect(await slotLength()).toBe(slotMs);
    await timePasses(redis, 5000); // they are gone again
    await one.ask();
    expect(await slotLength()).toBe(4 * slotMs);
    laterMs += 5000;
    expect(await slotLength()).toBe(slotMs);
  });

  test('what is learnt of a part says nothing about the whole', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    await redis.kill();
    await one.ask();
    one.revise((pace) => ({ ...pace, rate: 0.005 }));
    await redis.restart();
    await untilBack(one);
    expect(await one.ask()).toMatchObject({ pace: { rate: 0.01 } });
  });

  test('because it hangs, the answer comes in time, and none of those that were asked counts later', async () => {
    const redis = await serve();
    const all = Array.from({ length: 4 }, () => join(redis.url));
    for (const { ask } of all) await ask();
    redis.pause();
    const sinceMs = performance.now();
    const permits = await Promise.all(all.flatMap(({ ask }) => [ask(), ask(), ask()]));
    expect(performance.now() - sinceMs).toBeLessThan(2000);
    expect(new Set(kindsOf(permits))).toEqual(new Set(['unavailable']));
    const againMs = performance.now();
    for (let n = 0; n < 1000; n++) await all[0]?.ask();
    expect(performance.now() - againMs).toBeLessThan(500);
    for (const { log } of all) {
      expect(log.lines).toMatchObject([{ event: 'redis-lost', cause: 'no answer within 500 ms' }]);
    }
    redis.resume();
    await untilBack(...all);
    const [seconds, microseconds] = await redis.admin.time();
    const next = Number(await redis.admin.hget(`${prefix}slots`, 'next'));
    expect(next - Number(seconds) * 1e6 - Number(microseconds)).toBeLessThan(1.5 * slotMs * 1000);
  });

  test('because it has become a replica, a new connection is tried until it finds the primary', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    await redis.admin.replicaof('127.0.0.1', await freePort());
    expect(await one.ask()).toMatchObject({ kind: 'unavailable' });
    expect(one.log.lines).toMatchObject([{ cause: expect.stringMatching(/^READONLY /) }]);
    const before = await connectionsTo(redis);
    await vi.waitUntil(async () => {
      await one.ask();
      return (await connectionsTo(redis)) > before;
    }, 5000);
    await redis.admin.replicaof('NO', 'ONE');
    await untilBack(one);
  });

  test('because it cuts connections, nobody waits for long', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    const asked = one.ask();
    await redis.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await asked;
    await one.ask();
    await untilBack(one);
  });

  test('what is told in passing is no loss, and closing is none', async () => {
    const redis = await serve();
    const one = join(redis.url);
    await one.ask();
    await redis.kill();
    one.waits('incident');
    await one.log.waitFor((lines) => lines.length > 0);
    one.waits(undefined);
    one.close();
    expect(await one.ask()).toMatchObject({ kind: 'unavailable' });
    expect(one.log.lines).toHaveLength(1);
  });

  async function connectionsTo({ admin }: RedisServer): Promise<number> {
    return Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
  }
});

describe.skipIf(hasNoRedis)('the problem with it', () => {
  test('is none if it works; and asking takes no slot', async () => {
    const redis = await serve();
    const one = join(redis.url);
    expect(await one.problem()).toBeUndefined();
    expect(await one.ask()).toMatchObject({ kind: 'granted' });
  });

  test('is none with the right password, nor with a user of its own, nor in another database', async () => {
    const redis = await serve('--requirepass', 'se/cret');
    await redis.admin.acl(
      'SETUSER',
      'worker',
      'on',
      '>pass word',
      '~iot-revocation-worker:*',
      '+@all',
    );
    const at = `127.0.0.1:${redis.port}`;
    for (const login of [':se%2Fcret', 'worker:pass%20word']) {
      const one = join(`redis://${login}@${at}/3`);
      expect(await one.problem()).toBeUndefined();
      expect(await one.ask()).toMatchObject({ part: 1, kind: 'granted' });
      await redis.admin.flushall();
    }
  });

  /** What `problem()` says of a URL: a sentence without a secret. */
  async function problemOf(url: string): Promise<string> {
    const one = join(url);
    const problem = (await one.problem()) ?? 'none';
    expect(problem).not.toContain('hunter2');
    expect(problem).not.toMatch(/[\n\r]/);
    expect(problem.length).toBeLessThanOrEqual(200);
    expect(one.log.lines).toEqual([]);
    return problem;
  }

  test('is that nobody listens there', async () => {
    const port = await freePort();
    expect(await problemOf(`redis://user:hunter2@127.0.0.1:${port}`)).toBe(
      `connect ECONNREFUSED 127.0.0.1:${port}`,
    );
    expect(await problemOf(`redis://user:hunter2@localhost:${port}`)).toMatch(/ECONNREFUSED/);
    expect(await problemOf('redis://user:hunter2@nowhere.invalid:6379')).toMatch(
      /^getaddrinfo E\w+ nowhere\.invalid$/,
    );
  });

  test('is the password', async () => {
    const redis = await serve('--requirepass', 'secret');
    const at = `127.0.0.1:${redis.port}`;
    expect(await problemOf(`redis://${at}`)).toMatch(/NOAUTH Authentication required/);
    expect(await problemOf(`redis://:hunter2@${at}`)).toMatch(
      /^WRONGPASS invalid username-password/,
    );
    expect(await problemOf(`redis://user:hunter2@${at}`)).toMatch(/^WRONGPASS /);
  });

  test('is that it does not know AUTH; and the password that it repeats is not shown', async () => {
    const redis = await serve('--rename-command', 'AUTH', '');
    const problem = await problemOf(`redis://hunter2-and-i:hunter2%2F@127.0.0.1:${redis.port}`);
    expect(problem).toMatch(/^ERR unknown command 'auth'.*\*\*\*/i);
  });

  test('is what its user may not do', async () => {
    const redis = await serve();
    await redis.admin.acl(
      'SETUSER',
      'reader',
      'on',
      '>hunter2',
      '~*',
      '+@read',
      '+@connection',
      '+info',
    );
    expect(await problemOf(`redis://reader:hunter2@127.0.0.1:${redis.port}`)).toMatch(/^NOPERM /);
  });

  test('is that it is a replica', async () => {
    const redis = await serve('--replicaof', '127.0.0.1', String(await freePort()));
    expect(await problemOf(redis.url)).toMatch(/^READONLY /);
  });

  test('is that there is no such database', async () => {
    const redis = await serve();
    expect(await problemOf(`${redis.url}/99`)).toMatch(/^ERR DB index is out of range/);
  });

  test('is that something else listens there', async () => {
    const http = createHttpServer((_request, response) => response.end('welcome'));
    const port = await listen(http);
    expect(await problemOf(`redis://:hunter2@127.0.0.1:${port}`)).toMatch(
      /^Protocol error, got "H"/,
    );
  });

  test('is that whoever listens there never answers; and slots do not wait for it', async () => {
    const sockets = new Set<Socket>();
    const hole = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    const port = await listen(hole);
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const url = `redis://:hunter2@127.0.0.1:${port}`;
    expect(await problemOf(url)).toMatch(/no answer/);
    const one = join(url);
    const sinceMs = performance.now();
    expect(await one.ask()).toEqual({ kind: 'unavailable', part: 0.25 });
    expect(performance.now() - sinceMs).toBeLessThan(1500);
    expect(one.log.lines).toMatchObject([{ cause: expect.stringMatching(/^no answer within /) }]);
  });

  async function listen(server: Server): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }
});
