import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { certificateIdOf, createIssuer, pemOf } from '../../src/sandbox/certificate.ts';

const nowMs = Date.UTC(2026, 10, 21, 12);

describe('an issued certificate', () => {
  test('belongs to the RSA-2048 key pair that comes with it', async () => {
    const { der, privateKeyPem, publicKeyPem } = await createIssuer(() => nowMs).issueWithKeys();
    const certificate = new X509Certificate(der);
    expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
    expect(certificate.publicKey.equals(createPublicKey(publicKeyPem))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(privateKeyPem).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
  });

  test('looks like one of AWS IoT: names, validity, no CA', () => {
    const certificate = new X509Certificate(createIssuer(() => nowMs).issue());
    expect(certificate.subject).toBe('CN=AWS IoT Certificate');
    expect(certificate.issuer).toBe(
      'OU=Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US',
    );
    expect(certificate.validFromDate).toEqual(new Date(nowMs - 120_000));
    expect(certificate.validToDate).toEqual(new Date('2049-12-31T23:59:59Z'));
    expect(certificate.ca).toBe(false);
  });

  test('has an id that is its fingerprint', () => {
    const der = createIssuer(() => nowMs).issue();
    const fingerprint = new X509Certificate(der).fingerprint256.replaceAll(':', '').toLowerCase();
    expect(certificateIdOf(der)).toBe(fingerprint);
    expect(certificateIdOf(der)).toBe(createHash('sha256').update(der).digest('hex'));
  });

  test('survives the way to PEM and back', () => {
    const der = createIssuer(() => nowMs).issue();
    expect(new X509Certificate(pemOf(der)).raw.equals(der)).toBe(true);
  });

  test('differs from every other of the same issuer', () => {
    const { issue } = createIssuer(() => nowMs);
    const certificates = Array.from({ length: 100 }, () => new X509Certificate(issue()));
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(100);
    expect(new Set(certificates.map(({ fingerprint256 }) => fingerprint256)).size).toBe(100);
  });

  test.each([0, Date.UTC(2049, 11, 31), Date.UTC(2050, 5, 1)])(
    'states its beginning right when made at %i (UTCTime ends with 2049)',
    (madeAtMs) => {
      const certificate = new X509Certificate(createIssuer(() => madeAtMs).issue());
      expect(certificate.validFromDate).toEqual(new Date(madeAtMs - 120_000));
    },
  );
});
