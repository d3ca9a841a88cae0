// A token bucket, its callers and the network between them, in virtual time: what a pace makes of a
// quota, over minutes or hours, in milliseconds.

import TinyQueue from 'tinyqueue';
import type { Random } from '../../src/clock.ts';
import { adapt, slotOf, startPace, type PaceLimits } from '../../src/pace.ts';

export interface Scenario {
  /** Calls that succeed in all; the run ends with the last. */
  readonly calls: number;
  /** Each worker's limits; they start together and draw from one backlog. */
  readonly workers: readonly PaceLimits[];
  /** The bucket's rate and burst at a time, calls per second; a change fills the bucket. */
  readonly quota: (atMs: number) => number;
  /** Another client on the same bucket, calls per second, evenly. */
  readonly others?: number;
  /** Successes are also counted from here on, ms. */
  readonly countFromMs?: number;
}

export interface Figures {
  /** The shortest possible time, as a share of the time it took. */
  readonly utilisation: number;
  /** Our calls that were throttled, as a share. */
  readonly throttled: number;
  /** The other client's. */
  readonly othersThrottled: number;
  /** Successes per second from `countFromMs` on. */
  readonly ratePerSecond: number;
  /** When each call started, ms. */
  readonly startedAtMs: readonly number[];
}

/** A round trip takes 60 ms, give or take 10; the bucket is asked half-way. */
const roundTripMs = (random: Random): number => 50 + 20 * random();

/** Numbers from a seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function simulate(scenario: Scenario, random: Random): Figures {
  const { calls, workers, quota, others = 0, countFromMs = 0 } = scenario;
  const agenda = new TinyQueue<{ readonly atMs: number; readonly act: () => void }>(
    [],
    (a, b) => a.atMs - b.atMs,
  );
  const at = (atMs: number, act: () => void): void => agenda.push({ atMs, act });
  let now = 0;
  const bucket = createBucket(quota, () => now);
  const startedAtMs: number[] = [];
  let [toDo, done, throttled, counted] = [calls, 0, 0, 0];

  function work(limits: PaceLimits): void {
    let pace = startPace(limits, 0);
    let nextMs = 0;
    let isIdle = false;

    function attempt(): void {
      const start = now;
      const lasts = roundTripMs(random);
      startedAtMs.push(start);
      at(start + lasts / 2, () => {
        const isGiven = bucket.take();
        at(start + lasts, () => {
          const kind = isGiven ? 'succeeded' : 'throttled';
          pace = adapt(pace, { kind, startedAtMs: start }, now, random);
          if (isGiven) {
            done++;
            if (now >= countFromMs) counted++;
          } else {
            throttled++;
            toDo++;
            if (isIdle) fire();
          }
        });
      });
    }

    /** As throttle.ts does it: the grid, the jitter, the pause. */
    function fire(): void {
      isIdle = false;
      if (now < pace.pausedUntilMs) return at(pace.pausedUntilMs, fire);
      const attempts = Math.min(slotOf(pace).attempts, toDo);
      if (attempts === 0) {
        isIdle = true;
        return;
      }
      toDo -= attempts;
      for (let made = 0; made < attempts; made++) attempt();
      pace = adapt(pace, { kind: 'taken', attempts }, now, random);
      const { intervalMs } = slotOf(pace);
      nextMs = Math.max(now, nextMs + intervalMs);
      at(nextMs + random() * 0.5 * intervalMs, fire);
    }
    at(0, fire);
  }

  let [othersCalls, othersThrottled] = [0, 0];
  function callOften(): void {
    othersCalls++;
    at(now + roundTripMs(random) / 2, () => {
      if (!bucket.take()) othersThrottled++;
    });
    at(now + 1000 / others, callOften);
  }

  for (const limits of workers) work(limits);
  if (others > 0) at(17, callOften);
  for (let next = agenda.pop(); next !== undefined; next = agenda.pop()) {
    now = next.atMs;
    next.act();
    if (done === calls) break;
  }
  return {
    utilisation: shortestMs(scenario) / now,
    throttled: throttled / startedAtMs.length,
    othersThrottled: othersCalls === 0 ? 0 : othersThrottled / othersCalls,
    ratePerSecond: (counted * 1000) / (now - countFromMs),
    startedAtMs: startedAtMs.toSorted((a, b) => a - b),
  };
}

function createBucket(quota: Scenario['quota'], now: () => number): { take: () => boolean } {
  let rate = quota(0);
  let tokens = rate;
  let countedAtMs = 0;
  return {
    take: () => {
      const isChanged = quota(now()) !== rate;
      rate = quota(now());
      tokens = isChanged ? rate : Math.min(rate, tokens + ((now() - countedAtMs) * rate) / 1000);
      countedAtMs = now();
      if (tokens < 1) return false;
      tokens--;
      return true;
    },
  };
}

/**
 * T ≥ (calls − burst) ÷ rate, for a rate that may change, and what others take of it. A change fills
 * the bucket: as idealMs in test/bench/scenario.ts counts it.
 */
function shortestMs({ calls, quota, others = 0 }: Scenario): number {
  let rate = quota(0);
  let given = rate;
  let atMs = 0;
  while (given < calls) {
    atMs += 10;
    if (quota(atMs) !== rate) given += quota(atMs);
    rate = quota(atMs);
    given += (rate - others) / 100;
  }
  return atMs;
}
