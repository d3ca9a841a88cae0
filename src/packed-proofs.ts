// The proofs of the certificates used most recently, packed into one buffer: what the ledger stands on.
//
// As objects they took 340 bytes a certificate of V8's heap, and V8 lets its heap grow to several times
// what is alive. The buffer lies beside that heap, takes 139 bytes a certificate, and has nothing in it
// that the garbage collector would have to follow. Only ids of an unusual form still are strings.
//
// It is cut into records of one size, one for each certificate. A record is three things at once:
//   - an entry of a hash table, whose buckets are chains of records;
//   - the head of one of these buckets: of the one that has the record's number;
//   - a link of the ring that has the certificates in the order of their use.
// Record 0 is nobody's: oldest and newest of the ring meet there, and a chain that leads there ends.

import type { Proof } from './ledger.ts';
import { statuses, type Status } from './status.ts';

export interface PackedProofs {
  /** The proofs of a certificate, the weaker status first; that is a use of it. */
  readonly get: (certificateId: string) => readonly Proof[];
  /**
   * Keeps a proof, unless there is one of the same status that is as new; that is a use of the
   * certificate. Where one certificate would be too many, the one that was not used for the longest
   * time is forgotten.
   */
  readonly keep: (certificateId: string, proof: Proof) => void;
}

export interface PackedProofsOptions {
  /** The most certificates that are kept, at least 1. Memory is taken as they come. */
  readonly capacity: number;
  /** An integer. Whoever does not know it can hardly choose ids that fall into one bucket. */
  readonly seed?: number;
  /** An unsigned 32-bit integer. */
  readonly hashOf?: (text: string, seed: number) => number;
}

/** How nearly all texts of a kind look: hexadecimal digits, two of which fit into a byte. */
interface Form {
  readonly bytes: number;
  readonly digitsOf: (text: string) => string;
  readonly textOf: (digits: string) => string;
}

const fingerprint: Form = { bytes: 32, digitsOf: (text) => text, textOf: (digits) => digits };

/** SQS names its messages so, and AWS its calls. */
const uuid: Form = {
  bytes: 16,
  digitsOf: (text) => text.replaceAll('-', ''),
  textOf: (digits) =>
    `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-` +
    `${digits.slice(16, 20)}-${digits.slice(20)}`,
};

/** Where a text is; a byte before its field tells. */
const nowhere = 0;
const packed = 1;
const beside = 2;

/** Where the fields of a proof begin, in bytes. There is a proof where there is a message's id. */
const inProof = { isObserved: 0, watermarkMs: 1, messageId: 9, awsRequestId: 26 } as const;
const proofBytes = 43;

/** Where the fields of a record begin, in bytes. */
const inRecord = {
  hash: 0,
  first: 4,
  next: 8,
  older: 12,
  newer: 16,
  certificateId: 20,
  proofs: 53,
} as const;
const recordBytes = inRecord.proofs + statuses.length * proofBytes;

/** The numbers of other records: the first and the next of a bucket, and the neighbours in the ring. */
type Link = 'first' | 'next' | 'older' | 'newer';

const nobody = 0;

/** Records to begin with; doubled as needed. */
const firstRoom = 64;

