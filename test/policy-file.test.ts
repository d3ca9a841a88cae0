import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultPolicy } from '../src/policy.ts';
import { readPolicy } from '../src/policy-file.ts';
import { certificateIdOf } from './helpers/message.ts';

const id = certificateIdOf(7);
const arn = `arn:aws:iot:eu-central-1:123456789012:cert/${id}`;

function problemsOf(value: unknown): readonly string[] {
  const reading = readPolicy(value);
  return reading.kind === 'problems' ? reading.problems : [];
}

describe('a policy file', () => {
  test('without anything in it is the default', () => {
    expect(readPolicy({})).toEqual({ kind: 'policy', policy: defaultPolicy });
  });

  test('puts its rules before the default ones', () => {
    const rule = { format: 'security-hub-custom-action', name: 'Revoke', newStatus: 'REVOKED' };
    expect(readPolicy({ alerts: [rule] })).toEqual({
      kind: 'policy',
      policy: { ...defaultPolicy, alerts: [rule, ...defaultPolicy.alerts] },
    });
  });

  test('may name an IoT rule’s alerts, which have no name', () => {
    const rule = { format: 'iot-rule', name: '', newStatus: 'ignore' };
    expect(readPolicy({ alerts: [rule] }).kind).toBe('policy');
  });

  test('replaces all else, field by field and lane by lane', () => {
    const value = {
      strongest: { rotation: 'INACTIVE' },
      protected: { certificates: [id.toUpperCase(), arn], things: ['gateway-*', '*:claim_1'] },
      mostThings: { rotation: 5 },
    };
    expect(readPolicy(value)).toEqual({
      kind: 'policy',
      policy: {
        alerts: defaultPolicy.alerts,
        strongest: { incident: 'REVOKED', alert: 'REVOKED', rotation: 'INACTIVE' },
        protected: value.protected,
        mostThings: { alert: 1, rotation: 5 },
      },
    });
  });

  test('takes a limit away with "any"', () => {
    const reading = readPolicy({ mostThings: { alert: 'any', incident: 2 } });
    expect(reading).toMatchObject({ kind: 'policy' });
    expect(reading.kind === 'policy' && reading.policy.mostThings).toEqual({ incident: 2 });
  });
});

describe('a problem is told by its place, what is there, and what would be right', () => {
  test.each<[unknown, string]>([
    [
      [],
      'the whole: it holds an array of 0; an object with "alerts", "strongest", "protected", "mostThings" is expected',
    ],
    [
      undefined,
      'the whole: it holds nothing; an object with "alerts", "strongest", "protected", "mostThings" is expected',
    ],
    [
      { alert: [] },
      'alert: it holds an array of 0; no field of this name is known; one of "alerts", "strongest", "protected", "mostThings" is expected',
    ],
    [{ alerts: {} }, 'alerts: it holds an object; a list of rules is expected'],
    [
      { alerts: ['x'] },
      'alerts.0: it holds "x"; an object with "format", "name", "newStatus" is expected',
    ],
    [
      { alerts: [{ format: 'sns', name: '*', newStatus: 'ignore' }] },
      'alerts.0.format: it holds "sns"; one of device-defender-detect, device-defender-audit, security-hub-imported, security-hub-custom-action, iot-rule is expected',
    ],
    [
      { alerts: [{ format: 'iot-rule', newStatus: 'ignore' }] },
      'alerts.0.name: it holds nothing; the name of an alert, with * for any characters, is expected',
    ],
    [
      { alerts: [{ format: 'iot-rule', name: '*', newStatus: 'ACTIVE' }] },
      'alerts.0.newStatus: it holds "ACTIVE"; "INACTIVE", "REVOKED" or "ignore" is expected',
    ],
    [
      { strongest: { alert: 'ignore' } },
      'strongest.alert: it holds "ignore"; "INACTIVE" or "REVOKED" is expected',
    ],
    [
      { strongest: { rotations: 'INACTIVE' } },
      'strongest.rotations: it holds "INACTIVE"; no field of this name is known; one of "incident", "alert", "rotation" is expected',
    ],
    [
      { protected: [id] },
      'protected: it holds an array of 1; an object with "certificates", "things" is expected',
    ],
    [
      { protected: { certificates: id } },
      `protected.certificates: it holds "${id}"; a list of certificate ids and ARNs is expected`,
    ],
    [
      { protected: { certificates: [id, 'ab'] } },
      'protected.certificates.1: it holds "ab"; a certificate id of 64 hexadecimal characters, or its ARN, is expected',
    ],
    [
      { protected: { certificates: [7] } },
      'protected.certificates.0: it holds 7; a certificate id of 64 hexadecimal characters, or its ARN, is expected',
    ],
    [
      { protected: { things: [7] } },
      'protected.things.0: it holds 7; the name of a thing (1 to 128 letters, digits, ":", "_" and "-"), with * for any characters, is expected',
    ],
    [
      { protected: { things: 'a' } },
      'protected.things: it holds "a"; a list of names of things is expected',
    ],
    [
      { protected: { things: ['a b'] } },
      'protected.things.0: it holds "a b"; the name of a thing (1 to 128 letters, digits, ":", "_" and "-"), with * for any characters, is expected',
    ],
    [
      { mostThings: { alert: 0 } },
      'mostThings.alert: it holds 0; a whole number above 0, or "any", is expected',
    ],
    [
      { mostThings: { alert: 1.5 } },
      'mostThings.alert: it holds 1.5; a whole number above 0, or "any", is expected',
    ],
    [
      { mostThings: { alert: null } },
      'mostThings.alert: it holds null; a whole number above 0, or "any", is expected',
    ],
  ])('%j', (value, problem) => {
    expect(problemsOf(value)).toEqual([problem]);
  });

  test('and all of them at once', () => {
    const value = {
      alerts: [{ format: 'x', name: 7, newStatus: 'y', colour: 'red', shape: 'round' }],
      strongest: { alert: 1 },
      protected: { things: [''], people: [] },
      mostThings: { alert: 'all' },
    };
    expect(
      problemsOf(value)
        .map((problem) => problem.slice(0, problem.indexOf(':')))
        .toSorted(),
    ).toEqual([
      'alerts.0.colour',
      'alerts.0.format',
      'alerts.0.name',
      'alerts.0.newStatus',
      'alerts.0.shape',
      'mostThings.alert',
      'protected.people',
      'protected.things.0',
      'strongest.alert',
    ]);
  });

  test('whatever the file holds, and however strange its keys', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (value) => {
        const reading = readPolicy(value);
        if (reading.kind === 'problems') expect(reading.problems).not.toEqual([]);
      }),
    );
    const strange: unknown = JSON.parse('{"__proto__": {"alerts": 1}, "constructor": 2}');
    expect(problemsOf(strange).length).toBeGreaterThan(0);
  });
});
