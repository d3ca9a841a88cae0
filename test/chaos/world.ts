// One world for one scenario: the sandbox with a door before SQS and one before DynamoDB, the processes
// that work in it, and the history of all that the sandbox sees.
//
// Visibility is a matter of 30 seconds, and nothing can be learnt in them: what nobody holds any more
// (its holder was killed, or has put it off) is given back at once where a scenario says `hurry`.

import {
  ChangeMessageVisibilityBatchCommand,
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { setTimeout as passes } from 'node:timers/promises';
import type { Random } from '../../src/clock.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { openDoor, type Asked, type Door, type Hear, type Json, type Weather } from './door.ts';
import { createHistory, type Due, type Happening, type History, type Timed } from './history.ts';
import { startProgram, type Program, type ProgramOptions } from './program.ts';

/** What a scenario puts into a queue. */
export interface Order {
  readonly lane: Lane;
  readonly body: string;
  readonly due: Due;
}

/** A process of the world. Each signal is sent to it once: the second SIGTERM would end it at once. */
export interface Member extends Program {
  readonly name: string;
  readonly runtime: 'worker' | 'lambda';
  /** Its lines of one event so far. */
  readonly of: (event: string) => readonly Readonly<Record<string, unknown>>[];
}

export interface World extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly history: History;
  readonly sqs: Door;
  readonly dynamo: Door;
  /** A client of SQS that nobody watches. */
  readonly operator: SQSClient;
  /** A client that asks SQS in the name of a process. */
  readonly queueClient: (process: string) => SQSClient;
  /** What is sent `long ago` looks a minute older than it is, so that SQS's clock can cover it. */
  readonly send: (orders: readonly Order[], when?: 'now' | 'long ago') => Promise<void>;
  readonly start: (options?: Partial<Omit<ProgramOptions, 'onLine' | 'onComplaint'>>) => Member;
  /** From now on nothing stays hidden that nobody holds. */
  readonly hurry: () => void;
  /** Gives back what a process held that is gone: its visibility is over. */
  readonly expire: (process: string) => Promise<void>;
  /** Messages that have not left the lanes. */
  readonly left: () => number;
  /** Waits for them to leave; answers whether they did in time, and while somebody was there to see to it. */
  readonly drained: (limitMs?: number) => Promise<boolean>;
  /** Resolves at the nth happening from now on for which the predicate holds, having acted first. */
  readonly at: (
    nth: number,
    predicate: (happening: Timed) => boolean,
    act?: (happening: Timed) => void,
  ) => Promise<void>;
  readonly depth: (lane: Lane | 'deadLetter') => Promise<Depth>;
}

interface Depth {
  readonly visible: number;
  readonly hidden: number;
}

export interface WorldOptions extends Pick<SandboxOptions, 'quota'> {
  readonly chance: Random;
  /** Whether processes share the ledger's table. Default true. */
  readonly sharesLedger?: boolean;
}

/** How much older messages look that were sent long ago, ms. */
const longAgoMs = 60_000;

interface Delivery {
  readonly process: string;
  readonly messageId: string;
  readonly receiveCount: number;
  readonly lane: Lane;
  /** `free`: nobody holds it, and it is hidden. */
  state: 'held' | 'free' | 'visible' | 'deleted';
  /** It was told to come back later. */
  putOff: boolean;
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const { chance, sharesLedger = true, quota = 'unlimited' } = options;
  await using started = new AsyncDisposableStack();
  const history = createHistory();
  const { record } = history;
  const sandbox = started.use(await startSandbox({ quota, random: chance }));
  const { iot, queues, ledger } = sandbox;
  const laneOf = new Map(lanes.map((lane) => [pathOf(queues.urls[lane]), lane]));
  const deliveries = new Map<string, Delivery>();
  /** Receipt handles, by who received which message for the how manieth time. */
  const handleOf = new Map<string, string>();
  const lineup = new Map<string, Member>();
  const inQueue = new Set<string>();
  const gone = new Set<string>();
  const old = new Set<string>();
  const clients = new Set<SQSClient>();
  started.defer(() => {
    for (const client of clients) client.destroy();
  });
  let hurries = false;
  let isOver = false;

