// Paces the slots with bottleneck (the only importer of it). One slot is one attempt; which update it
// serves is asked when it fires.

import Bottleneck from 'bottleneck';
import type { Clock } from './clock.ts';
import { adapt, intervalMs, startPace, type Feedback } from './pace.ts';

/** What a slot does when it fires: it starts the most urgent attempt, or finds that none waits. */
export type Serve = () => Promise<Feedback> | undefined;

export interface Throttle {
  /** Work waits: fire slots until `serve` finds none. The newest `serve` replaces an older one. */
  readonly wake: (serve: Serve) => void;
  /** Calls per second at present. */
  readonly rate: () => number;
  /** Drops the slot that is due; the process can end. */
  readonly stop: () => Promise<void>;
}

/**
 * A throttle for this process.
 *
 * @param ceiling calls per second that may be used at most
 * @param slowestCallMs the longest that an attempt can take; decides how many may run at once
 */
export function createThrottle({
  ceiling,
  slowestCallMs,
  clock,
}: {
  readonly ceiling: number;
  readonly slowestCallMs: number;
  readonly clock: Pick<Clock, 'now'>;
}): Throttle {
  let pace = startPace(ceiling);
  let current: Serve = nobodyWaits;
  let due = false;
  let stopped = false;
  const limiter = new Bottleneck({
    minTime: intervalMs(pace),
    // Without it, minTime alone lets everything go at once after a stall of the event loop.
    maxConcurrent: Math.ceil((ceiling * slowestCallMs) / 1000) + 1,
  });

  // One job at a time waits in bottleneck: it would register all of them with their times at once,
  // and neither a more urgent update nor a slower pace could come before them.
  function schedule(): void {
    if (due || stopped) return;
    due = true;
    void limiter.schedule(fire).catch(() => undefined); // rejects only when stop() drops it
  }

  async function fire(): Promise<void> {
    due = false;
    const attempt = current();
    if (attempt === undefined) return;
    schedule();
    const feedback = await attempt;
    const next = adapt(pace, feedback, clock.now());
    if (next.rate !== pace.rate) limiter.updateSettings({ minTime: intervalMs(next) });
    pace = next;
  }

  return {
    wake: (serve) => {
      current = serve;
      schedule();
    },
    rate: () => pace.rate,
    stop: async () => {
      stopped = true;
      await limiter.stop({ dropWaitingJobs: true });
      await limiter.disconnect();
    },
  };
}

function nobodyWaits(): undefined {}
