// The two runtimes in this process, each with the real AWS clients pointed at a sandbox.

import type { Message } from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import { createCertificates, slowestCallMs } from '../../src/aws/certificates.ts';
import { createDirectory } from '../../src/aws/directory.ts';
import { createDeadLetterQueue, createLaneQueue, createSqsClient } from '../../src/aws/queue.ts';
import { createSendBack } from '../../src/aws/send-back.ts';
import { createMemoryBrakeStore } from '../../src/brake-store.ts';
import { createBrake, type Ceilings } from '../../src/brake.ts';
import { systemClock } from '../../src/entry/clock.ts';
import { handleInvocation, type InvocationPorts, type SqsRecord } from '../../src/invocation.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import { createMemoryLedger } from '../../src/ledger.ts';
import type { Policy } from '../../src/policy.ts';
import type { LaneQueue } from '../../src/queue.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { createThrottle } from '../../src/throttle.ts';
import { work, type WorkerPorts } from '../../src/worker.ts';
import { stubEnvironment } from './environment.ts';
import type { FakeLog, Line } from './log.ts';
import { queueUserOf } from './sqs.ts';
import { alertPorts } from './alert-ports.ts';

interface Limits {
  /** How long a call may take; default as in production. */
  readonly timeLimitMs?: number;
  /** Default: no lane has one. */
  readonly ceilings?: Ceilings;
  /** Default: the default policy. */
  readonly policy?: Policy;
  /** Default: none. */
  readonly dryRun?: readonly Lane[];
}

/** Ports of the test that runs. They call as often as they like, and back off by no time at all. */
function portsFor(
  sandbox: Sandbox,
  log: FakeLog,
  { timeLimitMs = slowestCallMs, ceilings, policy, dryRun = [] }: Limits = {},
): WorkerPorts & Pick<InvocationPorts, 'laneOf'> {
  stubEnvironment(sandbox.environment);
  const sqs = createSqsClient();
  onTestFinished(() => sqs.destroy());
  const { urls } = sandbox.queues;
  const queues: Partial<Record<Lane, LaneQueue>> = Object.fromEntries(
    lanes.map((lane) => [
      lane,
      createLaneQueue(sqs, { lane, queueUrl: urls[lane], now: systemClock.now }),
    ]),
  );
  const deployment = { accountId: sandbox.iot.accountId, region: sandbox.iot.region };
  const over = new AbortController();
  onTestFinished(() => over.abort());
  return {
    deployment,
    queues,
    deadLetters: createDeadLetterQueue(sqs, urls.deadLetter),
    certificates: createCertificates(100, timeLimitMs),
    ledger: createMemoryLedger(),
    throttle: createThrottle({
      limits: { share: 500, ceiling: 500 },
      slowestCallMs: timeLimitMs,
      clock: systemClock,
      random: Math.random,
    }),
    log,
    clock: systemClock,
    random: () => 0,
    laneOf: (name) => lanes.find((lane) => urls[lane].endsWith(`/${name}`)),
    ...alertPorts({
      directory: createDirectory(deployment, timeLimitMs),
      sendBack: createSendBack(sqs, urls),
      dryRun: { lanes: new Set(dryRun) },
      ...(policy !== undefined && { policy }),
    }),
    ...(ceilings !== undefined && {
      brake: createBrake({
        ceilings,
        store: createMemoryBrakeStore(),
        wallClock: Date.now,
        clock: systemClock,
        log,
        stopping: over.signal,
      }),
    }),
  };
}

