// Proofs, entries and who asked for them, with everything filled in; a test names only what matters.

import type { Asked, CoveredEntry, LedgerEntry } from '../../src/ledger-entry.ts';
import type { Proof } from '../../src/ledger.ts';
import { certificateIdOf } from './message.ts';

export function proofOf(fields: Partial<Proof> = {}): Proof {
  return {
    status: 'REVOKED',
    watermarkMs: 10_000,
    how: 'applied',
    messageId: 'message-1',
    awsRequestId: 'aws-1',
    ...fields,
  };
}

export function askedOf(fields: Partial<Asked> = {}): Asked {
  return { lane: 'incident', messageId: 'message-1', newStatus: 'REVOKED', ...fields };
}

/** Of a call that was applied, as its proof says. */
export function ledgerEntryOf(fields: Partial<LedgerEntry> = {}): LedgerEntry {
  const { proof = proofOf() } = fields;
  return {
    certificateId: certificateIdOf(0),
    outcome: 'applied',
    sentStatus: proof.status,
    watermarkMs: proof.watermarkMs,
    attempts: 1,
    callMs: 50,
    awsRequestId: 'aws-1',
    asked: [askedOf()],
    proof,
    ...fields,
  };
}

/** Of a call that proves nothing for later. */
export function unprovenEntryOf(fields: Partial<LedgerEntry> = {}): LedgerEntry {
  const { proof: _none, ...entry } = ledgerEntryOf(fields);
  return { ...entry, outcome: 'rejected', failureKind: 'not-found', cause: 'no such certificate' };
}

export function coveredEntryOf(
  incidentId?: string,
  fields: Partial<CoveredEntry> = {},
): CoveredEntry {
  const asked = askedOf({
    messageId: 'message-2',
    ...(incidentId !== undefined && { incidentId }),
  });
  return { certificateId: certificateIdOf(0), proof: proofOf(), asked: [asked], ...fields };
}
