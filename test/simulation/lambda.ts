// A model of Lambda behind an SQS event source mapping: pollers that take batches, containers that
// freeze between invocations and are thrown away, a time limit, and deletes of what the answer does not
// keep. Source: AWS docs, "Using Lambda with Amazon SQS".

import type { Random } from '../../src/clock.ts';
import type { SqsBatchResponse, SqsEvent, SqsRecord } from '../../src/invocation.ts';
import type { Lane } from '../../src/lane.ts';
import type { Record } from './history.ts';
import type { Process } from './process.ts';
import type { Received, Sqs } from './sqs.ts';
import type { Time } from './time.ts';
import type { Troubles } from './trouble.ts';

export interface MappingRules {
  readonly lane: Lane;
  /** maximumConcurrency. */
  readonly containers: number;
  readonly batchSize: number;
  readonly timeoutMs: number;
  readonly visibilityMs: number;
}

/** A container, and what it does with an invocation. */
export interface Container {
  readonly process: Process;
  readonly invoke: (event: SqsEvent, remainingMs: number) => Promise<SqsBatchResponse>;
}

interface MappingPorts extends MappingRules {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
  readonly sqs: Sqs;
  readonly startContainer: () => Container;
}

export interface Mapping {
  /** Receives no more. Resolves once the last invocation is over. */
  readonly close: () => Promise<void>;
}

export function createMapping(ports: MappingPorts): Mapping {
  const { lane, containers, batchSize, visibilityMs, time, chance, troubles, sqs } = ports;
  const closing = new AbortController();
  const isOpen = (): boolean => !closing.signal.aborted;
  const poller = { name: `poller of ${lane}`, isAlive: isOpen };

  async function keepServing(): Promise<void> {
    let container: Container | undefined;
    while (isOpen()) {
      const wish = { most: batchSize, waitMs: 20_000, visibilityMs };
      const batch = await sqs.receive(poller, lane, wish);
      if (batch.length === 0) continue;
      await time.sleep(chance() * 30);
      const isWarm = container?.process.isAlive() === true && !troubles.strikes('container dies');
      if (!isWarm) container?.process.crashAfter(0);
      const used: Container =
        isWarm && container !== undefined ? container : ports.startContainer();
      container = used;
      await invoke(used, batch, ports);
    }
    container?.process.crashAfter(0);
  }

  const serving = Promise.all(Array.from({ length: containers }, keepServing));
  return {
    close: async () => {
      closing.abort();
      await serving;
    },
  };
}

/** One invocation, and what becomes of its batch. */
async function invoke(
  { process, invoke: handle }: Container,
  batch: readonly Received[],
  { lane, timeoutMs, time, chance, record, troubles, sqs }: MappingPorts,
): Promise<void> {
  const { name } = process;
  process.thaw();
  record({ kind: 'invoked', process: name, receipts: batch.map(({ receiptHandle }) => receiptHandle), timeoutMs }); // prettier-ignore
  for (const { messageId, receiptHandle } of batch) {
    record({ kind: 'delivered', process: name, messageId, receipt: receiptHandle, lane });
  }
  const response = await new Promise<SqsBatchResponse | undefined>((resolve) => {
    const callOff = time.after(timeoutMs, () => {
      if (process.isAlive()) record({ kind: 'timed out', process: name });
      process.crashAfter(0);
      resolve(undefined);
    });
    process.onDeath(() => resolve(undefined));
    handle({ Records: batch.map((one) => recordOf(one)) }, timeoutMs).then(
      (answer) =>
        process.poke(() => {
          callOff();
          resolve(answer);
        }),
      (bug: unknown) => {
        callOff();
        record({ kind: 'threw', process: name, cause: String(bug) });
        resolve(undefined);
      },
    );
  });
  process.freeze();
  if (response === undefined) return;
  const kept = response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
  record({ kind: 'responded', process: name, kept });
  if (troubles.strikes('invocation answer lost')) return;
  const isUnknown = kept.some((id) => batch.every(({ messageId }) => messageId !== id));
  if (isUnknown) return; // the whole batch counts as failed
  const done = batch.filter(({ messageId }) => !kept.includes(messageId));
  for (const { messageId, receiptHandle: receipt } of done) {
    record({ kind: 'delete asked', process: name, messageId, receipt });
  }
  await time.sleep(chance() * 40);
  for (const { receiptHandle: receipt } of done) {
    if (!troubles.strikes('delete fails') && !troubles.strikes('delete fails in part')) {
      sqs.remove(name, receipt);
    }
  }
}

/** The account of the worlds' queues and certificates. */
export const accountId = '123456789012';

function recordOf({
  lane,
  messageId,
  receiptHandle,
  body,
  attributes,
  ...rest
}: Received): SqsRecord {
  return {
    messageId,
    receiptHandle,
    body,
    attributes: {
      SentTimestamp: String(rest.sentAtMs),
      ApproximateFirstReceiveTimestamp: String(rest.firstReceivedAtMs),
      ApproximateReceiveCount: String(rest.receiveCount),
    },
    messageAttributes: Object.fromEntries(
      Object.entries(attributes).map(([name, { dataType, stringValue = '' }]) => [
        name,
        { dataType, stringValue },
      ]),
    ),
    eventSourceARN: `arn:aws:sqs:eu-central-1:${accountId}:${lane}`,
  };
}
