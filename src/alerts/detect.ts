// AWS IoT Device Defender Detect: a device behaves as its security profile says it never would.
// Sources: AWS docs "ViolationEvent" (IoT API reference) and the Device Defender developer guide.

import * as z from 'zod';
import type { Wrapped } from '../envelope.ts';
import type { Reading } from '../intent.ts';
import type { Deployment } from '../request.ts';
import { fit, isObject, present } from '../shape.ts';
import { thingName } from '../thing.ts';
import { strangeCarrier } from './carrier.ts';

/** Any one of them marks a violation, so that one with a field missing is still not taken for another format. */
const marks = [
  'violationEventType',
  'violationEventTime',
  'violationId',
  'violationEventAdditionalInfo',
  'verificationState',
  'securityProfileName',
  'behavior',
];

const nameForm = '1 to 128 of the characters a-z, A-Z, 0-9, ":", "_" and "-" are expected';
/** The name of a security profile or of a behavior. */
export const defenderName: z.ZodString = z
  .string({ error: nameForm })
  .regex(/^[a-zA-Z0-9:_-]{1,128}$/, nameForm);
const idForm = '1 to 128 of the characters a-z, A-Z, 0-9 and "-" are expected';

const violation = z.looseObject(
  {
    violationEventType: z.enum(['in-alarm', 'alarm-cleared', 'alarm-invalidated'], {
      error: '"in-alarm", "alarm-cleared" or "alarm-invalidated" is expected',
    }),
    verificationState: z
      .enum(['FALSE_POSITIVE', 'BENIGN_POSITIVE', 'TRUE_POSITIVE', 'UNKNOWN'], {
        error: '"FALSE_POSITIVE", "BENIGN_POSITIVE", "TRUE_POSITIVE" or "UNKNOWN" is expected',
      })
      .nullish(),
    thingName,
    securityProfileName: defenderName,
    behavior: z.looseObject(
      { name: defenderName },
      { error: 'an object with the behavior’s "name" is expected' },
    ),
    violationId: z.string({ error: idForm }).regex(/^[a-zA-Z0-9-]{1,128}$/, idForm),
  },
  { error: 'a JSON object is expected' },
);

/** Reads a violation, as SNS carries it. */
export function readViolation(content: Wrapped, deployment: Deployment): Reading | undefined {
  const { value, path } = content;
  if (!isObject(value) || Object.hasOwn(value, 'newStatus')) return undefined;
  if (!marks.some((mark) => Object.hasOwn(value, mark))) return undefined;
  const fitted = fit(violation, value, path);
  if (fitted.kind === 'refused') return fitted;
  const {
    violationEventType: type,
    verificationState,
    thingName,
    securityProfileName,
    behavior,
    violationId,
    violationEventTime,
    metricValue,
    violationEventAdditionalInfo,
  } = fitted.value;
  const what = `violation ${violationId} of ${securityProfileName}/${behavior.name} by ${thingName}`;
  if (type === 'alarm-cleared') return ignored(`${what} has ended: the alarm was cleared`);
  if (type === 'alarm-invalidated') return ignored(`${what} no longer counts: it was invalidated`);
  if (verificationState === 'FALSE_POSITIVE' || verificationState === 'BENIGN_POSITIVE') {
    return ignored(`${what} was verified as ${verificationState}`);
  }
  return (
    strangeCarrier(content, deployment) ?? {
      kind: 'intents',
      intents: [
        {
          target: { kind: 'thing', thingName },
          origin: {
            format: 'device-defender-detect',
            name: `${securityProfileName}/${behavior.name}`,
            id: violationId,
          },
          other: present({
            behavior,
            metricValue,
            violationEventTime,
            verificationState,
            violationEventAdditionalInfo,
          }),
        },
      ],
    }
  );
}

function ignored(cause: string): Reading {
  return { kind: 'ignored', cause };
}
