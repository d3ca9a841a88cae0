// What AWS IoT does with certificates. Rules from the AWS service model and docs; each says which.

import { X509Certificate } from 'node:crypto';
import { ok, refuse, type Answer, type Refusal } from './answer.ts';
import { certificateIdOf, pemOf, type Issuer } from './certificate.ts';
import { refuseInvalid, type CertificateStatus } from './constraint.ts';
import { pageOf } from './page.ts';
import { enrol, thingsOf, type Certificate, type Registry } from './registry.ts';

/** UpdateCertificate: idempotent, and REVOKED is for ever. */
export function updateCertificate(
  registry: Registry,
  input: { readonly certificateId: string; readonly newStatus: string | undefined },
): Answer {
  const refusal = refuseInvalid(input) ?? refuseStatus(input.newStatus);
  if (refusal !== undefined) return refusal;
  const certificate = registry.certificates.get(input.certificateId);
  if (certificate === undefined) return noSuchCertificate(input.certificateId);
  const status = input.newStatus as CertificateStatus; // refuseInvalid has checked it
  if (certificate.status === status) return ok();
  // AWS docs: "After you've revoked a certificate, its status can't be changed."
  if (certificate.status === 'REVOKED') {
    return refuse(
      'CertificateStateException',
      `The certificate is REVOKED and its status cannot be changed to ${status}. Id: ${certificate.certificateId}`,
    );
  }
  registry.certificates.set(certificate.certificateId, {
    ...certificate,
    status,
    version: certificate.version + 1,
    modifiedAtMs: registry.now(),
  });
  return ok();
}

/** DescribeCertificate. */
export function describeCertificate(
  registry: Registry,
  input: { readonly certificateId: string },
): Answer {
  const refusal = refuseInvalid(input);
  if (refusal !== undefined) return refusal;
  const certificate = registry.certificates.get(input.certificateId);
  if (certificate === undefined) return noSuchCertificate(input.certificateId);
  const { validFromDate, validToDate } = new X509Certificate(certificate.der);
  return ok({
    certificateDescription: {
      ...summaryOf(certificate),
      certificatePem: pemOf(certificate.der),
      ownedBy: registry.accountId,
      lastModifiedDate: epochSeconds(certificate.modifiedAtMs),
      customerVersion: certificate.version,
      transferData: {},
      generationId: certificate.generationId,
      validity: {
        notBefore: epochSeconds(validFromDate.getTime()),
        notAfter: epochSeconds(validToDate.getTime()),
      },
    },
  });
}

/** ListCertificates: pages of 25 unless asked otherwise, newest first (AWS service model). */
export function listCertificates(
  registry: Registry,
  input: {
    readonly pageSize: string | undefined;
    readonly marker: string | undefined;
    readonly isAscendingOrder: string | undefined;
  },
): Answer {
  const refusal = refuseInvalid(input);
  if (refusal !== undefined) return refusal;
  const { items, marker } = pageOf(
    registry.certificates.values(),
    ({ serial }) => String(serial).padStart(12, '0'),
    {
      size: Number(input.pageSize ?? 25),
      marker: input.marker,
      order: input.isAscendingOrder === 'true' ? 'ascending' : 'descending',
    },
  );
  return ok({ certificates: items.map(summaryOf), nextMarker: marker ?? null });
}

/** CreateKeysAndCertificate: INACTIVE unless `setAsActive` (AWS service model). */
export async function createKeysAndCertificate(
  registry: Registry,
  issuer: Issuer,
  input: { readonly setAsActive: string | undefined },
): Promise<Answer> {
  const refusal = refuseInvalid(input);
  if (refusal !== undefined) return refusal;
  const { der, publicKeyPem, privateKeyPem } = await issuer.issueWithKeys();
  const status = input.setAsActive === 'true' ? 'ACTIVE' : 'INACTIVE';
  const { arn, certificateId } = enrol(registry, der, status, 'DEFAULT');
  return ok({
    certificateArn: arn,
    certificateId,
    certificatePem: pemOf(der),
    keyPair: { PublicKey: publicKeyPem, PrivateKey: privateKeyPem },
  });
}

