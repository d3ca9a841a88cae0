// A request: this certificate, this status, asked by whom, why. One zod schema is the single
// definition: it validates a body, types it, and publishes request.schema.json (`npm run schema`).

import { z } from 'zod';
import { unwrap } from './envelope.ts';
import { quote } from './quote.ts';
import { statuses, type Status } from './status.ts';

/** The account and region whose certificates this deployment changes. */
export interface Deployment {
  readonly accountId: string;
  readonly region: string;
}

export interface Request {
  /** Lowercase hexadecimal SHA-256 of the certificate's DER, 64 characters. */
  readonly certificateId: string;
  readonly accountId: string;
  readonly region: string;
  /** From the ARN, where one was given. */
  readonly partition?: string;
  readonly newStatus: Status;
  readonly requestId?: string;
  readonly requestedBy?: string;
  readonly reason?: string;
  readonly comment?: string;
  readonly incidentId?: string;
  /** Fields of the body that we do not know: kept for the log event. */
  readonly other?: Readonly<Record<string, unknown>>;
}

/** Why a body cannot be used; `failureKind` is the dead letter's attribute of that name. */
export type RefusalKind =
  | 'malformed-body'
  | 'invalid-request'
  | 'status-not-allowed'
  | 'foreign-account'
  | 'foreign-region';

export interface Refusal {
  readonly kind: 'refused';
  readonly failureKind: RefusalKind;
  /** A sentence a person can act on: which field, what it held, what would be right. */
  readonly reason: string;
}

export type Reading =
  | { readonly kind: 'requests'; readonly requests: readonly Request[] }
  | Refusal;

/** RFC 5280, 5.3.1, without removeFromCRL, which asks for the opposite. */
const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

/** AWS service model, CertificateStatus: what else UpdateCertificate knows, and why we do not do it. */
const otherStatuses: Readonly<Record<string, string>> = {
  ACTIVE: 'this worker takes certificates out of service and activates none',
  PENDING_TRANSFER: 'only AWS IoT itself sets it, while a certificate moves between accounts',
  PENDING_ACTIVATION: 'only AWS IoT itself sets it, during just-in-time registration',
  REGISTER_INACTIVE: 'it is deprecated, and means a registration; INACTIVE deactivates',
};

const idForm = '64 hexadecimal characters, the SHA-256 fingerprint of the certificate';
const arnForm = 'arn:aws:iot:<region>:<account>:cert/<64 hexadecimal characters>';
const arnPattern = /^arn:(aws[a-z-]*):iot:([a-z0-9-]+):(\d{12}):cert\/([0-9a-fA-F]{64})$/;

const auditText = (meaning: string): z.ZodOptional<z.ZodString> =>
  z
    .string({ error: 'a string is expected' })
    .max(1024, { error: 'at most 1024 characters are expected' })
    .optional()
    .meta({ description: meaning });

/** The definition of a request body. */
export const requestSchema: z.ZodType<RequestBody> = z
  .looseObject(
    {
      certificateId: z
        .string({ error: `${idForm}, are expected` })
        .regex(/^[0-9a-fA-F]{64}$/, { error: idProblem })
        .optional()
        .meta({ description: `The certificate's id: ${idForm}, in any case.` }),
      certificateArn: z
        .string({ error: `${arnForm} is expected` })
        .regex(arnPattern, { error: `${arnForm} is expected` })
        .optional()
        .meta({
          description: `The certificate's ARN: ${arnForm}. Another account's or region's is refused.`,
        }),
      newStatus: z.enum(statuses, { error: ({ input }) => statusProblem(input) }).meta({
        description: 'INACTIVE can be undone; REVOKED is terminal.',
      }),
      requestId: auditText("The producer's own name for this request; appears in the log event."),
      requestedBy: auditText('On whose word: a person, a team or a system.'),
      reason: z
        .enum(reasons, {
          error: `one of ${reasons.join(', ')} (RFC 5280) is expected; free text goes into "comment"`,
        })
        .optional()
        .meta({ description: 'Why, in the words of RFC 5280, section 5.3.1.' }),
      comment: auditText('Why, in free text.'),
      incidentId: auditText('The security incident this belongs to.'),
    },
    { error: 'a JSON object is expected' },
  )
  .meta({
    title: 'Revocation request',
    description:
      'Asks iot-revocation-worker to take one device certificate out of service. Unknown fields are kept for the log event.',
    anyOf: [{ required: ['certificateId'] }, { required: ['certificateArn'] }],
  });

/** The definition as JSON Schema (draft 2020-12), for producers; request.schema.json holds it. */
export function requestJsonSchema(): unknown {
  return z.toJSONSchema(requestSchema, { io: 'input' });
}

