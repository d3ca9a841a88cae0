// Throttles that share one quota by a real Redis, against a token bucket, in real time: each with a
// connection of its own, all in this process. Prints a line for each scenario.
//
//   node test/bench/redis-sharing.ts [calls]       600 by default: a minute

import { systemClock } from '../../src/entry/clock.ts';
import type { Log } from '../../src/event.ts';
import type { Lane } from '../../src/lane.ts';
import type { Feedback } from '../../src/pace.ts';
import { createRedisQuota } from '../../src/redis/quota.ts';
import { createTokenBucket, type Quota } from '../../src/sandbox/token-bucket.ts';
import { createThrottle } from '../../src/throttle.ts';
import { startRedis, type RedisServer } from '../helpers/redis.ts';

interface Scenario {
  readonly name: string;
  readonly calls: number;
  readonly processes: number;
  /** How many of them have work; the others ask for one slot at the beginning. */
  readonly busy: number;
  readonly quota: Quota;
  readonly told: number;
  readonly ceiling?: number;
  /** Calls per second of another client on the same bucket. */
  readonly others?: number;
  /** An incident comes to an idle process every so many ms. */
  readonly incidentEveryMs?: number;
}

const roundTripMs = 60;
const quiet: Log = { write: (level, fields) => console.error(level, JSON.stringify(fields)) };

async function measure(redis: RedisServer, scenario: Scenario): Promise<string> {
  const { name, calls, processes, busy, quota, told, ceiling = told, others = 0 } = scenario;
  const bucket = createTokenBucket(quota, () => performance.now());
  const begunAtMs = performance.now();
  const done = Promise.withResolvers<void>();
  const waits: number[] = [];
  let [toDo, succeeded, throttled, theirs, theirsThrottled] = [calls, 0, 0, 0, 0];

  const workers = Array.from({ length: processes }, (_, n) => {
    const shared = createRedisQuota({
      url: redis.url,
      name,
      processId: String(n),
      processes: 1,
      log: quiet,
      clock: systemClock,
    });
    const throttle = createThrottle({
      limits: { share: told, ceiling },
      slowestCallMs: 5000,
      clock: systemClock,
      random: Math.random,
      shared,
    });
    const incidents: number[] = [];
    const isBusy = n < busy;
    const lane = (): Lane | undefined => {
      if (incidents.length > 0) return 'incident';
      return isBusy && toDo > 0 ? 'rotation' : undefined;
    };
    async function call(): Promise<Feedback> {
      await systemClock.sleep(roundTripMs / 2);
      const isGiven = bucket.take();
      await systemClock.sleep(roundTripMs / 2);
      if (isGiven) {
        if (++succeeded === calls) done.resolve();
        return 'succeeded';
      }
      throttled++;
      toDo++;
      for (const wake of wakes) wake();
      return 'throttled';
    }
    const serve = (): Promise<Feedback> | undefined => {
      const sentAtMs = incidents.shift();
      if (sentAtMs !== undefined) waits.push(performance.now() - sentAtMs);
      else if (!isBusy || toDo === 0) return undefined;
      toDo--;
      return call();
    };
    const wake = (): void => {
      if (lane() !== undefined) throttle.wake(serve, lane);
    };
    const incident = (): void => {
      incidents.push(performance.now());
      throttle.wake(serve, lane);
    };
    return { wake, incident, end: () => throttle.stop().then(shared.close) };
  });
  const wakes = workers.map(({ wake }) => wake);

  const ended = new AbortController();
  if (others > 0) {
    void every(1000 / others, ended.signal, () => {
      theirs++;
      if (!bucket.take()) theirsThrottled++;
    });
  }
  if (scenario.incidentEveryMs !== undefined) {
    void every(scenario.incidentEveryMs, ended.signal, () => workers.at(-1)?.incident());
  }
  for (const wake of wakes) wake();
  await done.promise;
  const tookMs = performance.now() - begunAtMs;
  ended.abort();
  await Promise.all(workers.map(({ end }) => end()));
  const idealMs = ((calls - quota.burst) / (quota.rate - others)) * 1000;
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`.padStart(8);
  const sorted = waits.toSorted((a, b) => a - b);
  return [
    name.padEnd(34),
    percent(idealMs / tookMs),
    percent(throttled / (calls + throttled)),
    theirs === 0 ? '' : `${percent(theirsThrottled / theirs)} of the other's`,
    sorted.length === 0 ? '' : `incidents waited ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} ms (median), ${Math.round(sorted.at(-1) ?? 0)} ms (most)`, // prettier-ignore
  ].join('  ');
}

async function every(ms: number, signal: AbortSignal, act: () => void): Promise<void> {
  for (let at = performance.now() + ms; !signal.aborted; at += ms) {
    await systemClock.sleep(at - performance.now(), signal);
    if (!signal.aborted) act();
  }
}

const calls = Number(process.argv[2] ?? 600);
const ten = { rate: 10, burst: 10 };
const known = { calls, quota: ten, told: 10 };
const scenarios: readonly Scenario[] = [
  { ...known, name: 'N = 1', processes: 1, busy: 1 },
  { ...known, name: 'N = 4, all busy', processes: 4, busy: 4 },
  { ...known, name: 'N = 4, one busy', processes: 4, busy: 1 },
  { ...known, name: 'N = 16, all busy', processes: 16, busy: 16 },
  { ...known, name: 'N = 16, one busy', processes: 16, busy: 1 },
  { ...known, name: 'N = 4, incident every 5 s', processes: 4, busy: 3, incidentEveryMs: 5000 },
  { ...known, name: 'N = 16, incident every 5 s', processes: 16, busy: 15, incidentEveryMs: 5000 },
  { ...known, name: 'N = 4, really 7', processes: 4, busy: 4, quota: { rate: 7, burst: 7 } },
  { ...known, name: 'N = 16, really 7', processes: 16, busy: 16, quota: { rate: 7, burst: 7 } },
  { ...known, name: 'N = 4, another client takes 3/s', processes: 4, busy: 4, others: 3 },
  {
    name: 'N = 4, really 50, told 10',
    calls: 5 * calls,
    processes: 4,
    busy: 4,
    quota: { rate: 50, burst: 50 },
    told: 10,
    ceiling: 100,
  },
  {
    name: 'N = 4 at 1,000/s',
    calls: 60 * calls,
    processes: 4,
    busy: 4,
    quota: { rate: 1000, burst: 1000 },
    told: 1000,
  },
];

await using redis = await startRedis();
const only = process.argv[3];
console.log('scenario'.padEnd(34), 'utilisation', 'throttled');
await Promise.all(
  scenarios
    .filter(({ name }) => only === undefined || name.includes(only))
    .map(async (scenario) => console.log(await measure(redis, scenario))),
);
