// The Lambda rim: messages come as an SQS event, and what must stay in the queue is answered by name.
// The service deletes the rest.

import type { Acknowledgement } from './acknowledgement.ts';
import { createCarrier } from './carry.ts';
import type { DispatcherPorts } from './dispatcher.ts';
import type { Carried, Log } from './event.ts';
import type { Lane } from './lane.ts';
import { timesOf, type Message, type MessageAttribute } from './message.ts';
import { createPipeline, type AlertPorts } from './pipeline.ts';
import type { DeadLetterQueue, LaneQueue } from './queue.ts';
import type { Deployment } from './request.ts';

/** What Lambda hands an SQS event source mapping's function, as far as we read it. */
export interface SqsEvent {
  readonly Records: readonly SqsRecord[];
}

export interface SqsRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | undefined>>;
  readonly messageAttributes: Readonly<
    Record<
      string,
      {
        readonly dataType: string;
        readonly stringValue?: string;
        /** Base64. */
        readonly binaryValue?: string;
      }
    >
  >;
  readonly eventSourceARN: string;
}

/** Which messages stay in the queue (AWS docs, "Reporting batch item failures for Lambda functions"). */
export interface SqsBatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export interface InvocationPorts
  extends Omit<DispatcherPorts, 'held' | 'stopping' | 'abandon'>, AlertPorts {
  readonly deployment: Deployment;
  /** The lane of a queue, by its account and name: `123456789012/my-queue`, as its URL ends. */
  readonly laneOf: (queue: string) => Lane | undefined;
  readonly queues: Readonly<Partial<Record<Lane, Pick<LaneQueue, 'delete' | 'changeVisibility'>>>>;
  readonly deadLetters: DeadLetterQueue;
  readonly log: Log;
}

/** Before the deadline, ms: from then on no call starts, and what has not started goes back. */
const lastStartMs = 7000;

/** Before the deadline, ms: calls that are still under way are cut. */
const lastCallMs = 1500;

/** Before the deadline, ms: the answer goes out, whatever still hangs. */
const lastAnswerMs = 500;

/**
 * Handles one invocation. The ledger and the throttle live as long as the container.
 *
 * @param remainingMs until Lambda ends the invocation
 * @throws when an event is none of a lane's queue; the whole batch stays
 */
export async function handleInvocation(
  ports: InvocationPorts,
  event: SqsEvent,
  remainingMs: number,
): Promise<SqsBatchResponse> {
  const { clock } = ports;
  const messages = event.Records.map((record) => messageOf(record, ports));
  const settled = new Set<Message>();
  const [stopping, abandon, ended] = [
    new AbortController(),
    new AbortController(),
    new AbortController(),
  ];
  const until = (beforeDeadlineMs: number): Promise<void> =>
    clock.sleep(remainingMs - beforeDeadlineMs, ended.signal);
  const stop = (): void => stopping.abort('the invocation’s deadline is near');
  if (remainingMs <= lastStartMs) stop();
  else void until(lastStartMs).then(stop);
  void until(lastCallMs).then(() => abandon.abort());
  const acknowledge = acknowledgeBy(ports, stopping.signal, (message) => settled.add(message));
  const pipeline = createPipeline({
    ...ports,
    acknowledge,
    stopping: stopping.signal,
    abandon: abandon.signal,
  });
  await Promise.race([Promise.all(messages.map(pipeline.handle)), until(lastAnswerMs)]);
  ended.abort();
  const kept = messages.filter((message) => !settled.has(message));
  return { batchItemFailures: kept.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** Deletes are Lambda's to make, of what is `settled`; delays and dead letters are ours. */
function acknowledgeBy(
  ports: InvocationPorts,
  hurry: AbortSignal,
  settled: (message: Message) => void,
): (message: Message, told: Acknowledgement) => Promise<Carried> {
  const carriers = new Map(
    Object.entries(ports.queues).map(([lane, queue]) => [
      lane,
      createCarrier(queue, { ...ports, hurry }),
    ]),
  );
  return async (message, told) => {
    const carrier = carriers.get(message.lane);
    if (carrier === undefined) throw new Error(`no queue for lane ${message.lane}`);
    switch (told.kind) {
      case 'delete':
        settled(message);
        return { done: true };
      case 'retry':
        return carrier.delay(message, told.afterSeconds);
      case 'dead-letter': {
        const sent = await carrier.deadLetter(message, told);
        if (sent.done) settled(message);
        return sent;
      }
    }
  };
}

function messageOf(record: SqsRecord, { laneOf, clock }: InvocationPorts): Message {
  const lane = laneOf(record.eventSourceARN.split(':').slice(-2).join('/'));
  if (lane === undefined) {
    throw new Error(
      `${record.eventSourceARN} is none of the lanes; INCIDENT_QUEUE_URL, ALERT_QUEUE_URL and ROTATION_QUEUE_URL name them`,
    );
  }
  return {
    lane,
    messageId: record.messageId,
    receiptHandle: record.receiptHandle,
    body: record.body,
    attributes: Object.fromEntries(
      Object.entries(record.messageAttributes).map(([name, value]) => [name, attributeOf(value)]),
    ),
    ...timesOf(record.attributes),
    receivedAtMs: clock.now(),
  };
}

function attributeOf({
  dataType,
  stringValue,
  binaryValue,
}: SqsRecord['messageAttributes'][string]): MessageAttribute {
  return {
    dataType,
    ...(stringValue !== undefined && { stringValue }),
    ...(binaryValue !== undefined && {
      binaryValue: Uint8Array.from(atob(binaryValue), (character) => character.charCodeAt(0)),
    }),
  };
}
