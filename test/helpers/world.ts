// A small world in virtual time: a model SQS and a model IoT around the real pipeline, which is
// stopped and crashed as a scenario says. What happens is written down; the properties are about that.

import type { Acknowledgement } from '../../src/acknowledgement.ts';
import { isTransient, type DescribeAnswer, type UpdateAnswer } from '../../src/call.ts';
import type { Clock, Random } from '../../src/clock.ts';
import type { MessageEvent } from '../../src/event.ts';
import { moreUrgent, type Lane } from '../../src/lane.ts';
import { createMemoryLedger } from '../../src/ledger.ts';
import type { Message } from '../../src/message.ts';
import { createPipeline, type Pipeline } from '../../src/pipeline.ts';
import type { Status } from '../../src/status.ts';
import type { Serve, Throttle } from '../../src/throttle.ts';
import { bodyOf, certificateIdOf, deployment } from './message.ts';
import { createModelIot, type Fault, type IotRules } from './model-iot.ts';
import { createModelSqs, type Queued } from './model-sqs.ts';

export interface Scenario extends IotRules {
  /** What latencies, backoffs and strokes of bad luck are drawn from. */
  readonly seed: number;
  /** Slots per second that we allow ourselves; more than the quota means being throttled. */
  readonly ceiling: number;
  /** How far our clock is ahead of the true time, ms. */
  readonly aheadMs: number;
  /** How far the clock of an SQS host is off the true time at most, ms. */
  readonly hostSkewMs: number;
  readonly steps: readonly Step[];
}

/** What happens to the world, `afterMs` after the step before. */
export type Step = { readonly afterMs: number } & (
  | {
      readonly does: 'send';
      readonly lane: Lane;
      readonly certificate: number;
      readonly newStatus: Status;
    }
  | { readonly does: 'send nonsense'; readonly lane: Lane }
  | { readonly does: 'break' | 'mend'; readonly fault: Fault }
  | { readonly does: 'activate'; readonly certificate: number }
  | { readonly does: 'stop' | 'crash'; readonly awayMs: number }
);

/** The certificates that a scenario can name are the first so many. */
export const certificateCount = 6;
const missing = certificateIdOf(4);
const untouchable = certificateIdOf(5);

/** No request for these can succeed: the one does not exist, the other is in a transfer. */
export const hopeless: ReadonlySet<string> = new Set([missing, untouchable]);

/** A point in true time; `order` tells apart what happens in the same millisecond. */
export interface Moment {
  readonly ms: number;
  readonly order: number;
}

/** A message as it was sent. */
export interface Sent {
  readonly queued: Queued;
  readonly sent: Moment;
  /** Absent where the body is nonsense. */
  readonly asks?: { readonly certificateId: string; readonly newStatus: Status };
}

/** A message as a process got it. One message can be delivered often. */
export interface Delivery extends Sent {
  readonly message: Message;
  readonly process: number;
  readonly acknowledged: { readonly as: Acknowledgement; readonly at: Moment }[];
  readonly events: MessageEvent[];
}

export interface IotCall {
  readonly operation: 'update' | 'describe';
  readonly process: number;
  readonly certificateId: string;
  readonly newStatus?: Status;
  readonly started: Moment;
  /** Absent while it is under way, and for ever if its process crashed. */
  answered?: { readonly at: Moment; readonly answer: UpdateAnswer | DescribeAnswer };
}

/** What a slot was used for, and for whom else it could have been. */
export interface Attempt {
  readonly process: number;
  readonly certificateId: string;
  readonly started: Moment;
  /** Absent where the attempt began with a look. */
  readonly newStatus?: Status;
  /** What those who wait for this certificate ask for. */
  readonly asked: readonly Status[];
  readonly lane: Lane;
  /** The lanes of the other updates that waited for a slot at that moment. */
  readonly passedOver: readonly Lane[];
}

