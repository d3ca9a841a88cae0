// The figures of a demo: counted and measured from its evidence. The one that is computed instead,
// what the incident would have taken in plain order of arrival, has a name that says so.

import type { MessageEvent } from '../../event.ts';
import { lanes, type Lane } from '../../lane.ts';
import type { Call } from '../call-log.ts';
import {
  grantedAt,
  switchedOff,
  updatesIn,
  type DeadLetter,
  type Evidence,
  type Sent,
} from './evidence.ts';

export interface Figures {
  readonly messages: Readonly<Record<Lane, number>>;
  readonly quotaPerSecond: number;
  /** UpdateCertificate calls, all of them. */
  readonly calls: number;
  /** Requests that a call was made for, and succeeded. */
  readonly applied: number;
  /** Requests that needed no call of their own. */
  readonly merged: number;
  /** Alerts, the certificates that they are about, and the calls which that took. */
  readonly storm: {
    readonly alerts: number;
    readonly certificates: number;
    readonly calls: number;
  };
  readonly throttled: {
    readonly calls: number;
    /** How many of them while the control plane granted the whole quota. */
    readonly atFullQuota: number;
    /** The least that it granted, calls per second. */
    readonly leastGranted: number;
  };
  /** Failed calls that were tried again, by what the control plane had answered. */
  readonly failed: ReadonlyMap<string, number>;
  /** Deliveries that went back to their queue after failures. */
  readonly deferred: number;
  /** Absent as long as the brake has not been lifted. */
  readonly flood?: Flood;
  readonly deadLetters: readonly Refused[];
  /** Absent as long as one of its certificates is in service. */
  readonly incident?: Incident;
}

export interface Flood {
  readonly alarms: number;
  /** Alarms that waited for the brake to be lifted. */
  readonly held: number;
  /** Certificates that alerts had taken out of service by then. */
  readonly switchedOff: number;
  /** The incident meanwhile. */
  readonly stolen: { readonly certificates: number; readonly tookMs: number };
}

export interface Refused {
  readonly failureKind: string;
  readonly count: number;
  /** The shortest of the reasons given. */
  readonly reason: string;
}

export interface Incident {
  readonly certificates: number;
  /** From the first message to the control plane's last change, ms. */
  readonly tookMs: number;
  /** Rotation requests that waited for their call when it began. */
  readonly waiting: number;
  /** Calls for others that went out meanwhile. */
  readonly slippedIn: number;
  /** Computed: its calls behind all that waited, at the full quota, ms. */
  readonly computedInOrderMs: number;
}

export function figuresOf(
  evidence: Evidence,
  deadLetters: readonly DeadLetter[],
  quotaPerSecond: number,
): Figures {
  const { sent, events } = evidence;
  const calls = updatesIn(evidence.calls);
  const incident = incidentOf(evidence, quotaPerSecond);
  const flood = floodOf(evidence);
  const outcomes = Map.groupBy(events, ({ outcome }) => outcome);
  const ofLane = (lane: Lane): number => sent.filter(({ letter }) => letter.lane === lane).length;
  return {
    messages: Object.fromEntries(lanes.map((lane) => [lane, ofLane(lane)])) as Figures['messages'],
    quotaPerSecond,
    calls: calls.length,
    applied: outcomes.get('applied')?.length ?? 0,
    merged: outcomes.get('covered')?.length ?? 0,
    storm: stormOf(evidence),
    throttled: throttledOf(evidence, quotaPerSecond),
    failed: failuresOf(calls),
    deferred: events.filter(wasDeferred).length,
    ...(flood !== undefined && { flood }),
    deadLetters: grouped(deadLetters),
    ...(incident !== undefined && { incident }),
  };
}

/** Whether a message went back to its queue because of failures. */
export function wasDeferred({ outcome, failureKind }: MessageEvent): boolean {
  return outcome === 'deferred' && failureKind !== 'brake';
}

/** The figures of the flood, once the brake has been lifted. */
export function floodOf(evidence: Evidence): Flood | undefined {
  const { sent, calls, brake } = evidence;
  const { liftedAtMs } = brake;
  if (liftedAtMs === undefined) return undefined;
  const inFlood = sent.filter(({ letter }) => letter.inFlood);
  const alarms = inFlood.filter(({ letter }) => letter.lane === 'alert');
  const before = new Set(
    updatesIn(calls)
      .filter(({ applied, receivedAtMs }) => applied && receivedAtMs <= liftedAtMs)
      .map(({ certificateId }) => certificateId),
  );
  const theft = inFlood.filter(({ letter }) => letter.lane === 'incident');
  const keys = idsOf(theft);
  return {
    alarms: alarms.length,
    held: alarms.filter(({ letter }) => !before.has(letter.request?.certificateId)).length,
    switchedOff: switchedOff(evidence, liftedAtMs),
    stolen: {
      certificates: keys.size,
      tookMs:
        Math.max(...[...keys].map((id) => deathOf(id, calls))) -
        Math.min(...theft.map(({ sentAtMs }) => sentAtMs)),
    },
  };
}