  function clientOf(endpoint: string, process: string): SQSClient {
    const client = new SQSClient({
      endpoint,
      region: 'us-east-1',
      useQueueUrlAsEndpoint: false,
      credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
      ...(process !== '' && { userAgentAppId: process }),
    });
    clients.add(client);
    return client;
  }
  const operator = clientOf(queues.endpoint, '');

  // What SQS is asked.

  function askSqs(asked: Asked): Hear {
    const { process, operation, body } = asked;
    record({ kind: 'request', process, operation });
    const lane = laneOf.get(pathOf(String(body['QueueUrl'])));
    const entries = (body['Entries'] ?? []) as readonly Entry[];
    const receiptOf = ({ ReceiptHandle }: Entry): Receipt => ({
      process,
      messageId: deliveries.get(ReceiptHandle)?.messageId ?? 'unknown',
      handle: ReceiptHandle,
    });
    switch (operation) {
      case 'ReceiveMessage':
        return (answer, heard) => received(process, lane, answer, heard);
      case 'DeleteMessageBatch':
        for (const entry of entries) record({ kind: 'delete asked', ...receiptOf(entry) });
        return (answer, heard) => {
          for (const entry of taken(entries, answer)) {
            leave(deliveries.get(entry.ReceiptHandle));
            record({ kind: 'deleted', ...receiptOf(entry), heard });
          }
          return undefined;
        };
      case 'ChangeMessageVisibilityBatch':
        for (const entry of entries) {
          record({ kind: 'hide asked', ...receiptOf(entry), seconds: entry.VisibilityTimeout });
        }
        return (answer, heard) => {
          for (const entry of taken(entries, answer)) {
            const seconds = entry.VisibilityTimeout;
            hide(deliveries.get(entry.ReceiptHandle), seconds);
            record({ kind: 'hidden', ...receiptOf(entry), seconds, heard });
          }
          return undefined;
        };
      case 'SendMessage': {
        const attributes = stringsOf(body['MessageAttributes']);
        const messageId = attributes['originalMessageId'] ?? 'unknown';
        const letter = { process, messageId, body: String(body['MessageBody']), attributes };
        return (_answer, heard) => {
          record({ kind: 'letter', ...letter, heard });
          return undefined;
        };
      }
      default:
        return () => undefined;
    }
  }

  function received(
    process: string,
    lane: Lane | undefined,
    answer: Json,
    heard: boolean,
  ): Json | undefined {
    if (lane === undefined) return undefined;
    const messages = (answer['Messages'] ?? []) as readonly SqsMessage[];
    for (const { MessageId: messageId, ReceiptHandle: handle, Attributes } of messages) {
      const receiveCount = Number(Attributes?.['ApproximateReceiveCount'] ?? 1);
      const isHeld = heard && lineup.get(process)?.isOver() !== true;
      const state = isHeld ? 'held' : 'free';
      deliveries.set(handle, { process, messageId, receiveCount, lane, state, putOff: false });
      handleOf.set(keyOf(process, messageId, receiveCount), handle);
      record({ kind: 'received', process, messageId, handle, lane, receiveCount, heard: isHeld });
      if (!isHeld && hurries) giveBack([handle]);
    }
    return { ...answer, Messages: messages.map(aged) };
  }

  function aged(message: SqsMessage): SqsMessage {
    const sentAt = message.Attributes?.['SentTimestamp'];
    if (sentAt === undefined || !old.has(message.MessageId)) return message;
    const SentTimestamp = String(Number(sentAt) - longAgoMs);
    return { ...message, Attributes: { ...message.Attributes, SentTimestamp } };
  }

  function leave(delivery: Delivery | undefined): void {
    if (delivery === undefined || delivery.state === 'visible') return;
    delivery.state = 'deleted';
    gone.add(delivery.messageId);
    inQueue.delete(delivery.messageId);
  }

  function hide(delivery: Delivery | undefined, seconds: number): void {
    if (delivery === undefined || delivery.state === 'deleted') return;
    if (seconds === 0) delivery.state = 'visible';
  }

  // What nobody holds.

