// How a certificate is named: by its id, or by its ARN, which also says where it is registered.

import type { Deployment } from './request.ts';

export const idForm = '64 hexadecimal characters, the SHA-256 fingerprint of the certificate';
export const arnForm = 'arn:aws:iot:<region>:<account>:cert/<64 hexadecimal characters>';

export const idPattern: RegExp = /^[0-9a-fA-F]{64}$/;
export const arnPattern: RegExp =
  /^arn:(aws[a-z-]*):iot:([a-z0-9-]+):(\d{12}):cert\/([0-9a-fA-F]{64})$/;

/** A certificate as its ARN names it; the id in lower case. */
export interface RegisteredCertificate extends Deployment {
  readonly certificateId: string;
  readonly partition: string;
}

/** What an ARN says; nothing if it is no certificate's. */
export function certificateAt(arn: string): RegisteredCertificate | undefined {
  const [, partition, region, accountId, id] = arnPattern.exec(arn) ?? [];
  if (partition === undefined || region === undefined) return undefined;
  if (accountId === undefined || id === undefined) return undefined;
  return { certificateId: id.toLowerCase(), partition, region, accountId };
}

/** What is wrong with an id, for people. */
export function idProblem({ input }: { readonly input?: unknown }): string {
  const id = String(input);
  if (/^0x[0-9a-fA-F]{62}$/.test(id)) {
    // The service model's pattern admits it, so AWS would answer ResourceNotFound.
    return `"0x" and 62 digits are no fingerprint; ${idForm}, without a prefix, are expected`;
  }
  return /^[0-9a-fA-F]+$/.test(id)
    ? `that is ${id.length} hexadecimal characters; ${idForm}, are expected`
    : `${idForm}, are expected`;
}