export interface History {
  readonly sent: readonly Sent[];
  readonly deliveries: readonly Delivery[];
  readonly calls: readonly IotCall[];
  readonly attempts: readonly Attempt[];
  /** When each process was told to stop, or crashed. */
  readonly ends: ReadonlyMap<number, { readonly how: 'stop' | 'crash'; readonly at: Moment }>;
  /** The last time that somebody activated each certificate. */
  readonly activated: ReadonlyMap<string, Moment>;
  /** What became of each certificate. */
  readonly statusOf: (certificateId: string) => string | undefined;
}

/** A clock, and a way to let its time go by until some work is done. */
export interface Time extends Clock {
  run<T>(work: Promise<T>): Promise<T>;
}

/** How long a world is given to settle after its last step, with nothing broken any more. */
const longestMs = 12 * 3600_000;

/** Lets a scenario happen. */
export async function simulate(
  scenario: Scenario,
  clock: Time,
  throttleFor: (clock: Clock, ceiling: number) => Pick<Throttle, 'wake' | 'stop'> = createPacer,
): Promise<History> {
  const chance = chanceFrom(scenario.seed);
  const statuses = new Map([[untouchable, 'PENDING_TRANSFER']]);
  for (let n = 0; n < certificateCount - hopeless.size; n++) {
    statuses.set(certificateIdOf(n), 'ACTIVE');
  }
  const iot = createModelIot(statuses, scenario, clock, chance);
  const sqs = createModelSqs({ ...scenario, clock, chance, receive });
  const sent: Sent[] = [];
  const deliveries: Delivery[] = [];
  const calls: IotCall[] = [];
  const attempts: Attempt[] = [];
  const ends = new Map<number, { how: 'stop' | 'crash'; at: Moment }>();
  const activated = new Map<string, Moment>();
  let order = 0;
  let started = 0;
  let current: Process | undefined;

  const statusOf = (certificateId: string): string | undefined => iot.statusOf(certificateId);
  const now = (): Moment => ({ ms: clock.now(), order: order++ });

  function send(lane: Lane, asks?: Sent['asks']): void {
    const at = now();
    const queued = sqs.send(lane, asks === undefined ? 'nonsense' : bodyOf(asks));
    sent.push({ queued, sent: at, ...(asks && { asks }) });
  }

  function receive(message: Omit<Message, 'receivedAtMs'>, queued: Queued): boolean {
    const of = sent.find((each) => each.queued === queued);
    if (current === undefined || of === undefined || !current.polls()) return false;
    const receivedAtMs = clock.now() + scenario.aheadMs;
    current.take({
      ...of,
      message: { ...message, receivedAtMs },
      process: current.n,
      acknowledged: [],
      events: [],
    });
    return true;
  }

  /** A poll ends while an answer is still being digested. */
  async function pollWithin(moments: number): Promise<void> {
    for (let moment = 0; moment < moments; moment++) await Promise.resolve();
    sqs.poll();
  }

  function startProcess(): Process {
    const n = started++;
    const stopping = new AbortController();
    const abandon = new AbortController();
    const throttle = throttleFor(clock, scenario.ceiling);
    const held = new Map<string, Delivery>();
    const work = new Set<Promise<void>>();
    const certificates = new Map<string, CertificateUse>();
    let crashed = false;
    let ended = false;

    /** A crashed process learns nothing more. */
    const unlessCrashed = async <T>(promise: Promise<T>): Promise<T> => {
      const value = await promise;
      return crashed ? new Promise(() => undefined) : value;
    };
    const unsettled = (): readonly Delivery[] =>
      [...held.values()].filter(({ acknowledged }) => acknowledged.length === 0);

    async function observed<Answer extends UpdateAnswer | DescribeAnswer>(
      call: IotCall,
      answering: Promise<Answer>,
    ): Promise<Answer> {
      calls.push(call);
      const { certificateId } = call;
      const use = certificates.get(certificateId) ?? { state: 'free', throttled: 0 };
      certificates.set(certificateId, use);
      // A look that follows a state conflict belongs to the same attempt.
      if (call.operation === 'update' || use.state !== 'looking into') {
        attempts.push(attemptOf(call, unsettled(), certificates));
      }
      use.state = 'calling';
      const answer = await unlessCrashed(answering);
      call.answered = { at: now(), answer };
      afterAnswer(use, answer);
      if (chance() < 0.3) void pollWithin(chance() * 40);
      return answer;
    }

    const pipeline: Pipeline = createPipeline({
      deployment,
      ledger: createMemoryLedger({ capacity: 100 }),
      throttle,
      random: chance,
      stopping: stopping.signal,
      abandon: abandon.signal,
      clock: {
        now: () => clock.now() + scenario.aheadMs,
        sleep: (ms, signal) => unlessCrashed(clock.sleep(ms, signal)),
      },
      certificates: {
        update: (certificateId, newStatus, signal) =>
          observed(
            { operation: 'update', process: n, certificateId, newStatus, started: now() },
            iot.update(certificateId, newStatus, signal),
          ),
        describe: (certificateId, signal) =>
          observed(
            { operation: 'describe', process: n, certificateId, started: now() },
            iot.describe(certificateId, signal),
          ),
      },
      acknowledge: async (message, as) => {
        const delivery = held.get(message.receiptHandle);
        if (delivery === undefined) throw new Error(`never received: ${message.receiptHandle}`);
        delivery.acknowledged.push({ as, at: now() });
        await unlessCrashed(clock.sleep(chance() * 30));
        if (chance() < 0.05) return { done: false, cause: 'the queue would not' };
        sqs.carryOut(message, delivery.queued, as);
        return { done: true };
      },
      log: {
        write: (_level, fields) => {
          const event = fields as unknown as MessageEvent;
          held.get(`${event.messageId}#${event.receiveCount}`)?.events.push(event);
        },
      },
    });

    async function idle(): Promise<void> {
      while (work.size > 0) await Promise.all(work);
    }

    function end(how: 'stop' | 'crash'): void {
      if (!ends.has(n)) void throttle.stop();
      ends.set(n, { how, at: now() });
    }
    return {
      n,
      // A poll that was under way may bring something after the stop.
      polls: () => !crashed && !ended && (!stopping.signal.aborted || chance() < 0.3),
      take: (delivery) => {
        deliveries.push(delivery);
        held.set(delivery.message.receiptHandle, delivery);
        const handled = pipeline.handle(delivery.message);
        work.add(handled);
        void handled.finally(() => work.delete(handled));
      },
      idle,
      crash: () => {
        crashed = true;
        end('crash');
        for (const { queued } of unsettled()) sqs.release(queued, chance() * 30_000);
      },
      stop: async () => {
        stopping.abort('SIGTERM');
        end('stop');
        await Promise.race([idle(), clock.sleep(2000)]);
        abandon.abort();
        await idle();
        ended = true;
      },
    };
  }

  async function away(leaving: Process, awayMs: number, left: Promise<void>): Promise<void> {
    await left;
    await clock.sleep(awayMs);
    if (current === leaving) current = startProcess();
  }

  function take(step: Step): void {
    switch (step.does) {
      case 'send': {
        const { certificate, newStatus } = step;
        return send(step.lane, { certificateId: certificateIdOf(certificate), newStatus });
      }
      case 'send nonsense':
        return send(step.lane);
      case 'break':
        iot.faults.add(step.fault);
        return;
      case 'mend':
        iot.faults.delete(step.fault);
        return;
      case 'activate': {
        const certificateId = certificateIdOf(step.certificate);
        if (iot.activate(certificateId)) activated.set(certificateId, now());
        return;
      }
      case 'crash': {
        const leaving = current;
        if (leaving === undefined || ends.get(leaving.n)?.how === 'crash') return;
        leaving.crash();
        void away(leaving, step.awayMs, Promise.resolve());
        return;
      }
      case 'stop': {
        const leaving = current;
        if (leaving === undefined || ends.has(leaving.n)) return;
        void away(leaving, step.awayMs, leaving.stop());
      }
    }
  }

  async function live(): Promise<void> {
    current = startProcess();
    for (const step of scenario.steps) {
      await clock.sleep(step.afterMs);
      take(step);
    }
    iot.faults.clear();
    await Promise.race([sqs.empty(), clock.sleep(longestMs)]);
    await Promise.race([current.idle(), clock.sleep(longestMs)]);
    await throttleStopped();
  }

  async function throttleStopped(): Promise<void> {
    if (current !== undefined && !ends.has(current.n)) await current.stop();
  }

  await clock.run(live());
  return { sent, deliveries, calls, attempts, ends, activated, statusOf };
}

