// What a message asks for, before it is known which certificates that means, and whether policy has
// it so. Our own requests say the status; alerts only say what happened.

import type { Refusal, Request } from './request.ts';
import type { Status } from './status.ts';

export interface Intent extends Pick<
  Request,
  'requestId' | 'requestedBy' | 'reason' | 'comment' | 'incidentId' | 'other'
> {
  readonly target: Target;
  /** Where a certificate is the target: the thing that it was found by. */
  readonly thingName?: string;
  /** Absent where policy decides. */
  readonly newStatus?: Status;
  /** Absent for a request in our own format that no alert led to. */
  readonly origin?: Origin;
}

export type Target =
  | { readonly kind: 'certificate'; readonly certificateId: string; readonly partition?: string }
  /** All certificates of a thing. */
  | { readonly kind: 'thing'; readonly thingName: string }
  /** All certificates that a check of a Device Defender audit complains of. */
  | { readonly kind: 'audit'; readonly taskId: string; readonly checkName: string };

/** The alert that an intent comes from. */
export interface Origin {
  readonly format: AlertFormat;
  /**
   * What policy goes by: the security profile and behavior as "profile/behavior", the audit's check,
   * the product's ARN (and for Device Defender's "/" and one of these two), the custom action's name,
   * or "" for an IoT rule.
   */
  readonly name: string;
  /** The violation's, audit task's, finding's or event's own id. */
  readonly id?: string;
}

export const alertFormats = [
  'device-defender-detect',
  'device-defender-audit',
  'security-hub-imported',
  'security-hub-custom-action',
  'iot-rule',
] as const;

export type AlertFormat = (typeof alertFormats)[number];

/** What a body turned out to be. */
export type Reading =
  /** One or more. */
  | { readonly kind: 'intents'; readonly intents: readonly Intent[] }
  /** Understood, and nothing is to be done; the cause tells why. */
  | { readonly kind: 'ignored'; readonly cause: string }
  | Refusal;
