// Holds a history against the promises (DESIGN.md). Written apart from the pipeline: it knows what was
// sent, handed out, called, answered and deleted, and nothing of how the pipeline decides.

import { lanes, type Lane } from '../../src/lane.ts';
import { acknowledgementOf } from '../helpers/contract.ts';
import {
  aMessageWaitsForAll,
  dryRunsCallNothing,
  expansionsDoNotMultiply,
  expansionsLoseNothing,
  isRefusedByPolicy,
  names,
  noAlertExceedsPolicy,
  theCeilingHolds,
} from './alert-checker.ts';
import {
  extensionSeconds,
  factsOf,
  keyOf,
  satisfies,
  type Call,
  type Delivery,
  type Facts,
  type Found,
  type Of,
} from './facts.ts';
import type { History, Timed } from './history.ts';

export interface Violation {
  /** The function below that found it. */
  readonly promise: string;
  /** What is wrong, for a person. */
  readonly text: string;
  /** Where in the history. */
  readonly at: number;
}

/** Every violation of every promise. */
export function check(history: History): readonly Violation[] {
  const facts = factsOf(history);
  return Object.entries(promises).flatMap(([promise, find]) =>
    find(facts).map(([at, text]) => ({ promise, text, at })),
  );
}

export const promises: Readonly<Record<string, (facts: Facts) => readonly Found[]>> = {
  deletedOnlyAfterCoverage,
  nothingIsLost,
  endsAsAsked,
  nothingIsWeakened,
  nothingIsOverdone,
  everyCallTakesASlot,
  slotsKeepToTheRate,
  throttlingSlowsDown,
  theUrgentGoesFirst,
  rotationMoves,
  lettersAreDeserved,
  oneLetterEach,
  oneCallAtATime,
  oneAcknowledgementEach,
  oneEventEach,
  eventsTellTheTruth,
  stopsInTime,
  nothingIsHeldAfterAStop,
  aQuietStopSettlesAll,
  nothingStartsAfterAStop,
  whatIsHeldStaysHidden,
  whatIsGivenBackStaysVisible,
  answersBeforeTheDeadline,
  noBugs,
  theCeilingHolds,
  noAlertExceedsPolicy,
  dryRunsCallNothing,
  aMessageWaitsForAll,
  expansionsLoseNothing,
  expansionsDoNotMultiply,
};

// Promises 1 and 2: nothing is lost, nothing is swallowed.

/**
 * Whoever deletes a message has heard of a success that covers it: for the same certificate, of the
 * same or a stronger status, and started after the message was sent; or it has put it into the
 * dead-letter queue.
 */
function deletedOnlyAfterCoverage(facts: Facts): readonly Found[] {
  const { of, sent, callsFor, history } = facts;
  const letters = Map.groupBy(of('letter'), ({ messageId }) => messageId);
  return of('delete asked').flatMap(({ at, process, messageId }): readonly Found[] => {
    const letter = letters.get(messageId)?.find((one) => one.at < at && one.process === process);
    if (letter !== undefined) return [];
    const message = sent.get(messageId);
    const { ask, wide, isIdle } = message ?? {};
    // alert-checker.ts judges those that name several.
    if (wide !== undefined || isIdle === true) return [];
    if (message === undefined || ask === undefined) {
      return [
        [at, `${process} deletes ${messageId}, which asks for nothing, without a dead letter`],
      ];
    }
    const covering = callsFor
      .get(ask.certificateId)
      ?.find(
        (call) =>
          call.at > message.at &&
          call.answeredAt < at &&
          satisfies(call.proves, ask.status) &&
          (history.sharesLedger || call.process === process),
      );
    return covering === undefined
      ? [[at, `${process} deletes ${messageId}, sent at #${message.at}, and no success covers it`]]
      : [];
  });
}

/** Once all is well, every message is served, or lies in the dead-letter queue. */
function nothingIsLost({ of }: Facts): readonly Found[] {
  return of('ended').flatMap(({ at, left }) =>
    left.map((messageId): Found => [
      at,
      `${messageId} still is in its queue, hours after all was well`,
    ]),
  );
}

/**
 * What was deleted without a dead letter has come true: between its sending and its delete the
 * certificate was in the status (at least); and if no third party came after the call that covers it,
 * it still is.
 */