/** A runtime that goes on until its test is over. */
export interface Running {
  /** Resolves once so many more events of messages have been logged. */
  readonly through: (count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export type Start = (sandbox: Sandbox, log: FakeLog, limits?: Limits) => Running;

/** A worker. */
export const startWorkerHere: Start = (sandbox, log, limits) => {
  const stop = new AbortController();
  const working = work(portsFor(sandbox, log, limits), 3, stop.signal);
  const end = async (): Promise<void> => {
    stop.abort('the test is over');
    await working;
  };
  onTestFinished(end);
  let wanted = 0;
  return {
    stop: end,
    through: async (count) => {
      wanted += count;
      await log.waitFor(() => log.of('message').length >= wanted);
    },
  };
};

/** A container of Lambda's, which is invoked as the service does, lane by lane. */
export const startContainerHere: Start = (sandbox, log, limits) => {
  const user = queueUserOf(sandbox.queues);
  const ports = portsFor(sandbox, log, limits);
  onTestFinished(async () => ports.throttle.stop());
  let wanted = 0;

  async function invoke(lane: Lane): Promise<number> {
    const url = sandbox.queues.urls[lane];
    const messages = await user.receive(url, 10);
    if (messages.length === 0) return 0;
    const event = { Records: messages.map((message) => recordOf(message, url)) };
    const { batchItemFailures } = await handleInvocation(ports, event, 60_000);
    const kept = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    await user.remove(url, messages.filter(({ MessageId = '' }) => !kept.has(MessageId))); // prettier-ignore
    return messages.length;
  }

  return {
    stop: async () => undefined, // between invocations nothing goes on
    through: async (count) => {
      wanted += count;
      while (log.of('message').length < wanted) {
        let handled = 0;
        // A container handles one event at a time.
        for (const lane of lanes) handled += await invoke(lane);
        if (handled === 0) {
          throw new Error(`${wanted - log.of('message').length} messages are not in the queues`);
        }
      }
    },
  };
};

/** Sees `count` messages, which lie in the queues, through. */
export type Runtime = (
  sandbox: Sandbox,
  log: FakeLog,
  count: number,
  limits?: Limits,
) => Promise<void>;

/** The events of messages, the first of each: what is delayed may come again before the end. */
export function eventsIn(log: Pick<FakeLog, 'lines'>): readonly Line[] {
  const byMessage = new Map<unknown, Line>();
  for (const line of log.lines) {
    if (line['event'] === 'message' && !byMessage.has(line['messageId'])) {
      byMessage.set(line['messageId'], line);
    }
  }
  return [...byMessage.values()];
}

export const workerRuntime: Runtime = async (sandbox, log, count, limits) => {
  const stop = new AbortController();
  const working = work(portsFor(sandbox, log, limits), 3, stop.signal);
  await log.waitFor((lines) => eventsIn({ lines }).length >= count);
  stop.abort('the test is over');
  await working;
};

/** Does what Lambda's event source mappings do, with batches of all that a lane holds. */
export const lambdaRuntime: Runtime = async (sandbox, log, count, limits) => {
  const { queues } = sandbox;
  const user = queueUserOf(queues);
  const ports = portsFor(sandbox, log, limits);
  let handled = 0;
  for (const lane of lanes) {
    const messages = await user.receive(queues.urls[lane]);
    const event = { Records: messages.map((message) => recordOf(message, queues.urls[lane])) };
    const { batchItemFailures } = await handleInvocation(ports, event, 60_000);
    const kept = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    await user.remove(queues.urls[lane], messages.filter(({ MessageId = '' }) => !kept.has(MessageId))); // prettier-ignore
    handled += messages.length;
  }
  await ports.throttle.stop();
  if (handled !== count) throw new Error(`${handled} of ${count} messages were in the queues`);
};

/** A received message as Lambda hands it to a function. */
export function recordOf(message: Message, queueUrl: string): SqsRecord {
  const attributes = Object.entries(message.MessageAttributes ?? {});
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(
      attributes.map(([name, { DataType = 'String', StringValue, BinaryValue }]) => [
        name,
        {
          dataType: DataType,
          ...(StringValue !== undefined && { stringValue: StringValue }),
          ...(BinaryValue !== undefined && {
            binaryValue: Buffer.from(BinaryValue).toString('base64'),
          }),
        },
      ]),
    ),
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queueUrl.split('/').at(-1)}`,
  };
}
