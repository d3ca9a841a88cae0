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
  /** Calls per second at present, of this process. */
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

/**
 * Timers fire late, and so does everything while the event loop is busy, ms: what was late by no more
 * does not put off the next slot, for that would add up.
 */
const forgivenMs = 20;

/** A slot that is so much overdue, ms, never comes: bottleneck waits by a clock that was set back. */
const overdueMs = 2000;

/**
 * A throttle for this process. In any time it starts at most 1.5 slots' attempts, and the rate times
 * that time and 20 ms; neither a stall, a thaw nor an idle hour is made up for. With a shared quota
 * that holds for all processes together, but for 2 slots, and 1.5 more of each process while it is
 * unavailable.
 */
export function createThrottle(options: ThrottleOptions): Throttle {
  const { limits, slowestCallMs, clock, random, shared } = options;
  let pace = startPace(limits, clock.now());
  let limiter = createLimiter(spacingMs(pace), limits, slowestCallMs);
  let current: Serve = nobodyWaits;
  let laneOf: () => Lane | undefined = leastUrgent;
  let due = false;
  /** No slot's time comes before this, ms: bottleneck would make up for one that was late or paused. */
  let nextMs = -Infinity;
  /** The last slot was served: if the next is late, that is not for want of work. */
  let isBusy = false;
  /** Attempts that are out. */
  let out = 0;
  /** Of the pace, what this process gets while others share the quota. */
  let part = 1;
  /** Nobody knows what the others do. */
  let isAlone = false;
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
      fired.abort('it fires'); // a reason of its own: without one, Node makes an exception, stack and all
      await fire();
    });
    // A limiter that is dropped rejects what waits in it. Anything else is a bug of ours, and must not
    // pass for silence: the process ends, and its messages come back.
    void job.catch((error: unknown) => {
      if (!(error instanceof Bottleneck.BottleneckError)) throw error;
    });
    void watch(fired.signal);
  }

  /** Starts afresh where bottleneck would wait for the system's clock to catch up with itself. */
  async function watch(firing: AbortSignal): Promise<void> {
    do {
      await clock.sleep(slotOf(pace).intervalMs + overdueMs, firing);
      if (firing.aborted) return;
    } while (out >= mostAtOnce(limits, slowestCallMs));
    void drop(limiter);
    limiter = createLimiter(spacingMs(pace), limits, slowestCallMs);
    due = false;
    schedule();
  }

  async function fire(): Promise<void> {
    const turnAtMs = shared === undefined ? turnAlone() : await takeShared(shared);
    const slotAtMs = Math.max(turnAtMs ?? clock.now(), nextMs);
    const startsAtMs = (): number => Math.max(slotAtMs, pace.pausedUntilMs);
    const putOffMs = random() * jitter * apartMs();
    await until(() => startsAtMs() + putOffMs);
    const slot = slotOf(pace);
    const lateMs = clock.now() - startsAtMs() - putOffMs;
    nextMs = startsAtMs() + apartMs() + Math.max(0, lateMs - forgivenMs);
    // A busy event loop takes its time from one slot to the next: those that are due come together.
    const overdue = shared === undefined ? slotsSince(nextMs) : 0;
    nextMs += overdue * apartMs();
    due = false;
    const most = turnAtMs === undefined ? 0 : slot.attempts * (1 + overdue);
    const attempts: Promise<void>[] = [];
    while (attempts.length < most && !stopped.signal.aborted) {
      const startedAtMs = clock.now();
      const attempt = current();
      if (attempt === undefined) break;
      attempts.push(follow(attempt, startedAtMs));
    }
    isBusy = attempts.length > 0;
    shared?.waits(laneOf());
    if (!isBusy) {
      // That others rest too, only the common quota knows.
      if (shared === undefined || isAlone) learn({ kind: 'idle' });
      // Without a slot, nobody was served who has come since.
      if (turnAtMs === undefined && laneOf() !== undefined) schedule();
      return;
    }
    learn({ kind: 'taken', attempts: attempts.length });
    schedule();
    await Promise.all(attempts);
  }

  /** From one slot of this process to its next. Alone, those that are left to the others go by. */
  function apartMs(): number {
    return slotOf(pace).intervalMs / (isAlone ? part : 1);
  }

  /** Slots whose time has come since that of one. */
  function slotsSince(firstAtMs: number): number {
    return Math.max(0, Math.floor((clock.now() - firstAtMs) / apartMs()) + 1);
  }

  function turnAlone(): number {
    return clock.now() - (isBusy ? forgivenMs : 0);
  }

  /** Waits for our turn; tells when that is, ms, or undefined if nobody waits for it any more. */
  async function takeShared(quota: SharedQuota): Promise<number | undefined> {
    // What was taken alone counts: who finds the others again does not ask before its time.
    await until(() => Math.max(pace.pausedUntilMs, isAlone ? nextMs : -Infinity));
    while (!stopped.signal.aborted) {
      const lane = laneOf();
      if (lane === undefined) return undefined;
      const permit = await quota.slot({ lane, pace });
      part = permit.part;
      isAlone = permit.kind === 'unavailable';
      if (permit.kind === 'unavailable') return turnAlone();
      believe(permit.pace);
      if (permit.kind === 'granted') {
        if (permit.rested) learn({ kind: 'idle' });
        return clock.now() + permit.inMs;
      }
      await clock.sleep(permit.forMs, stopped.signal);
    }
    return undefined;
  }

  /** Waits for a time that may be put off in the meantime. */
  async function until(timeMs: () => number): Promise<void> {
    while (clock.now() < timeMs() && !stopped.signal.aborted) {
      await clock.sleep(Math.ceil(timeMs() - clock.now()), stopped.signal);
    }
  }

  async function follow(attempt: Promise<Feedback>, startedAtMs: number): Promise<void> {
    out++;
    const feedback = await attempt.catch((): Feedback => 'failed');
    out--;
    if (feedback !== 'failed') learn({ kind: feedback, startedAtMs });
  }

  function learn(event: PaceEvent): void {
    const nowMs = clock.now();
    const change = (pace: Pace): Pace => adapt(pace, event, nowMs, random);
    believe(change(pace));
    shared?.revise(change);
  }

  function believe(newer: Pace): void {
    const before = spacingMs(pace);
    pace = newer;
    if (spacingMs(pace) !== before) void limiter.updateSettings({ minTime: spacingMs(pace) });
  }

  return {
    wake: (serve, mostUrgent = leastUrgent) => {
      current = serve;
      laneOf = mostUrgent;
      if (due) shared?.waits(laneOf());
      schedule();
    },
    rate: () => pace.rate * part,
    stop: async () => {
      stopped.abort('stopped');
      fired.abort('stopped');
      shared?.waits(undefined);
      await drop(limiter);
    },
  };
}

/** Half of what lies between two slots: one that was late must not put off the next. */
function spacingMs(pace: Pace): number {
  return slotOf(pace).intervalMs / 2;
}

function createLimiter(minTime: number, limits: PaceLimits, slowestCallMs: number): Bottleneck {
  return new Bottleneck({
    minTime,
    // Without it, minTime alone lets everything go at once after a stall of the event loop.
    maxConcurrent: mostAtOnce(limits, slowestCallMs),
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