function endsAsAsked({ of, sent, callsFor, history }: Facts): readonly Found[] {
  const changes = Map.groupBy(
    [...of('effect'), ...of('third party')].sort((a, b) => a.at - b.at),
    ({ certificateId }) => certificateId,
  );
  const lettered = new Set(of('letter').map(({ messageId }) => messageId));
  return of('deleted').flatMap(({ at, messageId }): readonly Found[] => {
    const message = sent.get(messageId);
    if (message?.ask === undefined || lettered.has(messageId)) return [];
    const { certificateId, status } = message.ask;
    const all = changes.get(certificateId) ?? [];
    const first = history.statuses.get(certificateId);
    const before = all.findLast((change) => change.at < message.at)?.to ?? first;
    const during = all.filter((change) => change.at > message.at && change.at < at);
    if (![before, ...during.map(({ to }) => to)].some((seen) => satisfies(seen, status))) {
      return [[at, `${messageId} is deleted, and its certificate has not been ${status} since it was sent`]]; // prettier-ignore
    }
    const covering = callsFor
      .get(certificateId)
      ?.findLast((call) => call.answeredAt < at && satisfies(call.proves, status));
    const coveredAt = Math.max(message.at, covering?.at ?? 0);
    const isDisturbed = all.some(
      (change) => change.kind === 'third party' && change.at > coveredAt,
    );
    const last = all.at(-1)?.to ?? first;
    return isDisturbed || satisfies(last, status)
      ? []
      : [
          [
            at,
            `${messageId} is deleted, nobody else came, and its certificate ends ${String(last)}`,
          ],
        ];
  });
}

// Promise 3: nothing is weakened.

/** So many failures in a row may have ended the update that a message had joined. */
const mostFailures = 5;

/**
 * No INACTIVE is sent while a message that asks for REVOKED is in hand, and none after REVOKED was
 * seen, unless a look in between has shown otherwise.
 */
function nothingIsWeakened({
  calls,
  callsFor,
  deliveries,
  sent,
  history,
}: Facts): readonly Found[] {
  const revocations = Map.groupBy(
    deliveries.filter(({ ask, isPlain }) => ask?.status === 'REVOKED' && isPlain),
    ({ process, ask }) => `${process} ${ask?.certificateId}`,
  );
  return calls.flatMap((call): readonly Found[] => {
    if (call.status !== 'INACTIVE') return [];
    const { process, certificateId } = call;
    const mine = (callsFor.get(certificateId) ?? []).filter((other) => other.process === process);
    const at = attemptOf(call, mine).at;
    const known = mine.findLast((other) => other.answeredAt < at && other.proves !== undefined);
    if (known?.proves === 'REVOKED' && !history.forgets) {
      return [
        [call.at, `${process} sends INACTIVE, though it knew at #${known.answeredAt} of REVOKED`],
      ];
    }
    const unheard = revocations.get(`${process} ${certificateId}`)?.find((delivery) => {
      if (delivery.at > at || delivery.acknowledgedAt < at) return false;
      const sentAt = sent.get(delivery.messageId)?.at ?? 0;
      const isCovered = (callsFor.get(certificateId) ?? []).some(
        (other) =>
          (history.sharesLedger || other.process === process) &&
          other.at > sentAt &&
          other.answeredAt < at &&
          other.proves === 'REVOKED',
      );
      if (isCovered) return false;
      const since = mine.filter((other) => other.at > delivery.at && other.answeredAt < at);
      if (since.some(({ answer }) => answer !== undefined && isFinal(answer.as))) return false;
      return since.length === 0 || failuresBefore(call, mine) < mostFailures;
    });
    return unheard === undefined
      ? []
      : [
          [
            call.at,
            `${process} sends INACTIVE while it holds ${unheard.messageId}, which asks for REVOKED`,
          ],
        ];
  });
}

/** Where the attempt began: a look may have come first. */
function attemptOf(call: Call, mine: readonly Call[]): Call {
  const before = mine.findLast((other) => other.at < call.at);
  const isLook = before?.operation === 'describe' && before.answer?.atMs === call.atMs;
  return isLook ? before : call;
}

/** How many of a process's updates have failed before this one, since one succeeded. */
function failuresBefore({ at }: Call, mine: readonly Call[]): number {
  const before = mine.filter((other) => other.at < at && other.operation === 'update');
  return before.length - 1 - before.findLastIndex(({ proves }) => proves !== undefined);
}

/** Whether an answer ends the update: nobody tries again at once. */
function isFinal(as: string): boolean {
  return ['unauthorized', 'not-found', 'invalid-request', 'state-conflict'].includes(as);
}

