// Device certificates as AWS IoT issues them: real keys, real X.509, so that every tool that reads
// a certificate reads ours, and the certificate id is a real fingerprint.

// @peculiar/x509 needs this loaded before itself.
// oxlint-disable-next-line import/no-unassigned-import
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createHash, generateKeyPair, webcrypto, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';

/** Signs certificates with one P-256 key of its own; AWS signs with RSA, which is slower here. */
export interface Issuer {
  /** A fresh RSA-2048 key pair and its certificate (AWS docs: CreateKeysAndCertificate). */
  readonly issueWithKeys: () => Promise<IssuedKeys>;
  /** A certificate over a key pair that all of these share: distinct in serial and id; about 1 ms. */
  readonly issue: () => Promise<Buffer>;
}

/** What CreateKeysAndCertificate hands out; `der` is the certificate, the keys are PEM. */
interface IssuedKeys {
  readonly der: Buffer;
  readonly publicKeyPem: string;
  /** PKCS#1 (`BEGIN RSA PRIVATE KEY`), the form that AWS IoT hands out. */
  readonly privateKeyPem: string;
}

/** An issuer whose certificates start two minutes before `now` (epoch ms) and end with 2049. */
export async function createIssuer(now: () => number): Promise<Issuer> {
  const [authority, device] = await Promise.all([generateSigningKeys(), generateSigningKeys()]);
  const authorityId = await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey);
  const subjectFor = async (key: x509.PublicKeyType): Promise<Subject> => ({
    publicKey: await x509.PublicKey.create(key),
    extensions: [
      authorityId,
      await x509.SubjectKeyIdentifierExtension.create(key),
      noAuthority,
      digitalSignature,
    ],
  });
  const sign = (subject: Subject): Promise<Buffer> =>
    signCertificate(subject, authority.privateKey, now());
  const shared = await subjectFor(device.publicKey);
  return {
    issue: () => sign(shared),
    issueWithKeys: async () => {
      const keys = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
      const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
      return {
        der: await sign(await subjectFor(new Uint8Array(spki))),
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
  return new X509Certificate(der).toString();
}

/** Whom a certificate is for. */
interface Subject {
  readonly publicKey: x509.PublicKey;
  readonly extensions: x509.Extension[];
}

// Issuer, subject, validity and extensions follow a certificate that AWS IoT issued in 2018: its
// issuer is one single OU attribute, spelled so, and it began two minutes before it was asked for.
const issuerName = new x509.Name([
  { OU: [{ utf8String: 'Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US' }] },
]);
const subjectName = new x509.Name([{ CN: [{ utf8String: 'AWS IoT Certificate' }] }]);
const headStartMs = 120_000;
const notAfter = new Date(Date.UTC(2049, 11, 31, 23, 59, 59));
const noAuthority = new x509.BasicConstraintsExtension(false, undefined, true);
const digitalSignature = new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true);

async function signCertificate(
  { publicKey, extensions }: Subject,
  signingKey: webcrypto.CryptoKey,
  nowMs: number,
): Promise<Buffer> {
  const certificate = await x509.X509CertificateGenerator.create({
    issuer: issuerName,
    subject: subjectName,
    notBefore: new Date(nowMs - headStartMs),
    notAfter,
    publicKey,
    extensions,
    signingKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return Buffer.from(certificate.rawData);
}

async function generateSigningKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
    'verify',
  ]);
}
