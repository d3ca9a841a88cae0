// Throttles for simulated processes. bottleneck knows only the system's timers, so most worlds have a
// pacer with the throttle's contract: at an even pace, or at the pace of src/pace.ts. Some have the real
// throttle, on timers that are the world's while it runs.

import type { Clock, Random } from '../../src/clock.ts';
import {
  adapt,
  slotOf,
  startPace,
  type Feedback,
  type PaceEvent,
  type PaceLimits,
} from '../../src/pace.ts';
import type { Serve, Throttle } from '../../src/throttle.ts';
import type { Time } from './time.ts';

export interface PacerRules {
  readonly limits: PaceLimits;
  /** Whether it learns from what the calls come to. */
  readonly adapts: boolean;
}

/** `clock` sleeps as the process does, and shows a time that never jumps. */
export function createPacer(
  { limits, adapts }: PacerRules,
  clock: Clock,
  random: Random,
): Throttle {
  let pace = startPace(limits, clock.now());
  let current: Serve = nobody;
  let isDue = false;
  let isStopped = false;
  let nextMs = -Infinity;

  function learn(event: PaceEvent): void {
    if (adapts) pace = adapt(pace, event, clock.now(), random);
  }

  async function schedule(): Promise<void> {
    if (isDue || isStopped) return;
    isDue = true;
    const startsMs = (): number => Math.max(nextMs, pace.pausedUntilMs);
    do await clock.sleep(startsMs() - clock.now());
    while (clock.now() < startsMs());
    isDue = false;
    if (!isStopped) fire();
  }

  function fire(): void {
    const { attempts, intervalMs } = slotOf(pace);
    nextMs = clock.now() + intervalMs;
    let served = 0;
    while (served < attempts && serveOne()) served++;
    if (served === 0) return learn({ kind: 'idle' });
    learn({ kind: 'taken', attempts: served });
    void schedule();
  }

  function serveOne(): boolean {
    const startedAtMs = clock.now();
    const attempt = current();
    if (attempt !== undefined) void follow(attempt, startedAtMs);
    return attempt !== undefined;
  }

  async function follow(attempt: Promise<Feedback>, startedAtMs: number): Promise<void> {
    const feedback = await attempt;
    if (feedback !== 'failed') learn({ kind: feedback, startedAtMs });
  }

  return {
    wake: (serve) => {
      current = serve;
      void schedule();
    },
    rate: () => pace.rate,
    stop: async () => {
      isStopped = true;
    },
  };
}

function nobody(): undefined {}

/** Runs `work` while this process's timers and date are those of `time`: bottleneck knows no others. */
export async function withItsTimers<T>(time: Time, work: () => Promise<T>): Promise<T> {
  const { setTimeout, clearTimeout } = globalThis;
  const { now } = Date;
  const later = (wake: () => void, ms = 0): (() => void) => time.after(Math.max(1, ms), wake);
  globalThis.setTimeout = later as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((callOff?: () => void) =>
    callOff?.()) as unknown as typeof clearTimeout;
  Date.now = () => Math.floor(time.now());
  try {
    return await work();
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    Date.now = now;
  }
}
