// A request: this certificate, this status, asked by whom, why. One zod schema is the single
// definition: it validates a body, types it, and publishes request.schema.json (`npm run schema`).

import * as z from 'zod';
import {
  arnForm,
  arnPattern,
  certificateAt,
  idForm,
  idPattern,
  idProblem,
  type RegisteredCertificate,
} from './certificate.ts';
import { unwrap, type Wrapped } from './envelope.ts';
import { alertFormats, type Intent, type Origin, type Reading as IntentReading } from './intent.ts';
import { foreign } from './place.ts';
import { isObject, problemsOf, refused } from './shape.ts';
import { statuses, type Status } from './status.ts';
import { thingName } from './thing.ts';

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
  /** The thing that the certificate was found by. */
  readonly thingName?: string;
  /** The alert that led to this. */
  readonly origin?: Origin;
  /** Fields of the body that we do not know: kept for the log event. */
  readonly other?: Readonly<Record<string, unknown>>;
}

/** Why a body cannot be used; `failureKind` is the dead letter's attribute of that name. */
export type RefusalKind =
  | 'malformed-body'
  | 'invalid-request'
  | 'status-not-allowed'
  | 'foreign-account'
  | 'foreign-region'
  /** An alert that its lane does not take. */
  | 'wrong-lane';

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

const auditText = (meaning: string): z.ZodOptional<z.ZodString> =>
  z
    .string({ error: 'a string is expected' })
    .max(1024, { error: 'at most 1024 characters are expected' })
    .optional()
    .meta({ description: meaning });

const originText = z
  .string({ error: 'a string is expected' })
  .max(2048, { error: 'at most 2048 characters are expected' });

const origin: z.ZodType<OriginBody> = z.strictObject(
  {
    format: z.enum(alertFormats, { error: `one of ${alertFormats.join(', ')} is expected` }),
    name: originText.meta({ description: 'What policy goes by.' }),
    id: originText.optional().meta({ description: 'The id of the alert.' }),
  },
  { error: 'an object with the alert’s "format", "name" and "id" is expected' },
);

