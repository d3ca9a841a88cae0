// The operations, and how each is bound to HTTP: method, path, query, header and body members are
// those of the AWS service model, iot 2015-05-28 (rest-json).

import { refuse, type Answer } from './answer.ts';
import { listAuditFindings } from './audit-operations.ts';
import type { Issuer } from './certificate.ts';
import {
  createKeysAndCertificate,
  deleteCertificate,
  describeCertificate,
  listCertificates,
  registerCertificateWithoutCa,
  updateCertificate,
} from './certificate-operations.ts';
import type { Registry } from './registry.ts';
import {
  attachThingPrincipal,
  createThing,
  detachThingPrincipal,
  listPrincipalThings,
  listThingPrincipals,
} from './thing-operations.ts';

/** The name of an operation of the AWS service model. */
export type Operation = (typeof operationNames)[number];

/** Every operation that the control plane knows. */
export const operationNames = [
  'UpdateCertificate',
  'DescribeCertificate',
  'ListCertificates',
  'CreateKeysAndCertificate',
  'RegisterCertificateWithoutCA',
  'DeleteCertificate',
  'CreateThing',
  'AttachThingPrincipal',
  'DetachThingPrincipal',
  'ListThingPrincipals',
  'ListPrincipalThings',
  'ListAuditFindings',
] as const;

/** What an operation reads of an HTTP request. */
export interface OperationInput {
  /** Decoded path parameters. */
  readonly path: Readonly<Partial<Record<'certificateId' | 'thingName', string>>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** The `x-amzn-principal` header. */
  readonly principal: string | undefined;
  /** The raw body; empty when there is none. */
  readonly body: string;
}

/** Where an operation is found, and what it does. */
export interface Route {
  readonly operation: Operation;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** A fastify path. */
  readonly path: string;
  readonly apply: (input: OperationInput) => Answer | Promise<Answer>;
}

/** The routes of a control plane over this registry. */
export function routesOf(registry: Registry, issuer: Issuer): readonly Route[] {
  return [
    {
      operation: 'UpdateCertificate',
      method: 'PUT',
      path: '/certificates/:certificateId',
      apply: ({ path: { certificateId = '' }, query }) =>
        updateCertificate(registry, { certificateId, newStatus: query['newStatus'] }),
    },
    {
      operation: 'DescribeCertificate',
      method: 'GET',
      path: '/certificates/:certificateId',
      apply: ({ path: { certificateId = '' } }) => describeCertificate(registry, { certificateId }),
    },
    {
      operation: 'DeleteCertificate',
      method: 'DELETE',
      path: '/certificates/:certificateId',
      apply: ({ path: { certificateId = '' }, query }) =>
        deleteCertificate(registry, { certificateId, forceDelete: query['forceDelete'] }),
    },
    {
      operation: 'ListCertificates',
      method: 'GET',
      path: '/certificates',
      apply: ({ query }) =>
        listCertificates(registry, {
          pageSize: query['pageSize'],
          marker: query['marker'],
          isAscendingOrder: query['isAscendingOrder'],
        }),
    },
    {
      operation: 'CreateKeysAndCertificate',
      method: 'POST',
      path: '/keys-and-certificate',
      apply: ({ query }) =>
        createKeysAndCertificate(registry, issuer, { setAsActive: query['setAsActive'] }),
    },
    {
      operation: 'RegisterCertificateWithoutCA',
      method: 'POST',
      path: '/certificate/register-no-ca',
      apply: ({ body }) =>
        withJson(body, ({ certificatePem, status }) =>
          registerCertificateWithoutCa(registry, {
            certificatePem: text(certificatePem),
            status: text(status),
          }),
        ),
    },
    {
      operation: 'CreateThing',
      method: 'POST',
      path: '/things/:thingName',
      apply: ({ path: { thingName = '' }, body }) =>
        withJson(body, ({ thingTypeName, attributePayload, billingGroupName }) =>
          createThing(registry, {
            thingName,
            configuration: { thingTypeName, attributePayload, billingGroupName },
          }),
        ),
    },
    {
      operation: 'AttachThingPrincipal',
      method: 'PUT',
      path: '/things/:thingName/principals',
      apply: ({ path: { thingName = '' }, principal, query }) =>
        attachThingPrincipal(registry, {
          thingName,
          principal,
          thingPrincipalType: query['thingPrincipalType'],
        }),
    },
    {
      operation: 'DetachThingPrincipal',
      method: 'DELETE',
      path: '/things/:thingName/principals',
      apply: ({ path: { thingName = '' }, principal }) =>
        detachThingPrincipal(registry, { thingName, principal }),
    },
    {
      operation: 'ListThingPrincipals',
      method: 'GET',
      path: '/things/:thingName/principals',
      apply: ({ path: { thingName = '' }, query }) =>
        listThingPrincipals(registry, {
          thingName,
          maxResults: query['maxResults'],
          nextToken: query['nextToken'],
        }),
    },
    {
      operation: 'ListPrincipalThings',
      method: 'GET',
      path: '/principals/things',
      apply: ({ principal, query }) =>
        listPrincipalThings(registry, {
          principal,
          maxResults: query['maxResults'],
          nextToken: query['nextToken'],
        }),
    },
    {
      operation: 'ListAuditFindings',
      method: 'POST',
      path: '/audit/findings',
      apply: ({ body }) =>
        withJson(body, (members) =>
          listAuditFindings(registry, {
            taskId: text(members['taskId']),
            checkName: text(members['checkName']),
            maxResults: number(members['maxResults']),
            nextToken: text(members['nextToken']),
            listSuppressedFindings: flag(members['listSuppressedFindings']),
            isOfPeriod: members['startTime'] !== undefined || members['endTime'] !== undefined,
          }),
        ),
    },
  ];
}

function withJson(
  body: string,
  apply: (members: Readonly<Record<string, unknown>>) => Answer,
): Answer {
  const members = parseObject(body);
  return members === undefined
    ? refuse('SerializationException', 'The request body is not a JSON object')
    : apply(members);
}

function parseObject(body: string): Readonly<Record<string, unknown>> | undefined {
  if (body === '') return {};
  try {
    const value: unknown = JSON.parse(body);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined; // malformed JSON
  }
}

/** As a query has it, so that one sentence of AWS's does for both. */
function number(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : undefined;
}

function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
