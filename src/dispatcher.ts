// Brings requests to calls: joins them into updates, lets each attempt wait for its slot, tries again
// what is transient, and settles everybody who waits.

import { call, feedbackOf, isTransient, type CallResult, type Certificates } from './call.ts';
import type { Clock, Random } from './clock.ts';
import { decide } from './decision.ts';
import type { Held } from './held.ts';
import type { Lane } from './lane.ts';
import type { Ledger, Proof } from './ledger.ts';
import type { Message } from './message.ts';
import { deferredByBug, type Outcome } from './outcome.ts';
import type { Feedback } from './pace.ts';
import { createPriority } from './priority.ts';
import type { Request } from './request.ts';
import { retry, type Attempt, type RetryPolicy } from './retry.ts';
import type { Throttle } from './throttle.ts';
import {
  beginCall,
  endCall,
  join,
  leaderOf,
  openUpdate,
  outcomeFor,
  type Calling,
  type Ending,
  type Joiner,
  type Update,
} from './update.ts';

export interface DispatcherPorts {
  readonly certificates: Certificates;
  readonly ledger: Ledger;
  readonly held: Pick<Held, 'newestMs'>;
  readonly throttle: Pick<Throttle, 'wake'>;
  readonly clock: Clock;
  readonly random: Random;
  /** From now on no call starts, and what has not started is deferred. */
  readonly stopping: AbortSignal;
  /** Cuts the calls that are still under way. */
  readonly abandon: AbortSignal;
}

export interface Dispatcher {
  /** Waits for what becomes of a request. It does not reject. */
  readonly settle: (request: Request, message: Message) => Promise<Outcome>;
  /** Updates of this lane that still need a call. */
  readonly load: (lane: Lane) => number;
}

/** Transient failures cost a few attempts here before the message goes back to its queue. */
const retryPolicy: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 5000 };

/** Being throttled is no failure of the request, but no update may hold its messages for ever. */
const mostThrottled = 25;

/** Somebody else's operation may come between once or twice; after that, it is the state's fault. */
const mostContested = 3;

type Grant = (release: ((feedback: Feedback) => void) | undefined) => void;

