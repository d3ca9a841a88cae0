// The one line that tells a message's story, the same fields in every runtime. Bodies never appear.

import type { Acknowledgement } from './acknowledgement.ts';
import type { Message } from './message.ts';
import { deciding, type Outcome } from './outcome.ts';
import type { Intent, Origin, Target } from './intent.ts';
import type { Request } from './request.ts';
import type { Status } from './status.ts';

/** A structured log: pino in the runtimes, an array in tests. */
export interface Log {
  write(level: Level, fields: Readonly<Record<string, unknown>>, text: string): void;
}

export type Level = 'debug' | 'info' | 'warn' | 'error';

/** What became of one request, as the event tells it. */
export interface RequestStory {
  readonly certificateId: string;
  readonly newStatus: Status;
  readonly outcome: Outcome['kind'];
  readonly cause?: string;
  readonly failureKind?: string;
  /** The status that went out, where it is not the one asked for. */
  readonly sentStatus?: Status;
  /** The message whose request led to the call that covers this one. */
  readonly coveredBy?: string;
  /** AWS's request id of the call, as CloudTrail has it. */
  readonly awsRequestId?: string;
  readonly attempts: number;
  /** From the receipt to the start of the last attempt; 0 if it had started before. */
  readonly waitMs?: number;
  readonly callMs?: number;
  readonly requestId?: string;
  readonly requestedBy?: string;
  readonly reason?: string;
  readonly comment?: string;
  readonly incidentId?: string;
  /** The thing that the certificate was found by. */
  readonly thingName?: string;
  /** The alert that led to this. */
  readonly origin?: Origin;
  readonly other?: unknown;
}

/** The event of a message: the request's own fields beside these, or `requests` if it had several. */
export interface MessageEvent extends Partial<RequestStory> {
  readonly event: 'message';
  readonly lane: Message['lane'];
  readonly messageId: string;
  readonly receiveCount: number;
  /** When the request was enqueued, by SQS's clock, ISO 8601. */
  readonly sentAt?: string;
  readonly outcome: Outcome['kind'];
  readonly acknowledgement: Acknowledgement['kind'];
  /** Whether the queue has carried the acknowledgement out. */
  readonly acknowledged: boolean;
  /** Why not, or what else the queue had to say. */
  readonly acknowledgementCause?: string;
  readonly retryAfterSeconds?: number;
  /** From the receipt to the acknowledgement, ms. */
  readonly totalMs: number;
  readonly requests?: readonly RequestStory[];
}

/** How the queue took an acknowledgement. */
export interface Carried {
  readonly done: boolean;
  readonly cause?: string;
}

export interface Settled {
  /** What was asked for; absent where the body could not be read. */
  readonly request?: Request | Intent;
  readonly outcome: Outcome;
}

/** The event of a message whose requests are settled and which has been acknowledged. */
export function eventOf(
  message: Message,
  settled: readonly Settled[],
  acknowledgement: Acknowledgement,
  carried: Carried,
  nowMs: number,
): MessageEvent {
  const stories = settled.map(({ request, outcome }) => storyOf(message, request, outcome));
  const decided = deciding(settled.map(({ outcome }) => outcome));
  return {
    event: 'message',
    lane: message.lane,
    messageId: message.messageId,
    receiveCount: message.receiveCount,
    ...(Number.isFinite(message.sentAtMs) && { sentAt: new Date(message.sentAtMs).toISOString() }),
    ...(stories.length === 1 ? stories[0] : { requests: stories as RequestStory[] }),
    outcome: decided?.kind ?? 'deferred',
    ...(decided !== undefined && 'failureKind' in decided && { failureKind: decided.failureKind }),
    acknowledgement: acknowledgement.kind,
    acknowledged: carried.done,
    ...(carried.cause !== undefined && { acknowledgementCause: carried.cause }),
    ...(acknowledgement.kind === 'retry' && { retryAfterSeconds: acknowledgement.afterSeconds }),
    totalMs: Math.round(nowMs - message.receivedAtMs),
  };
}

function storyOf(
  message: Message,
  request: Request | Intent | undefined,
  outcome: Outcome,
): Partial<RequestStory> & Pick<RequestStory, 'outcome' | 'attempts'> {
  const call = outcome.call;
  const awsRequestId = outcome.kind === 'covered' ? outcome.awsRequestId : call?.awsRequestId;
  return {
    ...(request !== undefined && askedOf(request)),
    outcome: outcome.kind,
    ...('cause' in outcome && { cause: outcome.cause }),
    ...('failureKind' in outcome && { failureKind: outcome.failureKind }),
    ...(call !== undefined &&
      call.sentStatus !== request?.newStatus && { sentStatus: call.sentStatus }),
    ...(outcome.kind === 'covered' && { coveredBy: outcome.byMessageId }),
    ...(awsRequestId !== undefined && { awsRequestId }),
    attempts: call?.attempts ?? 0,
    ...(call !== undefined && {
      waitMs: Math.max(0, Math.round(call.startedAtMs - message.receivedAtMs)),
      callMs: Math.round(call.callMs),
    }),
  };
}

function askedOf(request: Request | Intent): Partial<RequestStory> {
  if ('target' in request) {
    const { target, other, ...asked } = request;
    return { ...asked, ...targetOf(target), ...(other !== undefined && { other: bounded(other) }) };
  }
  const { accountId: _account, region: _region, partition: _partition, other, ...asked } = request;
  return { ...asked, ...(other !== undefined && { other: bounded(other) }) };
}

function targetOf(target: Target): Partial<RequestStory> {
  switch (target.kind) {
    case 'certificate':
      return { certificateId: target.certificateId };
    case 'thing':
      return { thingName: target.thingName };
    case 'audit': // the origin names it
      return {};
  }
}

const longestOther = 4096;

/** Unknown fields are kept as they came, unless they are so long that no log would take them. */
export function bounded(
  other: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const length = JSON.stringify(other).length;
  if (length <= longestOther) return other;
  const fields = Object.keys(other).slice(0, 20);
  return {
    leftOut: `${length} characters of JSON`,
    fields: fields.map((field) => field.slice(0, 80)),
  };
}

/** The event in a word or two, for whoever skims the log. */
export function textOf({
  outcome,
  failureKind,
}: Pick<MessageEvent, 'outcome' | 'failureKind'>): string {
  return failureKind === 'dry-run' ? 'would apply' : outcome;
}

/** How loud an event is: what a person must look at is a warning, what is ours to mend an error. */
export function levelOf(
  event: Pick<MessageEvent, 'outcome' | 'failureKind' | 'acknowledged'>,
): Level {
  if (!event.acknowledged) return 'error';
  switch (event.outcome) {
    case 'applied':
    case 'covered':
    case 'unchanged':
    case 'expanded':
    case 'ignored':
      return 'info';
    case 'rejected':
      return 'warn';
    case 'deferred':
      return loudnessOfDeferral(event.failureKind);
  }
}

/** Ours to mend: no retry will help until somebody acts. */
const loud: ReadonlySet<string | undefined> = new Set(['unauthorized', 'unknown-exception', 'bug']);

/** As it was meant: of the brake, an event of its own has told aloud. */
const quiet: ReadonlySet<string | undefined> = new Set(['stopping', 'brake', 'dry-run']);

function loudnessOfDeferral(failureKind: string | undefined): Level {
  if (quiet.has(failureKind)) return 'info';
  return loud.has(failureKind) ? 'error' : 'warn';
}
