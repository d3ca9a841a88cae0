// What alerts may lead to, in one place for whoever reviews it: which alert leads to which status, how
// far each lane may go, what no automation touches, and how many devices one alert may switch off.
// POLICY_FILE names a JSON file with what differs from `defaultPolicy`: policy-file.ts.

import type { Intent, Origin } from './intent.ts';
import type { Lane } from './lane.ts';
import { quote } from './quote.ts';
import { atLeast, type Status } from './status.ts';

export interface Policy {
  /** What each kind of alert leads to. The first rule that matches counts; without one it is ignored. */
  readonly alerts: readonly AlertRule[];
  /** The strongest status that each lane may ask for; a stronger request is a dead letter. */
  readonly strongest: Readonly<Record<Lane, Status>>;
  /** What only the incident lane may touch: provisioning claims, gateways. */
  readonly protected: {
    /** Certificate ids or ARNs. */
    readonly certificates: readonly string[];
    /** Names of things, with * for any characters; a certificate of such a thing is protected. */
    readonly things: readonly string[];
  };
  /**
   * So many things may share a certificate that an alert of this lane takes out of service, or a request
   * that names a thing; absent: any number. A request that names the certificate itself is not asked.
   */
  readonly mostThings: Readonly<Partial<Record<Lane, number>>>;
}

export interface AlertRule {
  readonly format: Origin['format'];
  /** Of the origin's name (intent.ts), with * for any characters. */
  readonly name: string;
  readonly newStatus: Status | 'ignore';
}

export const defaultPolicy: Policy = {
  alerts: [
    // Anomalies can be false alarms, and INACTIVE can be undone.
    { format: 'device-defender-detect', name: '*', newStatus: 'INACTIVE' },
    // Two devices with one certificate: one of them is a copy.
    {
      format: 'device-defender-audit',
      name: 'DEVICE_CERTIFICATE_SHARED_CHECK',
      newStatus: 'INACTIVE',
    },
    // Its CA has revoked it, and AWS IoT still lets it in.
    {
      format: 'device-defender-audit',
      name: 'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
      newStatus: 'INACTIVE',
    },
    // Weak keys are a reason to rotate, and may be the whole fleet's.
    { format: 'device-defender-audit', name: '*', newStatus: 'ignore' },
    // The same by way of Security Hub.
    {
      format: 'security-hub-imported',
      name: '*/iot-device-defender-audit/DEVICE_CERTIFICATE_SHARED_CHECK',
      newStatus: 'INACTIVE',
    },
    {
      format: 'security-hub-imported',
      name: '*/iot-device-defender-audit/REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
      newStatus: 'INACTIVE',
    },
    { format: 'security-hub-imported', name: '*/iot-device-defender-audit/*', newStatus: 'ignore' },
    { format: 'security-hub-imported', name: '*', newStatus: 'INACTIVE' },
    { format: 'security-hub-custom-action', name: '*', newStatus: 'INACTIVE' },
    { format: 'iot-rule', name: '*', newStatus: 'INACTIVE' },
  ],
  strongest: { incident: 'REVOKED', alert: 'REVOKED', rotation: 'REVOKED' },
  protected: { certificates: [], things: [] },
  mostThings: { alert: 1 },
};

export type Verdict =
  | { readonly kind: 'permitted'; readonly newStatus: Status }
  | { readonly kind: 'ignored'; readonly cause: string }
  | { readonly kind: 'forbidden'; readonly reason: string };

/** Which status an intent may lead to in this lane. */
export function statusFor(
  { origin, newStatus }: Pick<Intent, 'origin' | 'newStatus'>,
  lane: Lane,
  policy: Policy,
): Verdict {
  return origin === undefined
    ? statusAsked(newStatus, lane, policy)
    : statusOfAlert(origin, newStatus, lane, policy);
}