/** RegisterCertificateWithoutCA: INACTIVE unless said otherwise; the same certificate only once. */
export function registerCertificateWithoutCa(
  registry: Registry,
  input: { readonly certificatePem: string | undefined; readonly status: string | undefined },
): Answer {
  const refusal = refuseInvalid(input) ?? refuseStatus(input.status);
  if (refusal !== undefined) return refusal;
  const der = derOf(input.certificatePem ?? '');
  if (der === undefined) {
    return refuse('CertificateValidationException', 'The certificate could not be parsed.');
  }
  const known = registry.certificates.get(certificateIdOf(der));
  if (known !== undefined) {
    return refuse('ResourceAlreadyExistsException', 'The certificate is already registered.', {
      resourceId: known.certificateId,
      resourceArn: known.arn,
    });
  }
  const status = (input.status ?? 'INACTIVE') as CertificateStatus; // refuseInvalid has checked it
  const { arn, certificateId } = enrol(registry, der, status, 'SNI_ONLY');
  return ok({ certificateArn: arn, certificateId });
}

/**
 * DeleteCertificate: not while ACTIVE, and not while attached to a thing. `forceDelete` overrides
 * attached policies only, which this control plane does not have (AWS service model: "if it is
 * inactive and is not attached to an IoT thing").
 */
export function deleteCertificate(
  registry: Registry,
  input: { readonly certificateId: string; readonly forceDelete: string | undefined },
): Answer {
  const refusal = refuseInvalid(input);
  if (refusal !== undefined) return refusal;
  const certificate = registry.certificates.get(input.certificateId);
  if (certificate === undefined) return noSuchCertificate(input.certificateId);
  if (certificate.status === 'ACTIVE') {
    return refuse(
      'CertificateStateException',
      `Certificate must be deactivated (not ACTIVE) before deletion. Id: ${certificate.certificateId}`,
    );
  }
  if (thingsOf(registry, certificate.arn).length > 0) {
    return refuse(
      'DeleteConflictException',
      `Things must be detached before deletion (arn: ${certificate.arn})`,
    );
  }
  registry.certificates.delete(certificate.certificateId);
  return ok();
}

/** The answer for a certificate that is not in this account and region. */
export function noSuchCertificate(certificateId: string): Refusal {
  return refuse('ResourceNotFoundException', `Certificate ${certificateId} does not exist`);
}

/**
 * AWS service model: PENDING_TRANSFER and PENDING_ACTIVATION are internal and always throw;
 * REGISTER_INACTIVE is deprecated, and refused here so that nobody comes to rely on it.
 */
function refuseStatus(status: string | undefined): Refusal | undefined {
  if (status === 'PENDING_TRANSFER' || status === 'PENDING_ACTIVATION') {
    return refuse('InvalidRequestException', `Status ${status} is used internally by AWS IoT`);
  }
  if (status === 'REGISTER_INACTIVE') {
    return refuse('InvalidRequestException', 'Status REGISTER_INACTIVE is deprecated');
  }
  return undefined;
}

function summaryOf(certificate: Certificate): object {
  return {
    certificateArn: certificate.arn,
    certificateId: certificate.certificateId,
    status: certificate.status,
    certificateMode: certificate.mode,
    creationDate: epochSeconds(certificate.createdAtMs),
  };
}

function derOf(pem: string): Uint8Array | undefined {
  try {
    return new X509Certificate(pem).raw;
  } catch {
    return undefined; // Node's only way to say that this is no certificate
  }
}

// rest-json writes timestamps in a body as epoch seconds, with milliseconds as the fraction.
function epochSeconds(epochMs: number): number {
  return epochMs / 1000;
}
