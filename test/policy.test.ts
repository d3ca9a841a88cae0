import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alertFormats, type Origin } from '../src/intent.ts';
import { lanes } from '../src/lane.ts';
import {
  defaultPolicy,
  mustKnowThings,
  objectionTo,
  statusFor,
  type AlertRule,
  type Policy,
} from '../src/policy.ts';
import { atLeast, statuses } from '../src/status.ts';
import { certificateIdOf } from './helpers/message.ts';

const detect: Origin = { format: 'device-defender-detect', name: 'fleet/messages' };

function policyOf(fields: Partial<Policy> = {}): Policy {
  return { ...defaultPolicy, alerts: [], ...fields };
}

/** How an audit's finding is called in Security Hub, but for its check. */
const auditProduct = 'arn:aws:securityhub:eu-central-1::product/aws/iot-device-defender-audit';

const status = fc.constantFrom(...statuses);
const lane = fc.constantFrom(...lanes);
const name = fc.constantFrom('', 'a', 'b', 'a/b', 'ab');
const origin = fc.record<Origin>({ format: fc.constantFrom(...alertFormats), name });
const rule = fc.record<AlertRule>({
  format: fc.constantFrom(...alertFormats),
  name: fc.oneof(name, fc.constantFrom('*', 'a*', '*b', 'a*b')),
  newStatus: fc.constantFrom(...statuses, 'ignore'),
});
const strongest = fc.record({ incident: status, alert: status, rotation: status });

describe('an alert', () => {
  test('never leads to a status beyond its rule, nor beyond its lane, nor beyond what it asks for', () => {
    const asked = fc.option(status, { nil: undefined });
    fc.assert(
      fc.property(
        origin,
        asked,
        lane,
        fc.array(rule),
        strongest,
        (origin, asked, lane, alerts, strongest) => {
          const policy = policyOf({ alerts, strongest });
          const intent = { origin, ...(asked && { newStatus: asked }) };
          const verdict = statusFor(intent, lane, policy);
          const first = alerts.find(
            ({ format, name }) => format === origin.format && isLike(name, origin.name),
          );
          if (first === undefined || first.newStatus === 'ignore') {
            expect(verdict.kind).toBe('ignored');
            return;
          }
          if (verdict.kind !== 'permitted') throw new Error(verdict.kind);
          const limits = [first.newStatus, strongest[lane], asked ?? first.newStatus];
          expect(limits.filter((limit) => !atLeast(limit, verdict.newStatus))).toEqual([]);
          expect(limits).toContain(verdict.newStatus);
        },
      ),
    );
  });

  test('is judged by the first rule of its format that its name fits', () => {
    const alerts: AlertRule[] = [
      { format: 'iot-rule', name: '*', newStatus: 'ignore' },
      { format: detect.format, name: 'fleet/*', newStatus: 'REVOKED' },
      { format: detect.format, name: '*', newStatus: 'INACTIVE' },
    ];
    const judge = (name: string) =>
      statusFor({ origin: { ...detect, name } }, 'alert', policyOf({ alerts }));
    expect(judge('fleet/messages')).toEqual({ kind: 'permitted', newStatus: 'REVOKED' });
    expect(judge('other/messages')).toEqual({ kind: 'permitted', newStatus: 'INACTIVE' });
  });

  test('that policy ignores, or has no rule for, says so', () => {
    const alerts: AlertRule[] = [{ format: detect.format, name: 'fleet/*', newStatus: 'ignore' }];
    expect(statusFor({ origin: detect }, 'alert', policyOf({ alerts }))).toEqual({
      kind: 'ignored',
      cause: 'policy ignores device-defender-detect "fleet/messages" (rule "fleet/*")',
    });
    expect(statusFor({ origin: detect }, 'alert', policyOf())).toEqual({
      kind: 'ignored',
      cause: 'policy has no rule for device-defender-detect "fleet/messages"',
    });
  });

  test('that has become a request of our own is held to a policy that was changed since', () => {
    const alerts: AlertRule[] = [{ format: detect.format, name: '*', newStatus: 'INACTIVE' }];
    const again = { origin: detect, newStatus: 'REVOKED' as const };
    expect(statusFor(again, 'alert', policyOf({ alerts }))).toEqual({
      kind: 'permitted',
      newStatus: 'INACTIVE',
    });
    expect(statusFor(again, 'alert', policyOf())).toMatchObject({ kind: 'ignored' });
  });
});

