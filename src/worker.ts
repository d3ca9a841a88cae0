// The long-polling rim: messages come from polls, acknowledgements go out as SQS calls.

import type { Acknowledgement } from './acknowledgement.ts';
import type { Brake } from './brake.ts';
import { carryOut, createCarrier, type Carrier } from './carry.ts';
import type { Clock } from './clock.ts';
import type { DispatcherPorts } from './dispatcher.ts';
import type { Carried, Log } from './event.ts';
import { createIntake, type Intake } from './intake.ts';
import { lanes, type Lane } from './lane.ts';
import type { Message } from './message.ts';
import { createPipeline, type AlertPorts } from './pipeline.ts';
import { poll } from './poll.ts';
import type { DeadLetterQueue, LaneQueue } from './queue.ts';
import type { Deployment } from './request.ts';
import type { Throttle } from './throttle.ts';
import { createVisibility } from './visibility.ts';

export interface WorkerPorts
  extends Omit<DispatcherPorts, 'held' | 'throttle' | 'stopping' | 'abandon'>, AlertPorts {
  readonly deployment: Deployment;
  /** The lanes that have a queue. */
  readonly queues: Readonly<Partial<Record<Lane, LaneQueue>>>;
  readonly deadLetters: DeadLetterQueue;
  readonly throttle: Throttle;
  readonly log: Log;
}

/** A crashed worker's messages come back after this, seconds. */
const visibilitySeconds = 30;

/** The longest that a poll waits, and so the longest that a stop waits for one, seconds. */
const longestPollSeconds = 5;

/**
 * Works until `stopping` aborts: then it receives no more, finishes the calls under way, flushes the
 * acknowledgements, and gives the rest back. It resolves within `stopTimeoutSeconds` of that, with
 * the number of messages that it could not settle; they come back to others by themselves.
 */
export async function work(
  ports: WorkerPorts,
  stopTimeoutSeconds: number,
  stopping: AbortSignal,
): Promise<{ readonly unsettled: number }> {
  const { queues, clock, log, random, throttle, brake } = ports;
  const abandon = new AbortController();
  const ended = new AbortController();
  const carriers = new Map<Lane, Carrier>();

  async function acknowledge(message: Message, told: Acknowledgement): Promise<Carried> {
    const carrier = carriers.get(message.lane);
    if (carrier === undefined) throw new Error(`no queue for lane ${message.lane}`);
    return carryOut(carrier, message, told);
  }

  const pipeline = createPipeline({ ...ports, acknowledge, stopping, abandon: abandon.signal });
  const intake = createIntake({ ...pipeline, rate: throttle.rate, stopping });
  const waitSeconds = Math.max(1, Math.min(longestPollSeconds, Math.floor(stopTimeoutSeconds / 3)));

  async function workLane(lane: Lane, queue: LaneQueue): Promise<void> {
    const held = (): readonly Message[] => intake.held().filter((message) => message.lane === lane);
    const common = { lane, queue, intake, log, clock, random, visibilitySeconds };
    const visibility = createVisibility({ ...common, held, ended: ended.signal });
    const carrier = createCarrier(queue, { ...ports, hurry: stopping });
    carriers.set(lane, {
      ...carrier,
      delay: async (message, seconds) => {
        await visibility.letGo(message); // an extension that came after the delay would undo it
        return carrier.delay(message, seconds);
      },
    });
    void visibility.keepHidden();
    await poll({
      ...common,
      intake: braked(intake, brake, stopping),
      waitSeconds,
      stopping,
      abandon: abandon.signal,
    });
    await intake.empty();
  }

  const finished = Promise.all(
    lanes.map(async (lane) => {
      const queue = queues[lane];
      if (queue !== undefined) await workLane(lane, queue);
    }),
  );
  const timeout = cutOff(stopTimeoutSeconds * 1000, { clock, stopping, abandon, ended });
  await Promise.race([finished, timeout]);
  ended.abort();
  void throttle.stop(); // it waits for the attempts that are out, which may never end
  return { unsettled: intake.held().length };
}

/** An intake that has no room for a lane while the brake holds it. */
function braked(intake: Intake, brake: Brake | undefined, stopping: AbortSignal): Intake {
  if (brake === undefined) return intake;
  return {
    ...intake,
    room: async (lane) => {
      do {
        await brake.released(lane);
        await intake.room(lane);
      } while (brake.holds(lane) && !stopping.aborted);
    },
    mayGlance: (lane) => !brake.holds(lane) && intake.mayGlance(lane),
  };
}

/** Cuts what takes too long to stop, and resolves shortly before the stop must be over. */
async function cutOff(
  stopTimeoutMs: number,
  {
    clock,
    stopping,
    abandon,
    ended,
  }: {
    readonly clock: Clock;
    readonly stopping: AbortSignal;
    readonly abandon: AbortController;
    readonly ended: AbortController;
  },
): Promise<void> {
  if (!stopping.aborted) {
    await new Promise((resolve) => {
      stopping.addEventListener('abort', resolve, { once: true });
    });
  }
  await clock.sleep(stopTimeoutMs * 0.7, ended.signal);
  abandon.abort();
  await clock.sleep(stopTimeoutMs * 0.2, ended.signal);
}
