// What an AWS IoT rule selects: any object that names a certificate, a principal or a thing and says
// no status. So little marks the format that everything which could be meant as a request of our own
// is left to that format: a misspelt "newStatus" must lead to a dead letter, never to a deactivation.
// Sources: AWS docs "Lifecycle events" and "principal()" (IoT SQL reference).

import * as z from 'zod';
import { idForm, idPattern, idProblem } from '../certificate.ts';
import type { Wrapped } from '../envelope.ts';
import type { Intent, Reading } from '../intent.ts';
import { foreign } from '../place.ts';
import type { Deployment } from '../request.ts';
import { fit, isObject, refused } from '../shape.ts';
import { thingName } from '../thing.ts';
import { strangeCarrier } from './carrier.ts';

const targets = ['certificateId', 'principalIdentifier', 'thingName'];

/** Our own request's other fields, without what spelling may do to them. */
const requestFields = new Set([
  'certificatearn',
  'requestid',
  'requestedby',
  'reason',
  'comment',
  'incidentid',
  'origin',
]);

const statusValues = new Set([
  'INACTIVE',
  'REVOKED',
  'ACTIVE',
  'PENDING_TRANSFER',
  'PENDING_ACTIVATION',
  'REGISTER_INACTIVE',
]);

const selected = z.looseObject({
  certificateId: z
    .string({ error: `${idForm}, are expected` })
    .regex(idPattern, { error: idProblem })
    .optional(),
  principalIdentifier: z
    .string({ error: principalProblem })
    .regex(idPattern, { error: principalProblem })
    .optional(),
  thingName: thingName.optional(),
});

/** Reads a rule's message, raw or by SNS. Rules have no action that leads to EventBridge. */
export function readIotRule(content: Wrapped, deployment: Deployment): Reading | undefined {
  const { value, path, event } = content;
  if (event !== undefined || !isObject(value) || mayBeRequest(value)) return undefined;
  if (!targets.some((target) => Object.hasOwn(value, target))) return undefined;
  const fitted = fit(selected, value, path);
  if (fitted.kind === 'refused') return fitted;
  const { certificateId, principalIdentifier, thingName, ...rest } = fitted.value;
  const at = (field: string): string => [...path, field].join('.');
  const id = (certificateId ?? principalIdentifier)?.toLowerCase();
  if (principalIdentifier !== undefined && principalIdentifier.toLowerCase() !== id) {
    return refused(
      'invalid-request',
      `${at('principalIdentifier')}: it names another certificate than ${at('certificateId')}; one of the two is enough`,
    );
  }
  const intent: Intent = {
    ...(id === undefined
      ? { target: { kind: 'thing', thingName: thingName ?? '' } }
      : // The certificate is what the device had; its thing may have others.
        {
          target: { kind: 'certificate', certificateId: id },
          ...(thingName !== undefined && { thingName }),
        }),
    origin: { format: 'iot-rule', name: '' },
    ...(Object.keys(rest).length > 0 && { other: rest }),
  };
  return (
    strangeCarrier(content, deployment) ??
    strangeAccount(rest, path, deployment) ?? { kind: 'intents', intents: [intent] }
  );
}

/** Whether somebody may have meant a request of our own, however badly spelt. */
function mayBeRequest(value: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(value).some(
    ([key, held]) =>
      /status|^new/i.test(key) ||
      requestFields.has(key.toLowerCase().replaceAll(/[^a-z]/g, '')) ||
      (typeof held === 'string' && statusValues.has(held.trim().toUpperCase())),
  );
}

/** A rule can select accountid(), and registry events name the account. */
function strangeAccount(
  rest: Readonly<Record<string, unknown>>,
  path: readonly string[],
  deployment: Deployment,
): Reading | undefined {
  for (const field of ['accountId', 'awsAccountId']) {
    const account = rest[field];
    if (typeof account !== 'string') continue;
    const refusal = foreign({ account }, path, field, '', deployment);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function principalProblem({ input }: { readonly input?: unknown }): string {
  const expected = `the id of a certificate is expected: ${idForm}`;
  const principal = typeof input === 'string' ? input : '';
  if (/^[a-z]{2}(-[a-z]+)+-\d+:[0-9a-f-]{36}$/.test(principal)) {
    return `that is an Amazon Cognito identity, which has no certificate; ${expected}`;
  }
  if (/^arn:aws[a-z-]*:(iam|sts):|^(AIDA|AROA|AKIA|ASIA|AGPA)[A-Z0-9]{8,}/.test(principal)) {
    return `that is an IAM principal, which has no certificate; ${expected}`;
  }
  return `${idProblem({ input })}, as of a device that connects with a certificate`;
}
