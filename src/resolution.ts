// From what a message asks for to requests: each names one certificate, and policy has it so.

import type { Brake } from './brake.ts';
import { isTransient, type Failure } from './call.ts';
import type { Intent, Target } from './intent.ts';
import type { Found, Lookup, Seeker } from './lookup.ts';
import type { Outcome } from './outcome.ts';
import { mustKnowThings, objectionTo, statusFor, type Policy } from './policy.ts';
import { quote } from './quote.ts';
import type { Deployment, Request } from './request.ts';
import type { Status } from './status.ts';

/** What became of an intent so far: requests that may go on, and what has ended already. */
export interface Resolution {
  readonly requests: readonly Request[];
  /** It ends here: no certificate was found, or policy ends it. */
  readonly outcome?: Outcome;
}

export interface ResolutionPorts {
  readonly deployment: Deployment;
  readonly policy: Policy;
  readonly lookup: Lookup;
  readonly brake?: Pick<Brake, 'stays'>;
}

/** Which certificates an intent means, and in which status policy lets them be. It does not reject. */
export async function resolve(
  intent: Intent,
  by: Seeker,
  { deployment, policy, lookup }: ResolutionPorts,
): Promise<Resolution> {
  const verdict = statusFor(intent, by.lane, policy);
  switch (verdict.kind) {
    case 'ignored':
      return ended({ kind: 'ignored', cause: verdict.cause });
    case 'forbidden':
      return ended({ kind: 'rejected', failureKind: 'policy', cause: verdict.reason });
    case 'permitted':
      break;
  }
  const { newStatus } = verdict;
  const { target } = intent;
  if (target.kind === 'certificate') {
    const { certificateId, partition } = target;
    return { requests: [requestFor(intent, certificateId, newStatus, deployment, partition)] };
  }
  const found = await certificatesOf(target, by, lookup);
  if (found.kind !== 'found') return ended(outcomeOfFailure(found, target));
  if (found.items.length === 0) return ended(nothingFound(target));
  return {
    requests: found.items.map((id) => requestFor(intent, id, newStatus, deployment)),
  };
}

/** Why policy does not let a request go on; undefined if it does. It does not reject. */
export async function objectionOf(
  request: Request,
  by: Seeker,
  { policy: general, lookup, brake }: ResolutionPorts,
): Promise<Outcome | undefined> {
  const { certificateId } = request;
  const { lane } = by;
  const policy = namesOutright(request) ? { ...general, mostThings: {} } : general;
  const unseen = objectionTo(certificateId, [], lane, policy);
  if (unseen !== undefined) return rejected(unseen);
  if (!mustKnowThings(lane, policy)) return undefined;
  // A flood that the brake holds comes back again and again: it must not use up the quota of the list.
  const stay = brake?.stays(lane, certificateId);
  if (stay !== undefined) return { kind: 'deferred', failureKind: 'brake', cause: stay.cause };
  const found = await lookup.thingsOf(certificateId, by);
  if (found.kind !== 'found')
    return outcomeOfFailure(found, { kind: 'certificate', certificateId });
  const objection = objectionTo(certificateId, found.items, lane, policy);
  return objection && rejected(objection);
}

/** Who names a certificate has decided what goes down; an alert, or the name of a thing, has not. */
function namesOutright({ origin, thingName }: Request): boolean {
  return origin === undefined && thingName === undefined;
}

function rejected({ failureKind, reason }: NonNullable<ReturnType<typeof objectionTo>>): Outcome {
  return { kind: 'rejected', failureKind, cause: reason };
}

function ended(outcome: Outcome): Resolution {
  return { requests: [], outcome };
}

function requestFor(
  { target, newStatus: _asked, ...asked }: Intent,
  certificateId: string,
  newStatus: Status,
  deployment: Deployment,
  partition?: string,
): Request {
  return {
    certificateId,
    ...deployment,
    ...(partition !== undefined && { partition }),
    newStatus,
    ...(target.kind === 'thing' && { thingName: target.thingName }),
    ...asked,
  };
}

async function certificatesOf(
  target: Exclude<Target, { readonly kind: 'certificate' }>,
  by: Seeker,
  lookup: Lookup,
): Promise<Found<string>> {
  return target.kind === 'thing'
    ? lookup.certificatesOf(target.thingName, by)
    : lookup.certificatesOfAudit(target, by);
}

function nothingFound(target: Target): Outcome {
  return target.kind === 'audit'
    ? {
        kind: 'ignored',
        cause: `${named(target)} has no finding left that names a device certificate and is not suppressed`,
      }
    : {
        kind: 'rejected',
        failureKind: 'no-certificate',
        cause: `${named(target)} has no certificate, so there is nothing to take out of service`,
      };
}

function outcomeOfFailure(
  found: Exclude<Found<string>, { kind: 'found' }>,
  target: Target,
): Outcome {
  if (found.kind === 'stopped') {
    return {
      kind: 'deferred',
      failureKind: 'stopping',
      cause: `stopped before ${named(target)} was looked up`,
    };
  }
  const { kind: failureKind, name, message }: Failure = found.failure;
  const cause = `looking up ${named(target)}: ${name}: ${message}`;
  return isTransient(failureKind) || failureKind === 'unauthorized'
    ? { kind: 'deferred', failureKind, cause }
    : { kind: 'rejected', failureKind, cause };
}

function named(target: Target): string {
  switch (target.kind) {
    case 'certificate':
      return `certificate ${target.certificateId}`;
    case 'thing':
      return `thing ${quote(target.thingName)}`;
    case 'audit':
      return `check ${target.checkName} of audit task ${target.taskId}`;
  }
}