/** No status is sent that nobody in hand asks for. */
function nothingIsOverdone({ calls, deliveriesTo, members }: Facts): readonly Found[] {
  return calls.flatMap(({ at, process, certificateId, status }): readonly Found[] => {
    if (status === undefined) return [];
    const isAsked = (deliveriesTo.get(process) ?? []).some(
      (delivery) =>
        delivery.at < at &&
        delivery.acknowledgedAt > at &&
        (delivery.wish.ask ?? delivery.wish.wide)?.status === status &&
        names(delivery, certificateId, at, members),
    );
    return isAsked ? [] : [[at, `${process} sends ${status}, and holds nobody who asks for it`]];
  });
}

// Promise 4: the quota is one.

/** No process has started more attempts than it has taken slots. */
function everyCallTakesASlot({ of, calls, callsFor }: Facts): readonly Found[] {
  const balance = new Map<string, number>();
  const attempts = calls.filter((call) => !isFollowUp(call, callsFor));
  const events = [...of('slot'), ...attempts].sort((a, b) => a.at - b.at);
  return events.flatMap(({ kind, process, at }): readonly Found[] => {
    const left = (balance.get(process) ?? 0) + (kind === 'slot' ? 1 : -1);
    balance.set(process, left);
    return left < 0 ? [[at, `${process} calls without a slot`]] : [];
  });
}

/** Whether a call belongs to an attempt: a look after an update, or an update after a look. */
function isFollowUp(call: Call, callsFor: Facts['callsFor']): boolean {
  const { at, atMs, process, certificateId, operation } = call;
  const before = callsFor
    .get(certificateId)
    ?.findLast((other) => other.at < at && other.process === process);
  return before?.answer?.atMs === atMs && before.operation !== operation;
}

/**
 * In any stretch of time a process takes at most `burst` slots and its rate times that time: none is
 * early against any before it (GCRA).
 */
function slotsKeepToTheRate({ of, processes }: Facts): readonly Found[] {
  const earliestMs = new Map<string, number>();
  return of('slot').flatMap(({ process, atMs, at }): readonly Found[] => {
    const { rate = 1, burst = 1 } = processes.get(process) ?? {};
    const earliest = earliestMs.get(process) ?? -Infinity;
    earliestMs.set(process, Math.max(earliest, atMs) + 1000 / rate);
    const early = earliest - ((burst - 1) * 1000) / rate - atMs;
    // Timers count whole milliseconds.
    return early > 1.1 ? [[at, `${process} takes a slot ${early.toFixed(1)} ms early`]] : [];
  });
}

/** After a throttled call the process rests, ms (src/pace.ts), … */
const restMs = 300;

/** … unless the call was under way already when it did so the last time; no attempt lasts longer, ms. */
const longestAttemptMs = 12_000;

function throttlingSlowsDown({ of, calls, processes }: Facts): readonly Found[] {
  const slots = Map.groupBy(of('slot'), ({ process }) => process);
  const reactedMs = new Map<string, number>();
  const throttled = calls.filter(
    ({ operation, answer }) => operation === 'update' && answer?.as === 'throttled',
  );
  const inOrder = throttled.sort((a, b) => a.answeredAt - b.answeredAt);
  return inOrder.flatMap(({ process, answer }): readonly Found[] => {
    if (answer === undefined || processes.get(process)?.adapts !== true) return [];
    const last = reactedMs.get(process) ?? -Infinity;
    reactedMs.set(process, answer.atMs);
    if (answer.atMs - longestAttemptMs < last) return [];
    const early = slots
      .get(process)
      ?.find(({ at, atMs }) => at > answer.at && atMs < answer.atMs + restMs - 1);
    return early === undefined
      ? []
      : [
          [
            early.at,
            `${process} takes a slot ${early.atMs - answer.atMs} ms after it was throttled`,
          ],
        ];
  });
}

// Promise 5: the urgent goes first.

interface PassedOver {
  readonly certificateId: string;
  readonly least: Lane;
  readonly most: Lane;
}

interface Turn {
  readonly process: string;
  readonly at: number;
  /** The most urgent lane of all that can have joined what the slot served. */
  readonly lane: Lane;
  /** The lane that it certainly had; undefined if nothing is sure. */
  readonly sureLane: Lane | undefined;
  /** The other certificates that certainly waited for a slot: the least and the most urgent that each can be. */
  readonly passedOver: readonly PassedOver[];
}

