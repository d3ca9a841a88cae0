// What became of a request.

import type { FailureKind } from './call.ts';
import type { RefusalKind } from './request.ts';
import type { Status } from './status.ts';

/** The call that a request's outcome rests on. */
export interface CallStory {
  /** The status that was sent; it may be stronger than the one asked for. */
  readonly sentStatus: Status;
  /** The newest SQS time that was held when the last attempt started, ms; see Proof. */
  readonly watermarkMs: number;
  /** Attempts that went out for the update, throttled ones included. */
  readonly attempts: number;
  /** When the last attempt started, ms on our clock. */
  readonly startedAtMs: number;
  /** How long the last attempt took, ms. */
  readonly callMs: number;
  /** AWS's id of the last call, as CloudTrail has it. */
  readonly awsRequestId?: string;
}

export type Outcome =
  | { readonly kind: 'applied'; readonly call: CallStory }
  | {
      readonly kind: 'covered';
      readonly cause: string;
      /** The message whose request led to the covering call. */
      readonly byMessageId: string;
      readonly awsRequestId?: string;
      readonly call?: CallStory;
    }
  | { readonly kind: 'unchanged'; readonly cause: string; readonly call: CallStory }
  | {
      readonly kind: 'rejected';
      readonly failureKind: FailureKind | RefusalKind | PolicyRefusalKind;
      readonly cause: string;
      readonly call?: CallStory;
    }
  | {
      readonly kind: 'deferred';
      readonly failureKind: FailureKind | 'stopping' | 'brake' | 'dry-run' | 'bug';
      readonly cause: string;
      readonly call?: CallStory;
    }
  /** It has become requests of their own, which lie in its lane now. */
  | { readonly kind: 'expanded'; readonly cause: string; readonly call?: undefined }
  /** An alert that calls for no action. */
  | { readonly kind: 'ignored'; readonly cause: string; readonly call?: undefined };

/** Why a request that could be read is not carried out. */
export type PolicyRefusalKind =
  /** Its lane may not ask for this status. */
  | 'policy'
  /** Only the incident lane may touch this certificate. */
  | 'protected'
  /** More things would go down than the lane may switch off at once. */
  | 'shared-certificate'
  /** The thing has no certificate. */
  | 'no-certificate';

/**
 * The outcome of a whole message, of one or more requests: the one that decides what the queue is
 * told. What is still to be done keeps the message; a refusal is told before a success, and before that
 * what is still to be done by requests of its own.
 */
export function deciding(outcomes: readonly Outcome[]): Outcome | undefined {
  const order: readonly Outcome['kind'][] = [
    'deferred',
    'rejected',
    'expanded',
    'applied',
    'unchanged',
    'covered',
    'ignored',
  ];
  return outcomes.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))[0];
}

/** What a bug of ours does to a request: it goes back to its queue. */
export function deferredByBug(bug: unknown): Outcome {
  const cause = bug instanceof Error ? (bug.stack ?? bug.message) : String(bug);
  return { kind: 'deferred', failureKind: 'bug', cause };
}
