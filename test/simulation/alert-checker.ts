// The promises about alerts (issue 5): what they name, what policy lets them do, the brake, dry runs and
// expansions. Like checker.ts, it knows what is attached to what, and nothing of how the pipeline looks.

import type { Lane } from '../../src/lane.ts';
import { atLeast, type Status } from '../../src/status.ts';
import {
  keyOf,
  satisfies,
  type Call,
  type Delivery,
  type Facts,
  type Found,
  type Members,
  type Of,
} from './facts.ts';

/** Whether a delivery names the certificate, or may have done so by that place of the history. */
export function names(
  { sentAt: from, wish: { ask, wide } }: Delivery,
  certificateId: string,
  to: number,
  members: Members,
): boolean {
  if (ask !== undefined) return ask.certificateId === certificateId;
  return wide !== undefined && members.ever(wide.group, certificateId, from, to);
}

/** The status that a delivery may lead to. */
function statusOf({ wish: { ask, wide } }: Delivery): Status | undefined {
  return (ask ?? wide)?.status;
}

/** Whom a process may have called for. */
function heldFor({ deliveriesTo, members }: Facts, call: Call): readonly Delivery[] {
  const { process, certificateId, at } = call;
  return (deliveriesTo.get(process) ?? []).filter(
    (delivery) =>
      delivery.at < at &&
      delivery.acknowledgedAt > at &&
      names(delivery, certificateId, at, members),
  );
}

function updatesIn({ calls, history }: Facts): readonly (Call & { readonly status: Status })[] {
  if (!history.account.hasAlerts) return [];
  return calls.flatMap((call) =>
    call.status === undefined ? [] : [{ ...call, status: call.status }],
  );
}

// Policy.

/**
 * Whether policy keeps a delivery's lane from the certificate, whichever of the two, `throughout` or
 * `ever`, is meant by "attached".
 */
function isForbidden(
  { history: { account }, members }: Facts,
  { lane, sentAt: from, wish: { byAlert } }: Delivery,
  certificateId: string,
  to: number,
  attached: 'throughout' | 'ever',
): boolean {
  const things = members
    .thingsOf(certificateId)
    .filter((thing) => members[attached](thing, certificateId, from, to));
  const isProtected =
    account.protectedCertificates.has(certificateId) ||
    things.some((thing) => account.protectedThings.has(thing));
  const most = account.mostThings[lane];
  return (
    (lane !== 'incident' && isProtected) ||
    (byAlert === true && most !== undefined && things.length > most)
  );
}

/** Whether policy lets a call be made for a delivery's sake. */
function isPermitted(facts: Facts, delivery: Delivery, call: Call, status: Status): boolean {
  const most = statusOf(delivery);
  return (
    most !== undefined &&
    atLeast(most, status) &&
    !isForbidden(facts, delivery, call.certificateId, call.at, 'throughout')
  );
}

/**
 * No alert leads beyond its rule, nor does any lane beyond what it may ask for; the protected is called
 * by the incident lane alone, and what many things share not for an alert's sake.
 */
export function noAlertExceedsPolicy(facts: Facts): readonly Found[] {
  return updatesIn(facts).flatMap((call): readonly Found[] => {
    const held = heldFor(facts, call);
    const { at, process, status, certificateId } = call;
    return held.length === 0 || held.some((one) => isPermitted(facts, one, call, status))
      ? []
      : [[at, `${process} sends ${status} for ${certificateId}, and policy lets none of ${receiptsOf(held)} do that`]]; // prettier-ignore
  });
}

function receiptsOf(deliveries: readonly Delivery[]): string {
  return deliveries.map(({ receipt }) => receipt).join(', ');
}

/** Whether policy, or what is attached to what, is a reason for this dead letter. */
export function isRefusedByPolicy(
  facts: Facts,
  letter: Pick<Of<'letter'>, 'at' | 'messageId' | 'process' | 'failureKind'>,
): boolean {
  const { at, messageId, process, failureKind } = letter;
  const { members } = facts;
  const delivery = facts.deliveriesTo
    .get(process)
    ?.findLast((one) => one.messageId === messageId && one.at < at);
  if (delivery === undefined) return false;
  const { ask, wide } = delivery.wish;
  const named = ask === undefined ? members.everIn(wide?.group ?? '') : [ask.certificateId];
  switch (failureKind) {
    case 'not-found':
      return wide !== undefined && named.length === 0;
    case 'no-certificate':
      return (
        wide !== undefined &&
        !named.some((id) => members.throughout(wide.group, id, delivery.sentAt, at))
      );
    case 'protected':
    case 'shared-certificate':
      return named.some((id) => isForbidden(facts, delivery, id, at, 'ever'));
    default:
      return false;
  }
}

