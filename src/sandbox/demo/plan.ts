// What the demo asks the worker for: a rotation batch, an incident in the middle of it, a storm of
// duplicate alerts, a device that misbehaves, a flood of false alarms, and bodies that nobody can use; and
// which status each certificate must end in.

import { createHash } from 'node:crypto';
import type { Lane } from '../../lane.ts';
import { strongest, type Status } from '../../status.ts';
import { unusableLetters } from './unusable.ts';

/** How much of everything. */
export interface Size {
  /** Certificates that are due for rotation; each is asked for once. */
  readonly rotation: number;
  /** Compromised certificates; each is asked for once. */
  readonly incident: number;
  /** Alerts in all. */
  readonly alerts: number;
  /** The certificates that the alerts are about, in turn. */
  readonly alerted: number;
  /** Of the compromised and of the alerted certificates, so many are due for rotation too. */
  readonly shared: number;
  /** False alarms, each about a device of its own, which has one certificate. */
  readonly alarms: number;
  /** Compromised certificates that come up in the middle of the alarms. */
  readonly stolen: number;
  /** Certificates that alerts may take out of service in an hour: fewer than all of them would. */
  readonly ceiling: number;
  /** Certificates that nobody asks for. */
  readonly bystanders: number;
}

/** What is asked of one certificate. */
interface Asked {
  readonly certificateId: string;
  readonly newStatus: Status;
}

/** A message to send, and what is expected of it. */
export interface Letter {
  readonly lane: Lane;
  readonly body: string;
  /** What a reader of the body makes of it; absent where nobody can make anything of it. */
  readonly request?: Asked;
  /** What else it comes to, where it is about a device with several certificates. */
  readonly more?: readonly Asked[];
  /** Of an alert that is published to the topic, not sent to its lane: the id that it has there. */
  readonly violationId?: string;
  /** Part of the flood: a false alarm, or the incident in the middle of them. */
  readonly inFlood?: true;
  /** The kind of refusal to expect; absent where the request is usable. */
  readonly refusal?: string;
}

export interface Plan {
  readonly rotation: readonly Letter[];
  readonly incident: readonly Letter[];
  readonly alerts: readonly Letter[];
  /** About the device that has several certificates. */
  readonly violation: readonly Letter[];
  readonly alarms: readonly Letter[];
  /** The incident in the middle of the alarms. */
  readonly theft: readonly Letter[];
  readonly unusable: readonly Letter[];
  /** The strongest status that was asked for, by certificate id. */
  readonly asked: ReadonlyMap<string, Status>;
  readonly bystanders: readonly string[];
  /** The devices that the alerts of Device Defender name, and their certificates. */
  readonly things: readonly Thing[];
}

interface Thing {
  readonly thingName: string;
  readonly certificateIds: readonly string[];
}

/** What a letter asks for in all. */
export function askedBy({ request, more = [] }: Letter): readonly Asked[] {
  return request === undefined ? more : [request, ...more];
}

/** Where the certificates are. */
export interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** How many certificates a plan of this size is made of. */
export function fleetSize(size: Size): number {
  const { rotation, incident, alerted, shared, alarms, stolen, bystanders } = size;
  return rotation + incident + alerted - 2 * shared + bystanders + pumpSize + alarms + stolen;
}

/** Certificates of the device that misbehaves. */
const pumpSize = 3;

/** A plan for a fleet of `fleetSize(size)` certificates. */
export function planOf(fleet: readonly string[], size: Size, place: Place): Plan {
  const { rotation, incident, alerted, shared, alarms, stolen } = size;
  // In a row, each group overlapping the one before; but the alerted share with the rotation alone.
  const due = fleet.slice(0, rotation);
  const own = fleet.slice(rotation);
  const compromised = [...own.slice(0, incident - shared), ...due.slice(rotation - shared)];
  const others = own.slice(incident - shared);
  const alertedIds = [
    ...due.slice(rotation - 2 * shared, rotation - shared),
    ...others.slice(0, alerted - shared),
  ];
  const [bystanders, pump, sensors, keys] = inGroups(others.slice(alerted - shared), [
    size.bystanders,
    pumpSize,
    alarms,
    stolen,
  ]);
  const things = [
    { thingName: 'pump-7', certificateIds: pump },
    ...sensors.map((id, at) => ({ thingName: `sensor-${at + 1}`, certificateIds: [id] })),
  ];
  const [violation, ...falseAlarms] = things.map(violationLetter);
  const letters = {
    rotation: due.map(rotationLetter),
    incident: compromised.map((id) => incidentLetter(id, place)),
    alerts: Array.from({ length: size.alerts }, (_, at) =>
      alertLetter(alertedIds[at % alerted] ?? '', at, place),
    ),
    violation: violation === undefined ? [] : [violation],
    alarms: falseAlarms.map(inFlood),
    theft: keys.map((id) => inFlood(incidentLetter(id, place))),
    unusable: unusableLetters(bystanders[0] ?? '', place),
  };
  return { ...letters, asked: askedFor(Object.values(letters).flat()), bystanders, things };
}

