// One attempt to bring a certificate into a status, and what came of it. The port is what AWS offers;
// src/aws/certificates.ts implements it.

import type { Feedback } from './pace.ts';
import { atLeast, type Status } from './status.ts';

/** What an AWS call can end in, other than success. src/aws/failure.ts maps exceptions to these. */
export type FailureKind =
  /** The rate is exceeded: slow down and try again. */
  | 'throttled'
  /** AWS answered 500 or 503: try again. */
  | 'unavailable'
  /** No answer in time, or the connection broke: the call may have landed. Covers nothing; try again. */
  | 'unknown-result'
  /** We never reached AWS: name resolution, refused connection, TLS. Try again. */
  | 'unreachable'
  /** An exception that we have no name for: try again, and say so aloud. */
  | 'unknown-exception'
  /** The worker's own permission or credentials: our deployment is wrong, not the request. */
  | 'unauthorized'
  | 'not-found'
  | 'invalid-request'
  /** The operation is not allowed in the certificate's state. */
  | 'state-conflict'
  /** The same, and yet its state could change: somebody else's operation may have come between. */
  | 'contested';

export interface Failure {
  readonly kind: FailureKind;
  /** The exception's name, as AWS or Node gives it. */
  readonly name: string;
  readonly message: string;
  readonly awsRequestId?: string;
}

export type UpdateAnswer =
  | { readonly kind: 'updated'; readonly awsRequestId?: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

export type DescribeAnswer =
  | { readonly kind: 'described'; readonly status: string; readonly awsRequestId?: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** The certificates of one account and region. Neither method rejects. */
export interface Certificates {
  update(certificateId: string, status: Status, signal: AbortSignal): Promise<UpdateAnswer>;
  describe(certificateId: string, signal: AbortSignal): Promise<DescribeAnswer>;
}

/** What an attempt came to. */
export type CallResult =
  | { readonly kind: 'applied'; readonly awsRequestId?: string }
  /** The certificate was found in `status`, which is at least what was asked for. */
  | { readonly kind: 'unchanged'; readonly status: Status; readonly awsRequestId?: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Wanted {
  readonly certificateId: string;
  readonly status: Status;
  /** Look first: perhaps it is there already, and nothing weaker is ever sent. */
  readonly lookFirst: boolean;
}

/** Brings the certificate into the wanted status, once. */
export async function call(
  certificates: Certificates,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<CallResult> {
  if (wanted.lookFirst) {
    const seen = await certificates.describe(wanted.certificateId, signal);
    if (seen.kind === 'failed') return ofLook(seen.failure);
    const there = alreadyThere(seen, wanted.status);
    if (there !== undefined) return there;
  }
  const answer = await certificates.update(wanted.certificateId, wanted.status, signal);
  if (answer.kind === 'updated') return { ...answer, kind: 'applied' };
  return answer.failure.kind === 'state-conflict'
    ? lookInto(answer.failure, certificates, wanted, signal)
    : answer;
}

/** A state conflict says too little: DescribeCertificate tells "already there" from "cannot change". */
async function lookInto(
  conflict: Failure,
  certificates: Certificates,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<CallResult> {
  const seen = await certificates.describe(wanted.certificateId, signal);
  if (seen.kind === 'failed') return ofLook(seen.failure);
  const there = alreadyThere(seen, wanted.status);
  if (there !== undefined) return there;
  const { status } = seen;
  return {
    kind: 'failed',
    failure: {
      ...conflict,
      kind: status === 'ACTIVE' || status === 'INACTIVE' ? 'contested' : 'state-conflict',
      message: `the certificate is ${status} and cannot become ${wanted.status} (${conflict.message})`,
    },
  };
}

function alreadyThere(
  { status, awsRequestId }: Extract<DescribeAnswer, { readonly kind: 'described' }>,
  wanted: Status,
): CallResult | undefined {
  if ((status !== 'INACTIVE' && status !== 'REVOKED') || !atLeast(status, wanted)) return undefined;
  return { kind: 'unchanged', status, ...(awsRequestId !== undefined && { awsRequestId }) };
}

/** DescribeCertificate has a quota of its own: that it was throttled is no news of ours. */
function ofLook(failure: Failure): CallResult {
  const kind = failure.kind === 'throttled' ? 'unavailable' : failure.kind;
  return { kind: 'failed', failure: { ...failure, kind } };
}

/** Whether another attempt may succeed without anybody doing anything. */
export function isTransient(kind: FailureKind): boolean {
  switch (kind) {
    case 'throttled':
    case 'unavailable':
    case 'unknown-result':
    case 'unreachable':
    case 'unknown-exception':
    case 'contested':
      return true;
    case 'unauthorized':
    case 'not-found':
    case 'invalid-request':
    case 'state-conflict':
      return false;
  }
}

/** What the pace learns from an attempt. */
export function feedbackOf(result: CallResult): Feedback {
  if (result.kind !== 'failed') return 'succeeded';
  return result.failure.kind === 'throttled' ? 'throttled' : 'failed';
}
