// What a simulated account has set up for alerts, and the alerts that come: what each of them looks
// like, and what it may lead to. The plan knows that from the rules, without asking src/policy.ts.

import type { Ceilings } from '../../src/brake.ts';
import type { Random } from '../../src/clock.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { Status } from '../../src/status.ts';
import { certificateIdOf } from '../helpers/message.ts';
import { oneOf, whole } from './chance.ts';
import type { Wish } from './history.ts';
import { accountId } from './lambda.ts';

export interface AlertRules {
  /** Things are called t0, t1, …; the one after the last does not exist. */
  readonly things: number;
  /** Which certificates are attached to which things at the start. */
  readonly attached: readonly (readonly [thing: number, certificate: number])[];
  /** Items on a page of any list. */
  readonly pageSize: number;
  readonly strongest: Policy['strongest'];
  /** Certificates and things that only the incident lane may touch. */
  readonly protectedCertificates: readonly number[];
  readonly protectedThings: readonly number[];
  readonly mostThings: Policy['mostThings'];
  readonly ceilings: Ceilings;
  /** Whether processes count together, in a table; else each has its part. */
  readonly sharesBrake: boolean;
  readonly dryRun: readonly Lane[];
  /** Whether held lanes are left to drain by and by; else a person lets them go. */
  readonly waitsOut: boolean;
}

export const alertForms = [
  // Device Defender Detect, by thing
  'alarm',
  /** Of a profile that policy wants revoked. */
  'loud alarm',
  /** Of a profile that policy ignores. */
  'quiet alarm',
  'alarm cleared',
  // An IoT rule
  'rule: certificate',
  'rule: thing',
  // Our own request, by any lane
  'request: thing',
  // Device Defender Audit
  'audit',
  /** Policy ignores this check. */
  'audit of keys',
] as const;

export type AlertForm = (typeof alertForms)[number];

/** An alert, or a request that names a thing. */
export interface AlertStep {
  readonly form: AlertForm;
  readonly lane: Lane;
  readonly thing: number;
  /** Of a rule's message; of an audit, the first that it complains of. */
  readonly certificate: number;
  /** Of a request. */
  readonly status: Status;
  /** Certificates that an audit complains of. */
  readonly count: number;
}

/** An account's rules, for a world of so many certificates and processes. */
export function alertRulesOf(chance: Random, certificates: number, processes: number): AlertRules {
  const sharesBrake = chance() < 0.6;
  const waitsOut = certificates <= 4 && chance() < 0.3;
  const ceiling = waitsOut ? whole(chance, 1, 2) : oneOf(chance, [1, 2, 2, 3, 5]);
  const hasRoom = sharesBrake || ceiling >= processes;
  const things = whole(chance, 1, Math.min(certificates + 1, 6));
  const attached = Array.from({ length: certificates }, (_, certificate) =>
    Array.from({ length: oneOf(chance, [0, 1, 1, 1, 1, 2, 3]) }, () => {
      return [whole(chance, 0, things - 1), certificate] as const;
    }),
  ).flat();
  const some = (most: number): readonly number[] =>
    chance() < 0.3 ? [whole(chance, 0, most - 1)] : [];
  const hasCeiling = waitsOut || chance() < 0.4;
  const ceilings: Ceilings = {
    ...(hasCeiling && { alert: ceiling }),
    ...(hasCeiling && chance() < 0.2 && { rotation: ceiling + 1 }),
    ...(hasCeiling && chance() < 0.1 && { incident: ceiling + 2 }),
  };
  return {
    things,
    attached,
    pageSize: oneOf(chance, [2, 4, 10]),
    strongest: {
      incident: 'REVOKED',
      alert: chance() < 0.6 ? 'REVOKED' : 'INACTIVE',
      rotation: chance() < 0.8 ? 'REVOKED' : 'INACTIVE',
    },
    protectedCertificates: some(certificates),
    protectedThings: some(things),
    mostThings: {
      ...(chance() < 0.7 && { alert: oneOf(chance, [1, 1, 2]) }),
      ...(chance() < 0.2 && { rotation: 1 }),
    },
    ceilings,
    sharesBrake,
    dryRun: chance() < 0.25 ? lanes.filter((lane) => lane === 'alert' || chance() < 0.2) : [],
    waitsOut: waitsOut && hasRoom,
  };
}

