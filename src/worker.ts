// The long-polling rim: messages come from polls, acknowledgements go out as SQS calls.

import type { Acknowledgement } from './acknowledgement.ts';
import { carryOut, createCarrier, type Carrier } from './carry.ts';
import type { Clock } from './clock.ts';
import type { DispatcherPorts } from './dispatcher.ts';
import type { Carried, Log } from './event.ts';
import { createIntake } from './intake.ts';
import { lanes, type Lane } from './lane.ts';
import type { Message } from './message.ts';
import { createPipeline } from './pipeline.ts';
import { poll } from './poll.ts';
import type { DeadLetterQueue, LaneQueue } from './queue.ts';
import type { Deployment } from './request.ts';
import type { Throttle } from './throttle.ts';
import { createVisibility, type Visibility } from './visibility.ts';

export interface WorkerPorts extends Omit<
  DispatcherPorts,
  'held' | 'throttle' | 'stopping' | 'abandon'
> {
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
  const { queues, clock, log, random, throttle } = ports;
  const abandon = new AbortController();
  const ended = new AbortController();
  const carriers = new Map<Lane, Carrier>();
  const visibilities = new Map<Lane, Visibility>();

  async function acknowledge(message: Message, told: Acknowledgement): Promise<Carried> {
    const carrier = carriers.get(message.lane);
    if (carrier === undefined) throw new Error(`no queue for lane ${message.lane}`);
    // An extension that comes after this would undo it.
    if (told.kind === 'retry') await visibilities.get(message.lane)?.letGo(message);
    return carryOut(carrier, message, told);
  }

  const pipeline = createPipeline({ ...ports, acknowledge, stopping, abandon: abandon.signal });
  const intake = createIntake({ ...pipeline, rate: throttle.rate, stopping });
  const waitSeconds = Math.max(1, Math.min(longestPollSeconds, Math.floor(stopTimeoutSeconds / 3)));

  async function workLane(lane: Lane, queue: LaneQueue): Promise<void> {
    carriers.set(lane, createCarrier(queue, { ...ports, hurry: stopping }));
    const held = (): readonly Message[] => intake.held().filter((message) => message.lane === lane);
    const common = { lane, queue, intake, log, clock, random, visibilitySeconds };
    const visibility = createVisibility({ ...common, held, ended: ended.signal });
    visibilities.set(lane, visibility);
    void visibility.keepHidden();
    await poll({ ...common, waitSeconds, stopping, abandon: abandon.signal });
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