function inFlood(letter: Letter): Letter {
  return { ...letter, inFlood: true };
}

/** Groups of these sizes, one after the other. */
function inGroups<Sizes extends readonly number[]>(
  ids: readonly string[],
  sizes: readonly [...Sizes],
): { readonly [At in keyof Sizes]: readonly string[] } {
  let from = 0;
  return sizes.map((size) => ids.slice(from, (from += size))) as never;
}

function askedFor(letters: readonly Letter[]): ReadonlyMap<string, Status> {
  const asked = new Map<string, Status>();
  for (const letter of letters.filter(({ refusal }) => refusal === undefined)) {
    for (const { certificateId, newStatus } of askedBy(letter)) {
      asked.set(certificateId, strongest([newStatus, asked.get(certificateId) ?? newStatus]));
    }
  }
  return asked;
}

function rotationLetter(certificateId: string, at: number): Letter {
  const request = { certificateId, newStatus: 'INACTIVE' } as const;
  const audit = {
    requestId: `rotation-${at + 1}`,
    requestedBy: 'fleet-rotation',
    reason: 'superseded',
  };
  return { lane: 'rotation', body: JSON.stringify({ ...request, ...audit }), request };
}

function incidentLetter(certificateId: string, place: Place): Letter {
  const body = {
    certificateArn: arnOf(certificateId, place),
    newStatus: 'REVOKED',
    reason: 'keyCompromise',
    incidentId: 'INC-4711',
    requestedBy: 'ana@soc.example',
  };
  const request = { certificateId, newStatus: 'REVOKED' } as const;
  return { lane: 'incident', body: JSON.stringify(body), request };
}

function alertLetter(certificateId: string, at: number, place: Place): Letter {
  const request = { certificateId, newStatus: 'REVOKED' } as const;
  const alert = {
    ...request,
    reason: 'keyCompromise',
    requestId: `alert-${at + 1}`,
    requestedBy: 'device-monitor',
  };
  const carry = envelopes[at % envelopes.length] ?? raw;
  return { lane: 'alert', body: carry(alert, place), request };
}

/** As Device Defender Detect tells of a thing that breaks a rule; SNS puts its envelope around it. */
function violationLetter({ thingName, certificateIds }: Thing, at: number): Letter {
  const violationId = createHash('md5').update(thingName).digest('hex');
  const violation = {
    violationEventTime: 1_795_316_645_000,
    thingName,
    behavior: {
      name: 'refused-logins',
      metric: 'aws:num-authorization-failures',
      criteria: { comparisonOperator: 'less-than', value: { count: 20 }, durationSeconds: 300 },
    },
    violationEventType: 'in-alarm',
    metricValue: { count: 21 + at },
    violationId,
    securityProfileName: 'fleet',
  };
  const [request, ...more] = certificateIds.map((certificateId): Asked => {
    return { certificateId, newStatus: 'INACTIVE' };
  });
  return {
    lane: 'alert',
    body: JSON.stringify(violation),
    violationId,
    ...(request && { request }),
    more,
  };
}

type Envelope = (alert: object, place: Place) => string;

const raw: Envelope = (alert) => JSON.stringify(alert);

/** How an alert gets into a queue: by itself, by an SNS topic, or by an EventBridge rule. */
const envelopes: readonly Envelope[] = [
  raw,
  (alert, place) => JSON.stringify(snsNotification(JSON.stringify(alert), place)),
  (alert, { region, accountId }) =>
    JSON.stringify({
      version: '0',
      id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
      'detail-type': 'Compromised Device',
      source: 'example.device-monitor',
      account: accountId,
      time: '2026-11-22T03:04:05Z',
      region,
      resources: [],
      detail: alert,
    }),
];

/** An SNS notification as a queue gets it without raw delivery (AWS docs, "SNS message formats"). */
function snsNotification(message: string, { region, accountId }: Place): object {
  return {
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: `arn:aws:sns:${region}:${accountId}:device-alerts`,
    Message: message,
    Timestamp: '2026-11-22T03:04:05.678Z',
    SignatureVersion: '1',
    Signature: 'EXAMPLE',
    SigningCertURL: `https://sns.${region}.amazonaws.com/SimpleNotificationService-0.pem`,
    UnsubscribeURL: `https://sns.${region}.amazonaws.com/?Action=Unsubscribe`,
  };
}

function arnOf(certificateId: string, { region, accountId }: Place): string {
  return `arn:aws:iot:${region}:${accountId}:cert/${certificateId}`;
}