export function createDispatcher(ports: DispatcherPorts): Dispatcher {
  const { certificates, ledger, held, throttle, clock, random, stopping, abandon } = ports;
  const updates = new Map<string, Update>();
  const waiting = createPriority<Update>();
  const grants = new Map<Update, Grant>();
  const loads: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };
  stopping.addEventListener('abort', releaseWaiting, { once: true });

  function settle(request: Request, message: Message): Promise<Outcome> {
    return outcomeOf(request, message).catch(deferredByBug);
  }

  async function outcomeOf(request: Request, message: Message): Promise<Outcome> {
    const decision = decide(request, message.sentAtMs, ledger, updates.get(request.certificateId));
    if (decision.kind === 'covered') return coveredBy(decision.proof);
    return new Promise((resolve) => {
      const joiner: Joiner = { request, message, settle: resolve };
      if (decision.kind === 'open') open(joiner);
      else joinIt(decision.update, joiner);
    });
  }

  function joinIt(update: Update, joiner: Joiner): void {
    const before = update.lane;
    if (!join(update, joiner).promoted) return;
    loads[before]--;
    loads[update.lane]++;
    waiting.promote(update);
  }

  function open(first: Joiner): void {
    const update = openUpdate(first);
    loads[update.lane]++;
    updates.set(update.certificateId, update);
    void drive(update);
  }

  /** Sees an update through to its end, and settles everybody who waits for it. */
  async function drive(update: Update): Promise<void> {
    const tell = await attemptUntilSettled(update).then(
      (ending) => (joiner: Joiner) => outcomeFor(joiner, update, ending),
      (bug: unknown) => () => deferredByBug(bug),
    );
    updates.delete(update.certificateId);
    loads[update.lane]--;
    for (const joiner of update.joined) joiner.settle(tell(joiner));
    // The call may have started before these were sent: either SQS's clock shows that it did not, or
    // they need a call of their own.
    for (const late of update.late) void settle(late.request, late.message).then(late.settle);
  }

  async function attemptUntilSettled(update: Update): Promise<Ending> {
    let throttled = 0;
    let contested = 0;
    async function attempt(): Promise<Attempt<Ending, Ending>> {
      const ending = await attemptInSlot(update);
      if (ending.kind !== 'failed' || !isTransient(ending.failure.kind)) {
        return { kind: 'done', value: ending };
      }
      if (ending.failure.kind === 'contested' && ++contested === mostContested) {
        return {
          kind: 'done',
          value: { kind: 'failed', failure: { ...ending.failure, kind: 'state-conflict' } },
        };
      }
      const free = ending.failure.kind === 'throttled' && ++throttled < mostThrottled;
      return { kind: 'again', why: ending, free };
    }
    const hurry = (): AbortSignal => AbortSignal.any([update.hurry.signal, stopping]);
    const retried = await retry(attempt, retryPolicy, { clock, random, hurry });
    return retried.kind === 'done' ? retried.value : retried.why;
  }

  async function attemptInSlot(update: Update): Promise<Ending> {
    const release = await slotFor(update);
    if (release === undefined) return { kind: 'stopped', cause: stopCause(stopping) };
    let feedback: Feedback = 'failed';
    try {
      const result = await callNow(update);
      feedback = feedbackOf(result);
      return result;
    } finally {
      release(feedback);
    }
  }

  /** A slot, once one fires and no more urgent update waits; undefined when stopping. */
  async function slotFor(update: Update): Promise<((feedback: Feedback) => void) | undefined> {
    if (stopping.aborted) return undefined;
    return new Promise((grant) => {
      grants.set(update, grant);
      waiting.add(update);
      throttle.wake(serve, waiting.mostUrgent);
    });
  }

  function serve(): Promise<Feedback> | undefined {
    const { promise, resolve } = Promise.withResolvers<Feedback>();
    const update = waiting.take();
    if (update === undefined) return undefined;
    grants.get(update)?.(resolve);
    grants.delete(update);
    return promise;
  }

  function releaseWaiting(): void {
    for (const update of waiting.drain()) grants.get(update)?.(undefined);
    grants.clear();
  }

  async function callNow(update: Update): Promise<CallResult> {
    const calling = beginCall(update, held.newestMs(), clock.now());
    const lookFirst = calling.status !== 'REVOKED' && ledger.knowsRevoked(update.certificateId);
    const wanted = { certificateId: update.certificateId, status: calling.status, lookFirst };
    const result = await call(certificates, wanted, abandon);
    endCall(update, calling, result, clock.now());
    const proof = proofOf(update, calling, result);
    if (proof !== undefined) ledger.record(update.certificateId, proof);
    return result;
  }

  return {
    settle,
    load: (lane) => loads[lane],
  };
}

/** What a result proves for requests that we have not received yet. */
function proofOf(update: Update, calling: Calling, result: CallResult): Proof | undefined {
  // INACTIVE that was merely found proves nothing for later: anybody may activate it again.
  if (result.kind === 'failed') return undefined;
  if (result.kind === 'unchanged' && result.status !== 'REVOKED') return undefined;
  const leader = leaderOf(update, calling.status);
  return {
    status: result.kind === 'applied' ? calling.status : result.status,
    watermarkMs: calling.watermarkMs,
    how: result.kind === 'applied' ? 'applied' : 'observed',
    messageId: leader?.message.messageId ?? '',
    ...(result.awsRequestId !== undefined && { awsRequestId: result.awsRequestId }),
  };
}

function coveredBy({ messageId, awsRequestId, how }: Proof): Outcome {
  const cause =
    how === 'applied'
      ? `the call for message ${messageId} started after this was sent`
      : `the certificate was seen REVOKED after this was sent, for message ${messageId}`;
  return {
    kind: 'covered',
    cause,
    byMessageId: messageId,
    ...(awsRequestId !== undefined && { awsRequestId }),
  };
}

function stopCause(stopping: AbortSignal): string {
  return typeof stopping.reason === 'string' ? stopping.reason : 'stopping';
}
