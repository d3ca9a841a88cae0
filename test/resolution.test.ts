import { describe, expect, test } from 'vitest';
import { isTransient, type FailureKind } from '../src/call.ts';
import type { Intent, Origin, Target } from '../src/intent.ts';
import { lanes, type Lane } from '../src/lane.ts';
import type { Found, Lookup, Seeker } from '../src/lookup.ts';
import { defaultPolicy, type Policy } from '../src/policy.ts';
import { objectionOf, resolve, type ResolutionPorts } from '../src/resolution.ts';
import { certificateIdOf, deployment, requestOf } from './helpers/message.ts';

const origin: Origin = { format: 'device-defender-detect', name: 'fleet/messages', id: 'v-1' };
const audit: Target = { kind: 'audit', taskId: 'task-1', checkName: 'SHARED_CHECK' };
const thing: Target = { kind: 'thing', thingName: 'sensor-1' };
const certificate: Target = { kind: 'certificate', certificateId: certificateIdOf(1) };

const failureKinds: readonly FailureKind[] = [
  'throttled',
  'unavailable',
  'unknown-result',
  'unreachable',
  'unknown-exception',
  'unauthorized',
  'not-found',
  'invalid-request',
  'state-conflict',
  'contested',
];

/** Of a message that was sent after all that is known. */
function seekerIn(lane: Lane): Seeker {
  return { lane, sentAtMs: Infinity };
}

/** The ports, with what every lookup finds, and a record of what was looked up. */
function setup(finds: Found<string> = found(), policy: Policy = defaultPolicy) {
  const looked: string[] = [];
  const look = async (of: string, lane: Lane): Promise<Found<string>> => {
    looked.push(`${of} for ${lane}`);
    return finds;
  };
  const lookup: Lookup = {
    certificatesOf: (thingName, { lane }) => look(`thing ${thingName}`, lane),
    thingsOf: (certificateId, { lane }) =>
      look(`certificate ${Number(`0x${certificateId.slice(-3)}`)}`, lane),
    certificatesOfAudit: ({ taskId, checkName }, { lane }) => look(`${taskId} ${checkName}`, lane),
  };
  const ports: ResolutionPorts = { deployment, policy, lookup };
  return { ports, looked };
}

function found(...items: readonly string[]): Found<string> {
  return { kind: 'found', items };
}

function failing(kind: FailureKind): Found<string> {
  return { kind: 'failed', failure: { kind, name: 'SomeException', message: 'it says no' } };
}

function intentOf(fields: Partial<Intent> = {}): Intent {
  return { target: thing, newStatus: 'INACTIVE', ...fields };
}

/** A request whose certificate was found by a thing. */
const foundOut = requestOf({ thingName: 'pump-1' });

describe('an intent that names a certificate', () => {
  test('is the request for it, with all that was said, and needs no lookup', async () => {
    const { ports, looked } = setup();
    const intent = intentOf({
      target: { ...certificate, partition: 'aws' } as Target,
      requestId: 'r',
      requestedBy: 'soc',
      reason: 'keyCompromise',
      comment: 'c',
      incidentId: 'i',
      thingName: 'sensor-9',
      other: { floor: 7 },
    });
    expect(await resolve(intent, seekerIn('incident'), ports)).toEqual({
      requests: [
        {
          certificateId: certificateIdOf(1),
          ...deployment,
          partition: 'aws',
          newStatus: 'INACTIVE',
          requestId: 'r',
          requestedBy: 'soc',
          reason: 'keyCompromise',
          comment: 'c',
          incidentId: 'i',
          thingName: 'sensor-9',
          other: { floor: 7 },
        },
      ],
    });
    expect(looked).toEqual([]);
  });

  test('gets its status from policy where an alert led to it', async () => {
    const { ports } = setup();
    const intent: Intent = { target: certificate, origin };
    // Strictly: nothing else is said, not even that it is undefined.
    expect(await resolve(intent, seekerIn('alert'), ports)).toStrictEqual({
      requests: [
        { certificateId: certificateIdOf(1), ...deployment, newStatus: 'INACTIVE', origin },
      ],
    });
  });
});