/** The definition of a request body. */
export const requestSchema: z.ZodType<RequestBody> = z
  .looseObject(
    {
      certificateId: z
        .string({ error: `${idForm}, are expected` })
        .regex(idPattern, { error: idProblem })
        .optional()
        .meta({ description: `The certificate's id: ${idForm}, in any case.` }),
      certificateArn: z
        .string({ error: `${arnForm} is expected` })
        .regex(arnPattern, { error: `${arnForm} is expected` })
        .optional()
        .meta({
          description: `The certificate's ARN: ${arnForm}. Another account's or region's is refused.`,
        }),
      thingName: thingName.optional().meta({
        description:
          'In place of a certificate: the thing whose certificates are all meant. Beside one: the thing that it was found by.',
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
      origin: origin
        .optional()
        .meta({ description: 'The alert that led to this request; the worker itself sets it.' }),
    },
    { error: 'a JSON object is expected' },
  )
  .meta({
    title: 'Revocation request',
    description:
      'Asks iot-revocation-worker to take a device certificate, or all of a thing, out of service. Unknown fields are kept for the log event.',
    anyOf: [
      { required: ['certificateId'] },
      { required: ['certificateArn'] },
      { required: ['thingName'] },
    ],
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
  readonly thingName?: string | undefined;
  readonly origin?: OriginBody | undefined;
}

interface OriginBody extends Omit<Origin, 'id'> {
  readonly id?: string | undefined;
}

/** Reads what an envelope held as a request in our own format, for this deployment. */
export function readRequest({ value, path }: Wrapped, deployment: Deployment): IntentReading {
  const parsed = requestSchema.safeParse(value);
  if (!parsed.success) {
    return refused(
      kindOf(value),
      ...(lacksTarget(value) ? [nothingNamed(path)] : []),
      ...problemsOf(parsed.error, value, path),
    );
  }
  const { certificateId, certificateArn, thingName, newStatus, ...rest } = parsed.data;
  const { requestId, requestedBy, reason, comment, incidentId, origin, ...other } = rest;
  const asked = {
    ...given({ requestId, requestedBy, reason, comment, incidentId }),
    ...(origin !== undefined && { origin: originOf(origin) }),
    ...(Object.keys(other).length > 0 && { other }),
  };
  if (certificateId === undefined && certificateArn === undefined) {
    return thingName === undefined
      ? refused('invalid-request', nothingNamed(path))
      : intent({ target: { kind: 'thing', thingName }, newStatus, ...asked });
  }
  const registered = certificateArn === undefined ? undefined : certificateAt(certificateArn);
  const id = certificateId?.toLowerCase() ?? registered?.certificateId ?? '';
  return (
    (registered && objectionTo(registered, id, path, deployment)) ??
    intent({
      target: {
        kind: 'certificate',
        certificateId: id,
        ...(registered && { partition: registered.partition }),
      },
      newStatus,
      ...(thingName !== undefined && { thingName }),
      ...asked,
    })
  );
}

function intent(one: Intent): IntentReading {
  return { kind: 'intents', intents: [one] };
}

function lacksTarget(value: unknown): boolean {
  if (!isObject(value)) return false;
  return !['certificateId', 'certificateArn', 'thingName'].some((key) => Object.hasOwn(value, key));
}

function nothingNamed(path: readonly string[]): string {
  const at = [...path, 'certificateId'].join('.');
  return `${at}: nothing is there; ${idForm}, or "certificateArn", or "thingName", are expected`;
}

/** Why a certificate named by its ARN is not one that we may change under this id. */
function objectionTo(
  { certificateId, accountId, region }: RegisteredCertificate,
  id: string,
  path: readonly string[],
  deployment: Deployment,
): Refusal | undefined {
  const at = (field: string): string => [...path, field].join('.');
  if (id !== certificateId) {
    return refused(
      'invalid-request',
      `${at('certificateId')}: it names another certificate than ${at('certificateArn')}; one of the two is enough`,
    );
  }
  const field = 'certificateArn';
  return foreign({ account: accountId, region }, path, field, field, deployment);
}

function originOf({ format, name, id }: OriginBody): Origin {
  return { format, name, ...(id !== undefined && { id }) };
}

/** The fields that hold something (exactOptionalPropertyTypes: absent is not undefined). */
function given<T extends object>(fields: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

/** Reads a message body that names a certificate in our own format: what a producer may check with. */
export function readRequests(body: string, deployment: Deployment): Reading {
  const content = unwrap(body);
  if (content.kind === 'refused') return refused('malformed-body', content.reason);
  const reading = readRequest(content, deployment);
  if (reading.kind === 'refused') return reading;
  const intents = reading.kind === 'intents' ? reading.intents : [];
  const requests: Request[] = [];
  for (const { target, newStatus, ...asked } of intents) {
    if (target.kind !== 'certificate' || newStatus === undefined) {
      const at = [...content.path, 'thingName'].join('.');
      return refused('invalid-request', `${at}: it names a thing; a certificate is expected here`);
    }
    const { certificateId, partition } = target;
    const place = { ...deployment, ...(partition !== undefined && { partition }) };
    requests.push({ certificateId, ...place, newStatus, ...asked });
  }
  return { kind: 'requests', requests };
}

function kindOf(value: unknown): RefusalKind {
  const status = isObject(value) ? value['newStatus'] : undefined;
  return isOtherStatus(status) ? 'status-not-allowed' : 'invalid-request';
}

function isOtherStatus(status: unknown): status is string {
  return typeof status === 'string' && Object.hasOwn(otherStatuses, status);
}

function statusProblem(input: unknown): string {
  const why = isOtherStatus(input) ? `${otherStatuses[input]}; ` : '';
  return `${why}"INACTIVE" or "REVOKED" is expected`;
}
