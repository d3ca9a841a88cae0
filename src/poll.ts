// Reads one lane's queue until it is told to stop: long polls, several at once while they come back
// full, and none while the lane has enough in hand.

import type { Clock, Random } from './clock.ts';
import type { Log } from './event.ts';
import type { Intake } from './intake.ts';
import type { Lane } from './lane.ts';
import { mostPerBatch, type LaneQueue, type Received } from './queue.ts';
import { backoffMs, type RetryPolicy } from './retry.ts';

export interface PollPorts {
  readonly lane: Lane;
  readonly queue: Pick<LaneQueue, 'receive'>;
  readonly intake: Pick<Intake, 'room' | 'mayGlance' | 'glanceEveryMs' | 'reserve' | 'take'>;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a poll waits for a message, whole seconds. */
  readonly waitSeconds: number;
  /** How long what it brings stays hidden from others, whole seconds. */
  readonly visibilitySeconds: number;
  /**
   * No further poll begins. The one under way is waited for: SQS may have handed out messages
   * already, and whoever hangs up on them leaves them hidden.
   */
  readonly stopping: AbortSignal;
  /** Cuts even the poll that is under way. */
  readonly abandon: AbortSignal;
}

/** Polls at the same time, while each comes back with a full batch. */
const mostPolls = 8;

/** Queue errors are waited out for as long as they last. */
const errorBackoff: RetryPolicy = { attempts: Infinity, baseMs: 1000, capMs: 30_000 };

/** Resolves once stopping, and all polls are over. It does not reject. */
export async function poll(ports: PollPorts): Promise<void> {
  const { lane, queue, intake, clock, waitSeconds, visibilitySeconds, stopping, abandon } = ports;
  const polls = new Set<Promise<void>>();
  const trouble = createTrouble(ports);
  let most = 1;

  async function pollOnce(): Promise<void> {
    const reserved = intake.reserve(lane, mostPerBatch);
    const wish = { most: mostPerBatch, waitSeconds, visibilitySeconds };
    const received = await queue.receive(wish, abandon);
    if (received.kind === 'messages') {
      for (const message of received.messages) intake.take(message);
      most = received.messages.length === mostPerBatch ? Math.min(most * 2, mostPolls) : 1;
    } else {
      most = 1;
    }
    reserved.release();
    await trouble.after(received);
  }

  /** Waits for room, and glances at the queue in the meantime. */
  async function room(): Promise<void> {
    const enough = new AbortController();
    void glances(enough.signal);
    await intake.room(lane);
    enough.abort('there is room');
  }

  /**
   * Without room, one message at a time is received, for it shows SQS's time: a call covers what was sent
   * before the newest time that we hold, so while nothing is received, calls cover less and less of what
   * is still in the queue.
   */
  async function glances(enough: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(intake.glanceEveryMs(), enough);
      if (enough.aborted || stopping.aborted) return;
      if (polls.size > 0 || !intake.mayGlance(lane)) continue;
      const glance = glanceOnce().finally(() => polls.delete(glance));
      polls.add(glance);
      await glance;
    }
  }

  async function glanceOnce(): Promise<void> {
    const reserved = intake.reserve(lane, 1);
    const received = await queue.receive({ most: 1, waitSeconds: 0, visibilitySeconds }, abandon);
    if (received.kind === 'messages') for (const message of received.messages) intake.take(message);
    reserved.release();
    await trouble.after(received);
  }

  while (!stopping.aborted) {
    await room();
    if (stopping.aborted) break;
    const one = pollOnce().finally(() => polls.delete(one));
    polls.add(one);
    while (polls.size >= most) await Promise.race(polls);
  }
  await Promise.all(polls);
}

/** Waits out a queue that cannot be read, and says so: at first, then ever more rarely. */
function createTrouble({ lane, log, clock, random, stopping }: PollPorts): {
  readonly after: (received: Received) => Promise<void>;
} {
  let failures = 0;
  return {
    after: async (received) => {
      if (received.kind === 'messages') {
        if (failures > 0)
          log.write(
            'info',
            { event: 'receive-recovered', lane, failures },
            'the queue can be read again',
          );
        failures = 0;
        return;
      }
      if (stopping.aborted) return;
      failures++;
      const { kind, name, message } = received.failure;
      const isPowerOfTwo = Number.isInteger(Math.log2(failures));
      if (isPowerOfTwo) {
        log.write(
          kind === 'unauthorized' ? 'error' : 'warn',
          {
            event: 'receive-failed',
            lane,
            failureKind: kind,
            cause: `${name}: ${message}`,
            failures,
          },
          'the queue cannot be read',
        );
      }
      await clock.sleep(backoffMs(failures, errorBackoff, random), stopping);
    },
  };
}