function theUrgentGoesFirst(facts: Facts): readonly Found[] {
  const sinceRotation = new Map<string, number>();
  return turnsOf(facts).flatMap(({ process, at, lane, sureLane, passedOver }): readonly Found[] => {
    const since = sinceRotation.get(process) ?? 0;
    sinceRotation.set(process, lane === 'rotation' ? 0 : since + 1);
    const mayBeRotation = sureLane === undefined || sureLane === 'rotation';
    if (mayBeRotation && since >= floorEvery - 1) return [];
    const before = passedOver.find(({ least }) => lanes.indexOf(least) < lanes.indexOf(lane));
    return before === undefined
      ? []
      : [
          [
            at,
            `${process} serves ${lane} with this slot, and ${before.least} waits for ${before.certificateId}`,
          ],
        ];
  });
}

/** Of so many slots, rotation gets one while it waits. */
const floorEvery = 10;

function rotationMoves(facts: Facts): readonly Found[] {
  const waits = new Map<string, number>();
  return turnsOf(facts).flatMap(({ process, at, sureLane, passedOver }): readonly Found[] => {
    const isUrgent = sureLane !== undefined && sureLane !== 'rotation';
    const isPassedOver = isUrgent && passedOver.some(({ most }) => most === 'rotation');
    const slots = isPassedOver ? (waits.get(process) ?? 0) + 1 : 0;
    waits.set(process, slots);
    return slots === floorEvery + 1
      ? [[at, `${process} has passed rotation over for ${slots} slots`]]
      : [];
  });
}

/** What is known from outside of a certificate that a process has requests for. */
interface Use {
  /** Those that no success serves yet, for sure. */
  sure: Delivery[];
  /** Those that may be served or given up. */
  maybe: Delivery[];
  /** `free`: who is sure waits for a slot. `unsure`: it may back off. */
  state: 'free' | 'calling' | 'unsure';
  throttled: number;
  /** Where the attempt began that is, or was last. */
  attemptAt: number;
  /** When its last answer came. */
  answeredMs: number;
}

/** An update asks the shared ledger before it waits for its first slot, for up to this, ms, … */
const longestRecallMs = 300;

/** … and tells it after its last call before it is over, for up to this, ms. */
const longestRecordMs = 1000;

/** So often, in all, an update that was throttled waits for its next slot at once. */
const freelyThrottled = 20;

/** What each slot was used for, and for whom else it could have been. */
function turnsOf(facts: Facts): readonly Turn[] {
  const { history, calls, deliveries } = facts;
  // Between a slot and its call the brake may ask its table.
  if (history.account.hasCeilings) return [];
  const uses = new Map<string, Map<string, Use>>();
  const callAt = new Map(calls.map((call) => [call.at, call]));
  const answeredAt = new Map(calls.map((call) => [call.answeredAt, call]));
  const deliveredAt = new Map(deliveries.map((delivery) => [delivery.at, delivery]));
  const turns: Turn[] = [];
  const thawedMs = new Map<string, number>();
  /** Processes that have a slot: their next call is what it serves; others belong to an attempt. */
  const slotted = new Set<string>();

  function useOf(process: string, certificateId: string): Use {
    const mine = uses.get(process) ?? new Map<string, Use>();
    uses.set(process, mine);
    const use: Use = mine.get(certificateId) ?? {
      sure: [],
      maybe: [],
      state: 'free',
      throttled: 0,
      attemptAt: -1,
      answeredMs: 0,
    };
    mine.set(certificateId, use);
    return use;
  }

  for (const { at, atMs, kind, ...happening } of history.happenings as readonly Of<
    Timed['kind']
  >[]) {
    const delivery = deliveredAt.get(at);
    if (delivery !== undefined) {
      for (const certificateId of namedBy(delivery, facts)) {
        const use = useOf(delivery.process, certificateId);
        const waits = delivery.isPlain && !mayBeCovered(facts, delivery, certificateId);
        (waits ? use.sure : use.maybe).push(delivery);
      }
    }
    const call = callAt.get(at);
    if (call !== undefined) {
      const use = useOf(call.process, call.certificateId);
      if (slotted.delete(call.process)) {
        const thawed = thawedMs.get(call.process) ?? 0;
        const others = call.atMs < thawed + longestRecallMs ? [] : (uses.get(call.process) ?? []);
        turns.push(turnOf(call, use, others, history.sharesLedger ? longestRecallMs : 0));
        use.attemptAt = at;
      }
      use.state = 'calling';
    }
    const answered = answeredAt.get(at);
    if (answered !== undefined)
      afterAnswer(useOf(answered.process, answered.certificateId), answered);
    if (!('process' in happening)) continue;
    if (kind === 'slot') slotted.add(happening.process);
    if (kind === 'thawed') thawedMs.set(happening.process, atMs);
    if (kind === 'stop' || kind === 'responded') uses.delete(happening.process);
  }
  return turns;
}