// Dry runs.

/** No call is made for a dry lane's sake alone, nor a stronger one. */
export function dryRunsCallNothing(facts: Facts): readonly Found[] {
  return updatesIn(facts).flatMap((call): readonly Found[] => {
    const { at, process, status } = call;
    const dry = facts.processes.get(process)?.dryRun ?? [];
    const able = heldFor(facts, call).filter((one) => isPermitted(facts, one, call, status));
    return able.length > 0 && able.every(({ lane }) => dry.includes(lane))
      ? [[at, `${process} sends ${status} for ${receiptsOf(able)}, of lanes that run dry`]]
      : [];
  });
}

// The brake.

const hourMs = 3_600_000;

/** A process that freezes between the brake's word and its call makes it so much later at most, ms. */
const longestFreezeMs = 45_000;

/** Hosts whose clocks disagree, and calls that were under way, end a lift so much later at most, ms. */
const liftSlackMs = 150_000;

/** A call that was made for a lane's sake, and for no other. */
interface Taken {
  readonly at: number;
  readonly atMs: number;
  readonly certificateId: string;
  readonly most: number;
}

/**
 * In any hour no more distinct certificates are called for a lane's sake alone than its ceiling, by all
 * processes together where they share a table; without one, each has its part and no more. What the
 * brake holds is not deleted.
 */
export function theCeilingHolds(facts: Facts): readonly Found[] {
  const { account } = facts.history;
  if (!account.hasCeilings) return [];
  const taken = Map.groupBy(takenIn(facts), ({ lane, process }) =>
    account.sharesBrake ? lane : `${lane} of ${process}`,
  );
  const beyond = [...taken].flatMap(([whose, all]) =>
    all.flatMap((last): readonly Found[] => {
      const within = new Set(
        all.flatMap(({ at, atMs, certificateId }) =>
          at <= last.at && atMs > last.atMs - rollingMs(facts) ? [certificateId] : [],
        ),
      );
      const most = account.sharesBrake ? last.most : Math.floor(last.most / account.processes);
      return within.size > most
        ? [[last.at, `${whose} has taken ${within.size} certificates within an hour; ${most} may go`]] // prettier-ignore
        : [];
    }),
  );
  return [...beyond, ...deletedThoughHeld(facts)];
}

function rollingMs({ of }: Facts): number {
  return of('frozen').some(({ isNap }) => !isNap) ? hourMs - longestFreezeMs : hourMs;
}

function takenIn(
  facts: Facts,
): readonly (Taken & { readonly lane: Lane; readonly process: string })[] {
  const { of, processes } = facts;
  return updatesIn(facts).flatMap((call) => {
    const lanes = new Set(heldFor(facts, call).map(({ lane }) => lane));
    const [lane] = lanes;
    const { at, atMs, certificateId, process } = call;
    const most = lane && processes.get(process)?.ceilings?.[lane];
    if (lane === undefined || most === undefined || lanes.size > 1) return [];
    const isLifted = of('lifted').some(
      (lift) => lift.lane === lane && lift.at < at && atMs < lift.untilMs + liftSlackMs,
    );
    return isLifted ? [] : [{ at, atMs, certificateId, most, lane, process }];
  });
}

function deletedThoughHeld({ of }: Facts): readonly Found[] {
  const held = new Set(
    of('event').flatMap(({ failureKind, process, messageId, receiveCount }) =>
      failureKind === 'brake' ? [`${process} ${messageId}#${receiveCount}`] : [],
    ),
  );
  return of('delete asked').flatMap((asked): readonly Found[] =>
    held.has(keyOf(asked))
      ? [[asked.at, `${asked.process} deletes ${asked.receipt}, which the brake holds`]]
      : [],
  );
}

// Messages that name several.

/** What names several certificates is deleted only when each is covered, or refused as its letter says. */
export function aMessageWaitsForAll(facts: Facts): readonly Found[] {
  return forgottenIn(facts).flatMap(({ found, isExpanded }) => (isExpanded ? [] : [found]));
}

/**
 * What names more than a message may hold is deleted only when each certificate has a message of its
 * own in the lane, and SQS has confirmed it; or when it is covered.
 */