describe('by default', () => {
  test.each<[Origin['format'], string, string]>([
    ['device-defender-detect', 'any/thing', 'INACTIVE'],
    ['device-defender-audit', 'DEVICE_CERTIFICATE_SHARED_CHECK', 'INACTIVE'],
    ['device-defender-audit', 'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK', 'INACTIVE'],
    ['device-defender-audit', 'DEVICE_CERTIFICATE_EXPIRING_CHECK', 'ignored'],
    ['device-defender-audit', 'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK', 'ignored'],
    ['security-hub-imported', 'arn:aws:securityhub:::product/aws/x', 'INACTIVE'],
    ['security-hub-imported', `${auditProduct}/DEVICE_CERTIFICATE_SHARED_CHECK`, 'INACTIVE'],
    [
      'security-hub-imported',
      `${auditProduct}/REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK`,
      'INACTIVE',
    ],
    ['security-hub-imported', `${auditProduct}/DEVICE_CERTIFICATE_KEY_QUALITY_CHECK`, 'ignored'],
    ['security-hub-custom-action', 'Revoke', 'INACTIVE'],
    ['iot-rule', '', 'INACTIVE'],
  ])('%s %s leads to %s', (format, name, leadsTo) => {
    const verdict = statusFor({ origin: { format, name } }, 'alert', defaultPolicy);
    expect(verdict.kind === 'permitted' ? verdict.newStatus : verdict.kind).toBe(leadsTo);
  });

  test('each format has a rule for whatever it is called', () => {
    fc.assert(
      fc.property(fc.constantFrom(...alertFormats), fc.string(), (format, name) => {
        const verdict = statusFor({ origin: { format, name } }, 'alert', defaultPolicy);
        expect('cause' in verdict ? verdict.cause : '').not.toContain('no rule');
      }),
    );
  });
});

describe('a request of our own', () => {
  test('gets what it asks for, if its lane may ask for that', () => {
    fc.assert(
      fc.property(status, lane, strongest, (newStatus, lane, strongest) => {
        const verdict = statusFor({ newStatus }, lane, policyOf({ strongest }));
        expect(verdict).toMatchObject(
          atLeast(strongest[lane], newStatus)
            ? { kind: 'permitted', newStatus }
            : { kind: 'forbidden' },
        );
      }),
    );
  });

  test('that asks for too much is told what would be right', () => {
    const policy = policyOf({ strongest: { ...defaultPolicy.strongest, rotation: 'INACTIVE' } });
    expect(statusFor({ newStatus: 'REVOKED' }, 'rotation', policy)).toEqual({
      kind: 'forbidden',
      reason:
        'newStatus: it holds "REVOKED"; the rotation lane may ask for "INACTIVE" at most (policy, "strongest")',
    });
  });

  test('without a status, which no reading should give, is refused and not ignored', () => {
    expect(statusFor({}, 'alert', defaultPolicy)).toMatchObject({ kind: 'forbidden' });
  });
});

describe('a protected certificate', () => {
  const id = certificateIdOf(0xabc);
  const arn = `arn:aws:iot:eu-central-1:123456789012:cert/${id}`;

  test.each(['alert', 'rotation'] as const)(
    'is never touched by the lane %s, however it is written or found',
    (lane) => {
      const written = fc.constantFrom(id, id.toUpperCase(), arn, arn.replace(id, id.toUpperCase()));
      const others = fc.array(fc.constantFrom(certificateIdOf(1), certificateIdOf(2)));
      fc.assert(
        fc.property(written, others, fc.nat({ max: 3 }), (written, others, at) => {
          const certificates = others.toSpliced(at, 0, written);
          const policy = policyOf({ protected: { certificates, things: [] }, mostThings: {} });
          expect(objectionTo(id, [], lane, policy)?.failureKind).toBe('protected');
        }),
      );
      const things = fc.array(fc.constantFrom<string>('sensor-1', 'sensor-2'));
      fc.assert(
        fc.property(things, fc.nat({ max: 3 }), (things, at) => {
          const policy = policyOf({ protected: { certificates: [], things: ['gateway-*'] } });
          const served = things.toSpliced(at, 0, 'gateway-7');
          expect(objectionTo(id, served, lane, policy)?.failureKind).toBe('protected');
        }),
      );
    },
  );

  test('is touched by the incident lane', () => {
    const policy = policyOf({ protected: { certificates: [id], things: ['*'] } });
    expect(objectionTo(id, ['gateway-7'], 'incident', policy)).toBeUndefined();
  });

  test('is told by what protects it, and what would be the way', () => {
    const policy = policyOf({ protected: { certificates: [id], things: ['gateway-*'] } });
    expect(objectionTo(id, ['gateway-7'], 'rotation', policy)?.reason).toBe(
      'the certificate is on the protected list (policy, "protected.certificates"); only the incident lane may take it out of service',
    );
    expect(objectionTo(certificateIdOf(1), ['gateway-7'], 'rotation', policy)?.reason).toBe(
      'the certificate serves thing "gateway-7", which is protected (policy, "protected.things", "gateway-*"); only the incident lane may take it out of service',
    );
  });

  test('does not protect others', () => {
    const policy = policyOf({ protected: { certificates: [id], things: ['gateway-*'] } });
    expect(objectionTo(certificateIdOf(1), ['my-gateway-7'], 'alert', policy)).toBeUndefined();
  });

  test('is told before it is told that things share it', () => {
    const policy = policyOf({ protected: { certificates: [], things: ['b'] } });
    expect(objectionTo(id, ['a', 'b'], 'alert', policy)?.failureKind).toBe('protected');
  });
});

