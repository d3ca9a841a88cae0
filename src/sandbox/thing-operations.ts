// What AWS IoT does with things and the principals attached to them.

import { randomUUID } from 'node:crypto';
import { ok, refuse, type Answer, type Refusal } from './answer.ts';
import { noSuchCertificate } from './certificate-operations.ts';
import { refuseInvalid } from './constraint.ts';
import { pageOf } from './page.ts';
import { arnOf, thingsOf, type Registry } from './registry.ts';

/** A thing as a person or a test enters it. */
export interface EnteredThing {
  readonly thingName: string;
  /** Of registered certificates. */
  readonly certificateIds?: readonly string[];
  /** What else is attached to it: ARNs that are no certificate's, Amazon Cognito ids. */
  readonly otherPrincipals?: readonly string[];
}

/** Enters a thing, with all that is attached to it. Throws on what AWS would refuse. */
export function enterThing(
  registry: Registry,
  { thingName, certificateIds = [], otherPrincipals = [] }: EnteredThing,
): void {
  const principals = [
    ...certificateIds.map((id) => arnOf(registry, `cert/${id}`)),
    ...otherPrincipals,
  ];
  const answers = [
    createThing(registry, { thingName, configuration: {} }),
    ...principals.map((principal) =>
      attachThingPrincipal(registry, { thingName, principal, thingPrincipalType: undefined }),
    ),
  ];
  for (const answer of answers) {
    if (answer.kind !== 'ok') throw new Error(`thing ${thingName}: ${JSON.stringify(answer)}`);
  }
}

/** CreateThing: the same thing again succeeds, another configuration conflicts (service model). */
export function createThing(
  registry: Registry,
  input: { readonly thingName: string; readonly configuration: object },
): Answer {
  const { thingName } = input;
  const refusal = refuseInvalid({ thingName });
  if (refusal !== undefined) return refusal;
  const configuration = JSON.stringify(input.configuration);
  const known = registry.things.get(thingName);
  if (known !== undefined && known.configuration !== configuration) {
    return refuse(
      'ResourceAlreadyExistsException',
      `Thing ${thingName} already exists in account with different attributes`,
      { resourceId: known.thingId, resourceArn: known.arn },
    );
  }
  const thing = known ?? {
    thingName,
    arn: arnOf(registry, `thing/${thingName}`),
    thingId: randomUUID(),
    configuration,
    principals: new Set<string>(),
  };
  registry.things.set(thingName, thing);
  return ok({ thingName, thingArn: thing.arn, thingId: thing.thingId });
}

/** AttachThingPrincipal: idempotent; the certificate must be registered here. */
export function attachThingPrincipal(
  registry: Registry,
  input: {
    readonly thingName: string;
    readonly principal: string | undefined;
    readonly thingPrincipalType: string | undefined;
  },
): Answer {
  const refusal = refuseInvalid(input) ?? refusePrincipal(registry, input.principal ?? '');
  if (refusal !== undefined) return refusal;
  const thing = registry.things.get(input.thingName);
  if (thing === undefined) return noSuchThing(input.thingName);
  thing.principals.add(input.principal ?? '');
  return ok({});
}

/** DetachThingPrincipal: detaching what is not attached succeeds. */
export function detachThingPrincipal(
  registry: Registry,
  input: { readonly thingName: string; readonly principal: string | undefined },
): Answer {
  const refusal = refuseInvalid(input) ?? refusePrincipal(registry, input.principal ?? '');
  if (refusal !== undefined) return refusal;
  const thing = registry.things.get(input.thingName);
  if (thing === undefined) return noSuchThing(input.thingName);
  thing.principals.delete(input.principal ?? '');
  return ok({});
}

/** ListThingPrincipals, in pages of at most 250. */
export function listThingPrincipals(
  registry: Registry,
  input: {
    readonly thingName: string;
    readonly maxResults: string | undefined;
    readonly nextToken: string | undefined;
  },
): Answer {
  const refusal = refuseInvalid(input);
  if (refusal !== undefined) return refusal;
  const thing = registry.things.get(input.thingName);
  if (thing === undefined) return noSuchThing(input.thingName);
  const { items, marker } = pageOfNames(thing.principals, input);
  return ok({ principals: items, nextToken: marker ?? null });
}

/** ListPrincipalThings, in pages of at most 250. */
export function listPrincipalThings(
  registry: Registry,
  input: {
    readonly principal: string | undefined;
    readonly maxResults: string | undefined;
    readonly nextToken: string | undefined;
  },
): Answer {
  const refusal = refuseInvalid(input) ?? refusePrincipal(registry, input.principal ?? '');
  if (refusal !== undefined) return refusal;
  const { items, marker } = pageOfNames(thingsOf(registry, input.principal ?? ''), input);
  return ok({ things: items, nextToken: marker ?? null });
}

/** The certificate id in a principal that is a certificate's ARN; undefined for other principals. */
export function certificateIdIn(principal: string | undefined): string | undefined {
  return /^arn:aws[\w-]*:iot:[^:]*:\d{12}:cert\/(.+)$/.exec(principal ?? '')?.[1];
}

/**
 * A principal is a certificate's ARN, an Amazon Cognito id, or another ARN (AWS service model).
 * A certificate's ARN must be one of this account and region, and registered.
 */
function refusePrincipal(registry: Registry, principal: string): Refusal | undefined {
  const certificateId = certificateIdIn(principal);
  if (certificateId !== undefined) {
    const isOurs = registry.certificates.get(certificateId)?.arn === principal;
    return isOurs ? undefined : noSuchCertificate(certificateId);
  }
  const isOtherPrincipal =
    /^arn:aws[\w-]*:(?!iot:)/.test(principal) || /^[\w-]+:[\w-]+$/.test(principal);
  if (isOtherPrincipal) return undefined;
  return refuse('InvalidRequestException', `Invalid principal: ${principal}`);
}

function noSuchThing(thingName: string): Refusal {
  return refuse('ResourceNotFoundException', `Thing ${thingName} does not exist`);
}

function pageOfNames(
  names: Iterable<string>,
  input: { readonly maxResults: string | undefined; readonly nextToken: string | undefined },
): { readonly items: readonly string[]; readonly marker?: string } {
  return pageOf(names, (name) => name, {
    size: Number(input.maxResults ?? 250),
    marker: input.nextToken,
    order: 'ascending',
  });
}