function statusAsked(newStatus: Status | undefined, lane: Lane, policy: Policy): Verdict {
  const strongest = policy.strongest[lane];
  if (newStatus !== undefined && atLeast(strongest, newStatus)) {
    return { kind: 'permitted', newStatus };
  }
  return {
    kind: 'forbidden',
    reason: `newStatus: it holds ${quote(newStatus)}; the ${lane} lane may ask for "${strongest}" at most (policy, "strongest")`,
  };
}

/**
 * An alert never exceeds its rule, nor its lane: not even where it comes back as a request of our own
 * with a status (expansion.ts), and policy has changed since.
 */
function statusOfAlert(
  origin: Origin,
  asked: Status | undefined,
  lane: Lane,
  policy: Policy,
): Verdict {
  const rule = policy.alerts.find(
    ({ format, name }) => format === origin.format && matches(name, origin.name),
  );
  const told = `${origin.format} ${quote(origin.name)}`;
  if (rule === undefined) return { kind: 'ignored', cause: `policy has no rule for ${told}` };
  if (rule.newStatus === 'ignore') {
    return { kind: 'ignored', cause: `policy ignores ${told} (rule ${quote(rule.name)})` };
  }
  const newStatus = weakest(rule.newStatus, policy.strongest[lane], asked ?? rule.newStatus);
  return { kind: 'permitted', newStatus };
}

function weakest(...all: readonly Status[]): Status {
  return all.includes('INACTIVE') ? 'INACTIVE' : 'REVOKED';
}

/** Whether it must be known which things a certificate serves, before this lane may touch it. */
export function mustKnowThings(lane: Lane, policy: Policy): boolean {
  if (policy.mostThings[lane] !== undefined) return true;
  return lane !== 'incident' && policy.protected.things.length > 0;
}

/**
 * Why this lane may not take a certificate out of service; undefined if it may.
 *
 * @param things the things that it serves, as far as `mustKnowThings` asks for them
 */
export function objectionTo(
  certificateId: string,
  things: readonly string[],
  lane: Lane,
  policy: Policy,
): Objection | undefined {
  return (
    (lane === 'incident' ? undefined : protectionOf(certificateId, things, policy)) ??
    sharingOf(things, policy.mostThings[lane])
  );
}

export interface Objection {
  readonly failureKind: 'protected' | 'shared-certificate';
  readonly reason: string;
}

function protectionOf(
  certificateId: string,
  things: readonly string[],
  { protected: { certificates, things: patterns } }: Policy,
): Objection | undefined {
  const way = 'only the incident lane may take it out of service';
  if (certificates.some((one) => idOf(one) === certificateId)) {
    return {
      failureKind: 'protected',
      reason: `the certificate is on the protected list (policy, "protected.certificates"); ${way}`,
    };
  }
  for (const pattern of patterns) {
    const thing = things.find((name) => matches(pattern, name));
    if (thing === undefined) continue;
    return {
      failureKind: 'protected',
      reason: `the certificate serves thing ${quote(thing)}, which is protected (policy, "protected.things", "${pattern}"); ${way}`,
    };
  }
  return undefined;
}

/** Of the things that would go down, so many are named. */
const mostNamed = 20;

function sharingOf(things: readonly string[], most: number | undefined): Objection | undefined {
  if (most === undefined || things.length <= most) return undefined;
  const named = things.slice(0, mostNamed).join(', ');
  const more = things.length - mostNamed;
  return {
    failureKind: 'shared-certificate',
    reason: `${things.length} things share the certificate, at most ${most} may go down at once (policy, "mostThings"): ${named}${more > 0 ? ` and ${more} more` : ''}; if all of them shall, ask by the incident lane`,
  };
}

/** A certificate id or ARN, as an id. */
function idOf(idOrArn: string): string {
  return idOrArn.slice(idOrArn.lastIndexOf('/') + 1).toLowerCase();
}

/** Whether a text is as the pattern says, where * stands for any characters. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return text === pattern;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= end;
}