describe('the pattern of a name', () => {
  test('is what a regular expression would be, with * for any characters', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '*'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        const policy = policyOf({ protected: { certificates: [], things: [pattern] } });
        const objection = objectionTo('id', [text], 'rotation', policy);
        expect(objection !== undefined).toBe(isLike(pattern, text));
      }),
      { numRuns: 2000 },
    );
  });

  test('takes no longer for one that would send a regular expression astray', () => {
    const policy = policyOf({ protected: { certificates: [], things: ['*a'.repeat(60)] } });
    expect(objectionTo('id', [`${'a'.repeat(59)}b`], 'rotation', policy)).toBeUndefined();
  });
});

describe('a certificate that several things share', () => {
  const things = Array.from({ length: 25 }, (_, n) => `thing-${n}`);

  test('is refused from the lane’s number of things on, with their names', () => {
    const policy = policyOf({ mostThings: { alert: 2 } });
    expect(objectionTo('id', ['a', 'b'], 'alert', policy)).toBeUndefined();
    expect(objectionTo('id', ['a', 'b', 'c'], 'alert', policy)).toEqual({
      failureKind: 'shared-certificate',
      reason:
        '3 things share the certificate, at most 2 may go down at once (policy, "mostThings"): a, b, c; if all of them shall, ask by the incident lane',
    });
  });

  test('names twenty of them, and counts the rest', () => {
    const reason = objectionTo('id', things, 'alert', defaultPolicy)?.reason;
    expect(reason).toContain('thing-19 and 5 more;');
    expect(objectionTo('id', things.slice(0, 20), 'alert', defaultPolicy)?.reason).toContain(
      'thing-18, thing-19;',
    );
  });

  test.each(['incident', 'rotation'] as const)('is no matter of the lane %s', (lane) => {
    expect(objectionTo('id', things, lane, defaultPolicy)).toBeUndefined();
  });

  test('is a matter of whichever lane the policy names', () => {
    const policy = policyOf({ mostThings: { incident: 1 } });
    expect(objectionTo('id', ['a', 'b'], 'incident', policy)).toBeDefined();
    expect(objectionTo('id', ['a', 'b'], 'alert', policy)).toBeUndefined();
  });

  test('serves nothing, and may go', () => {
    expect(objectionTo('id', [], 'alert', defaultPolicy)).toBeUndefined();
  });
});

describe('the things of a certificate must be known', () => {
  test.each([
    [defaultPolicy, ['alert']],
    [policyOf({ mostThings: {} }), []],
    [policyOf({ mostThings: { incident: 2 } }), ['incident']],
    [
      policyOf({ mostThings: {}, protected: { certificates: [], things: ['x'] } }),
      ['alert', 'rotation'],
    ],
    [policyOf({ mostThings: {}, protected: { certificates: ['x'], things: [] } }), []],
  ])('where a limit or a protected thing asks for it (%#)', (policy, expected) => {
    expect(lanes.filter((lane) => mustKnowThings(lane, policy))).toEqual(expected);
  });
});

/** What the pattern would be as a regular expression. */
function isLike(pattern: string, text: string): boolean {
  const source = pattern.split('*').map((part) => part.replaceAll(/[^\w]/g, String.raw`\$&`));
  return new RegExp(`^${source.join('.*')}$`, 's').test(text);
}
