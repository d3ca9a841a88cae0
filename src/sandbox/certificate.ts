// Device certificates as AWS IoT issues them: real keys, real X.509, so that every tool that reads
// a certificate reads ours, and the certificate id is a real fingerprint.

import {
  createHash,
  generateKeyPair,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import {
  bitString,
  booleanTrue,
  contextTag,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from './der.ts';

/** Signs certificates with one P-256 key of its own; AWS signs with RSA, which is slower here. */
export interface Issuer {
  /** A fresh RSA-2048 key pair and its certificate (AWS docs: CreateKeysAndCertificate). */
  readonly issueWithKeys: () => Promise<IssuedKeys>;
  /** A certificate over a key pair that all of these share: distinct in serial and id, and fast. */
  readonly issue: () => Buffer;
}

/** What CreateKeysAndCertificate hands out; `der` is the certificate, the keys are PEM. */
interface IssuedKeys {
  readonly der: Buffer;
  readonly publicKeyPem: string;
  /** PKCS#1 (`BEGIN RSA PRIVATE KEY`), the form that AWS IoT hands out. */
  readonly privateKeyPem: string;
}

/** An issuer whose certificates start two minutes before `now` (epoch ms) and end with 2049. */
export function createIssuer(now: () => number): Issuer {
  const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const shared = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const authority = keyIdentifier(spkiOf(issuer.publicKey));
  const issueFor = (spki: Buffer): Buffer =>
    signCertificate(toBeSigned(spki, authority, now()), issuer.privateKey);
  return {
    issue: () => issueFor(shared),
    issueWithKeys: async () => {
      const keys = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
      return {
        der: issueFor(spkiOf(keys.publicKey)),
        publicKeyPem: String(keys.publicKey.export({ type: 'spki', format: 'pem' })),
        privateKeyPem: String(keys.privateKey.export({ type: 'pkcs1', format: 'pem' })),
      };
    },
  };
}

/** The id that AWS IoT gives a certificate: the lowercase hex SHA-256 of its DER. */
export function certificateIdOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

/** The PEM form of a DER certificate. */
export function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

// Issuer, subject, validity and extensions follow a certificate that AWS IoT issued in 2018: its
// issuer is one single OU attribute, spelled so, and it began two minutes before it was asked for.
const issuerName = name(
  '2.5.4.11',
  'Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US',
);
const subjectName = name('2.5.4.3', 'AWS IoT Certificate');
const headStartMs = 120_000;
const notAfterMs = Date.UTC(2049, 11, 31, 23, 59, 59);
const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const version3 = contextTag(0, unsignedInteger(Uint8Array.of(2)), 'constructed');

function toBeSigned(spki: Buffer, authority: Buffer, nowMs: number): Buffer {
  return sequence(
    version3,
    unsignedInteger(randomBytes(20).fill(0x01, 0, 1)), // at most 20 bytes and positive: RFC 5280, 4.1.2.2
    ecdsaWithSha256,
    issuerName,
    sequence(time(nowMs - headStartMs), time(notAfterMs)),
    subjectName,
    spki,
    contextTag(3, extensions(keyIdentifier(spki), authority), 'constructed'),
  );
}

function extensions(subject: Buffer, authority: Buffer): Buffer {
  return sequence(
    extension('2.5.29.35', sequence(contextTag(0, authority, 'primitive'))), // authorityKeyIdentifier
    extension('2.5.29.14', octetString(subject)), // subjectKeyIdentifier
    extension('2.5.29.19', sequence(), 'critical'), // basicConstraints: no CA
    extension('2.5.29.15', bitString(Uint8Array.of(0x80), 7), 'critical'), // keyUsage: digitalSignature
  );
}

function extension(oid: string, value: Buffer, criticality?: 'critical'): Buffer {
  const critical = criticality === undefined ? [] : [booleanTrue()];
  return sequence(objectIdentifier(oid), ...critical, octetString(value));
}

function signCertificate(tbs: Buffer, key: KeyObject): Buffer {
  return sequence(tbs, ecdsaWithSha256, bitString(sign('sha256', tbs, key)));
}

function name(oid: string, value: string): Buffer {
  return sequence(set(sequence(objectIdentifier(oid), utf8String(value))));
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function keyIdentifier(spki: Buffer): Buffer {
  return createHash('sha1').update(spki).digest();
}
