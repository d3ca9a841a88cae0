// Which device certificates a Security Hub finding names: only where a whole string is a certificate's
// ARN, or is an id and stands where a certificate is spoken of. 64 hexadecimal digits may be the hash
// of anything else.

import { certificateAt, idPattern, type RegisteredCertificate } from '../certificate.ts';
import { isObject } from '../shape.ts';

/** A certificate, and where in the finding it was named. */
export interface NamedCertificate {
  readonly certificateId: string;
  readonly path: readonly string[];
  /** Where it is registered, if it was named by its ARN. */
  readonly registered?: RegisteredCertificate;
}

export interface FindingResource {
  readonly Type: string;
  readonly Id: string;
  readonly Details?: unknown;
}

/** All certificates named, as often as they are. */
export function certificatesIn(
  resources: readonly FindingResource[],
  productFields: Readonly<Record<string, unknown>>,
): readonly NamedCertificate[] {
  const ofDevice = productFields['ResourceType'] === 'DEVICE_CERTIFICATE';
  return [
    ...resources.flatMap(({ Type, Id, Details }, at) => {
      const path = ['Resources', String(at)];
      return [
        ...named(Id, [...path, 'Id'], ofDevice ? 'DeviceCertificate' : Type),
        ...within(Details, [...path, 'Details'], ''),
      ];
    }),
    ...within(productFields, ['ProductFields'], ''),
  ];
}

/** Goes through objects and arrays; `label` is the nearest key, which says what a value is. */
function within(
  value: unknown,
  path: readonly string[],
  label: string,
): readonly NamedCertificate[] {
  if (typeof value === 'string') return named(value, path, label);
  if (Array.isArray(value)) {
    return value.flatMap((one, at) => within(one, [...path, String(at)], label));
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, one]) => within(one, [...path, key], key));
}

function named(text: string, path: readonly string[], label: string): readonly NamedCertificate[] {
  if (/ca[-_ ]?certificate|issuer|authority|intermediate|root/i.test(label)) return [];
  const registered = certificateAt(text);
  if (registered !== undefined)
    return [{ certificateId: registered.certificateId, path, registered }];
  return /certificate/i.test(label) && idPattern.test(text)
    ? [{ certificateId: text.toLowerCase(), path }]
    : [];
}
