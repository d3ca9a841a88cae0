// The control plane's state: certificates, things and audits of one account in one region, in memory.

import { randomUUID } from 'node:crypto';
import { certificateIdOf } from './certificate.ts';
import type { CertificateStatus } from './constraint.ts';

/** A registered certificate. Replaced, never changed. */
export interface Certificate {
  readonly certificateId: string;
  readonly arn: string;
  readonly der: Uint8Array;
  readonly status: CertificateStatus;
  /** SNI_ONLY when registered without a CA (AWS service model). */
  readonly mode: 'DEFAULT' | 'SNI_ONLY';
  readonly generationId: string;
  /** Counts the changes, from 1. */
  readonly version: number;
  /** Order of registration, from 1: what page markers point at. */
  readonly serial: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

/** A thing and the principals attached to it, in order of attachment. */
interface Thing {
  readonly thingName: string;
  readonly arn: string;
  readonly thingId: string;
  /** What CreateThing was given; the same again succeeds, anything else conflicts. */
  readonly configuration: string;
  readonly principals: Set<string>;
}

/** What an audit of Device Defender has found; its task's id names it. */
interface AuditTask {
  readonly startedAtMs: number;
  /** In the order in which they were entered, which their pages point at. */
  readonly findings: readonly AuditFinding[];
}

export interface AuditFinding {
  readonly findingId: string;
  readonly checkName: string;
  /** Undefined where it is about something else. */
  readonly certificateId: string | undefined;
  readonly isSuppressed: boolean;
  readonly foundAtMs: number;
}

/** The state, and where and when it lives. */
export interface Registry {
  readonly region: string;
  readonly accountId: string;
  readonly now: () => number;
  /** The serial given out last; deleted certificates keep theirs. */
  readonly lastSerial: { value: number };
  /** By id, in order of registration. Ids are case sensitive, as at AWS. */
  readonly certificates: Map<string, Certificate>;
  /** By name, in order of creation. */
  readonly things: Map<string, Thing>;
  /** By the ids of their tasks. */
  readonly audits: Map<string, AuditTask>;
}

/** An empty registry. */
export function createRegistry(where: Pick<Registry, 'region' | 'accountId' | 'now'>): Registry {
  return {
    ...where,
    lastSerial: { value: 0 },
    certificates: new Map(),
    things: new Map(),
    audits: new Map(),
  };
}

/** Enters a certificate that is not there yet. */
export function enrol(
  registry: Registry,
  der: Uint8Array,
  status: CertificateStatus,
  mode: Certificate['mode'],
): Certificate {
  const certificateId = certificateIdOf(der);
  registry.lastSerial.value += 1;
  const nowMs = registry.now();
  const certificate: Certificate = {
    certificateId,
    arn: arnOf(registry, `cert/${certificateId}`),
    der,
    status,
    mode,
    generationId: randomUUID(),
    version: 1,
    serial: registry.lastSerial.value,
    createdAtMs: nowMs,
    modifiedAtMs: nowMs,
  };
  registry.certificates.set(certificateId, certificate);
  return certificate;
}

/** The ARN of something in this region and account, e.g. `arn:aws:iot:us-east-1:000000000000:cert/…`. */
export function arnOf(registry: Registry, resource: string): string {
  return `arn:aws:iot:${registry.region}:${registry.accountId}:${resource}`;
}

/** The names of the things that the principal is attached to. */
export function thingsOf(registry: Registry, principal: string): readonly string[] {
  return [...registry.things.values()]
    .filter((thing) => thing.principals.has(principal))
    .map((thing) => thing.thingName);
}
