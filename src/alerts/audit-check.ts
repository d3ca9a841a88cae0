// The checks of a Device Defender audit, and which of them speak of device certificates that we could
// take out of service. Source: AWS docs "Audit checks", and its table of resource identifiers.

/** What a check's finding means here. */
export type AuditCheck =
  /** The finding carries a device certificate; `name` is the API's, whatever spelling came. */
  | { readonly kind: 'certificate'; readonly name: string }
  /** So it does, but it warns of a date, not of a compromise. */
  | { readonly kind: 'calendar'; readonly name: string }
  /** It is about a CA, a policy, a role, a pool, a client id or a setting. */
  | { readonly kind: 'no-certificate'; readonly name: string };

const certificateChecks = new Set([
  'DEVICE_CERTIFICATE_SHARED_CHECK',
  'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK',
  'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
  'INTERMEDIATE_CA_REVOKED_FOR_ACTIVE_DEVICE_CERTIFICATES_CHECK',
]);

const calendarChecks = new Set([
  'DEVICE_CERTIFICATE_EXPIRING_CHECK',
  'DEVICE_CERTIFICATE_AGE_CHECK',
]);

const checksWithoutCertificate = new Set([
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
]);

/** The notification's own schema in the AWS docs spells some checks unlike the API. */
const apiNames: Readonly<Record<string, string>> = {
  DEVICE_CERT_APPROACHING_EXPIRATION_CHECK: 'DEVICE_CERTIFICATE_EXPIRING_CHECK',
  REVOKED_DEVICE_CERT_CHECK: 'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
  CA_CERT_APPROACHING_EXPIRATION_CHECK: 'CA_CERTIFICATE_EXPIRING_CHECK',
  REVOKED_CA_CERT_CHECK: 'REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK',
  IOT_POLICY_UNRESTRICTED_CHECK: 'IOT_POLICY_OVERLY_PERMISSIVE_CHECK',
  UNAUTHENTICATED_COGNITO_IDENTITY_UNRESTRICTED_ACCESS_CHECK:
    'UNAUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
  AUTHENTICATED_COGNITO_IDENTITY_UNRESTRICTED_ACCESS_CHECK:
    'AUTHENTICATED_COGNITO_ROLE_OVERLY_PERMISSIVE_CHECK',
};

export const checkForm = 'the name of an audit check of AWS IoT Device Defender';

/** The check of this name, in either spelling; nothing if we do not know it. */
export function auditCheckOf(spelling: string): AuditCheck | undefined {
  const name = (Object.hasOwn(apiNames, spelling) ? apiNames[spelling] : undefined) ?? spelling;
  if (certificateChecks.has(name)) return { kind: 'certificate', name };
  if (calendarChecks.has(name)) return { kind: 'calendar', name };
  if (checksWithoutCertificate.has(name)) return { kind: 'no-certificate', name };
  return undefined;
}

/** Why nothing is done about such a check, for people. */
export function whyNot({ kind, name }: AuditCheck): string {
  return kind === 'calendar'
    ? `${name} warns of a date and of no compromise`
    : `${name} names no device certificate`;
}
