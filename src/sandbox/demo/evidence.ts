// What the demo has seen. Every figure that it shows is computed from this, and from nothing else.

import type { MessageEvent } from '../../event.ts';
import type { Lane } from '../../lane.ts';
import type { Call } from '../call-log.ts';
import { askedBy, type Letter } from './plan.ts';

/** A letter that SQS took. */
export interface Sent {
  readonly letter: Letter;
  /** SQS's id; of what was published, only the id of its violation is known. */
  readonly messageId: string;
  /** When the demo began to send it, epoch ms. */
  readonly sentAtMs: number;
}

/** What lies in the dead-letter queue. */
export interface DeadLetter {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export type QueueName = Lane | 'deadLetter';

export interface Evidence {
  readonly sent: readonly Sent[];
  /** The worker's log: one event for each time that it dealt with a message. */
  readonly events: readonly MessageEvent[];
  /** The control plane's log. */
  readonly calls: readonly Call[];
  /** What the control plane granted, and since when; the first for the whole time before. */
  readonly grants: readonly Grant[];
  /** When the alert lane was found at its ceiling, and when the brake was lifted, epoch ms. */
  readonly brake: { readonly heldAtMs?: number; readonly liftedAtMs?: number };
}

export interface Grant {
  /** Epoch ms. */
  readonly atMs: number;
  /** UpdateCertificate calls per second. */
  readonly rate: number;
}

/** What a call got that was received at that time; in the very millisecond of a change, the old. */
export function grantedAt(grants: readonly Grant[], timeMs: number): number {
  return (grants.findLast(({ atMs }) => atMs < timeMs) ?? grants[0])?.rate ?? 0;
}

/** The calls that count against the quota. */
export function updatesIn(calls: readonly Call[]): readonly Call[] {
  return calls.filter(({ operation }) => operation === 'UpdateCertificate');
}

/** Whether the message is off its queue for good, by the worker's word. */
export function isEnding({ acknowledgement, acknowledged }: MessageEvent): boolean {
  return acknowledged && acknowledgement !== 'retry';
}

/** The ids that a letter of this event may be known by. */
export function idsIn({ messageId, origin, requests }: MessageEvent): readonly string[] {
  const violationId = (origin ?? requests?.[0]?.origin)?.id;
  return violationId === undefined ? [messageId] : [messageId, violationId];
}

/** Certificates that alerts have taken out of service until then. */
export function switchedOff(
  { sent, calls }: Pick<Evidence, 'sent' | 'calls'>,
  untilMs: number,
): number {
  const wanted = new Map<string | undefined, string>();
  for (const { letter } of sent.filter((one) => one.letter.lane === 'alert')) {
    for (const { certificateId, newStatus } of askedBy(letter)) {
      wanted.set(certificateId, newStatus);
    }
  }
  const done = updatesIn(calls).filter(
    ({ certificateId, newStatus, applied, receivedAtMs }) =>
      applied && receivedAtMs <= untilMs && wanted.get(certificateId) === newStatus,
  );
  return new Set(done.map(({ certificateId }) => certificateId)).size;
}

/** What was sent and has not come to its end. */
export function unsettled({ sent, events }: Pick<Evidence, 'sent' | 'events'>): readonly Sent[] {
  const ended = new Set(events.filter(isEnding).flatMap(idsIn));
  return sent.filter(({ messageId }) => !ended.has(messageId));
}
