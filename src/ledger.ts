// What we know was applied to a certificate, and up to which SQS time that covers requests.
// Forgetting an entry costs one more idempotent call, never a missed one, so it may be bounded.

import { LRUCache } from 'lru-cache';
import { atLeast, statuses, type Status } from './status.ts';

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

/** About 20 MB; an evicted entry costs a call. */
const defaultCapacity = 100_000;

type Entry = Readonly<Partial<Record<Status, Proof>>>;

/** A ledger in this process's memory, bounded to the `capacity` most recently used certificates. */
export function createMemoryLedger({
  capacity = defaultCapacity,
  marginMs = defaultMarginMs,
}: { readonly capacity?: number; readonly marginMs?: number } = {}): Ledger {
  const entries = new LRUCache<string, Entry>({ max: capacity });
  return {
    covering: (certificateId, status, sentAtMs, messageId) =>
      coveringProof(
        entries.get(certificateId),
        status,
        (proof) => sentAtMs < proof.watermarkMs - marginMs || isOwn(proof, messageId),
      ),
    knowsRevoked: (certificateId) => entries.get(certificateId)?.REVOKED !== undefined,
    record: (certificateId, proof) => {
      entries.set(certificateId, merge(entries.get(certificateId), proof));
    },
  };
}

function coveringProof(
  entry: Entry | undefined,
  status: Status,
  covers: (proof: Proof) => boolean,
): Proof | undefined {
  return statuses
    .filter((known) => atLeast(known, status))
    .map((known) => entry?.[known])
    .find((proof) => proof !== undefined && covers(proof));
}

/** A message without an id is nobody's. */
function isOwn(proof: Proof, messageId: string | undefined): boolean {
  return messageId !== undefined && messageId !== '' && proof.messageId === messageId;
}

function merge(entry: Entry | undefined, proof: Proof): Entry {
  const known = entry?.[proof.status];
  if (known !== undefined && known.watermarkMs >= proof.watermarkMs) return entry ?? {};
  return { ...entry, [proof.status]: proof };
}
