// How the ledger's entries stand in DynamoDB. A certificate has one item, with a slot for each status
// that a call can prove and one for endings that prove nothing; what other incidents it belongs to
// stands in items of their own. Only what reads back exactly as we write it can cover anything.

import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Asked, CoveredEntry, LedgerEntry } from '../ledger-entry.ts';
import type { Proof } from '../ledger.ts';
import type { Deployment } from '../request.ts';
import { statuses, type Status } from '../status.ts';

/** The table's keys and its index, as infra/ledger.yml makes them. */
export const partitionKey = 'certificate';
export const sortKey = 'entry';
export const incidentIndex = 'byIncident';
export const incidentKey = 'incident';
/** TTL evicts; it never decides what is covered. */
export const expiryAttribute = 'expiresAt';

/** The sort key of a certificate's own item. */
export const certificateItem = 'certificate';

/** `UNPROVEN`: refused, or found INACTIVE, which anybody may undo. */
export type Slot = Status | 'UNPROVEN';

/** An entry stays this long after it was last written: longer than any message, and for the audit. */
const keptDays = 400;

/** Of those who joined one call; the rest is counted, and stands in the log. */
const mostAsked = 5;

/** DynamoDB's limit for a sort key is 1024 bytes (AWS service model). */
const longestIncidentBytes = 512;

/** Of any text that people write, characters: units are paid by the kilobyte. The log has all of it. */
const longestText = 256;

const version = 1;

export function certificateKeyOf({ accountId, region }: Deployment, certificateId: string): string {
  return `${accountId}/${region}/${certificateId}`;
}

export function incidentKeyOf({ accountId, region }: Deployment, incidentId: string): string {
  return `${accountId}/${region}/${shortened(incidentId)}`;
}

/** The sort key of an item that files a certificate under an incident. */
export function incidentItemOf(incidentId: string): string {
  return `incident/${shortened(incidentId)}`;
}

function shortened(incidentId: string): string {
  const wellFormed = incidentId.toWellFormed();
  if (Buffer.byteLength(wellFormed) <= longestIncidentBytes) return wellFormed;
  return `sha256:${createHash('sha256').update(incidentId).digest('hex')}`;
}

export function slotOf({ proof }: LedgerEntry): Slot {
  return proof?.status ?? 'UNPROVEN';
}

/** A whole number, ms: a queue that tells no times proves nothing, and DynamoDB knows no infinity. */
export function watermarkOf({ watermarkMs }: LedgerEntry): number {
  return Math.max(0, Math.floor(watermarkMs));
}

/** What a slot holds of an entry. `at` is the time now, ms since the epoch. */
export function slotValueOf(entry: LedgerEntry, at: number): Readonly<Record<string, unknown>> {
  const { proof, outcome, cause, failureKind, sentStatus, attempts, callMs, awsRequestId } = entry;
  return {
    version,
    watermarkMs: watermarkOf(entry),
    ...(proof !== undefined && { how: proof.how, messageId: proof.messageId }),
    at: new Date(at).toISOString(),
    outcome,
    sentStatus,
    attempts,
    callMs: Math.round(callMs),
    ...(awsRequestId !== undefined && { awsRequestId }),
    ...(cause !== undefined && { cause: bounded(cause) }),
    ...(failureKind !== undefined && { failureKind }),
    ...askedValueOf(entry.asked),
  };
}

/** Where the call that first revoked a certificate stays, whatever comes after it. */
export const firstRevocation = 'FIRST_REVOKED';

/** Who revoked first, and why: the rest of that entry gives way to the next one's. */
export function firstValueOf(entry: LedgerEntry, at: number): Readonly<Record<string, unknown>> {
  const { outcome, awsRequestId, asked } = entry;
  const leader = asked.slice(0, 1).map(({ comment: _comment, ...one }) => one);
  return {
    version,
    at: new Date(at).toISOString(),
    outcome,
    ...(awsRequestId !== undefined && { awsRequestId }),
    ...askedValueOf(leader),
  };
}

/** What an item that files a certificate under an incident holds. */
export function filedValueOf(
  entry: LedgerEntry | CoveredEntry,
  incidentId: string,
  at: number,
): Readonly<Record<string, unknown>> {
  const asked = entry.asked.filter((one) => one.incidentId === incidentId);
  const awsRequestId = entry.proof?.awsRequestId;
  return {
    version,
    at: new Date(at).toISOString(),
    outcome: 'outcome' in entry ? entry.outcome : 'covered',
    ...(entry.proof !== undefined && { status: entry.proof.status }),
    ...(awsRequestId !== undefined && { awsRequestId }),
    ...askedValueOf(asked),
  };
}

/** When TTL may evict an item written `at`, seconds since the epoch. */
export function expiryOf(at: number): number {
  return Math.floor(at / 1000) + keptDays * 86_400;
}

function askedValueOf(asked: readonly Asked[]): Readonly<Record<string, unknown>> {
  const more = asked.length - mostAsked;
  return {
    asked: asked.slice(0, mostAsked).map(askedInShort),
    ...(more > 0 && { moreAsked: more }),
  };
}

function askedInShort({ origin, ...texts }: Asked): Readonly<Record<string, unknown>> {
  return { ...inShort(texts), ...(origin !== undefined && { origin: inShort(origin) }) };
}

function inShort(texts: object): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, bounded(String(text))]),
  );
}

/** Half a character, whoever has cut it, is none that DynamoDB takes. */
function bounded(text: string): string {
  const isLong = text.length > longestText;
  return (isLong ? `${text.slice(0, longestText - 1)}…` : text).toWellFormed();
}

/** A slot as DynamoDB's own types have it: to make numbers of them may throw. */
const proofSlot = z.object({
  M: z.object({
    version: z.object({ N: z.literal(String(version)) }),
    watermarkMs: z.object({ N: z.string().regex(/^\d{1,15}$/) }),
    how: z.object({ S: z.enum(['applied', 'observed']) }),
    messageId: z.object({ S: z.string().min(1) }),
    awsRequestId: z.object({ S: z.string() }).optional(),
  }),
});

/** The proofs that an item holds. Whatever is not exactly ours proves nothing. */
export function proofsOf(item: Readonly<Record<string, unknown>> | undefined): readonly Proof[] {
  return statuses.flatMap((status) => proofOf(status, item?.[status]) ?? []);
}

function proofOf(status: Status, slot: unknown): Proof | undefined {
  const read = proofSlot.safeParse(slot);
  if (!read.success) return undefined;
  const { watermarkMs, how, messageId, awsRequestId } = read.data.M;
  return {
    status,
    watermarkMs: Number(watermarkMs.N),
    how: how.S,
    messageId: messageId.S,
    ...(awsRequestId !== undefined && { awsRequestId: awsRequestId.S }),
  };
}