function throttledOf({ calls, grants }: Evidence, quotaPerSecond: number): Figures['throttled'] {
  const throttled = updatesIn(calls).filter(({ answer }) => answer === 'ThrottlingException');
  return {
    calls: throttled.length,
    atFullQuota: throttled.filter(
      ({ receivedAtMs }) => grantedAt(grants, receivedAtMs) >= quotaPerSecond,
    ).length,
    leastGranted: Math.min(...grants.map(({ rate }) => rate)),
  };
}

/** Exceptions after which nothing is tried again. */
const final: readonly string[] = ['ResourceNotFoundException', 'InvalidRequestException'];

function failuresOf(calls: readonly Call[]): ReadonlyMap<string, number> {
  const not = new Set(['ok', 'pending', 'ThrottlingException', ...final]);
  const failed = Map.groupBy(
    calls.filter(({ answer }) => !not.has(answer)),
    ({ answer }) => answer,
  );
  return new Map([...failed].map(([answer, all]) => [answer, all.length]));
}

function stormOf({ sent, calls }: Evidence): Figures['storm'] {
  const alerts = usable(sent).filter(
    ({ letter }) => letter.lane === 'alert' && letter.violationId === undefined,
  );
  const certificates = idsOf(alerts);
  const revoked = calls.filter(
    ({ certificateId = '', newStatus, answer }) =>
      certificates.has(certificateId) && newStatus === 'REVOKED' && answer === 'ok',
  );
  return { alerts: alerts.length, certificates: certificates.size, calls: revoked.length };
}

/** The incident's figures, once it is over. */
export function incidentOf(
  { sent, calls }: Pick<Evidence, 'sent' | 'calls'>,
  quotaPerSecond: number,
): Incident | undefined {
  const messages = sent.filter(({ letter }) => letter.lane === 'incident' && !letter.inFlood);
  const compromised = idsOf(usable(messages));
  const deaths = [...compromised].map((id) => deathOf(id, calls));
  const startMs = Math.min(...messages.map(({ sentAtMs }) => sentAtMs));
  const endMs = Math.max(...deaths);
  if (!Number.isFinite(startMs) || !Number.isFinite(endMs)) return undefined;

  const ofOthers = updatesIn(calls).filter((call) => !compromised.has(call.certificateId ?? ''));
  const doneBefore = new Set(
    ofOthers
      .filter(({ applied, answeredAtMs = Infinity }) => applied && answeredAtMs <= startMs)
      .map(({ certificateId }) => certificateId),
  );
  const rotation = sent.filter(
    ({ letter, sentAtMs }) => letter.lane === 'rotation' && sentAtMs <= startMs,
  );
  const waiting = rotation.filter(
    ({ letter }) => !doneBefore.has(letter.request?.certificateId),
  ).length;
  return {
    certificates: compromised.size,
    tookMs: endMs - startMs,
    waiting,
    slippedIn: ofOthers.filter(
      ({ receivedAtMs }) => receivedAtMs >= startMs && receivedAtMs <= endMs,
    ).length,
    computedInOrderMs: ((waiting + compromised.size) * 1000) / quotaPerSecond,
  };
}

/** When the certificate was first REVOKED, epoch ms, whether or not the worker heard of it. */
function deathOf(certificateId: string, calls: readonly Call[]): number {
  const death = calls.find(
    (call) => call.certificateId === certificateId && call.newStatus === 'REVOKED' && call.applied,
  );
  return death?.answeredAtMs ?? Infinity;
}

function grouped(deadLetters: readonly DeadLetter[]): readonly Refused[] {
  const byKind = Map.groupBy(deadLetters, ({ attributes }) => attributes['failureKind'] ?? '?');
  return [...byKind]
    .map(([failureKind, letters]) => {
      const reasons = letters.map(({ attributes }) => attributes['failureReason'] ?? '');
      const [reason = ''] = reasons.toSorted((a, b) => a.length - b.length);
      return { failureKind, count: letters.length, reason };
    })
    .toSorted((a, b) => b.count - a.count);
}

function usable(sent: readonly Sent[]): readonly Sent[] {
  return sent.filter(({ letter }) => letter.request !== undefined && letter.refusal === undefined);
}

function idsOf(sent: readonly Sent[]): ReadonlySet<string> {
  return new Set(sent.flatMap(({ letter }) => letter.request?.certificateId ?? []));
}