/** All certificates that it may name. */
function namedBy({ wish: { ask, wide } }: Delivery, { members }: Facts): readonly string[] {
  if (ask !== undefined) return [ask.certificateId];
  return wide === undefined ? [] : members.everIn(wide.group);
}

/** Whether a success that the process may know of may cover it. */
function mayBeCovered(
  { history, callsFor, sent }: Facts,
  delivery: Delivery,
  certificateId: string,
): boolean {
  const sentAt = sent.get(delivery.messageId)?.at ?? 0;
  return (callsFor.get(certificateId) ?? []).some(
    (call) =>
      (history.sharesLedger || call.process === delivery.process) &&
      call.at > sentAt &&
      call.answeredAt <= delivery.at &&
      call.proves !== undefined,
  );
}

function afterAnswer(use: Use, call: Call): void {
  const { operation, answer } = call;
  const as = answer?.as ?? '';
  use.answeredMs = answer?.atMs ?? 0;
  const isServed = as === 'updated' || call.proves === 'REVOKED';
  const isThrottled = as === 'throttled' && operation === 'update';
  if (isServed || isFinal(as)) use.throttled = 0;
  if (isThrottled && ++use.throttled < freelyThrottled) {
    use.state = 'free';
    return;
  }
  use.state = isServed ? 'free' : 'unsure';
  // What is still being looked up is not served yet.
  use.maybe = [...use.maybe, ...use.sure].filter(
    ({ at, isPlain }) => !isServed || !isPlain || at > use.attemptAt,
  );
  use.sure = [];
}

function turnOf(
  { process, at, atMs, certificateId }: Call,
  use: Use,
  uses: Iterable<readonly [string, Use]>,
  recallMs: number,
): Turn {
  const passedOver = [...uses]
    .filter(([id, other]) => id !== certificateId && waitsForSure(other, at, atMs, recallMs))
    .map(([id, { sure, maybe }]): PassedOver => {
      return { certificateId: id, least: mostUrgent(sure), most: mostUrgent([...sure, ...maybe]) };
    });
  const stillThere = use.maybe.filter((one) => one.acknowledgedAt > at);
  return {
    process,
    at,
    lane: mostUrgent([...use.sure, ...stillThere]),
    sureLane: use.sure.length === 0 ? undefined : mostUrgent(use.sure),
    passedOver,
  };
}

/** Whether it certainly waits for a slot, and is done with the shared ledger. */
function waitsForSure(use: Use, at: number, atMs: number, recallMs: number): boolean {
  const { state, sure, answeredMs } = use;
  const recordMs = recallMs === 0 ? 0 : longestRecordMs;
  return (
    state === 'free' &&
    answeredMs <= atMs - recordMs - recallMs &&
    sure.length > 0 &&
    sure.every((one) => one.acknowledgedAt > at && one.atMs <= atMs - recallMs)
  );
}

function mostUrgent(deliveries: readonly Delivery[]): Lane {
  return lanes.find((lane) => deliveries.some((one) => one.lane === lane)) ?? 'incident';
}

// Promise 6: bad input is answered.

/** What may be refused for good, of what the plan says asks for something that we may do. */
const refusals: ReadonlySet<string> = new Set(['not-found', 'invalid-request', 'state-conflict']);

/** A dead letter says why, keeps the body, and is no request that could still be served. */
function lettersAreDeserved(facts: Facts): readonly Found[] {
  const { of, sent, callsFor } = facts;
  return of('letter').flatMap(({ at, process, messageId, failureKind, reason, untouched }) => {
    const message = sent.get(messageId);
    if (message === undefined)
      return [[at, `a dead letter of ${messageId}, which nobody has sent`]];
    if (reason === '' || failureKind === '')
      return [[at, `${messageId} is dead-lettered without a reason`]];
    if (!untouched) return [[at, `the dead letter of ${messageId} has another body`]];
    const { ask, wide } = message;
    if (wide === undefined && ask === undefined) return [];
    const named = ask === undefined ? facts.members.everIn(wide?.group ?? '') : [ask.certificateId];
    const said = named.some((id) =>
      (callsFor.get(id) ?? []).some(
        (call) =>
          call.process === process && call.answeredAt < at && refusals.has(call.answer?.as ?? ''),
      ),
    );
    return (said && refusals.has(failureKind)) ||
      isRefusedByPolicy(facts, { at, messageId, process, failureKind })
      ? []
      : [[at, `${process} dead-letters ${messageId} as ${failureKind}; it could still be served`]];
  });
}

