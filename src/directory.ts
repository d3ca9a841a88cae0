// What AWS IoT tells about things and audits, a page a call. src/aws/directory.ts implements it. No
// method rejects.

import type { Failure } from './call.ts';

export type Page<Item> =
  /** `nextToken` is absent on the last page. */
  | { readonly kind: 'page'; readonly items: readonly Item[]; readonly nextToken?: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Directory {
  /** ListThingPrincipals: ARNs of certificates, and what else is attached (IAM, Cognito). */
  readonly thingPrincipals: (
    thingName: string,
    nextToken: string | undefined,
    signal: AbortSignal,
  ) => Promise<Page<string>>;
  /** ListPrincipalThings, of a certificate of this account and region: the names of things. */
  readonly principalThings: (
    certificateId: string,
    nextToken: string | undefined,
    signal: AbortSignal,
  ) => Promise<Page<string>>;
  /** ListAuditFindings of one check of an audit task. */
  readonly auditFindings: (
    audit: { readonly taskId: string; readonly checkName: string },
    nextToken: string | undefined,
    signal: AbortSignal,
  ) => Promise<Page<Finding>>;
}

/** What an audit complains of. */
export interface Finding {
  /** 64 hexadecimal characters; absent where the resource is no device certificate. */
  readonly certificateId?: string;
  /** Somebody has said that it is no trouble. */
  readonly isSuppressed: boolean;
}
