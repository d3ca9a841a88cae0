// A model of SQS, as a process meets it through the ports that src/aws implements: at least once, in no
// order, with visibility timeouts that lapse, receipt handles that go stale and yet "succeed", batches
// that fail in part, answers that get lost, and hosts whose clocks disagree a little.

import type { Random } from '../../src/clock.ts';
import type { Lane } from '../../src/lane.ts';
import type { Message } from '../../src/message.ts';
import type { SendBack } from '../../src/expansion.ts';
import type { DeadLetter, DeadLetterQueue, LaneQueue, Taken } from '../../src/queue.ts';
import type { Status } from '../../src/status.ts';
import { shuffled, whole } from './chance.ts';
import type { Record, Wish } from './history.ts';
import type { Process } from './process.ts';
import type { Time } from './time.ts';
import type { Troubles } from './trouble.ts';

/** A message in its queue. */
interface Queued {
  readonly lane: Lane;
  readonly messageId: string;
  readonly body: string;
  readonly wish: Wish;
  readonly attributes: Message['attributes'];
  /** When it was sent, by the clock of the host that took it. */
  readonly sentAtMs: number;
  firstReceivedAtMs: number | undefined;
  receiveCount: number;
  /** The receipt handle that counts; older ones are stale. */
  receipt: string;
  visibleFromMs: number;
  gone: boolean;
  /** Another host has not heard of the delete yet. */
  lingers: boolean;
  /** How often it was handed out though somebody held it. */
  duplicates: number;
}

/** A message as a receive brings it. */
export type Received = Omit<Message, 'receivedAtMs'>;

export interface Sqs {
  readonly send: (
    lane: Lane,
    body: string,
    wish: Wish,
    more?: { readonly attributes?: Message['attributes']; readonly redriveOf?: string },
  ) => string;
  /** A lane's queue, as a process reaches it. */
  readonly laneQueue: (process: Process, lane: Lane) => LaneQueue;
  readonly deadLetters: (process: Process) => DeadLetterQueue;
  /** How a process sends what it has made of a message. */
  readonly sendBack: (process: Process) => SendBack;
  /** What Lambda's poller does: receives, and deletes. */
  readonly receive: (
    taker: Taker,
    lane: Lane,
    wish: { readonly most: number; readonly waitMs: number; readonly visibilityMs: number },
  ) => Promise<readonly Received[]>;
  readonly remove: (process: string, receipt: string) => void;
  /** Whose receipt this is. */
  readonly messageIdOf: (receipt: string) => string;
  /** An operator sends all dead letters to their lanes again. */
  readonly redrive: () => void;
  /** The messages that still are in a lane's queue. */
  readonly left: () => readonly Left[];
}

/** A message that still is there. */
export interface Left {
  readonly messageId: string;
  readonly lane: Lane;
  readonly visibleFromMs: number;
}

interface Taker {
  readonly name: string;
  /** Whether the connection still is there. */
  readonly isAlive: () => boolean;
}

interface SqsPorts {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
  /** How far a host's clock is off at most, ms. */
  readonly hostSkewMs: number;
}

/** The most deliveries before SQS moves a message to the dead-letter queue by itself (infra/queues.yml). */
const mostReceives = 1000;

/** SQS hands a message out twice now and then, and not for ever. */
const mostDuplicates = 4;

/** When a caller gives up on an answer, ms. */
const patienceMs = 6000;