/** Who knows that a letter has arrived writes no other for the same delivery. */
function oneLetterEach({ of, deliveriesTo }: Facts): readonly Found[] {
  const known = new Map<string, number>();
  return of('letter answered').flatMap(({ at, process, messageId, taken }): readonly Found[] => {
    if (!taken) return [];
    const key = `${process} ${messageId}`;
    const letters = (known.get(key) ?? 0) + 1;
    known.set(key, letters);
    const received = (deliveriesTo.get(process) ?? []).filter(
      (delivery) => delivery.messageId === messageId && delivery.at < at,
    );
    return letters > received.length
      ? [[at, `${process} dead-letters ${messageId} for the ${letters}. time`]]
      : [];
  });
}

// Joining: duplicates cost no call.

/** A process has one call at a time out for a certificate. */
function oneCallAtATime({ callsFor }: Facts): readonly Found[] {
  return [...callsFor.values()].flatMap((calls) => {
    const outUntil = new Map<string, number>();
    return calls.flatMap(({ process, at, answeredAt, certificateId }): readonly Found[] => {
      const until = outUntil.get(process) ?? -1;
      outUntil.set(process, Math.max(until, answeredAt));
      return until > at ? [[at, `${process} calls for ${certificateId} while a call is out`]] : [];
    });
  });
}

// Promise 7: one line tells the story.

/** What was deleted is not given back as well. */
function oneAcknowledgementEach({ of }: Facts): readonly Found[] {
  const deleted = new Set(of('delete asked').map(keyOf));
  return of('hide asked').flatMap((asked): readonly Found[] =>
    asked.seconds !== extensionSeconds && deleted.has(keyOf(asked))
      ? [[asked.at, `${asked.process} both deletes ${asked.receipt} and gives it back`]]
      : [],
  );
}

function eventKey(process: string, messageId: string, receiveCount: number): string {
  return `${process} ${messageId}#${receiveCount}`;
}

/** A delivery has one event, and none goes without where the process ended in good order. */
function oneEventEach({ of, deliveries }: Facts): readonly Found[] {
  const events = Map.groupBy(of('event'), ({ process, messageId, receiveCount }) =>
    eventKey(process, messageId, receiveCount),
  );
  const settledAll = new Set(
    of('stopped').flatMap(({ process, unsettled }) => (unsettled === 0 ? [process] : [])),
  );
  return deliveries.flatMap((delivery): readonly Found[] => {
    const count = events.get(keyOf(delivery))?.length ?? 0;
    if (count > 1) return [[delivery.at, `${delivery.receipt} has ${count} events`]];
    return count === 0 && settledAll.has(delivery.process)
      ? [[delivery.at, `${delivery.receipt} has no event, and ${delivery.process} has settled all`]]
      : [];
  });
}

/** The acknowledgement follows from the outcome, and "acknowledged" means that the queue said yes. */
function eventsTellTheTruth({ of, processes }: Facts): readonly Found[] {
  const taken = {
    delete: answersOf(of('delete answered')),
    retry: answersOf(of('hide answered')),
  };
  return of('event').flatMap((event): readonly Found[] => {
    const { at, process, messageId, receiveCount, outcome, acknowledgement, acknowledged } = event;
    const key = eventKey(process, messageId, receiveCount);
    if (acknowledgementOf[outcome] !== acknowledgement) {
      return [[at, `${key}: ${outcome} is acknowledged by ${acknowledgement}`]];
    }
    if (!acknowledged) return [];
    const isLambda = processes.get(process)?.runtime === 'lambda';
    if (isLambda && acknowledgement !== 'retry') return []; // the service deletes after the answer
    const by = acknowledgement === 'retry' ? taken.retry : taken.delete;
    return (by.get(key) ?? Infinity) < at
      ? []
      : [[at, `${key}: acknowledged by ${acknowledgement}, and the queue has not said yes`]];
  });
}

/** When each receipt's request was first taken. */
function answersOf(
  answers: readonly (Of<'delete answered'> | Of<'hide answered'>)[],
): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const answer of answers) {
    if (answer.taken && !first.has(keyOf(answer))) first.set(keyOf(answer), answer.at);
  }
  return first;
}

// Stops.

