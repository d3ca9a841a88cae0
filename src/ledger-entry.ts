// What a shared ledger keeps of a call: what it proves for later, how it ended, and who had asked for it.

import { isTransient, type CallResult, type FailureKind } from './call.ts';
import type { Proof } from './ledger.ts';
import type { Request } from './request.ts';
import type { Status } from './status.ts';
import { leaderOf, type Ending, type Joiner, type Update } from './update.ts';
import type { Lane } from './lane.ts';

export interface LedgerEntry {
  readonly certificateId: string;
  /** What it proves for later; absent where it proves nothing. */
  readonly proof?: Proof;
  readonly outcome: 'applied' | 'unchanged' | 'rejected';
  readonly cause?: string;
  readonly failureKind?: FailureKind;
  /** The status that was sent. */
  readonly sentStatus: Status;
  /** The newest SQS time that was held when the call started, ms; see Proof. */
  readonly watermarkMs: number;
  readonly attempts: number;
  /** How long the last attempt took, ms. */
  readonly callMs: number;
  /** AWS's id of the last call, as CloudTrail has it. */
  readonly awsRequestId?: string;
  /** All that the call was made for, the leader first. */
  readonly asked: readonly Asked[];
}

/** A request that needed no call, because a proof covers it. */
export interface CoveredEntry {
  readonly certificateId: string;
  readonly proof: Proof;
  readonly asked: readonly [Asked];
}

/** Who asked, and why. */
export interface Asked extends Pick<
  Request,
  | 'newStatus'
  | 'requestId'
  | 'requestedBy'
  | 'reason'
  | 'comment'
  | 'incidentId'
  | 'thingName'
  | 'origin'
> {
  readonly lane: Lane;
  readonly messageId: string;
}

/** The entry of an update that has ended; undefined where it will be tried again. */
export function entryOf(update: Update, ending: Ending): LedgerEntry | undefined {
  const call = update.story;
  if (ending.kind === 'stopped' || call === undefined) return undefined;
  const { certificateId, joined } = update;
  const { sentStatus, watermarkMs, attempts, callMs, awsRequestId } = call;
  const proof = proofOf(update, ending);
  const leader = leaderOf(update, sentStatus);
  const others = joined.filter((joiner) => joiner !== leader);
  const common = {
    certificateId,
    sentStatus,
    watermarkMs,
    attempts,
    callMs,
    ...(awsRequestId !== undefined && { awsRequestId }),
    ...(proof !== undefined && { proof }),
    asked: [...(leader === undefined ? [] : [leader]), ...others].map(askedBy),
  };
  switch (ending.kind) {
    case 'applied':
      return { ...common, outcome: 'applied' };
    case 'unchanged':
      return { ...common, outcome: 'unchanged', cause: `it was ${ending.status} already` };
    case 'failed': {
      const { kind: failureKind, name, message } = ending.failure;
      if (isTransient(failureKind) || failureKind === 'unauthorized') return undefined;
      return { ...common, outcome: 'rejected', failureKind, cause: `${name}: ${message}` };
    }
  }
}

export function coveredEntryOf(joiner: Omit<Joiner, 'settle'>, proof: Proof): CoveredEntry {
  return { certificateId: joiner.request.certificateId, proof, asked: [askedBy(joiner)] };
}

/** What the last call of an update proves for requests that we have not received yet. */
export function proofOf(update: Update, result: CallResult): Proof | undefined {
  const call = update.story;
  // INACTIVE that was merely found proves nothing for later: anybody may activate it again.
  if (call === undefined || result.kind === 'failed') return undefined;
  if (result.kind === 'unchanged' && result.status !== 'REVOKED') return undefined;
  const leader = leaderOf(update, call.sentStatus);
  return {
    status: result.kind === 'applied' ? call.sentStatus : result.status,
    watermarkMs: call.watermarkMs,
    how: result.kind === 'applied' ? 'applied' : 'observed',
    messageId: leader?.message.messageId ?? '',
    ...(result.awsRequestId !== undefined && { awsRequestId: result.awsRequestId }),
  };
}

function askedBy({ request, message }: Omit<Joiner, 'settle'>): Asked {
  const { newStatus, requestId, requestedBy, reason, comment, incidentId } = request;
  const { thingName, origin } = request;
  return {
    lane: message.lane,
    messageId: message.messageId,
    newStatus,
    ...(requestId !== undefined && { requestId }),
    ...(requestedBy !== undefined && { requestedBy }),
    ...(reason !== undefined && { reason }),
    ...(comment !== undefined && { comment }),
    ...(incidentId !== undefined && { incidentId }),
    ...(thingName !== undefined && { thingName }),
    ...(origin !== undefined && { origin }),
  };
}
