// Paces the slots with bottleneck (the only importer of it). A slot serves one attempt, or a few at
// high rates; which updates it serves is asked when it fires.

import Bottleneck from 'bottleneck';
import type { Clock, Random } from './clock.ts';
import { lanes, type Lane } from './lane.ts';
import {
  adapt,
  slotOf,
  startPace,
  type Feedback,
  type Pace,
  type PaceEvent,
  type PaceLimits,
} from './pace.ts';
import type { SharedQuota } from './shared-quota.ts';

/** What a slot does when it fires: it starts the most urgent attempt, or finds that none waits. */
export type Serve = () => Promise<Feedback> | undefined;

export interface Throttle {
  /**
   * Work waits: fire slots until `serve` finds none. The newest `serve` replaces an older one.
   * `mostUrgent` tells the lane for which a slot of a shared quota is asked; without it, the least
   * urgent.
   */
  readonly wake: (serve: Serve, mostUrgent?: () => Lane | undefined) => void;
  /** Calls per second at present. */
  readonly rate: () => number;
  /** Drops the slot that is due; the process can end. */
  readonly stop: () => Promise<void>;
}

export interface ThrottleOptions {
  readonly limits: PaceLimits;
  /** The longest that an attempt can take, ms; decides how many may run at once. */
  readonly slowestCallMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** The quota that this process shares with others; each slot is asked of it too. */
  readonly shared?: SharedQuota;
}

/**
 * A slot is put off by up to this part of the time to the next. Processes that start together do not
 * stay in step; and one that shares the bucket unknowingly sees that it is empty, instead of always
 * being the first to take what drops in.
 */
const jitter = 0.5;

/** A slot that is so much overdue, ms, never comes: bottleneck waits by a clock that was set back. */
const overdueMs = 2000;

/**
 * A throttle for this process. In any time it starts at most 1.5 slots' attempts, and the rate times
 * that time; neither a stall, a thaw nor an idle hour is made up for.
 */
export function createThrottle(options: ThrottleOptions): Throttle {
  const { limits, slowestCallMs, clock, random, shared } = options;
  let pace = startPace(limits, clock.now());
  let limiter = createLimiter(pace, slowestCallMs);
  let current: Serve = nobodyWaits;
  let laneOf: () => Lane | undefined = leastUrgent;
  let due = false;
  /** No slot's time comes before this, ms: bottleneck would make up for one that was late or paused. */
  let nextMs = -Infinity;
  /** Attempts that are out. */
  let out = 0;
  /** Ends the watch over the slot that is due. */
  let fired = new AbortController();
  const stopped = new AbortController();

  // One job at a time waits in bottleneck: it would register all of them with their times at once,
  // and neither a more urgent update nor a slower pace could come before them.
  function schedule(): void {
    if (due || stopped.signal.aborted) return;
    due = true;
    fired = new AbortController();
    const mine = limiter;
    const job = mine.schedule(async () => {
      if (mine !== limiter) return;
      fired.abort();
      await fire();
    });
    void job.catch(() => undefined); // rejects only when the limiter is dropped
    void watch(fired.signal);
  }

  /** Starts afresh where bottleneck would wait for the system's clock to catch up with itself. */
  async function watch(firing: AbortSignal): Promise<void> {
    do {
      await clock.sleep(slotOf(pace).intervalMs + overdueMs, firing);
      if (firing.aborted) return;
    } while (out >= mostAtOnce(limits, slowestCallMs));
    void drop(limiter);
    limiter = createLimiter(pace, slowestCallMs);
    due = false;
    schedule();
  }

  async function fire(): Promise<void> {
    const arrivedAtMs = Math.max(clock.now(), nextMs);
    const putOffMs = random() * jitter * slotOf(pace).intervalMs;
    const baseMs = (): number => Math.max(arrivedAtMs, pace.pausedUntilMs);
    while (clock.now() < baseMs() + putOffMs && !stopped.signal.aborted) {
      await clock.sleep(Math.ceil(baseMs() + putOffMs - clock.now()), stopped.signal);
    }
    await takeShared();
    const slot = slotOf(pace);
    nextMs = Math.max(nextMs, baseMs() + slot.intervalMs);
    due = false;
    const attempts: Promise<void>[] = [];
    while (attempts.length < slot.attempts && !stopped.signal.aborted) {
      const startedAtMs = clock.now();
      const attempt = current();
      if (attempt === undefined) break;
      attempts.push(follow(attempt, startedAtMs));
    }
    if (attempts.length === 0) {
      learn({ kind: 'idle' });
      return;
    }
    learn({ kind: 'taken', attempts: attempts.length });
    schedule();
    await Promise.all(attempts);
  }

  /** Waits until a slot of the shared quota is ours too, if there is one. */
  async function takeShared(): Promise<void> {
    if (shared === undefined) return;
    while (!stopped.signal.aborted) {
      const lane = laneOf();
      if (lane === undefined) return;
      const { attempts, intervalMs } = slotOf(pace);
      const callsPerSecond = Math.max(limits.share, (attempts * 1000) / intervalMs);
      const permit = await shared.slot({ lane, attempts, callsPerSecond });
      switch (permit.kind) {
        case 'granted':
          await clock.sleep(permit.inMs, stopped.signal);
          return;
        case 'yield':
          await clock.sleep(permit.forMs, stopped.signal);
          break;
        case 'unavailable':
          // The slots that are left to the others go by.
          nextMs = clock.now() + intervalMs / permit.part;
          return;
      }
    }
  }

  async function follow(attempt: Promise<Feedback>, startedAtMs: number): Promise<void> {
    out++;
    const feedback = await attempt.finally(() => out--);
    if (feedback !== 'failed') learn({ kind: feedback, startedAtMs });
  }

  function learn(event: PaceEvent): void {
    const before = slotOf(pace).intervalMs;
    pace = adapt(pace, event, clock.now(), random);
    const { intervalMs } = slotOf(pace);
    if (intervalMs !== before) void limiter.updateSettings({ minTime: intervalMs });
  }

  return {
    wake: (serve, mostUrgent = leastUrgent) => {
      current = serve;
      laneOf = mostUrgent;
      schedule();
    },
    rate: () => pace.rate,
    stop: async () => {
      stopped.abort();
      fired.abort();
      await drop(limiter);
    },
  };
}

function createLimiter(pace: Pace, slowestCallMs: number): Bottleneck {
  return new Bottleneck({
    minTime: slotOf(pace).intervalMs,
    // Without it, minTime alone lets everything go at once after a stall of the event loop.
    maxConcurrent: mostAtOnce(pace.limits, slowestCallMs),
  });
}

/** Slots that may be out at the same time: as many as fire while the slowest call lasts, and one. */
function mostAtOnce({ ceiling }: PaceLimits, slowestCallMs: number): number {
  return Math.ceil((ceiling * slowestCallMs) / 1000) + 1;
}

/** Ends a limiter once the attempts that it carries are over. */
async function drop(limiter: Bottleneck): Promise<void> {
  await limiter.stop({ dropWaitingJobs: true });
  await limiter.disconnect();
}

function nobodyWaits(): undefined {}

function leastUrgent(): Lane | undefined {
  return lanes.at(-1);
}