/** How much later than promised a stop may seem to be over, ms: frozen time does not count. */
function stopsInTime({ of, history }: Facts): readonly Found[] {
  const stopped = new Map(of('stopped').map((one) => [one.process, one]));
  const crashed = new Set(of('crashed').map(({ process }) => process));
  const frozen = new Set(of('frozen').map(({ process }) => process));
  const endMs = history.happenings.at(-1)?.atMs ?? 0;
  return of('stop').flatMap(({ at, atMs, process, timeoutMs }): readonly Found[] => {
    if (crashed.has(process) || frozen.has(process)) return [];
    const tookMs = (stopped.get(process)?.atMs ?? endMs) - atMs;
    return tookMs > timeoutMs + 1 || !stopped.has(process)
      ? [[at, `${process} takes ${tookMs} ms to stop; ${timeoutMs} ms are promised`]]
      : [];
  });
}

/** A worker that has stopped has told the queue about each message that it does not report as unsettled. */
function nothingIsHeldAfterAStop({ of, deliveriesTo }: Facts): readonly Found[] {
  return of('stopped').flatMap(({ at, process, unsettled }): readonly Found[] => {
    const held = (deliveriesTo.get(process) ?? []).filter(
      ({ acknowledgedAt }) => acknowledgedAt > at,
    );
    const quiet = held.filter(({ receipt }) => !isRetriedFor(of, process, receipt));
    return quiet.length > unsettled
      ? [[at, `${process} has stopped with ${unsettled} unsettled, and holds ${quiet.map(({ receipt }) => receipt).join(', ')}`]] // prettier-ignore
      : [];
  });
}

/** Whether it was put off by just as many seconds as an extension hides, or its letter is written. */
function isRetriedFor(of: Facts['of'], process: string, receipt: string): boolean {
  return of('event').some(
    (event) =>
      eventKey(event.process, event.messageId, event.receiveCount) === `${process} ${receipt}`,
  );
}

/** What was lost while something was out of order is waited for so long, ms. */
const longestAnswerMs = 8000;

/** Where nothing is out of order, a stop leaves nothing unsettled. */
function aQuietStopSettlesAll({ of }: Facts): readonly Found[] {
  const stops = new Map(of('stop').map((stop) => [stop.process, stop]));
  const disturbed = [...of('frozen'), ...of('jumped')];
  return of('stopped').flatMap(({ at, process, unsettled }): readonly Found[] => {
    const stop = stops.get(process);
    if (stop === undefined || unsettled === 0) return [];
    const isQuiet =
      activeFaults(of, stop.at) === 0 &&
      !of('mended').some((mended) => isNear(mended, stop, longestAnswerMs)) &&
      !of('fault').some((fault) => fault.at > stop.at && fault.at < at) &&
      !disturbed.some((one) => one.process === process);
    return isQuiet
      ? [[at, `${process} stops with ${unsettled} unsettled, and nothing was in its way`]]
      : [];
  });
}

/** How many troubles last at a place of the history. */
function activeFaults(of: Facts['of'], at: number): number {
  const active = new Set<string>();
  for (const { kind, fault } of [...of('fault'), ...of('mended')]
    .filter((one) => one.at < at)
    .sort((a, b) => a.at - b.at)) {
    if (kind === 'fault') active.add(fault);
    else active.delete(fault);
  }
  return active.size;
}

/** Once told to stop, a process starts no attempt; what has not started goes back at once. */
function nothingStartsAfterAStop({ of, calls }: Facts): readonly Found[] {
  const stops = new Map(of('stop').map(({ process, at }) => [process, at]));
  const looking = new Set<string>();
  const late = calls.flatMap((call): readonly Found[] => {
    const key = `${call.process} ${call.certificateId}`;
    const isFollowUp = looking.delete(key);
    const stoppedAt = stops.get(call.process) ?? Infinity;
    const isAttempt = !isFollowUp || call.operation === 'update';
    looking.add(key);
    return call.at > stoppedAt && isAttempt && !startedBefore(call, stoppedAt, calls)
      ? [[call.at, `${call.process} starts a call after it was told to stop`]]
      : [];
  });
  const slow = of('event').flatMap(({ at, process, messageId, failureKind, retryAfterSeconds }) =>
    (failureKind === 'stopping') === (retryAfterSeconds === 0)
      ? []
      : [
          [
            at,
            `${process} gives ${messageId} (${failureKind}) back after ${retryAfterSeconds} s`,
          ] as Found,
        ],
  );
  return [...late, ...slow];
}