/** The rules as src/policy.ts has them. */
export function policyOf(rules: AlertRules): Policy {
  const { strongest, mostThings, protectedCertificates, protectedThings } = rules;
  return {
    ...defaultPolicy,
    alerts: [
      { format: 'device-defender-detect', name: 'Loud/*', newStatus: 'REVOKED' },
      { format: 'device-defender-detect', name: 'Quiet/*', newStatus: 'ignore' },
      ...defaultPolicy.alerts,
    ],
    strongest,
    mostThings,
    protected: {
      certificates: protectedCertificates.map(certificateIdOf),
      things: protectedThings.map(thingOf),
    },
  };
}

/** An alert's body, and what it may lead to. */
export function alertIn(
  { form, lane, thing, certificate, status, count }: AlertStep,
  { strongest }: AlertRules,
  task: string,
): readonly [body: string, wish: Wish] {
  const thingName = thingOf(thing);
  const asAlert = (led: Status): Wish => ({
    byAlert: true,
    wide: { group: thingName, status: weaker(led, strongest[lane]) },
  });
  switch (form) {
    case 'alarm':
      return [alarm(thingName, 'Usual', 'in-alarm'), asAlert('INACTIVE')];
    case 'loud alarm':
      return [alarm(thingName, 'Loud', 'in-alarm'), asAlert('REVOKED')];
    case 'quiet alarm':
      return [alarm(thingName, 'Quiet', 'in-alarm'), { isIdle: true }];
    case 'alarm cleared':
      return [alarm(thingName, 'Loud', 'alarm-cleared'), { isIdle: true }];
    case 'rule: certificate': {
      const certificateId = certificateIdOf(certificate);
      const ask = { certificateId, status: weaker('INACTIVE', strongest[lane]) };
      return [JSON.stringify({ certificateId, tamper: true }), { byAlert: true, ask }];
    }
    case 'rule: thing':
      return [JSON.stringify({ thingName, tamper: true }), asAlert('INACTIVE')];
    case 'request: thing': {
      const isAllowed = weaker(status, strongest[lane]) === status;
      const wish: Wish = { byAlert: true, wide: { group: thingName, status } };
      return [JSON.stringify({ thingName, newStatus: status }), isAllowed ? wish : {}];
    }
    case 'audit': {
      const wide = { group: task, status: weaker('INACTIVE', strongest[lane]) };
      return [audit(task, 'DEVICE_CERTIFICATE_SHARED_CHECK', count), { byAlert: true, wide }];
    }
    case 'audit of keys':
      return [audit(task, 'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK', count), { isIdle: true }];
  }
}

export function thingOf(n: number): string {
  return `t${n}`;
}

function weaker(a: Status, b: Status): Status {
  return a === 'INACTIVE' || b === 'INACTIVE' ? 'INACTIVE' : 'REVOKED';
}

function alarm(thingName: string, securityProfileName: string, violationEventType: string): string {
  return JSON.stringify({
    violationEventType,
    violationEventTime: 1573786800000,
    violationId: '37e18651d207bbc74236c13faf146127',
    thingName,
    securityProfileName,
    behavior: { name: 'MessagesSent', metric: 'aws:num-messages-sent' },
    metricValue: { count: 54 },
  });
}

function audit(taskId: string, checkName: string, count: number): string {
  return JSON.stringify({
    accountId,
    taskId,
    taskStatus: 'COMPLETED',
    taskType: 'ON_DEMAND_AUDIT_TASK',
    auditDetails: [
      {
        checkName,
        checkRunStatus: 'COMPLETED_NON_COMPLIANT',
        nonCompliantResourcesCount: count,
        totalResourcesCount: 1000,
      },
    ],
  });
}
