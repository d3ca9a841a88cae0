// Brings requests to calls: joins them into updates, lets each attempt wait for its slot, tries again
// what is transient, and settles everybody who waits.

import type { Brake, Stay } from './brake.ts';
import { call, feedbackOf, isTransient, type CallResult, type Certificates } from './call.ts';
import type { Clock, Random } from './clock.ts';
import { decide } from './decision.ts';
import type { Held } from './held.ts';
import { moreUrgent, type Lane } from './lane.ts';
import { coveredEntryOf, entryOf, proofOf } from './ledger-entry.ts';
import type { Ledger, Proof } from './ledger.ts';
import type { Message } from './message.ts';
import { deferredByBug, type CallStory, type Outcome } from './outcome.ts';
import type { Feedback } from './pace.ts';
import type { Request } from './request.ts';
import { retry, type Attempt, type RetryPolicy } from './retry.ts';
import type { SharedLedger } from './shared-ledger.ts';
import { createSlots } from './slots.ts';
import type { Throttle } from './throttle.ts';
import {
  beginCall,
  endCall,
  hurryOf,
  join,
  openUpdate,
  outcomeFor,
  type Ending,
  type Joiner,
  type Update,
} from './update.ts';

export interface DispatcherPorts {
  readonly certificates: Certificates;
  readonly ledger: Ledger;
  /** What other processes know, if they share it. */
  readonly sharedLedger?: SharedLedger;
  /** Holds lanes that have reached their ceiling, if any has one. */
  readonly brake?: Brake;
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
  /** The outcome of a request that needs no call of its own, if there is a proof that covers it. */
  readonly covered: (request: Request, message: Message) => Promise<Outcome> | undefined;
  /** Updates of this lane that still need a call. */
  readonly load: (lane: Lane) => number;
}

/** Transient failures cost a few attempts here before the message goes back to its queue. */
const retryPolicy: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 5000 };

/** Being throttled is no failure of the request, but no update may hold its messages for ever. */
const mostThrottled = 25;

/**
 * A proof that another process left cannot be newer than what we hold by more than this, ms: somebody
 * wrote it by hand, or a clock was wrong. It covers nothing, but that REVOKED was seen stays known.
 */
const newestProofMs = 300_000;

/** Somebody else's operation may come between once or twice; after that, it is the state's fault. */
const mostContested = 3;

