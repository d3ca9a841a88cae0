// Holds what happened in a world against the promises (DESIGN.md). It knows what was sent, handed out,
// called, answered, deleted and logged, and nothing of how the worker decides.

import { atLeast, type Status } from '../../src/status.ts';
import { acknowledgementOf } from '../helpers/contract.ts';
import type { Due, Happening, Timed } from './history.ts';

/** What the sandbox holds when all is over. */
export interface Aftermath {
  readonly happenings: readonly Timed[];
  /** Each certificate's status. */
  readonly statuses: ReadonlyMap<string, string>;
  /** What is left in the lanes, visible and hidden. */
  readonly left: number;
  /** What lies in the dead-letter queue. */
  readonly letters: readonly FoundLetter[];
  /** Whether the lanes must be empty. Default true. */
  readonly endsEmpty?: boolean;
}

export interface FoundLetter {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Each violation of a promise, in words. */
export function check(aftermath: Aftermath): readonly string[] {
  const facts = factsOf(aftermath);
  return promises.flatMap((promise) =>
    promise(facts).map((violation) => `${promise.name}: ${violation}`),
  );
}

const promises: readonly ((facts: Facts) => readonly string[])[] = [
  nothingIsLost,
  everyCertificateIsAsAsked,
  deletedOnlyAfterCoverage,
  nothingIsWeakened,
  lettersAreDeserved,
  oneLetterEach,
  lettersLieInTheirQueue,
  noEventTwice,
  oneEventEach,
  eventsTellTheTruth,
  nothingIsHiddenAfterACleanStop,
  callsKeepToTheRate,
  noCallOnceStopped,
  whatIsKnownIsNotRepeated,
  noBugs,
];

// Facts: the history, by what the promises ask for.

type Of<Kind extends Happening['kind']> = Extract<Timed, { readonly kind: Kind }> & {
  /** Its place in the history. */
  readonly at: number;
};

interface Call extends Of<'call'> {
  /** The place of its answer; Infinity if there is none. */
  readonly answeredAt: number;
  /** What its answer has proved of the certificate. */
  readonly proves: Status | undefined;
}

interface Facts {
  readonly aftermath: Aftermath;
  readonly of: <Kind extends Happening['kind']>(kind: Kind) => readonly Of<Kind>[];
  readonly sent: ReadonlyMap<string, Of<'sent'>>;
  readonly asks: ReadonlyMap<string, readonly (Of<'sent'> & { readonly due: Serve })[]>;
  readonly calls: readonly Call[];
  readonly callsFor: ReadonlyMap<string, readonly Call[]>;
  readonly processes: ReadonlyMap<string, Of<'began'>>;
  readonly ends: ReadonlyMap<string, Of<'ended'>>;
  /** The events of messages, by process. */
  readonly events: ReadonlyMap<string, readonly Event[]>;
}

type Serve = Extract<Due, { readonly kind: 'serve' }>;

interface Event {
  readonly at: number;
  readonly process: string;
  readonly messageId: string;
  readonly receiveCount: number;
  readonly certificateId?: string;
  readonly newStatus?: string;
  readonly sentStatus?: string;
  readonly attempts?: number;
  readonly outcome: string;
  readonly acknowledgement: string;
  readonly acknowledged: boolean;
  readonly failureKind?: string;
  readonly cause?: string;
}

function factsOf(aftermath: Aftermath): Facts {
  const byKind = Map.groupBy(
    aftermath.happenings.map((happening, at) => ({ ...happening, at })),
    ({ kind }) => kind,
  );
  const of = <Kind extends Happening['kind']>(kind: Kind): readonly Of<Kind>[] =>
    (byKind.get(kind) ?? []) as unknown as readonly Of<Kind>[];
  const answers = new Map(of('answer').map((answer) => [answer.call, answer]));
  const calls = of('call').map((call): Call => {
    const answer = answers.get(call.call);
    const heard = { answeredAt: answer?.at ?? Infinity, proves: provenBy(call, answer) };
    return Object.assign(call, heard);
  });
  const sent = of('sent');
  const asks = sent.flatMap((message) => (message.due.kind === 'serve' ? [{ ...message, due: message.due }] : [])); // prettier-ignore
  const events = of('line').flatMap(({ at, process, line }) =>
    line['event'] === 'message' ? [{ ...line, at, process } as unknown as Event] : [],
  );
  return {
    aftermath,
    of,
    sent: new Map(sent.map((message) => [message.messageId, message])),
    asks: Map.groupBy(asks, ({ due }) => due.certificateId),
    calls,
    callsFor: Map.groupBy(calls, ({ certificateId }) => certificateId),
    processes: new Map(of('began').map((one) => [one.process, one])),
    ends: new Map(of('ended').map((one) => [one.process, one])),
    events: Map.groupBy(events, ({ process }) => process),
  };
}

function provenBy(call: Of<'call'>, answer: Of<'answer'> | undefined): Status | undefined {
  if (answer?.answer !== 'ok') return undefined;
  const status = call.operation === 'UpdateCertificate' ? call.status : answer.shows;
  return status === 'INACTIVE' || status === 'REVOKED' ? status : undefined;
}

/** Ended by itself, in good order. */
function endedWell({ ends }: Facts, process: string): boolean {
  return ends.get(process)?.how === 0;
}

function short(certificateId: string): string {
  return certificateId.slice(0, 8);
}

// The promises.

function nothingIsLost({ aftermath, of, sent }: Facts): readonly string[] {
  if (aftermath.endsEmpty === false) return [];
  const deleted = new Set(of('deleted').map(({ messageId }) => messageId));
  const left = [...sent.keys()].filter((messageId) => !deleted.has(messageId));
  return [
    ...left.map((messageId) => `${messageId} was never deleted`),
    ...(aftermath.left > 0 ? [`${aftermath.left} messages are left in the lanes`] : []),
  ];
}

/** The strongest that was asked for; and what nobody asked for is as it was. */
function everyCertificateIsAsAsked({ aftermath, asks, callsFor, of }: Facts): readonly string[] {
  const mayBeAnything = of('sent').some(({ due }) => due.kind === 'either');
  return [...aftermath.statuses].flatMap(([certificateId, status]) => {
    const asked = asks.get(certificateId) ?? [];
    if (asked.length === 0) {
      if (mayBeAnything) return [];
      const isUntouched = status === 'ACTIVE' && !callsFor.has(certificateId);
      return isUntouched ? [] : [`${short(certificateId)} is ${status}, and nobody asked for it`];
    }
    if (aftermath.endsEmpty === false) return [];
    const wanted = asked.some(({ due }) => due.status === 'REVOKED') ? 'REVOKED' : 'INACTIVE';
    return status === wanted
      ? []
      : [`${short(certificateId)} is ${status}, and ${wanted} was asked for`];
  });
}

/**
 * Whoever deletes a message has heard of a success that covers it, or another has, where they share the
 * ledger; or it lies in the dead-letter queue.
 */
function deletedOnlyAfterCoverage({ of, sent, callsFor, processes }: Facts): readonly string[] {
  const letters = Map.groupBy(of('letter'), ({ messageId }) => messageId);
  return of('delete asked').flatMap(({ at, process, messageId }) => {
    if (letters.get(messageId)?.some((letter) => letter.at < at) === true) return [];
    const message = sent.get(messageId);
    if (message === undefined) return [`${process} deletes ${messageId}, which nobody has sent`];
    if (message.due.kind === 'either') return [];
    if (message.due.kind === 'refuse')
      return [`${process} deletes ${messageId}, which is unusable, without a dead letter`];
    const { certificateId, status } = message.due;
    const sharesLedger = processes.get(process)?.sharesLedger === true;
    const isCovered = (callsFor.get(certificateId) ?? []).some(
      (call) =>
        call.at >= message.notBefore &&
        call.answeredAt < at &&
        call.proves !== undefined &&
        atLeast(call.proves, status) &&
        (sharesLedger || call.process === process),
    );
    return isCovered ? [] : [`${process} deletes ${messageId}, and no success covers it`];
  });
}

/**
 * Who knows of REVOKED sends nothing weaker. That it knows, its lines tell: an answer that went out may
 * have come too late to be heard.
 */
function nothingIsWeakened({ calls, events }: Facts): readonly string[] {
  const knownAt = new Map<string, number>();
  for (const { process, certificateId, newStatus, sentStatus, outcome, at } of [
    ...events.values(),
  ].flat()) {
    if (outcome !== 'applied' || (sentStatus ?? newStatus) !== 'REVOKED') continue;
    const key = `${process} ${certificateId}`;
    knownAt.set(key, Math.min(at, knownAt.get(key) ?? Infinity));
  }
  return calls.flatMap(({ at, process, certificateId, status }) => {
    const isWeaker =
      status === 'INACTIVE' && (knownAt.get(`${process} ${certificateId}`) ?? Infinity) < at;
    return isWeaker
      ? [`${process} sends INACTIVE for ${short(certificateId)}, and knows of REVOKED`]
      : [];
  });
}

function lettersAreDeserved({ of, sent }: Facts): readonly string[] {
  return of('letter').flatMap((letter) => {
    const message = sent.get(letter.messageId);
    if (message !== undefined) return complaintsAbout(letter, message);
    return [`${letter.process} writes a letter about ${letter.messageId}, which nobody has sent`];
  });
}

function complaintsAbout(
  { body, attributes }: Of<'letter'>,
  message: Of<'sent'>,
): readonly string[] {
  const { messageId, due } = message;
  const { failureKind = '', failureReason = '', lane } = attributes;
  const lost = Object.entries(message.attributes).filter(
    ([name, value]) => attributes[name] !== value,
  );
  const complaints: readonly (readonly [isWrong: boolean, what: string])[] = [
    [due.kind === 'serve', `is ${failureKind} (${failureReason}), and it can be served`],
    [failureKind === '' || failureReason === '', 'has no reason'],
    [lane !== message.lane, `has the lane ${lane}`],
    [body !== message.body, 'has another body'],
    [lost.length > 0, `has lost ${lost.map(([name]) => name).join(', ')}`],
  ];
  return complaints
    .filter(([isWrong]) => isWrong)
    .map(([, what]) => `the letter of ${messageId} ${what}`);
}

/**
 * One letter for each message; one more for each that its writer could not follow up, because it was
 * killed, or heard no answer.
 */
function oneLetterEach(facts: Facts): readonly string[] {
  const { of, sent } = facts;
  const letters = Map.groupBy(of('letter'), ({ messageId }) => messageId);
  const unheard = new Set(of('deleted').flatMap((one) => (one.heard ? [] : [one.messageId])));
  const failed = new Set(
    [...facts.events.values()]
      .flat()
      .flatMap((event) => (event.acknowledged ? [] : [event.messageId])),
  );
  const doubled = [...letters].flatMap(([messageId, all]) => {
    const cutShort = all.filter(({ process, heard }) => !heard || !endedWell(facts, process));
    const most = 1 + cutShort.length + (unheard.has(messageId) || failed.has(messageId) ? 1 : 0);
    return all.length > most ? [`${messageId} has ${all.length} dead letters`] : [];
  });
  const missing = [...sent.values()].filter(
    ({ messageId, due }) => due.kind === 'refuse' && !letters.has(messageId),
  );
  if (facts.aftermath.endsEmpty === false) return doubled;
  return [...doubled, ...missing.map(({ messageId }) => `${messageId} has no dead letter`)];
}

/** The dead-letter queue holds just what was written into it. */
function lettersLieInTheirQueue({ aftermath, of }: Facts): readonly string[] {
  const textOf = ({ body, attributes }: FoundLetter): string =>
    JSON.stringify([attributes['originalMessageId'], body]);
  const written = of('letter').map(textOf).sort();
  const found = aftermath.letters.map(textOf).sort();
  return JSON.stringify(written) === JSON.stringify(found)
    ? []
    : [`${found.length} dead letters are in the queue, and ${written.length} were written`];
}

function noEventTwice({ events }: Facts): readonly string[] {
  return [...events].flatMap(([process, mine]) => {
    const counts = Map.groupBy(mine, ({ messageId, receiveCount }) => `${messageId}#${receiveCount}`); // prettier-ignore
    const twice = [...counts].filter(([, all]) => all.length > 1);
    return twice.map(([key, all]) => `${process} tells ${key} ${all.length} times`);
  });
}

/** What a process was handed has an event, unless it was killed, or says that it left it unsettled. */
function oneEventEach(facts: Facts): readonly string[] {
  const heard = facts.of('received').filter(({ heard }) => heard);
  const deliveries = Map.groupBy(heard, ({ process }) => process);
  return [...deliveries].flatMap(([process, mine]) => {
    if (!endedWell(facts, process)) return [];
    const told = new Set(
      facts.events.get(process)?.map((event) => `${event.messageId}#${event.receiveCount}`),
    );
    const untold = mine.filter((one) => !told.has(`${one.messageId}#${one.receiveCount}`));
    return untold.length > unsettledBy(facts, process)
      ? untold.map(({ messageId }) => `${process} has ended well and tells nothing of ${messageId}`)
      : [];
  });
}

function unsettledBy({ of }: Facts, process: string): number {
  const stopped = of('line').find(
    (one) => one.process === process && one.line['event'] === 'stopped',
  );
  return Number(stopped?.line['unsettled'] ?? 0);
}

/** The acknowledgement follows from the outcome, and "acknowledged" means that SQS has done it. */
function eventsTellTheTruth({ events, of, processes }: Facts): readonly string[] {
  const done = new Set<string>();
  for (const { process, messageId } of of('deleted')) done.add(`${process} ${messageId} delete`);
  for (const { process, messageId } of of('hidden')) done.add(`${process} ${messageId} retry`);
  return [...events.values()].flat().flatMap((event) => {
    const { process, messageId, outcome, acknowledgement, acknowledged } = event;
    if (acknowledgementOf[outcome] !== acknowledgement) return [`${messageId}: ${outcome}, ${acknowledgement}`]; // prettier-ignore
    const isLambda = processes.get(process)?.runtime === 'lambda'; // the service deletes
    if (!acknowledged || isLambda) return [];
    const kind = acknowledgement === 'retry' ? 'retry' : 'delete';
    return done.has(`${process} ${messageId} ${kind}`)
      ? []
      : [`${process} says that ${messageId} was acknowledged by ${acknowledgement}; SQS knows nothing of it`]; // prettier-ignore
  });
}

/** Where SQS took every acknowledgement, a process that ended well holds nothing. */
function nothingIsHiddenAfterACleanStop(facts: Facts): readonly string[] {
  return facts.of('ended').flatMap(({ process, how, hiddenForNothing }) => {
    if (how !== 0) return [];
    const failed = (facts.events.get(process) ?? []).filter(({ acknowledged }) => !acknowledged);
    const excused = failed.length + unsettledBy(facts, process) + unheardBy(facts, process);
    return hiddenForNothing > excused
      ? [`${process} has stopped, and ${hiddenForNothing} messages are hidden that nobody holds`]
      : [];
  });
}

function unheardBy({ of }: Facts, process: string): number {
  return of('received').filter((one) => one.process === process && !one.heard).length;
}

/** Calls may come together on their way here: those of so many ms. */
const jamMs = 1500;

/** As the throttle promises: a slot and a half at once, and the rate times the time. */
function callsKeepToTheRate({ calls, processes }: Facts): readonly string[] {
  const updates = calls.filter(({ operation }) => operation === 'UpdateCertificate');
  const byProcess = Map.groupBy(updates, ({ process }) => process);
  return [...byProcess].flatMap(([process, mine]) => {
    const rate = processes.get(process)?.callsPerSecond ?? 0;
    const [first] = mine;
    const last = mine.at(-1);
    if (first === undefined || last === undefined || rate === 0) return [];
    const most = 3 + Math.ceil(rate / 75) + (rate * (last.atMs - first.atMs + jamMs)) / 1000;
    return mine.length > most
      ? [`${process} makes ${mine.length} calls in ${last.atMs - first.atMs} ms, at ${rate} a second`] // prettier-ignore
      : [];
  });
}

/** But what it has cut may come in late: calls for what it has given back. */
function noCallOnceStopped(facts: Facts): readonly string[] {
  const stopped = facts.of('line').filter(({ line }) => line['event'] === 'stopped');
  return stopped.flatMap(({ at, process }) => {
    if (unsettledBy(facts, process) > 0) return [];
    const mine = facts.events.get(process) ?? [];
    const isCut = ({ outcome, attempts = 0 }: Event): boolean => outcome === 'deferred' && attempts > 0; // prettier-ignore
    const cut = new Set(mine.filter(isCut).map(({ certificateId }) => certificateId));
    const late = facts.calls.filter(
      (call) => call.process === process && call.at > at && !cut.has(call.certificateId),
    );
    return late.length > 0 ? [`${process} makes ${late.length} calls after it has stopped`] : [];
  });
}

/** No process makes a call of which the ledger told, before it began, that nobody needs it. */
function whatIsKnownIsNotRepeated(facts: Facts): readonly string[] {
  const { calls, callsFor, asks, processes, of } = facts;
  const entries = Map.groupBy(of('entered'), ({ certificateId }) => certificateId);
  const away = new Set(
    of('line').flatMap(({ process, line }) => (line['event'] === 'ledger-away' ? [process] : [])),
  );
  return calls.flatMap((call) => {
    const began = processes.get(call.process);
    const { status } = call;
    const isUpdate = status === 'INACTIVE' || status === 'REVOKED';
    if (!isUpdate || began?.sharesLedger !== true || away.has(call.process)) return [];
    const entry = entries.get(call.certificateId)?.find((one) => {
      const proof = callsFor
        .get(call.certificateId)
        ?.findLast((other) => other.process === one.process && other.answeredAt < one.at);
      if (one.at > began.at || proof?.proves === undefined) return false;
      if (!atLeast(proof.proves, status)) return false;
      // By SQS's clock, only what was sent a while before the call is covered.
      const mine = asks.get(call.certificateId) ?? [];
      return mine.every((message) => message.isOld && message.at < proof.at);
    });
    return entry === undefined
      ? []
      : [`${call.process} sends ${status} for ${short(call.certificateId)} again, which ${entry.process} had entered`]; // prettier-ignore
  });
}

function noBugs(facts: Facts): readonly string[] {
  const { events, of } = facts;
  const torn = of('line').filter(({ process, line }) => line['event'] === 'torn' && endedWell(facts, process)); // prettier-ignore
  const bugs = [...events.values()].flat().filter(({ failureKind }) => failureKind === 'bug');
  return [
    ...torn.map(
      ({ process, line }) => `${process} writes what is no JSON: ${String(line['text'])}`,
    ),
    ...bugs.map(
      ({ process, messageId, cause }) => `${process} has a bug at ${messageId}: ${cause}`,
    ),
    ...of('ended').flatMap(({ process, how, stderr }) =>
      how === 0 && stderr !== '' ? [`${process} has ended well, and complains: ${stderr}`] : [],
    ),
  ];
}