describe('an intent that names a thing', () => {
  test('is a request for each of its certificates', async () => {
    const { ports, looked } = setup(found(certificateIdOf(1), certificateIdOf(2)));
    const { requests, outcome } = await resolve(
      intentOf({ comment: 'c' }),
      seekerIn('alert'),
      ports,
    );
    const common = { ...deployment, newStatus: 'INACTIVE', thingName: 'sensor-1', comment: 'c' };
    expect(requests).toEqual([
      { certificateId: certificateIdOf(1), ...common },
      { certificateId: certificateIdOf(2), ...common },
    ]);
    expect(outcome).toBeUndefined();
    expect(looked).toEqual(['thing sensor-1 for alert']);
  });

  test('that has none is rejected, and told so', async () => {
    const { ports } = setup(found());
    expect(await resolve(intentOf(), seekerIn('alert'), ports)).toEqual({
      requests: [],
      outcome: {
        kind: 'rejected',
        failureKind: 'no-certificate',
        cause: 'thing "sensor-1" has no certificate, so there is nothing to take out of service',
      },
    });
  });

  test('that does not exist is rejected, and told so', async () => {
    const { ports } = setup(failing('not-found'));
    expect(await resolve(intentOf(), seekerIn('alert'), ports)).toEqual({
      requests: [],
      outcome: {
        kind: 'rejected',
        failureKind: 'not-found',
        cause: 'looking up thing "sensor-1": SomeException: it says no',
      },
    });
  });
});

describe('an intent that names an audit', () => {
  test('is a request for each certificate that it complains of', async () => {
    const { ports, looked } = setup(found(certificateIdOf(1)));
    const { requests } = await resolve(intentOf({ target: audit }), seekerIn('alert'), ports);
    expect(requests).toEqual([
      { certificateId: certificateIdOf(1), ...deployment, newStatus: 'INACTIVE' },
    ]);
    expect(looked).toEqual(['task-1 SHARED_CHECK for alert']);
  });

  test('that complains of none any more calls for no action', async () => {
    const { ports } = setup(found());
    expect(await resolve(intentOf({ target: audit }), seekerIn('alert'), ports)).toEqual({
      requests: [],
      outcome: {
        kind: 'ignored',
        cause:
          'check SHARED_CHECK of audit task task-1 has no finding left that names a device certificate and is not suppressed',
      },
    });
  });

  test('that has vanished is rejected', async () => {
    const { ports } = setup(failing('not-found'));
    const { outcome } = await resolve(intentOf({ target: audit }), seekerIn('alert'), ports);
    expect(outcome).toMatchObject({
      kind: 'rejected',
      cause: expect.stringContaining('looking up check SHARED_CHECK of audit task task-1: '),
    });
  });
});

describe('a lookup that fails', () => {
  test.each(failureKinds)('ends the intent, or keeps it for later: %s', async (kind) => {
    const keeps = isTransient(kind) || kind === 'unauthorized';
    for (const target of [thing, audit]) {
      const { ports } = setup(failing(kind));
      const { requests, outcome } = await resolve(intentOf({ target }), seekerIn('alert'), ports);
      expect(requests).toEqual([]);
      expect(outcome).toMatchObject({ kind: keeps ? 'deferred' : 'rejected', failureKind: kind });
    }
    const { ports } = setup(failing(kind));
    expect(await objectionOf(foundOut, seekerIn('alert'), ports)).toMatchObject({
      kind: keeps ? 'deferred' : 'rejected',
      failureKind: kind,
    });
  });

  test('as we are stopping gives it back', async () => {
    const { ports } = setup({ kind: 'stopped' });
    const { outcome } = await resolve(intentOf(), seekerIn('alert'), ports);
    expect(outcome).toEqual({
      kind: 'deferred',
      failureKind: 'stopping',
      cause: 'stopped before thing "sensor-1" was looked up',
    });
    expect(await objectionOf(foundOut, seekerIn('alert'), ports)).toEqual({
      kind: 'deferred',
      failureKind: 'stopping',
      cause: `stopped before certificate ${certificateIdOf(0)} was looked up`,
    });
  });
});

