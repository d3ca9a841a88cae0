// What a body asks for, in whichever format it came: the alerts of AWS as they are, or a request of
// our own. The content decides which; nothing is guessed.

import { readAudit } from './alerts/audit.ts';
import { strangeCarrier } from './alerts/carrier.ts';
import { readCloudTrail } from './alerts/cloud-trail.ts';
import { readViolation } from './alerts/detect.ts';
import { readIotRule } from './alerts/iot-rule.ts';
import { readSecurityHub } from './alerts/security-hub.ts';
import { unwrap, type Wrapped } from './envelope.ts';
import type { AlertFormat, Reading } from './intent.ts';
import type { Lane } from './lane.ts';
import { readRequest, type Deployment } from './request.ts';
import { refused } from './shape.ts';

/** Knows one format, and says nothing of any other. */
type Recogniser = (content: Wrapped, deployment: Deployment) => Reading | undefined;

/** From what is marked most plainly to what is marked least. */
const recognisers: readonly Recogniser[] = [
  readCloudTrail,
  readSecurityHub,
  readViolation,
  readAudit,
  readIotRule,
];

/** Reads a message body that came by this lane, for this deployment. */
export function read(body: string, lane: Lane, deployment: Deployment): Reading {
  const content = unwrap(body);
  if (content.kind === 'refused') return refused('malformed-body', content.reason);
  for (const recognise of recognisers) {
    const reading = recognise(content, deployment);
    if (reading === undefined) continue;
    // What looks like an IoT rule's message may elsewhere be a request that lacks its status.
    if (recognise === readIotRule && lane !== 'alert' && reading.kind === 'refused') break;
    return heldToLane(reading, lane);
  }
  const own = readRequest(content, deployment);
  // A thing's name means something in its own account and region only.
  return (namesThing(own) ? strangeCarrier(content, deployment) : undefined) ?? own;
}

function namesThing(reading: Reading): boolean {
  return (
    reading.kind === 'intents' && reading.intents.some(({ target }) => target.kind === 'thing')
  );
}

const formatNames: Readonly<Record<AlertFormat, string>> = {
  'device-defender-detect': 'a violation that Device Defender Detect tells of',
  'device-defender-audit': 'the notification of a Device Defender audit',
  'security-hub-imported': 'a finding that Security Hub tells of',
  'security-hub-custom-action': 'a custom action of Security Hub',
  'iot-rule': 'either the message of an IoT rule or a request without "newStatus"',
};

/** Alerts are the alert lane's; what a person has approved may be an incident. */
function heldToLane(reading: Reading, lane: Lane): Reading {
  if (reading.kind !== 'intents' || lane === 'alert') return reading;
  const formats = reading.intents.flatMap(({ origin }) => (origin ? [origin.format] : []));
  const approved = formats.every((format) => format === 'security-hub-custom-action');
  const [format] = formats;
  if (format === undefined || (approved && lane === 'incident')) return reading;
  const belongs = approved ? 'the incident or the alert lane' : 'the alert lane';
  return refused(
    'wrong-lane',
    `body: this is ${formatNames[format]}; it belongs in ${belongs}, and came by the ${lane} lane`,
  );
}
