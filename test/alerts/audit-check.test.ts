import { describe, expect, test } from 'vitest';
import { auditCheckOf, whyNot } from '../../src/alerts/audit-check.ts';

// All of "Audit checks" in the AWS docs, as ListAuditFindings calls them.
const certificate = [
  'DEVICE_CERTIFICATE_SHARED_CHECK',
  'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK',
  'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
  'INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK',
];
const calendar = ['DEVICE_CERTIFICATE_EXPIRING_CHECK', 'DEVICE_CERTIFICATE_AGE_CHECK'];
const others = [
  'AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
  'CA_CERTIFICATE_EXPIRING_CHECK',
  'CA_CERTIFICATE_KEY_QUALITY_CHECK',
  'CONFLICTING_CLIENT_IDS_CHECK',
  'IOT_POLICY_OVERLY_PERMISSIVE_CHECK',
  'IOT_POLICY_POTENTIAL_MISCONFIGURATION_CHECK',
  'IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK',
  'IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK',
  'LOGGING_DISABLED_CHECK',
  'REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK',
  'UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
];

describe('an audit check', () => {
  test.each(certificate)('names a device certificate: %s', (name) => {
    expect(auditCheckOf(name)).toEqual({ kind: 'certificate', name });
  });

  test.each(calendar)('warns of a date: %s', (name) => {
    const check = { kind: 'calendar', name } as const;
    expect(auditCheckOf(name)).toEqual(check);
    expect(whyNot(check)).toBe(`${name} warns of a date and of no compromise`);
  });

  test.each(others)('is about something else: %s', (name) => {
    const check = { kind: 'no-certificate', name } as const;
    expect(auditCheckOf(name)).toEqual(check);
    expect(whyNot(check)).toBe(`${name} names no device certificate`);
  });

  test.each([
    ['DEVICE_CERT_APPROACHING_EXPIRATION_CHECK', 'DEVICE_CERTIFICATE_EXPIRING_CHECK'],
    ['REVOKED_DEVICE_CERT_CHECK', 'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK'],
    ['CA_CERT_APPROACHING_EXPIRATION_CHECK', 'CA_CERTIFICATE_EXPIRING_CHECK'],
    ['REVOKED_CA_CERT_CHECK', 'REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK'],
    ['IOT_POLICY_UNRESTRICTED_CHECK', 'IOT_POLICY_OVERLY_PERMISSIVE_CHECK'],
    [
      'UNAUTHENTICATED_COGNITO_IDENTITY_UNRESTRICTED_ACCESS_CHECK',
      'UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
    ],
    [
      'AUTHENTICATED_COGNITO_IDENTITY_UNRESTRICTED_ACCESS_CHECK',
      'AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
    ],
  ])('%s is another spelling of %s', (spelling, name) => {
    expect(auditCheckOf(spelling)).toEqual(auditCheckOf(name));
    expect(auditCheckOf(spelling)?.name).toBe(name);
  });

  test.each(['', 'toString', 'device_certificate_shared_check', 'SOME_NEW_CHECK'])(
    'is not known: %j',
    (name) => {
      expect(auditCheckOf(name)).toBeUndefined();
    },
  );
});
