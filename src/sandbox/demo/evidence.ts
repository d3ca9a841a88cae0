// What the demo has seen. Every figure that it shows is computed from this, and from nothing else.

import type { MessageEvent } from '../../event.ts';
import type { Lane } from '../../lane.ts';
import type { Call } from '../call-log.ts';
import type { Letter } from './plan.ts';

/** A letter that SQS took. */
export interface Sent {
  readonly letter: Letter;
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

/** What was sent and has not come to its end. */
export function unsettled({ sent, events }: Pick<Evidence, 'sent' | 'events'>): readonly Sent[] {
  const ended = new Set(events.filter(isEnding).map(({ messageId }) => messageId));
  return sent.filter(({ messageId }) => !ended.has(messageId));
}