export function expansionsLoseNothing(facts: Facts): readonly Found[] {
  return forgottenIn(facts).flatMap(({ found, isExpanded }) => (isExpanded ? [found] : []));
}

/**
 * A process sends a certificate's request back no more often than it was handed messages that name several,
 * and this one among them: what it has made itself is not made again.
 */
export function expansionsDoNotMultiply({ of, deliveriesTo, members }: Facts): readonly Found[] {
  const sent = new Map<string, number>();
  return of('sent back').flatMap(({ at, process, ask }): readonly Found[] => {
    if (ask === undefined) return [];
    const { certificateId } = ask;
    const times = (sent.get(`${process} ${certificateId}`) ?? 0) + 1;
    sent.set(`${process} ${certificateId}`, times);
    const named = (deliveriesTo.get(process) ?? []).filter(
      (delivery) =>
        delivery.at < at &&
        delivery.wish.wide !== undefined &&
        names(delivery, certificateId, at, members),
    );
    return times > named.length
      ? [[at, `${process} sends ${certificateId} back ${times} times, and was told of it ${named.length} times`]] // prettier-ignore
      : [];
  });
}

interface Forgotten {
  readonly found: Found;
  readonly isExpanded: boolean;
}

const memo = new WeakMap<Facts, readonly Forgotten[]>();

/** Certificates that a message has named all the time, and that its delete has forgotten. */
function forgottenIn(facts: Facts): readonly Forgotten[] {
  const known = memo.get(facts);
  if (known !== undefined) return known;
  const deliveries = new Map(facts.deliveries.map((delivery) => [keyOf(delivery), delivery]));
  const all = facts.of('delete asked').flatMap((asked) => {
    const delivery = deliveries.get(keyOf(asked));
    return delivery?.wish.wide === undefined ? [] : forgottenBy(facts, asked, delivery);
  });
  memo.set(facts, all);
  return all;
}

function forgottenBy(
  facts: Facts,
  { at, process, messageId, receipt }: Of<'delete asked'>,
  delivery: Delivery,
): readonly Forgotten[] {
  const { of, members } = facts;
  const { group, status } = delivery.wish.wide ?? { group: '', status: 'REVOKED' };
  const back = of('sent back').flatMap((one) =>
    one.process === process &&
    one.lane === delivery.lane &&
    one.at > delivery.at &&
    one.at < at &&
    one.ask?.status === status
      ? [one.ask.certificateId]
      : [],
  );
  const hasLetter = of('letter').some(
    (letter) => letter.messageId === messageId && letter.process === process && letter.at < at,
  );
  const isExpanded =
    back.length > 0 ||
    of('event').some(
      (event) =>
        event.process === process &&
        `${event.messageId}#${event.receiveCount}` === receipt &&
        event.outcome === 'expanded',
    );
  const named = members.everIn(group).filter((id) => members.ever(group, id, delivery.sentAt, at));
  if (named.length === 0 && !hasLetter && !group.startsWith('task')) {
    const text = `${process} deletes ${messageId}, whose thing has no certificate, without a letter`;
    return [{ found: [at, text], isExpanded }];
  }
  return named.flatMap((id): readonly Forgotten[] => {
    const isSettled =
      !members.throughout(group, id, delivery.sentAt, at) ||
      back.includes(id) ||
      isCovered(facts, id, status, { process, at, since: delivery.sentAt }) ||
      (hasLetter && isRefused(facts, delivery, id, at));
    const text = `${process} deletes ${messageId}, which names ${group}, and forgets ${id}`;
    return isSettled ? [] : [{ found: [at, text], isExpanded }];
  });
}

function isCovered(
  { callsFor, history }: Facts,
  certificateId: string,
  status: Status,
  { process, at, since }: { readonly process: string; readonly at: number; readonly since: number },
): boolean {
  return (callsFor.get(certificateId) ?? []).some(
    (call) =>
      call.at > since &&
      call.answeredAt < at &&
      satisfies(call.proves, status) &&
      (history.sharesLedger || call.process === process),
  );
}

/** Whether IoT or policy refuses this certificate for good. */
function isRefused(facts: Facts, delivery: Delivery, certificateId: string, at: number): boolean {
  const answers = (facts.callsFor.get(certificateId) ?? []).filter(
    (call) => call.process === delivery.process && call.answeredAt < at,
  );
  return (
    answers.some(({ answer }) =>
      ['not-found', 'invalid-request', 'state-conflict'].includes(answer?.as ?? ''),
    ) || isForbidden(facts, delivery, certificateId, at, 'ever')
  );
}