/** Whether a call belongs to an attempt that began before the stop: a look, or an update after one. */
function startedBefore(call: Call, stoppedAt: number, calls: readonly Call[]): boolean {
  const before = calls.findLast(
    (other) =>
      other.process === call.process &&
      other.certificateId === call.certificateId &&
      other.at < call.at,
  );
  if (before === undefined || before.answeredAt === Infinity) return false;
  if (before.operation === call.operation) return false;
  return before.at < stoppedAt || startedBefore(before, stoppedAt, calls);
}

// Holding and giving back.

/** How often a held message may be hidden again for nothing before it is nobody's fault. */
const troubleMs = 45_000;

/** A clock that was set back (Clock says that it never is) tells for so long that nothing is due, ms. */
const longestJumpMs = 400_000;

/** What a healthy worker holds is not handed out to anybody else. */
function whatIsHeldStaysHidden({ of, deliveries, processes }: Facts): readonly Found[] {
  const failedHides = of('hide answered').filter(({ taken }) => !taken);
  const lost = [...of('frozen'), ...of('thawed'), ...failedHides];
  const heldBy = Map.groupBy(deliveries, ({ messageId }) => messageId);
  const ends = new Map(
    [...of('crashed'), ...of('stopped'), ...of('stop')].map(({ process, at }) => [process, at]),
  );
  return of('received').flatMap((received): readonly Found[] => {
    if (received.why !== 'again') return [];
    const holder = heldBy.get(received.messageId)?.find((delivery) => {
      const { process, at, acknowledgedAt } = delivery;
      if (at > received.at || acknowledgedAt < received.at) return false;
      if (processes.get(process)?.runtime !== 'worker') return false;
      return (ends.get(process) ?? Infinity) > received.at;
    });
    if (holder === undefined) return [];
    const takenAt = ({ receipt }: Delivery): number =>
      of('received').find((one) => one.receipt === receipt)?.at ?? 0;
    const isExcused =
      lost.some((one) => one.process === holder.process && isNear(one, received, troubleMs)) ||
      of('jumped').some(
        (one) => one.process === holder.process && isNear(one, received, longestJumpMs),
      ) ||
      of('event').some(
        (event) => event.at < received.at && eventKey(event.process, event.messageId, event.receiveCount) === keyOf(holder), // prettier-ignore
      ) ||
      isDuplicate(of, received) ||
      of('hidden').some(
        ({ messageId, receipt, at }) =>
          messageId === received.messageId && receipt !== holder.receipt && at > takenAt(holder),
      );
    return isExcused
      ? []
      : [[received.at, `${holder.process} still holds ${holder.receipt}, and ${received.process} gets it too`]]; // prettier-ignore
  });
}

function isNear(past: Timed, present: Timed, withinMs: number): boolean {
  return past.atMs <= present.atMs && past.atMs > present.atMs - withinMs;
}

/** Whether SQS had handed it out by mistake before: then the holder's receipt was stale. */
function isDuplicate(of: Facts['of'], { messageId, at }: Of<'received'>): boolean {
  return of('received').some(
    (other) => other.messageId === messageId && other.why === 'unasked' && other.at < at,
  );
}

/** No extension is asked for after a message was given back: it would hide it again. */
function whatIsGivenBackStaysVisible({ of }: Facts): readonly Found[] {
  const given = new Map<string, number>();
  return of('hide asked').flatMap((asked): readonly Found[] => {
    const key = keyOf(asked);
    if (asked.seconds !== extensionSeconds) {
      given.set(key, asked.at);
      return [];
    }
    return given.has(key)
      ? [[asked.at, `${asked.process} hides ${asked.receipt} again, which it has given back`]]
      : [];
  });
}

// Lambda, and bugs.

/** No invocation runs into its time limit. */
function answersBeforeTheDeadline({ of }: Facts): readonly Found[] {
  const frozen = Map.groupBy(of('frozen'), ({ process }) => process);
  const invoked = Map.groupBy(of('invoked'), ({ process }) => process);
  return of('timed out').flatMap(({ at, process }): readonly Found[] => {
    const since = invoked.get(process)?.findLast((one) => one.at < at)?.at ?? 0;
    const wasFrozen = frozen.get(process)?.some((one) => one.at > since && one.at < at);
    return wasFrozen === true ? [] : [[at, `${process} does not answer in time`]];
  });
}

function noBugs({ of }: Facts): readonly Found[] {
  const events = of('event').filter(({ failureKind }) => failureKind === 'bug');
  return [
    ...events.map(({ at, messageId, cause }): Found => [
      at,
      `${messageId}: a bug: ${String(cause)}`,
    ]),
    ...of('threw').map(({ at, process, cause }): Found => [at, `${process} throws: ${cause}`]),
  ];
}