interface Process {
  readonly n: number;
  readonly polls: () => boolean;
  readonly take: (delivery: Delivery) => void;
  readonly idle: () => Promise<void>;
  readonly crash: () => void;
  readonly stop: () => Promise<void>;
}

/** What a process does with a certificate, as far as its calls show. */
interface CertificateUse {
  /** `backing off`: a backoff may be going on; whether it is cannot be seen from outside. */
  state: 'free' | 'calling' | 'looking into' | 'backing off';
  throttled: number;
}

function afterAnswer(use: CertificateUse, answer: UpdateAnswer | DescribeAnswer): void {
  const kind = answer.kind === 'failed' ? answer.failure.kind : undefined;
  use.throttled = kind === 'throttled' ? use.throttled + 1 : 0;
  if (kind === 'state-conflict') use.state = 'looking into';
  else if (answer.kind === 'described' && answer.status !== 'REVOKED') use.state = 'backing off';
  else if (kind === 'throttled') use.state = use.throttled < 24 ? 'free' : 'backing off';
  else use.state = kind !== undefined && isTransient(kind) ? 'backing off' : 'free';
}

function attemptOf(
  { process, certificateId, started, newStatus }: IotCall,
  unsettled: readonly Delivery[],
  certificates: ReadonlyMap<string, CertificateUse>,
): Attempt {
  const waiting = Map.groupBy(unsettled, ({ asks }) => asks?.certificateId);
  const mine = waiting.get(certificateId) ?? [];
  const passedOver = [...waiting].filter(
    ([id]) =>
      id !== undefined &&
      id !== certificateId &&
      (certificates.get(id)?.state ?? 'free') === 'free',
  );
  return {
    process,
    certificateId,
    started,
    ...(newStatus !== undefined && { newStatus }),
    asked: mine.flatMap(({ asks }) => asks?.newStatus ?? []),
    lane: laneOf(mine),
    passedOver: passedOver.map(([, deliveries]) => laneOf(deliveries)),
  };
}

function laneOf(deliveries: readonly Delivery[]): Lane {
  return deliveries.map(({ message }) => message.lane).reduce(moreUrgent, 'rotation');
}

/** Slots at an even pace, one at a time, with the throttle's contract and nothing else. */
function createPacer(clock: Clock, ceiling: number): Pick<Throttle, 'wake' | 'stop'> {
  let current: Serve = nobody;
  let due = false;
  let stopped = false;
  let nextAtMs = -Infinity;
  function schedule(): void {
    if (due) return;
    due = true;
    void clock.sleep(Math.max(0, nextAtMs - clock.now())).then(fire);
  }
  function fire(): void {
    due = false;
    if (stopped) return;
    nextAtMs = clock.now() + 1000 / ceiling;
    if (current() !== undefined) schedule();
  }
  return {
    wake: (serve) => {
      current = serve;
      schedule();
    },
    stop: async () => {
      stopped = true;
    },
  };
}

function nobody(): undefined {}

/** Numbers in [0, 1) that a seed determines (mulberry32). */
function chanceFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
