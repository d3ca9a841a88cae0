// @peculiar/x509 needs this loaded before itself.
// oxlint-disable-next-line import/no-unassigned-import
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as Parsed,
} from '@peculiar/x509';
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { certificateIdOf, createIssuer, pemOf } from '../../src/sandbox/certificate.ts';

const nowMs = Date.UTC(2026, 10, 21, 12);

describe('an issued certificate', () => {
  test('belongs to the RSA-2048 key pair that comes with it', async () => {
    const { issueWithKeys } = await createIssuer(() => nowMs);
    const { der, privateKeyPem, publicKeyPem } = await issueWithKeys();
    const certificate = new X509Certificate(der);
    expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
    expect(certificate.publicKey.equals(createPublicKey(publicKeyPem))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(privateKeyPem).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
  });

  test('looks like one of AWS IoT: names, validity, no CA', async () => {
    const certificate = new X509Certificate(await issueOne());
    expect(certificate.subject).toBe('CN=AWS IoT Certificate');
    expect(certificate.issuer).toBe(
      'OU=Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US',
    );
    expect(certificate.validFromDate).toEqual(new Date(nowMs - 120_000));
    expect(certificate.validToDate).toEqual(new Date('2049-12-31T23:59:59Z'));
    expect(certificate.ca).toBe(false);
  });

  test('states whose key it holds, who signed it, and that the key may only sign', async () => {
    const { issue } = await createIssuer(() => nowMs);
    const [one, other] = (await Promise.all([issue(), issue()])).map(parse);
    expect(one?.extensions.map(({ type, critical }) => [type, critical])).toEqual([
      ['2.5.29.35', false], // authorityKeyIdentifier
      ['2.5.29.14', false], // subjectKeyIdentifier
      ['2.5.29.19', true], // basicConstraints
      ['2.5.29.15', true], // keyUsage
    ]);
    expect(one?.getExtension(KeyUsagesExtension)?.usages).toBe(KeyUsageFlags.digitalSignature);
    const authority = one?.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
    expect(authority).toMatch(/^[0-9a-f]{40}$/);
    expect(other?.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(authority);
    expect(one?.getExtension(SubjectKeyIdentifierExtension)?.keyId).not.toBe(authority);
  });

  test('has an id that is its fingerprint', async () => {
    const der = await issueOne();
    const fingerprint = new X509Certificate(der).fingerprint256.replaceAll(':', '').toLowerCase();
    expect(certificateIdOf(der)).toBe(fingerprint);
    expect(certificateIdOf(der)).toBe(createHash('sha256').update(der).digest('hex'));
  });

  test('survives the way to PEM and back', async () => {
    const der = await issueOne();
    expect(new X509Certificate(pemOf(der)).raw.equals(der)).toBe(true);
  });

  test('differs from every other of the same issuer', async () => {
    const { issue } = await createIssuer(() => nowMs);
    const ders = await Promise.all(Array.from({ length: 100 }, issue));
    const certificates = ders.map((der) => new X509Certificate(der));
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(100);
    expect(new Set(certificates.map(({ fingerprint256 }) => fingerprint256)).size).toBe(100);
  });

  test.each([0, Date.UTC(2049, 11, 31), Date.UTC(2050, 5, 1)])(
    'states its beginning right when made at %i (UTCTime ends with 2049)',
    async (madeAtMs) => {
      const certificate = new X509Certificate(await issueOne(madeAtMs));
      expect(certificate.validFromDate).toEqual(new Date(madeAtMs - 120_000));
    },
  );
});

async function issueOne(madeAtMs = nowMs): Promise<Buffer> {
  const { issue } = await createIssuer(() => madeAtMs);
  return issue();
}

function parse(der: Buffer): Parsed {
  return new Parsed(new Uint8Array(der));
}
