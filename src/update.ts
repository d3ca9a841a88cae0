// One wanted UpdateCertificate call, which all requests for that certificate join until it starts.

import { isTransient, type CallResult, type Failure } from './call.ts';
import { moreUrgent, type Lane } from './lane.ts';
import type { Message } from './message.ts';
import type { CallStory, Outcome } from './outcome.ts';
import type { Request } from './request.ts';
import { strongest, type Status } from './status.ts';

/** A request that waits for an update. */
export interface Joiner {
  readonly request: Request;
  readonly message: Message;
  readonly settle: (outcome: Outcome) => void;
}

export interface Update {
  readonly certificateId: string;
  /** The most urgent lane among all that wait for it. */
  lane: Lane;
  /** Who is served by the next call, or by the one that was started last. */
  joined: Joiner[];
  /** Who came after a call had started: it may be older than they are. The next one serves them too. */
  late: Joiner[];
  /** Attempts that went out so far. */
  attempts: number;
  /** The last attempt, once it has ended. */
  story: CallStory | undefined;
  /** See `hurryOf`, which makes it: most updates need none. */
  hurry: AbortController | undefined;
}

/** What was fixed when an attempt started. */
export interface Calling {
  readonly status: Status;
  /** The newest SQS time that we held then; see Ledger. */
  readonly watermarkMs: number;
  readonly startedAtMs: number;
}

/** How an update ended. */
export type Ending =
  | CallResult
  /** Stopped before a call could be made, or made again. */
  | { readonly kind: 'stopped'; readonly cause: string };

/** A new update, wanted by `first`. */
export function openUpdate(first: Joiner): Update {
  return {
    certificateId: first.request.certificateId,
    lane: first.message.lane,
    joined: [first],
    late: [],
    attempts: 0,
    story: undefined,
    hurry: undefined,
  };
}

/** Lets `joiner` wait for the update. Tells whether that made the update more urgent. */
export function join(update: Update, joiner: Joiner): { readonly promoted: boolean } {
  // Until the next attempt begins nobody knows whether there is one, so a call that has ended is no
  // more joined than one that is out.
  (update.attempts === 0 ? update.joined : update.late).push(joiner);
  const lane = moreUrgent(update.lane, joiner.message.lane);
  const promoted = lane !== update.lane;
  update.lane = lane;
  if (promoted) controllerOf(update).abort('more urgent');
  return { promoted };
}

/** Aborted once the update has become more urgent since its last attempt began, to cut its backoff short. */
export function hurryOf(update: Update): AbortSignal {
  return controllerOf(update).signal;
}

function controllerOf(update: Update): AbortController {
  update.hurry ??= new AbortController();
  return update.hurry;
}

/** Starts an attempt: everybody who waits by now has joined, and the strongest status goes out. */
export function beginCall(update: Update, watermarkMs: number, nowMs: number): Calling {
  update.joined.push(...update.late);
  update.late = [];
  update.attempts++;
  update.hurry = undefined;
  return {
    status: strongest(update.joined.map(({ request }) => request.newStatus)),
    watermarkMs,
    startedAtMs: nowMs,
  };
}

/** Ends an attempt, and tells its story. */
export function endCall(
  update: Update,
  { status, watermarkMs, startedAtMs }: Calling,
  result: CallResult,
  nowMs: number,
): CallStory {
  const awsRequestId = result.kind === 'failed' ? result.failure.awsRequestId : result.awsRequestId;
  update.story = {
    sentStatus: status,
    watermarkMs,
    attempts: update.attempts,
    startedAtMs,
    callMs: nowMs - startedAtMs,
    ...(awsRequestId !== undefined && { awsRequestId }),
  };
  return update.story;
}

/** The message that a call is told of: of the first request that asked for what was sent. */
export function leaderOf(update: Update, sent: Status): Joiner | undefined {
  return update.joined.find(({ request }) => request.newStatus === sent);
}

/** What an update's ending means for one of those who joined it. */
export function outcomeFor(joiner: Joiner, update: Update, ending: Ending): Outcome {
  const call = update.story;
  if (ending.kind === 'stopped' || call === undefined) {
    const cause = ending.kind === 'stopped' ? ending.cause : 'no call was made';
    return { kind: 'deferred', failureKind: 'stopping', cause, ...(call && { call }) };
  }
  switch (ending.kind) {
    case 'applied':
      return applied(joiner, leaderOf(update, call.sentStatus) ?? joiner, call);
    case 'unchanged':
      return { kind: 'unchanged', cause: `the certificate is ${ending.status} already`, call };
    case 'failed':
      return failed(ending.failure, call);
  }
}

function applied(joiner: Joiner, leader: Joiner, call: CallStory): Outcome {
  if (joiner === leader) return { kind: 'applied', call };
  const { messageId } = leader.message;
  return {
    kind: 'covered',
    cause: `joined the call of message ${messageId} before it started`,
    byMessageId: messageId,
    ...(call.awsRequestId !== undefined && { awsRequestId: call.awsRequestId }),
    call,
  };
}

function failed({ kind, name, message }: Failure, call: CallStory): Outcome {
  const cause = `${name}: ${message}`;
  return isTransient(kind) || kind === 'unauthorized'
    ? { kind: 'deferred', failureKind: kind, cause, call }
    : { kind: 'rejected', failureKind: kind, cause, call };
}