  async function release(handles: readonly string[]): Promise<void> {
    const byLane = Map.groupBy(handles, (handle) => deliveries.get(handle)?.lane ?? 'incident');
    for (const [lane, all] of byLane) {
      for (let at = 0; at < all.length; at += 10) {
        const some = all.slice(at, at + 10);
        const { Successful = [] } = await operator.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: queues.urls[lane],
            Entries: some.map((ReceiptHandle, n) => ({
              Id: String(n),
              ReceiptHandle,
              VisibilityTimeout: 0,
            })),
          }),
        );
        for (const { Id } of Successful) comeBack(deliveries.get(some[Number(Id)] ?? ''));
      }
    }
  }

  function giveBack(handles: readonly string[]): void {
    release(handles).catch((error: unknown) => {
      if (!isOver) throw error;
    });
  }

  /** It was there to be given back, whatever a delete seemed to do that was on its way meanwhile. */
  function comeBack(delivery: Delivery | undefined): void {
    if (delivery === undefined) return;
    if (delivery.state === 'deleted') {
      gone.delete(delivery.messageId);
      inQueue.add(delivery.messageId);
    }
    delivery.state = 'visible';
  }

  function handlesThat(predicate: (delivery: Delivery) => boolean): readonly string[] {
    return [...deliveries].flatMap(([handle, delivery]) => (predicate(delivery) ? [handle] : []));
  }

  /** A process says that it is done with a message: if it still is in its queue, nobody holds it. */
  function letGo(process: string, line: Readonly<Record<string, unknown>>): void {
    const { messageId, receiveCount, acknowledgement, acknowledged, failureKind } = line;
    const handle = handleOf.get(keyOf(process, String(messageId), Number(receiveCount)));
    const delivery = handle === undefined ? undefined : deliveries.get(handle);
    if (handle === undefined || delivery?.state !== 'held') return;
    // What else is to become of it, Lambda's service does.
    if (lineup.get(process)?.runtime === 'lambda' && acknowledgement !== 'retry') return;
    delivery.state = 'free';
    // Whoever stops puts nothing off: it gives back, and nobody helps it.
    const isPutOff = acknowledgement === 'retry' && acknowledged === true;
    delivery.putOff = isPutOff && failureKind !== 'stopping';
    if (hurries && failureKind !== 'stopping') giveBack([handle]);
  }

  // What AWS IoT is asked: the sandbox looks at the predicate upon each change of its log.

  const pending = new Set<number>();
  let known = 0;
  const ignored = iot.waitFor((calls) => {
    for (; known < calls.length; known++) {
      pending.add(known);
      const happening = callOf(known);
      if (happening !== undefined) record(happening);
    }
    for (const at of pending) {
      if (calls[at]?.answer === 'pending') continue;
      pending.delete(at);
      const happening = answerOf(at);
      if (happening !== undefined) record(happening);
    }
    return false;
  });
  ignored.catch(() => undefined); // it stops

  function whoCalls(at: number): CallBasics | undefined {
    const call = iot.calls[at];
    if (call?.certificateId === undefined) return undefined;
    const { operation, certificateId, userAgent = '' } = call;
    if (operation !== 'UpdateCertificate' && operation !== 'DescribeCertificate') return undefined;
    const process = / app\/([\w-]+)/.exec(userAgent)?.[1] ?? '';
    return { process, call: at, operation, certificateId };
  }

  function callOf(at: number): Happening | undefined {
    const basics = whoCalls(at);
    const status = iot.calls[at]?.newStatus;
    return basics && { kind: 'call', ...basics, ...(status !== undefined && { status }) };
  }

  function answerOf(at: number): Happening | undefined {
    const basics = whoCalls(at);
    const { answer = '', applied = false } = iot.calls[at] ?? {};
    const shows = String(iot.status(basics?.certificateId ?? ''));
    return basics && { kind: 'answer', ...basics, answer, applied, shows };
  }

  function strike(process: string, weather: Weather): void {
    record({ kind: 'struck', process, weather });
  }

  // What DynamoDB is asked.

  function askDynamo({ process, operation, body }: Asked): Hear {
    if (operation !== 'UpdateItem') return () => undefined;
    const key = body['Key'] as { readonly certificate?: { readonly S?: string } } | undefined;
    const certificateId = key?.certificate?.S?.split('/').at(-1) ?? '';
    return () => {
      record({ kind: 'entered', process, certificateId });
      return undefined;
    };
  }

  const sqs = started.use(await openDoor(queues.endpoint, chance, { ask: askSqs, strike }));
  const dynamo = started.use(await openDoor(ledger.endpoint, chance, { ask: askDynamo, strike }));
  const { LEDGER_TABLE: _table, ...withoutLedger } = sandbox.environment;
  const environment = sharesLedger ? sandbox.environment : withoutLedger;

  function start(wanted: Partial<Omit<ProgramOptions, 'onLine' | 'onComplaint'>> = {}): Member {
    if (isOver) throw new Error('the scenario is over');
    const name = `p${lineup.size + 1}`;
    const own: Readonly<Record<string, string>> = {
      ...environment,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
      AWS_SDK_UA_APP_ID: name,
      STOP_TIMEOUT_SECONDS: '6', // so that a poll waits for two at most
      ALERT_CEILING_PER_HOUR: 'unlimited',
      ...wanted.environment,
    };
    const callsPerSecond = Number(own['UPDATE_CERTIFICATE_TPS'] ?? 10);
    const runtime = wanted.file === undefined ? 'worker' : 'lambda';
    record({ kind: 'began', process: name, runtime, callsPerSecond, sharesLedger });
    const lines = new Map<string, Readonly<Record<string, unknown>>[]>();
    const program = startProgram({
      file: 'src/entry/worker.ts',
      ...wanted,
      environment: own,
      onComplaint: () => record({ kind: 'complaint', process: name }),
      onLine: (line) => {
        const event = String(line['event']);
        const same = lines.get(event);
        if (same === undefined) lines.set(event, [line]);
        else same.push(line);
        if (event === 'message') letGo(name, line);
        record({ kind: 'line', process: name, line });
      },
    });
    const sentTo = new Set<NodeJS.Signals>();
    const member: Member = {
      ...program,
      name,
      runtime,
      of: (event) => lines.get(event) ?? [],
      signal: (signal) => {
        if (program.isOver() || sentTo.has(signal)) return;
        sentTo.add(signal);
        record({ kind: 'signal', process: name, signal });
        program.signal(signal);
      },
      ended: program.ended.then(async (how) => {
        const hiddenForNothing = await leftHidden(name);
        record({ kind: 'ended', process: name, how, stderr: program.stderr(), hiddenForNothing });
        return how;
      }),
    };
    lineup.set(name, member);
    return member;
  }

  async function depth(lane: Lane | 'deadLetter'): Promise<Depth> {
    const { Attributes } = await operator.send(
      new GetQueueAttributesCommand({
        QueueUrl: queues.urls[lane],
        AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
      }),
    );
    return {
      visible: Number(Attributes?.['ApproximateNumberOfMessages']),
      hidden: Number(Attributes?.['ApproximateNumberOfMessagesNotVisible']),
    };
  }

  /** What a process that has ended leaves hidden, though nobody has put it off. */
  async function leftHidden(process: string): Promise<number> {
    const isHidden = ({ state }: Delivery): boolean => state === 'held' || state === 'free';
    const mine = handlesThat(
      (one) => one.process === process && isHidden(one) && !one.putOff,
    ).length;
    if ([...lineup.values()].some((member) => !member.isOver())) return mine;
    // SQS must agree. What a poll brings whose asker has died is in our books a moment later, and there
    // is no signal for it.
    for (let look = 0; ; look++) {
      const counted = await Promise.all(lanes.map(depth));
      const hidden = counted.reduce((sum, one) => sum + one.hidden, 0);
      const unknown = hidden - handlesThat(isHidden).length;
      if (unknown <= 0 || look === 20) return mine + Math.max(0, unknown);
      await passes(100);
    }
  }

  const { promise: disposed, resolve: dispose } = Promise.withResolvers<void>();
  started.defer(async () => {
    isOver = true;
    for (const member of lineup.values()) member.signal('SIGKILL');
    await Promise.all([...lineup.values()].map(({ ended }) => ended));
    dispose();
  });
  const running = started.move();

  return {
    sandbox,
    history,
    sqs,
    dynamo,
    operator,
    queueClient: (process) => clientOf(sqs.endpoint, process),
    send: async (orders, when = 'now') => {
      for (const lane of lanes) {
        const mine = orders.filter((order) => order.lane === lane);
        for (const batch of batchesOf(mine)) {
          const notBefore = history.happenings.length;
          const { Successful = [], Failed = [] } = await operator.send(
            new SendMessageBatchCommand({
              QueueUrl: queues.urls[lane],
              Entries: batch.map(({ body }, n) => ({
                Id: String(n),
                MessageBody: body,
                MessageAttributes: { origin: { DataType: 'String', StringValue: `order ${n}` } },
              })),
            }),
          );
          if (Failed.length > 0) throw new Error(`the queue refused ${JSON.stringify(Failed)}`);
          for (const { Id, MessageId: messageId = '' } of Successful) {
            const order = batch[Number(Id)];
            if (order === undefined) continue;
            if (when === 'long ago') old.add(messageId);
            const attributes = { origin: `order ${Id}` };
            const { body, due } = order;
            const isOld = when === 'long ago';
            record({ kind: 'sent', messageId, lane, body, attributes, due, notBefore, isOld });
            // Somebody may have been quicker than the answer to us.
            if (!gone.has(messageId)) inQueue.add(messageId);
          }
        }
      }
    },
    start,
    hurry: () => {
      hurries = true;
      giveBack(handlesThat(({ state }) => state === 'free'));
    },
    expire: async (process) => {
      const handles = handlesThat(
        (delivery) =>
          delivery.process === process && (delivery.state === 'held' || delivery.state === 'free'),
      );
      await release(handles);
    },
    left: () => inQueue.size,
    drained: async (limitMs = 60_000) => {
      const isAbandoned = (): boolean => [...lineup.values()].every((member) => member.isOver());
      await history.until(() => inQueue.size === 0 || isAbandoned(), limitMs);
      return inQueue.size === 0;
    },
    at: (nth, predicate, act) =>
      new Promise((resolve) => {
        let left = nth;
        const unwatch = history.watch((happening) => {
          if (!predicate(happening) || --left > 0) return;
          unwatch();
          act?.(happening);
          resolve();
        });
        void disposed.then(unwatch);
      }),
    depth,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Receipt {
  readonly process: string;
  readonly messageId: string;
  readonly handle: string;
}

interface Entry {
  readonly Id: string;
  readonly ReceiptHandle: string;
  readonly VisibilityTimeout: number;
}

interface SqsMessage {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Attributes?: Readonly<Record<string, string>>;
}

interface CallBasics {
  readonly process: string;
  readonly call: number;
  readonly operation: 'UpdateCertificate' | 'DescribeCertificate';
  readonly certificateId: string;
}

/** The entries of a batch that SQS has carried out. */
function taken(entries: readonly Entry[], answer: Json): readonly Entry[] {
  const done = (answer['Successful'] ?? []) as readonly { readonly Id: string }[];
  const ids = new Set(done.map(({ Id }) => Id));
  return entries.filter(({ Id }) => ids.has(Id));
}

function stringsOf(attributes: unknown): Readonly<Record<string, string>> {
  const all = (attributes ?? {}) as Record<string, { readonly StringValue?: string }>;
  return Object.fromEntries(
    Object.entries(all).map(([name, { StringValue = '' }]) => [name, StringValue]),
  );
}

/** By tens, and no more than SQS takes at once. */
function batchesOf(orders: readonly Order[]): readonly (readonly Order[])[] {
  const batches: Order[][] = [];
  let bytes = Infinity;
  for (const order of orders) {
    const size = Buffer.byteLength(order.body) + 1000;
    const last = batches.at(-1);
    if (last === undefined || last.length === 10 || bytes + size > 1_000_000) {
      batches.push([order]);
      bytes = size;
    } else {
      last.push(order);
      bytes += size;
    }
  }
  return batches;
}

function pathOf(url: string): string {
  return new URL(url).pathname;
}

function keyOf(process: string, messageId: string, receiveCount: number): string {
  return `${process} ${messageId}#${receiveCount}`;
}