describe('policy', () => {
  test('looks nothing up for what the brake has to hold, once the list of the protected is clear', async () => {
    const policy = {
      ...defaultPolicy,
      protected: { certificates: [certificateIdOf(1)], things: [] },
    };
    const { ports, looked } = setup(found(), policy);
    const asked: string[] = [];
    const brake = {
      stays: (lane: Lane, certificateId: string) => {
        asked.push(`${lane} ${certificateId}`);
        return certificateId === certificateIdOf(2) ? { cause: 'the lane is full' } : undefined;
      },
    };
    const outcomes = [];
    for (const n of [1, 2, 3]) {
      const request = requestOf({ certificateId: certificateIdOf(n), origin });
      outcomes.push(await objectionOf(request, seekerIn('alert'), { ...ports, brake }));
    }
    expect(outcomes).toMatchObject([
      { kind: 'rejected', failureKind: 'protected' },
      { kind: 'deferred', failureKind: 'brake', cause: 'the lane is full' },
      undefined,
    ]);
    expect(looked).toEqual(['certificate 3 for alert']);
    expect(asked).toEqual([`alert ${certificateIdOf(2)}`, `alert ${certificateIdOf(3)}`]);
  });

  test('ends what it ignores or forbids before anything is looked up', async () => {
    const policy: Policy = {
      ...defaultPolicy,
      alerts: [],
      strongest: { ...defaultPolicy.strongest, rotation: 'INACTIVE' },
    };
    const { ports, looked } = setup(found(certificateIdOf(1)), policy);
    expect(await resolve({ target: thing, origin }, seekerIn('alert'), ports)).toEqual({
      requests: [],
      outcome: {
        kind: 'ignored',
        cause: 'policy has no rule for device-defender-detect "fleet/messages"',
      },
    });
    const forbidden = await resolve(
      intentOf({ newStatus: 'REVOKED' }),
      seekerIn('rotation'),
      ports,
    );
    expect(forbidden).toMatchObject({
      requests: [],
      outcome: { kind: 'rejected', failureKind: 'policy' },
    });
    expect(looked).toEqual([]);
  });

  test('lets the things be looked up only where it goes by them', async () => {
    const { ports, looked } = setup(found('a'));
    for (const lane of lanes) {
      expect(await objectionOf(foundOut, seekerIn(lane), ports)).toBeUndefined();
    }
    expect(looked).toEqual(['certificate 0 for alert']);
  });

  test('does not ask whom a certificate serves that is named outright', async () => {
    const { ports, looked } = setup(found('a', 'b', 'c'));
    for (const lane of lanes) {
      expect(await objectionOf(requestOf(), seekerIn(lane), ports)).toBeUndefined();
    }
    expect(looked).toEqual([]);
    expect(await objectionOf(requestOf({ origin }), seekerIn('alert'), ports)).toMatchObject({
      failureKind: 'shared-certificate',
    });
  });

  test('rejects what it protects by name, without a lookup', async () => {
    const spared = { certificates: [certificateIdOf(0)], things: ['gateway-*'] };
    const { ports, looked } = setup(found(), { ...defaultPolicy, protected: spared });
    for (const lane of ['alert', 'rotation'] as const) {
      expect(await objectionOf(requestOf(), seekerIn(lane), ports)).toMatchObject({
        kind: 'rejected',
        failureKind: 'protected',
      });
    }
    expect(await objectionOf(requestOf(), seekerIn('incident'), ports)).toBeUndefined();
    expect(looked).toEqual([]);
  });

  test('lets go what serves no thing at all, though every thing is protected', async () => {
    const spared = { certificates: [], things: ['*'] };
    const { ports, looked } = setup(found(), { ...defaultPolicy, protected: spared });
    expect(await objectionOf(requestOf(), seekerIn('alert'), ports)).toBeUndefined();
    expect(looked).toEqual(['certificate 0 for alert']);
  });

  test('rejects what serves a protected thing, or too many, with the reason', async () => {
    const spared = { certificates: [], things: ['gateway-*'] };
    const { ports } = setup(found('a', 'gateway-1'), { ...defaultPolicy, protected: spared });
    for (const lane of ['alert', 'rotation'] as const) {
      expect(await objectionOf(requestOf(), seekerIn(lane), ports)).toMatchObject({
        kind: 'rejected',
        failureKind: 'protected',
        cause: expect.stringContaining('thing "gateway-1"'),
      });
    }
    const shared = setup(found('a', 'b'));
    expect(await objectionOf(foundOut, seekerIn('alert'), shared.ports)).toMatchObject({
      kind: 'rejected',
      failureKind: 'shared-certificate',
      cause: expect.stringContaining(': a, b;'),
    });
  });
});