interface RequestBody {
  readonly [other: string]: unknown;
  readonly certificateId?: string | undefined;
  readonly certificateArn?: string | undefined;
  readonly newStatus: Status;
  readonly requestId?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly reason?: string | undefined;
  readonly comment?: string | undefined;
  readonly incidentId?: string | undefined;
}

/** Reads a message body, raw or inside an SNS or EventBridge envelope, for this deployment. */
export function readRequests(body: string, deployment: Deployment): Reading {
  const content = unwrap(body);
  if (content.kind === 'refused') return refused('malformed-body', content.reason);
  const parsed = requestSchema.safeParse(content.value);
  if (!parsed.success) {
    const problems = [
      ...(lacksCertificate(content.value) ? [nothingNamed(content.path)] : []),
      ...parsed.error.issues.map((issue) => describe(issue, content.value, content.path)),
    ];
    return refused(kindOf(content.value), problems.join('; '));
  }
  return locate(parsed.data, content.path, deployment);
}

function lacksCertificate(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !Object.hasOwn(value, 'certificateId') && !Object.hasOwn(value, 'certificateArn');
}

function nothingNamed(path: readonly string[]): string {
  const at = [...path, 'certificateId'].join('.');
  return `${at}: nothing is there; ${idForm}, or "certificateArn", are expected`;
}

/** Settles which certificate is meant, and that it is one of ours. */
function locate(body: RequestBody, path: readonly string[], deployment: Deployment): Reading {
  const { certificateId, certificateArn, ...rest } = body;
  const at = (field: string): string => [...path, field].join('.');
  const id = certificateId?.toLowerCase();
  if (certificateArn === undefined) {
    return id === undefined
      ? refused('invalid-request', nothingNamed(path))
      : accepted({ certificateId: id, ...deployment }, rest);
  }
  const [, partition = '', region = '', accountId = '', arnId = ''] =
    arnPattern.exec(certificateArn) ?? [];
  if (id !== undefined && id !== arnId.toLowerCase()) {
    return refused(
      'invalid-request',
      `${at('certificateId')}: it names another certificate than ${at('certificateArn')}; one of the two is enough`,
    );
  }
  if (accountId !== deployment.accountId) {
    return refused(
      'foreign-account',
      `${at('certificateArn')}: it is of account ${accountId}; this worker changes certificates of ${deployment.accountId} only`,
    );
  }
  if (region !== deployment.region) {
    return refused(
      'foreign-region',
      `${at('certificateArn')}: it is of region ${region}; this worker changes certificates in ${deployment.region} only`,
    );
  }
  return accepted({ certificateId: arnId.toLowerCase(), accountId, region, partition }, rest);
}

function accepted(
  certificate: Pick<Request, 'certificateId' | 'accountId' | 'region' | 'partition'>,
  rest: Omit<RequestBody, 'certificateId' | 'certificateArn'>,
): Reading {
  const { newStatus, requestId, requestedBy, reason, comment, incidentId, ...other } = rest;
  const request: Request = {
    ...certificate,
    newStatus: newStatus as Status,
    ...given({ requestId, requestedBy, reason, comment, incidentId }),
    ...(Object.keys(other).length > 0 && { other }),
  };
  return { kind: 'requests', requests: [request] };
}

/** The fields that hold something (exactOptionalPropertyTypes: absent is not undefined). */
function given<T extends object>(fields: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

function refused(failureKind: RefusalKind, reason: string): Refusal {
  return { kind: 'refused', failureKind, reason };
}

function kindOf(value: unknown): RefusalKind {
  const status = (value as { newStatus?: unknown } | null)?.newStatus;
  return isOtherStatus(status) ? 'status-not-allowed' : 'invalid-request';
}

function isOtherStatus(status: unknown): status is string {
  return typeof status === 'string' && Object.hasOwn(otherStatuses, status);
}

function describe(issue: z.core.$ZodIssue, value: unknown, path: readonly string[]): string {
  const where = [...path, ...issue.path].join('.') || 'body';
  const held = issue.path.reduce<unknown>(
    (inside, key) => (inside as Record<PropertyKey, unknown>)[key],
    value,
  );
  return `${where}: it holds ${quote(held)}; ${issue.message}`;
}

function idProblem({ input }: { readonly input?: unknown }): string {
  const id = String(input);
  if (/^0x[0-9a-fA-F]{62}$/.test(id)) {
    // The service model's pattern admits it, so AWS would answer ResourceNotFound.
    return `"0x" and 62 digits are no fingerprint; ${idForm}, without a prefix, are expected`;
  }
  return /^[0-9a-fA-F]+$/.test(id)
    ? `that is ${id.length} hexadecimal characters; ${idForm}, are expected`
    : `${idForm}, are expected`;
}

function statusProblem(input: unknown): string {
  const why = isOtherStatus(input) ? `${otherStatuses[input]}; ` : '';
  return `${why}"INACTIVE" or "REVOKED" is expected`;
}