export function createPackedProofs({
  capacity,
  seed = 0,
  hashOf = seededHash,
}: PackedProofsOptions): PackedProofs {
  let room = firstRoom;
  let records = Buffer.from(new ArrayBuffer(room * recordBytes));
  let used = 0;
  /** The texts of another form, by where their fields are. */
  const odd = new Map<number, string>();

  function get(certificateId: string): readonly Proof[] {
    const record = find(certificateId, hashOf(certificateId, seed));
    if (record === nobody) return [];
    use(record);
    return statuses
      .map((status) => readProof(record, status))
      .filter((proof) => proof !== undefined);
  }

  function keep(certificateId: string, proof: Proof): void {
    const hash = hashOf(certificateId, seed);
    const known = find(certificateId, hash);
    const record = known === nobody ? add(certificateId, hash) : known;
    use(record);
    if (!hasAsNew(record, proof)) writeProof(record, proof.status, proof);
  }

  function find(certificateId: string, hash: number): number {
    let record = follow(hash % room, 'first');
    while (record !== nobody && !isOf(record, certificateId, hash)) record = follow(record, 'next');
    return record;
  }

  function isOf(record: number, certificateId: string, hash: number): boolean {
    if (hashIn(record) !== hash) return false;
    return readText(record * recordBytes + inRecord.certificateId, fingerprint) === certificateId;
  }

  function hashIn(record: number): number {
    return records.readUInt32LE(record * recordBytes + inRecord.hash);
  }

  function add(certificateId: string, hash: number): number {
    const record = used === capacity ? forgetOldest() : nextRecord();
    const at = record * recordBytes;
    records.writeUInt32LE(hash, at + inRecord.hash);
    writeText(at + inRecord.certificateId, fingerprint, certificateId);
    for (const status of statuses) writeProof(record, status, undefined);
    enterBucket(record);
    link(record, record);
    return record;
  }

  function nextRecord(): number {
    if (used + 1 === room) grow();
    return ++used;
  }

  function grow(): void {
    room = Math.min(2 * room, capacity + 1);
    // The buffer before it is given back at once, and does not wait for the garbage collector.
    records = Buffer.from(records.buffer.transfer(room * recordBytes));
    for (let bucket = 0; bucket < room; bucket++) point(bucket, 'first', nobody);
    for (let record = 1; record <= used; record++) enterBucket(record);
  }

  function forgetOldest(): number {
    const oldest = follow(nobody, 'newer');
    leaveBucket(oldest);
    link(follow(oldest, 'older'), follow(oldest, 'newer'));
    return oldest;
  }

  function enterBucket(record: number): void {
    const bucket = hashIn(record) % room;
    point(record, 'next', follow(bucket, 'first'));
    point(bucket, 'first', record);
  }

  function leaveBucket(record: number): void {
    const bucket = hashIn(record) % room;
    const next = follow(record, 'next');
    let before = follow(bucket, 'first');
    if (before === record) return point(bucket, 'first', next);
    while (follow(before, 'next') !== record) before = follow(before, 'next');
    point(before, 'next', next);
  }

  /** Takes it out of the ring, and puts it back as the newest. */
  function use(record: number): void {
    link(follow(record, 'older'), follow(record, 'newer'));
    link(follow(nobody, 'older'), record);
    link(record, nobody);
  }

  function link(older: number, newer: number): void {
    point(older, 'newer', newer);
    point(newer, 'older', older);
  }

  function follow(record: number, by: Link): number {
    return records.readUInt32LE(record * recordBytes + inRecord[by]);
  }

  function point(record: number, by: Link, to: number): void {
    records.writeUInt32LE(to, record * recordBytes + inRecord[by]);
  }

  function readProof(record: number, status: Status): Proof | undefined {
    const at = placeOf(record, status);
    const messageId = readText(at + inProof.messageId, uuid);
    if (messageId === undefined) return undefined;
    const awsRequestId = readText(at + inProof.awsRequestId, uuid);
    return {
      status,
      watermarkMs: records.readDoubleLE(at + inProof.watermarkMs),
      how: records.readUInt8(at + inProof.isObserved) === 1 ? 'observed' : 'applied',
      messageId,
      ...(awsRequestId !== undefined && { awsRequestId }),
    };
  }

  function hasAsNew(record: number, { status, watermarkMs }: Proof): boolean {
    return records.readDoubleLE(placeOf(record, status) + inProof.watermarkMs) >= watermarkMs;
  }

  function writeProof(record: number, status: Status, proof: Proof | undefined): void {
    const at = placeOf(record, status);
    records.writeUInt8(proof?.how === 'observed' ? 1 : 0, at + inProof.isObserved);
    // Nothing is as new as NaN, and NaN as nothing.
    records.writeDoubleLE(proof?.watermarkMs ?? NaN, at + inProof.watermarkMs);
    writeText(at + inProof.messageId, uuid, proof?.messageId);
    writeText(at + inProof.awsRequestId, uuid, proof?.awsRequestId);
  }

  function placeOf(record: number, status: Status): number {
    return record * recordBytes + inRecord.proofs + statuses.indexOf(status) * proofBytes;
  }

  function readText(at: number, form: Form): string | undefined {
    const where = records.readUInt8(at);
    if (where === nowhere) return undefined;
    return where === packed ? unpack(at, form) : odd.get(at);
  }

  function writeText(at: number, form: Form, text: string | undefined): void {
    odd.delete(at);
    records.writeUInt8(nowhere, at);
    if (text === undefined) return;
    records.write(form.digitsOf(text), at + 1, form.bytes, 'hex');
    // Whatever form it has: what does not come back as it was is kept as it is.
    const isPacked = unpack(at, form) === text;
    records.writeUInt8(isPacked ? packed : beside, at);
    if (!isPacked) odd.set(at, text);
  }

  function unpack(at: number, form: Form): string {
    return form.textOf(records.toString('hex', at + 1, at + 1 + form.bytes));
  }

  return { get, keep };
}

function seededHash(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