export function createSqs({ time, chance, record, troubles, hostSkewMs }: SqsPorts): Sqs {
  const byId = new Map<string, Queued>();
  const inLane: { readonly [lane in Lane]: Set<Queued> } = {
    incident: new Set(),
    alert: new Set(),
    rotation: new Set(),
  };
  const waiting: { readonly [lane in Lane]: Set<() => void> } = {
    incident: new Set(),
    alert: new Set(),
    rotation: new Set(),
  };
  let letters: { readonly letter: DeadLetter; readonly of: Queued }[] = [];
  let sent = 0;

  const hostTimeMs = (): number => Math.round(time.now() + (chance() * 2 - 1) * hostSkewMs);
  const travel = (slow: boolean): Promise<void> =>
    time.sleep(slow ? chance() * 3000 : chance() * 25);

  function send(
    lane: Lane,
    body: string,
    wish: Wish,
    { attributes = chance() < 0.3 ? ofDevice : {}, redriveOf }: Parameters<Sqs['send']>[3] = {},
  ): string {
    const queued: Queued = {
      lane,
      messageId: `m${sent++}`,
      body,
      wish,
      attributes,
      sentAtMs: hostTimeMs(),
      firstReceivedAtMs: undefined,
      receiveCount: 0,
      receipt: '',
      visibleFromMs: time.now(),
      gone: false,
      lingers: false,
      duplicates: 0,
    };
    byId.set(queued.messageId, queued);
    inLane[lane].add(queued);
    const { messageId } = queued;
    record({ kind: 'sent', messageId, lane, ...wish, ...(redriveOf !== undefined && { redriveOf }) }); // prettier-ignore
    wake(lane);
    return messageId;
  }

  function wake(lane: Lane): void {
    for (const look of waiting[lane]) look();
  }

  function hide(queued: Queued, ms: number): void {
    queued.visibleFromMs = time.now() + ms;
    time.after(ms, () => wake(queued.lane));
  }

  const mayDouble = ({ receiveCount, duplicates }: Queued): boolean =>
    receiveCount > 0 && duplicates < mostDuplicates;

  const isVisible = ({ visibleFromMs }: Queued): boolean => visibleFromMs <= time.now();

  /** Hands out up to `most` messages, and hides them. */
  function handOut(taker: Taker, lane: Lane, most: number, visibilityMs: number): Received[] {
    const can = [...inLane[lane]].filter(
      (queued) =>
        (!queued.gone && isVisible(queued)) ||
        (!queued.gone && mayDouble(queued) && troubles.strikes('duplicates')) ||
        (queued.gone && queued.lingers && troubles.strikes('deleted comes back')),
    );
    const chosen = shuffled(chance, can).slice(0, most);
    return chosen.flatMap((queued) => handOutOne(queued, taker, visibilityMs) ?? []);
  }

  function handOutOne(queued: Queued, taker: Taker, visibilityMs: number): Received | undefined {
    const { lane, messageId, body, attributes, sentAtMs } = queued;
    if (++queued.receiveCount > mostReceives) {
      const [failureKind, reason] = ['', ''];
      record({ kind: 'letter', process: 'SQS', messageId, failureKind, reason, untouched: true });
      inLane[lane].delete(queued);
      return undefined;
    }
    const why = queued.receiveCount === 1 ? 'first' : queued.gone || !isVisible(queued) ? 'unasked' : 'again'; // prettier-ignore
    if (why === 'unasked') queued.duplicates++;
    if (queued.gone) {
      inLane[lane].delete(queued);
      queued.lingers = false;
    }
    // Hosts that disagree about the first receive each tell a time at which there was one.
    if (queued.firstReceivedAtMs === undefined || chance() < 0.05) {
      queued.firstReceivedAtMs = hostTimeMs();
    }
    queued.receipt = `${messageId}#${queued.receiveCount}`;
    hide(queued, visibilityMs);
    const { receipt, receiveCount, firstReceivedAtMs, visibleFromMs } = queued;
    record({ kind: 'received', messageId, receipt, process: taker.name, why, visibleFromMs });
    const times = troubles.strikes('times missing')
      ? { sentAtMs: Infinity, firstReceivedAtMs: -Infinity }
      : { sentAtMs, firstReceivedAtMs };
    return { lane, messageId, body, attributes, ...times, receiveCount, receiptHandle: receipt };
  }

  /** Waits for messages as a long poll does. */
  async function receive(
    taker: Taker,
    lane: Lane,
    { most, waitMs, visibilityMs }: Parameters<Sqs['receive']>[2],
  ): Promise<readonly Received[]> {
    const untilMs = time.now() + waitMs;
    for (;;) {
      if (!taker.isAlive()) return [];
      const brought = handOut(
        taker,
        lane,
        chance() < 0.8 ? most : whole(chance, 1, most),
        visibilityMs,
      );
      if (brought.length > 0 || time.now() >= untilMs) return brought;
      await new Promise<void>((resolve) => {
        const look = (): void => {
          waiting[lane].delete(look);
          callOff();
          resolve();
        };
        waiting[lane].add(look);
        const callOff = time.after(untilMs - time.now(), look);
      });
    }
  }

  function remove(process: string, receipt: string): void {
    const queued = byReceipt(receipt);
    if (queued === undefined || queued.gone) return;
    // A stale handle: "the request succeeds, but the message might not be deleted" (AWS docs).
    if (queued.receipt !== receipt && chance() < 0.5) return;
    queued.gone = true;
    queued.lingers = chance() < 0.5;
    if (!queued.lingers) inLane[queued.lane].delete(queued);
    record({ kind: 'deleted', messageId: queued.messageId, process });
  }

  function byReceipt(receipt: string): Queued | undefined {
    return byId.get(messageIdOf(receipt));
  }

  function changeVisibility(receipt: string, seconds: number): Taken {
    const queued = byReceipt(receipt);
    if (queued === undefined || queued.gone) {
      return chance() < 0.5 ? refused('InvalidParameterValue') : { done: true };
    }
    if (queued.receipt !== receipt && chance() < 0.8) {
      return chance() < 0.5 ? refused('ReceiptHandleIsInvalid') : { done: true };
    }
    if (isVisible(queued)) return refused('MessageNotInflight');
    hide(queued, seconds * 1000);
    const { messageId, visibleFromMs } = queued;
    record({ kind: 'hidden', messageId, receipt, visibleFromMs });
    return { done: true };
  }

  /** Carries out a batch, with all that can go wrong. */
  async function batch<Entry>(
    what: 'delete' | 'hide',
    entries: readonly Entry[],
    carryOut: (entry: Entry) => Taken,
  ): Promise<readonly Taken[]> {
    await travel(troubles.strikes(`${what} slow`));
    if (troubles.strikes(`${what} fails`)) return entries.map(() => failed);
    const answers = entries.map((entry) => {
      if (troubles.strikes(`${what} fails in part`)) {
        if (chance() < 0.2) carryOut(entry);
        return failed;
      }
      return carryOut(entry);
    });
    if (troubles.strikes(`${what} answer lost`)) {
      await time.sleep(chance() * patienceMs);
      return entries.map(() => failed);
    }
    await travel(false);
    return answers;
  }

  function laneQueue(process: Process, lane: Lane): LaneQueue {
    const named = (receipt: string): { process: string; messageId: string; receipt: string } => ({
      process: process.name,
      messageId: messageIdOf(receipt),
      receipt,
    });
    /** The dead ask for nothing, though what they began in the same moment goes on. */
    const note: Record = (happening) => {
      if (process.isAlive()) record(happening);
    };
    return {
      receive: async ({ most, waitSeconds, visibilitySeconds }, signal) => {
        const wish = {
          most,
          waitMs: waitSeconds * 1000,
          visibilityMs: visibilitySeconds * 1000,
        };
        const received = await process.ask(
          'receive',
          () => cutBy(signal, receiveWithTrouble(process, lane, wish)),
          (received) => {
            for (const { receiptHandle } of received ?? []) {
              record({ kind: 'delivered', lane, ...named(receiptHandle) });
            }
          },
        );
        if (received === undefined) {
          return { kind: 'failed', failure: { kind: 'unavailable', name: 'ServiceUnavailable', message: 'no' } }; // prettier-ignore
        }
        const messages: Message[] = [];
        for (const one of received) messages.push({ ...one, receivedAtMs: process.clock.now() });
        return { kind: 'messages', messages };
      },
      delete: async (receipts) => {
        for (const receipt of receipts) note({ kind: 'delete asked', ...named(receipt) });
        return process.ask(
          'delete',
          () =>
            batch('delete', receipts, (receipt) => {
              remove(process.name, receipt);
              return { done: true };
            }),
          (answers) => {
            for (const [at, receipt] of receipts.entries()) {
              const taken = answers[at]?.done === true;
              record({ kind: 'delete answered', taken, ...named(receipt) });
            }
          },
        );
      },
      changeVisibility: async (changes) => {
        for (const { receiptHandle, seconds } of changes) {
          note({ kind: 'hide asked', seconds, ...named(receiptHandle) });
        }
        return process.ask(
          'change of visibility',
          () =>
            batch('hide', changes, ({ receiptHandle, seconds }) =>
              changeVisibility(receiptHandle, seconds),
            ),
          (answers) => {
            for (const [at, { receiptHandle }] of changes.entries()) {
              const taken = answers[at]?.done === true;
              record({ kind: 'hide answered', taken, ...named(receiptHandle) });
            }
          },
        );
      },
    };
  }

  /** Undefined where the caller hears nothing but that it failed. */
  async function receiveWithTrouble(
    process: Process,
    lane: Lane,
    wish: Parameters<Sqs['receive']>[2],
  ): Promise<readonly Received[] | undefined> {
    await travel(false);
    if (troubles.strikes('receive fails')) return undefined;
    const received = await receive(process, lane, wish);
    if (received.length > 0 && troubles.strikes('receive answer lost')) {
      await time.sleep(chance() * patienceMs);
      return undefined;
    }
    await travel(troubles.strikes('receive slow'));
    return received;
  }

  function deadLetters(process: Process): DeadLetterQueue {
    return {
      send: async (letter) => {
        const messageId = letter.attributes['originalMessageId']?.stringValue ?? '';
        const of = byId.get(messageId);
        const told = {
          process: process.name,
          messageId,
          failureKind: letter.attributes['failureKind']?.stringValue ?? '',
          reason: letter.attributes['failureReason']?.stringValue ?? '',
          untouched: letter.body === of?.body,
        };
        if (process.isAlive()) record({ kind: 'letter asked', ...told });
        return process.ask(
          'dead letter',
          async () => {
            await travel(false);
            if (troubles.strikes('letter fails')) return failed;
            // Because of an attribute that came with the message; a letter without it will pass.
            if ('device' in letter.attributes && troubles.strikes('letter refused')) {
              return refused('InvalidMessageContents');
            }
            if (of !== undefined) letters.push({ letter, of });
            record({ kind: 'letter', ...told });
            if (troubles.strikes('letter answer lost')) {
              await time.sleep(chance() * patienceMs);
              return failed;
            }
            await travel(false);
            return { done: true };
          },
          ({ done }) => record({ kind: 'letter answered', taken: done, ...told }),
        );
      },
    };
  }

  function sendBack(process: Process): SendBack {
    return (lane, bodies) => {
      const taken = new Map<number, string>();
      return process.ask(
        'send back',
        async () => {
          await travel(troubles.strikes('send back slow'));
          if (bodies.length > 10) return bodies.map(() => refused('TooManyEntriesInBatchRequest'));
          if (troubles.strikes('send back fails')) return bodies.map(() => failed);
          const answers = bodies.map((body, at): Taken => {
            const fails = troubles.strikes('send back fails in part');
            if (fails && chance() < 0.8) return failed;
            const messageId = send(lane, body, wishIn(body), { attributes: {} });
            if (fails) return failed;
            taken.set(at, messageId);
            return { done: true };
          });
          if (troubles.strikes('send back answer lost')) {
            await time.sleep(chance() * patienceMs);
            taken.clear();
            return bodies.map(() => failed);
          }
          await travel(false);
          return answers;
        },
        () => {
          for (const messageId of taken.values()) {
            const { ask } = byId.get(messageId)?.wish ?? {};
            record({ kind: 'sent back', process: process.name, messageId, lane, ...(ask && { ask }) }); // prettier-ignore
          }
        },
      );
    };
  }

  return {
    send,
    laneQueue,
    deadLetters,
    sendBack,
    receive,
    remove,
    messageIdOf,
    redrive: () => {
      const all = letters;
      letters = [];
      for (const { letter, of } of all) {
        const { attributes } = letter;
        send(of.lane, letter.body, of.wish, { attributes, redriveOf: of.messageId });
      }
    },
    left: () => Object.values(inLane).flatMap((all) => [...all].filter(({ gone }) => !gone)),
  };
}

function messageIdOf(receipt: string): string {
  return receipt.slice(0, receipt.indexOf('#'));
}

/** What a message asks for that the pipeline has made itself. */
function wishIn(body: string): Wish {
  const { certificateId, newStatus, origin, thingName } = JSON.parse(body) as {
    readonly certificateId: string;
    readonly newStatus: Status;
    readonly origin?: object;
    readonly thingName?: string;
  };
  const byAlert = origin !== undefined || thingName !== undefined;
  return { byAlert, ask: { certificateId, status: newStatus } };
}

const ofDevice: Message['attributes'] = { device: { dataType: 'String', stringValue: 'd1' } };

const failed: Taken = { done: false, final: false, cause: 'ServiceUnavailable: no' };

function refused(name: string): Taken {
  return { done: false, final: true, cause: `${name}: no` };
}

/** Hangs up when the signal aborts; what SQS has handed out stays hidden. */
export function cutBy<T>(signal: AbortSignal, answer: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const hangUp = (): void => resolve(undefined);
    signal.addEventListener('abort', hangUp, { once: true });
    answer.finally(() => signal.removeEventListener('abort', hangUp)).then(resolve, reject);
  });
}
