// The Lambda rim: messages come as an SQS event, and what must stay in the queue is answered by name.
// The service deletes the rest.

import type { Acknowledgement } from './acknowledgement.ts';
import { createCarrier } from './carry.ts';
import type { DispatcherPorts } from './dispatcher.ts';
import type { Carried, Log } from './event.ts';
import type { Lane } from './lane.ts';
import { timesOf, type Message, type MessageAttribute } from './message.ts';
import { createPipeline } from './pipeline.ts';
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

export interface InvocationPorts extends Omit<DispatcherPorts, 'held' | 'stopping' | 'abandon'> {
  readonly deployment: Deployment;
  /** The lane whose queue has this name. */
  readonly laneOf: (queueName: string) => Lane | undefined;
  readonly queues: Readonly<Partial<Record<Lane, Pick<LaneQueue, 'delete' | 'changeVisibility'>>>>;
  readonly deadLetters: DeadLetterQueue;
  readonly log: Log;
}

/** Before the deadline, ms: from then on no call starts, and what has not started goes back. */
const lastStartMs = 7000;

/** Before the deadline, ms: what is still under way is cut, so that the answer gets out. */
const lastAnswerMs = 1500;

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
  const failures: { readonly itemIdentifier: string }[] = [];
  const [stopping, abandon, ended] = [
    new AbortController(),
    new AbortController(),
    new AbortController(),
  ];
  void clock
    .sleep(remainingMs - lastStartMs, ended.signal)
    .then(() => stopping.abort('the invocation’s deadline is near'));
  void clock.sleep(remainingMs - lastAnswerMs, ended.signal).then(() => abandon.abort());
  const acknowledge = acknowledgeBy(ports, stopping.signal, (message) =>
    failures.push({ itemIdentifier: message.messageId }),
  );
  const pipeline = createPipeline({
    ...ports,
    acknowledge,
    stopping: stopping.signal,
    abandon: abandon.signal,
  });
  await Promise.all(messages.map(pipeline.handle));
  ended.abort();
  return { batchItemFailures: failures };
}

/** Deletes are Lambda's to make; delays and dead letters are ours. */
function acknowledgeBy(
  ports: InvocationPorts,
  hurry: AbortSignal,
  keep: (message: Message) => void,
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
        return { done: true };
      case 'retry':
        keep(message);
        return carrier.delay(message, told.afterSeconds);
      case 'dead-letter': {
        const sent = await carrier.deadLetter(message, told);
        if (!sent.done) keep(message);
        return sent;
      }
    }
  };
}

function messageOf(record: SqsRecord, { laneOf, clock }: InvocationPorts): Message {
  const queueName = record.eventSourceARN.split(':').at(-1) ?? '';
  const lane = laneOf(queueName);
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
