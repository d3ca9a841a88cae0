// What we know was applied to a certificate, and up to which SQS time that covers requests.
// Forgetting an entry costs one more idempotent call, never a missed one, so it may be bounded.

import { createPackedProofs } from './packed-proofs.ts';
import { atLeast, type Status } from './status.ts';

/** One successful call, or one look that found the certificate in its terminal state. */
export interface Proof {
  readonly status: Status;
  /**
   * The newest ApproximateFirstReceiveTimestamp (ms, SQS's clock) among the messages that were held
   * when the call started: whatever was sent clearly before that, was sent before the call started.
   */
  readonly watermarkMs: number;
  /** `applied`: UpdateCertificate succeeded. `observed`: DescribeCertificate showed REVOKED. */
  readonly how: 'applied' | 'observed';
  /** The message whose request led to the call. */
  readonly messageId: string;
  /** AWS's request id of the call, as CloudTrail has it. */
  readonly awsRequestId?: string;
}

export interface Ledger {
  /**
   * The proof that covers a request for `status` sent at `sentAtMs` (SQS's clock), if there is one. The
   * message that a proof's call was made for was there before it: come back for something else that it
   * asks for, it is covered whatever the clock says.
   */
  covering(
    certificateId: string,
    status: Status,
    sentAtMs: number,
    messageId?: string,
  ): Proof | undefined;
  /** Whether the certificate was seen in the terminal status, at whatever time. */
  knowsRevoked(certificateId: string): boolean;
  /** Remembers a proof. An older one never replaces a newer one of the same status. */
  record(certificateId: string, proof: Proof): void;
}

/** How far SQS's own hosts may disagree about the time, in ms; the only error left in `covering`. */
export const defaultMarginMs = 1000;

/** About 14 MB; an evicted entry costs a call. */
const defaultCapacity = 100_000;

export interface MemoryLedgerOptions {
  /** The certificates that are remembered, those used most recently; at least 1. */
  readonly capacity?: number;
  readonly marginMs?: number;
  /** Any integer that those who name certificates do not know; see packed-proofs.ts. */
  readonly seed?: number;
}

/** A ledger in this process's memory, bounded to the `capacity` most recently used certificates. */
export function createMemoryLedger({
  capacity = defaultCapacity,
  marginMs = defaultMarginMs,
  seed = 0,
}: MemoryLedgerOptions = {}): Ledger {
  const proofs = createPackedProofs({ capacity, seed });
  return {
    covering: (certificateId, status, sentAtMs, messageId) =>
      proofs
        .get(certificateId)
        .filter((proof) => atLeast(proof.status, status))
        .find((proof) => sentAtMs < proof.watermarkMs - marginMs || isOwn(proof, messageId)),
    knowsRevoked: (certificateId) =>
      proofs.get(certificateId).some(({ status }) => status === 'REVOKED'),
    record: proofs.keep,
  };
}

/** A message without an id is nobody's. */
function isOwn(proof: Proof, messageId: string | undefined): boolean {
  return messageId !== undefined && messageId !== '' && proof.messageId === messageId;
}