export function createDispatcher(ports: DispatcherPorts): Dispatcher {
  const { certificates, ledger, sharedLedger, brake, held, throttle, clock, random } = ports;
  const { stopping, abandon } = ports;
  const updates = new Map<string, Update>();
  const slots = createSlots<Update>(throttle, stopping);
  const loads: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };

  function settle(request: Request, message: Message): Promise<Outcome> {
    return outcomeOf(request, message).catch(deferredByBug);
  }

  async function outcomeOf(request: Request, message: Message): Promise<Outcome> {
    const decision = decide(request, message, ledger, updates.get(request.certificateId));
    if (decision.kind === 'covered') return coverWith(decision.proof, request, message);
    const stay = brake?.stays(message.lane, request.certificateId);
    if (stay !== undefined) return heldBack(stay);
    return new Promise((resolve) => {
      const joiner: Joiner = { request, message, settle: resolve };
      if (decision.kind === 'open') open(joiner);
      else joinIt(decision.update, joiner);
    });
  }

  async function coverWith(proof: Proof, request: Request, message: Message): Promise<Outcome> {
    await sharedLedger?.recordCovered(coveredEntryOf({ request, message }, proof));
    return coveredBy(proof);
  }

  function joinIt(update: Update, joiner: Joiner): void {
    const before = update.lane;
    if (!join(update, joiner).promoted) return;
    loads[before]--;
    loads[update.lane]++;
    slots.promote(update);
  }

  function open(first: Joiner): void {
    const update = openUpdate(first);
    loads[update.lane]++;
    updates.set(update.certificateId, update);
    void drive(update);
  }

  /** Sees an update through to its end, and settles everybody who waits for it. */
  async function drive(update: Update): Promise<void> {
    const tell = await endOf(update).then(
      (ending) => ending && ((joiner: Joiner) => outcomeFor(joiner, update, ending)),
      (bug: unknown) => () => deferredByBug(bug),
    );
    if (tell === undefined) return;
    close(update);
    for (const joiner of update.joined) joiner.settle(tell(joiner));
    // The call may have started before these were sent: either SQS's clock shows that it did not, or
    // they need a call of their own.
    for (const late of update.late) void settle(late.request, late.message).then(late.settle);
  }

  /** Whoever was urgent and has left takes the urgency along. */
  function rankAgain(update: Update): void {
    const present = [...update.joined, ...update.late].map(({ message }) => message.lane);
    if (present.length === 0) return;
    loads[update.lane]--;
    update.lane = present.reduce(moreUrgent);
    loads[update.lane]++;
  }

  function close(update: Update): void {
    updates.delete(update.certificateId);
    loads[update.lane]--;
  }

  /** Settles those whom another process has served already, and closes an update that nobody needs. */
  async function recall(update: Update, shared: SharedLedger): Promise<void> {
    for (const proof of await shared.recall(update.certificateId)) {
      const isSound = proof.watermarkMs < held.newestMs() + newestProofMs;
      ledger.record(update.certificateId, isSound ? proof : withoutForce(proof));
    }
    const served = update.joined.filter(({ request, message }) => {
      return decide(request, message, ledger, update).kind === 'covered';
    });
    update.joined = update.joined.filter((joiner) => !served.includes(joiner));
    rankAgain(update);
    // At once: whoever came now would join an update that no longer has a call.
    if (update.joined.length === 0) close(update);
    for (const { request, message, settle: tell } of served) {
      void settle(request, message).then(tell);
    }
  }

  /** Undefined if nobody needs the update any more; then it is closed. */
  async function endOf(update: Update): Promise<Ending | undefined> {
    if (sharedLedger !== undefined) await recall(update, sharedLedger);
    if (update.joined.length === 0) return undefined;
    const ending = await attemptUntilSettled(update);
    const entry = sharedLedger && ending && entryOf(update, ending);
    // Before the messages are deleted: what is gone from the queues is known to all.
    if (entry !== undefined) await sharedLedger?.record(entry);
    return ending;
  }

  /** Undefined if nobody needs the update any more; then it is closed. */
  async function attemptUntilSettled(update: Update): Promise<Ending | undefined> {
    let throttled = 0;
    let contested = 0;
    async function attempt(): Promise<Attempt<Ending | undefined, Ending>> {
      const ending = await attemptInSlot(update);
      if (ending?.kind !== 'failed' || !isTransient(ending.failure.kind)) {
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
    const hurry = (): AbortSignal => AbortSignal.any([hurryOf(update), stopping]);
    const retried = await retry(attempt, retryPolicy, { clock, random, hurry });
    return retried.kind === 'done' ? retried.value : retried.why;
  }

  async function attemptInSlot(update: Update): Promise<Ending | undefined> {
    const release = await slots.take(update);
    if (release === undefined) return { kind: 'stopped', cause: stopCause(stopping) };
    let feedback: Feedback = 'failed';
    try {
      const stays = new Map<Lane, Stay | undefined>();
      if (brake !== undefined) {
        for (let lane = undecided(update, stays); lane !== undefined;) {
          stays.set(lane, await brake.admit(lane, update.certificateId));
          lane = undecided(update, stays);
        }
      }
      if (stopping.aborted) return { kind: 'stopped', cause: stopCause(stopping) };
      // From here to the call nothing is waited for: who joined meanwhile would go unasked.
      if (!passes(update, stays)) return undefined;
      const result = await callNow(update);
      feedback = feedbackOf(result);
      return result;
    } finally {
      release(feedback);
    }
  }

  /**
   * Lets those go on whose lanes are not held, and closes the update if there are none: no call is made
   * for somebody's sake who may not have it, nor a stronger one.
   */
  function passes(update: Update, stays: ReadonlyMap<Lane, Stay | undefined>): boolean {
    const isHeld = ({ message }: Joiner): boolean => stays.get(message.lane) !== undefined;
    const all = [...update.joined, ...update.late];
    update.joined = update.joined.filter((joiner) => !isHeld(joiner));
    update.late = update.late.filter((joiner) => !isHeld(joiner));
    rankAgain(update);
    const isNeeded = update.joined.length + update.late.length > 0;
    if (!isNeeded) close(update);
    for (const { message, settle: tell } of all) {
      const stay = stays.get(message.lane);
      if (stay !== undefined) tell(heldBack(stay, update.story));
    }
    return isNeeded;
  }

  async function callNow(update: Update): Promise<CallResult> {
    const calling = beginCall(update, held.newestMs(), clock.now());
    const lookFirst =
      (calling.status !== 'REVOKED' && ledger.knowsRevoked(update.certificateId)) ||
      update.joined.every(mayBeOurDoing);
    const wanted = { certificateId: update.certificateId, status: calling.status, lookFirst };
    const result = await call(certificates, wanted, abandon);
    endCall(update, calling, result, clock.now());
    const proof = proofOf(update, result);
    if (proof !== undefined) ledger.record(update.certificateId, proof);
    return result;
  }

  return {
    settle,
    covered: (request, message) => {
      const decision = decide(request, message, ledger, undefined);
      return decision.kind === 'covered'
        ? coverWith(decision.proof, request, message).catch(deferredByBug)
        : undefined;
    },
    load: (lane) => loads[lane],
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

/** A lane among those who wait that the brake has not been asked for. */
function undecided(
  { joined, late }: Update,
  stays: ReadonlyMap<Lane, Stay | undefined>,
): Lane | undefined {
  return [...joined, ...late].find(({ message }) => !stays.has(message.lane))?.message.lane;
}

function heldBack({ cause }: Stay, call?: CallStory): Outcome {
  return { kind: 'deferred', failureKind: 'brake', cause, ...(call && { call }) };
}

/**
 * An audit finds what it found at its start, also what we have taken out of service since: it must not
 * make us do it again.
 */
function mayBeOurDoing({ request }: Joiner): boolean {
  return request.origin?.format === 'device-defender-audit';
}

/** It covers nobody, and yet it is remembered that the certificate was seen REVOKED. */
function withoutForce(proof: Proof): Proof {
  return { ...proof, watermarkMs: -Infinity, messageId: '' };
}

function stopCause(stopping: AbortSignal): string {
  return typeof stopping.reason === 'string' ? stopping.reason : 'stopping';
}
