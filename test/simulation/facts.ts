// A history, by what the promises ask for.

import { atLeast, statuses, type Status } from '../../src/status.ts';
import type { Ask, Happening, History, Timed, Wish } from './history.ts';

/** What breaks a promise, and where. */
export type Found = readonly [at: number, text: string];

export type Of<Kind extends Happening['kind']> = Extract<Timed, { readonly kind: Kind }> & {
  /** Its place in the history. */
  readonly at: number;
};

export interface Call extends Of<'call'> {
  /** The place of its answer; Infinity if its process has never heard one. */
  readonly answeredAt: number;
  readonly answer: Of<'answer'> | undefined;
  /** The status that it proves the certificate to have, once answered. */
  readonly proves: Status | undefined;
}

export interface Delivery extends Of<'delivered'> {
  readonly ask: Ask | undefined;
  readonly wish: Wish;
  /** Where its message was sent: what it names may be looked up from then on. */
  readonly sentAt: number;
  /** Its process calls for it as soon as it can: no look-up, no brake and no dry run is in the way. */
  readonly isPlain: boolean;
  /** The place of the first delete, letter or delay that its process has asked for; Infinity if none. */
  readonly acknowledgedAt: number;
}

export interface Facts {
  readonly history: History;
  readonly of: <Kind extends Happening['kind']>(kind: Kind) => readonly Of<Kind>[];
  readonly sent: ReadonlyMap<string, Of<'sent'>>;
  readonly calls: readonly Call[];
  readonly callsFor: ReadonlyMap<string, readonly Call[]>;
  readonly deliveries: readonly Delivery[];
  readonly deliveriesTo: ReadonlyMap<string, readonly Delivery[]>;
  readonly processes: ReadonlyMap<string, Of<'started'>>;
  readonly members: Members;
}

export function factsOf(history: History): Facts {
  const byKind = new Map<string, Of<Happening['kind']>[]>();
  for (const [at, happening] of history.happenings.entries()) {
    const placed = Object.assign(happening, { at });
    const same = byKind.get(happening.kind);
    if (same === undefined) byKind.set(happening.kind, [placed]);
    else same.push(placed);
  }
  const of = <Kind extends Happening['kind']>(kind: Kind): readonly Of<Kind>[] =>
    (byKind.get(kind) ?? []) as unknown as readonly Of<Kind>[];
  const answers = new Map(of('answer').map((answer) => [answer.call, answer]));
  const calls: Call[] = [];
  for (const call of of('call')) {
    const answer = answers.get(call.call);
    const answeredAt = answer?.at ?? Infinity;
    calls.push({ ...call, answer, answeredAt, proves: provenBy(call, answer) });
  }
  const sent = new Map(of('sent').map((one) => [one.messageId, one]));
  const processes = new Map(of('started').map((one) => [one.process, one]));
  const acknowledged = acknowledgements(of);
  const deliveries: Delivery[] = [];
  for (const delivered of of('delivered')) {
    const acknowledgedAt = acknowledged.get(keyOf(delivered)) ?? Infinity;
    const message = sent.get(delivered.messageId);
    const wish: Wish = message ?? {};
    const sentAt = message?.at ?? delivered.at;
    const { ask } = wish;
    const isPlain = isPlainFor(delivered, wish, history, processes.get(delivered.process));
    deliveries.push({ ...delivered, ask, wish, sentAt, isPlain, acknowledgedAt });
  }
  return {
    history,
    of,
    sent,
    calls,
    callsFor: Map.groupBy(calls, ({ certificateId }) => certificateId),
    deliveries,
    deliveriesTo: Map.groupBy(deliveries, ({ process }) => process),
    processes,
    members: membersOf(of('member')),
  };
}

function isPlainFor(
  { lane }: Of<'delivered'>,
  { ask, byAlert }: Wish,
  { account }: History,
  process: Of<'started'> | undefined,
): boolean {
  if (ask === undefined || process?.ceilings?.[lane] !== undefined) return false;
  if (process?.dryRun?.includes(lane) === true) return false;
  if (byAlert === true && account.mostThings[lane] !== undefined) return false;
  if (lane === 'incident') return true;
  return (
    account.protectedThings.size === 0 && !account.protectedCertificates.has(ask.certificateId)
  );
}

/** Who belonged to which group, and when. */
export interface Members {
  /** All certificates that ever belonged to it. */
  readonly everIn: (group: string) => readonly string[];
  /** Whether it belonged to the group all the time between two places of the history. */
  readonly throughout: (group: string, certificateId: string, from: number, to: number) => boolean;
  /** Whether it did so at any time between them. */
  readonly ever: (group: string, certificateId: string, from: number, to: number) => boolean;
  /** The things, audits left out, that a certificate was ever attached to. */
  readonly thingsOf: (certificateId: string) => readonly string[];
}

function membersOf(changes: readonly Of<'member'>[]): Members {
  const groups = new Map<string, Map<string, Of<'member'>[]>>();
  const things = new Map<string, Set<string>>();
  for (const change of changes) {
    const { group, certificateId } = change;
    const members = groups.get(group) ?? new Map<string, Of<'member'>[]>();
    groups.set(group, members);
    members.set(certificateId, [...(members.get(certificateId) ?? []), change]);
    if (group.startsWith('task')) continue;
    things.set(certificateId, (things.get(certificateId) ?? new Set()).add(group));
  }
  const of = (group: string, certificateId: string): readonly Of<'member'>[] =>
    groups.get(group)?.get(certificateId) ?? [];
  const isIn = (all: readonly Of<'member'>[], at: number): boolean =>
    all.findLast((change) => change.at <= at)?.isIn === true;
  const during = (all: readonly Of<'member'>[], from: number, to: number): boolean =>
    all.some((change) => change.at > from && change.at <= to);
  return {
    everIn: (group) => [...(groups.get(group)?.keys() ?? [])],
    throughout: (group, certificateId, from, to) => {
      const all = of(group, certificateId);
      return isIn(all, from) && !during(all, from, to);
    },
    ever: (group, certificateId, from, to) => {
      const all = of(group, certificateId);
      return isIn(all, from) || during(all, from, to);
    },
    thingsOf: (certificateId) => [...(things.get(certificateId) ?? [])],
  };
}

export function keyOf({
  process,
  receipt,
}: {
  readonly process: string;
  readonly receipt: string;
}): string {
  return `${process} ${receipt}`;
}

/** Extensions hide for this long, as src/worker.ts has it, seconds; delays of just that many look alike. */
export const extensionSeconds = 30;

/** The first acknowledgement of each delivery. */
function acknowledgements(of: Facts['of']): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  const note = (key: string, at: number): void => {
    first.set(key, Math.min(at, first.get(key) ?? Infinity));
  };
  for (const asked of of('delete asked')) note(keyOf(asked), asked.at);
  for (const asked of of('hide asked')) {
    if (asked.seconds !== extensionSeconds) note(keyOf(asked), asked.at);
  }
  return first;
}

function provenBy(call: Of<'call'>, answer: Of<'answer'> | undefined): Status | undefined {
  if (answer?.as === 'updated') return call.status;
  return answer?.as === 'described'
    ? statuses.find((status) => status === answer.shown)
    : undefined;
}

export function satisfies(status: string | undefined, asked: Status): boolean {
  return (status === 'INACTIVE' || status === 'REVOKED') && atLeast(status, asked);
}
