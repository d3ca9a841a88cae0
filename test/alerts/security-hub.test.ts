import { describe, expect, test } from 'vitest';
import type { Target } from '../../src/intent.ts';
import { read } from '../../src/reading.ts';
import { alertBody, alertOf, findingBody } from '../helpers/alerts.ts';
import { inSns } from '../helpers/envelope.ts';
import { certificateIdOf, deployment } from '../helpers/message.ts';

const detect = 'arn:aws:securityhub:eu-central-1::product/aws/iot-device-defender-detect';
const audit = 'arn:aws:securityhub:eu-central-1::product/aws/iot-device-defender-audit';
const own = 'arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default';
const at = 'detail.findings.0';

function targetsOf(body: string): readonly Target[] {
  const reading = read(body, 'alert', deployment);
  if (reading.kind !== 'intents') throw new Error(JSON.stringify(reading));
  return reading.intents.map(({ target }) => target);
}

function certificate(n: number): Target {
  return { kind: 'certificate', certificateId: certificateIdOf(n) };
}

describe('a finding of Device Defender Detect', () => {
  test('asks for the certificates of its thing', () => {
    for (const body of [
      alertBody('security-hub-detect'),
      inSns(alertBody('security-hub-detect')),
    ]) {
      expect(read(body, 'alert', deployment)).toEqual({
        kind: 'intents',
        intents: [
          {
            target: { kind: 'thing', thingName: 'sensor-17' },
            origin: {
              format: 'security-hub-imported',
              name: `${detect}/Sensors/Disconnects`,
              id: 'e92a782593c6f5b1fc7cb6a443dc1a12',
            },
            other: {
              Title: 'Registered thing sensor-17 is in alarm for STATIC behavior Disconnects.',
              GeneratorId: 'arn:aws:iot:eu-central-1:123456789012:securityprofile/Sensors',
              Severity: { Label: 'MEDIUM', Normalized: 40 },
              ProductArn: detect,
            },
          },
        ],
      });
    }
  });

  const behavior = { SecurityProfileName: 'Sensors', BehaviorName: 'Disconnects' };

  test('may name other resources beside its thing', () => {
    const Resources = [
      { Type: 'AwsAccount', Id: 'AWS::::Account:123456789012' },
      { Type: 'AwsIotRegisteredThing', Id: 'sensor-17' },
    ];
    expect(targetsOf(findingBody('security-hub-detect', { Resources }))).toEqual([
      { kind: 'thing', thingName: 'sensor-17' },
    ]);
  });

  test.each(['aws-us-gov', 'aws-cn'])('is one in the partition %s too', (partition) => {
    const ProductArn = detect.replace('aws', partition);
    expect(targetsOf(findingBody('security-hub-detect', { ProductArn }))).toHaveLength(1);
  });

  test('may name its thing in one place only', () => {
    const thing: Target = { kind: 'thing', thingName: 'sensor-17' };
    expect(targetsOf(findingBody('security-hub-detect', { Resources: [] }))).toEqual([thing]);
    expect(targetsOf(findingBody('security-hub-detect', { ProductFields: behavior }))).toEqual([
      thing,
    ]);
  });

  test.each([
    [
      'no thing',
      { Resources: [], ProductFields: behavior },
      `${at}.ProductFields.ThingName: it holds nothing; the name of the thing is expected there, or in`,
    ],
    [
      'two things',
      { ProductFields: { ...behavior, ThingName: 'other' } },
      `${at}.Resources.0.Id: it holds "sensor-17", and "other" is named before; one thing is expected`,
    ],
    [
      'a thing’s name with a space',
      { ProductFields: { ...behavior, ThingName: 'a b' } },
      `${at}.ProductFields.ThingName: it holds "a b"; 1 to 128`,
    ],
    [
      'a resource that is a path',
      { Resources: [{ Type: 'AwsIotRegisteredThing', Id: '../x' }] },
      `${at}.Resources.0.Id: it holds "../x"; 1 to 128`,
    ],
    [
      'no behavior',
      { ProductFields: { ThingName: 'sensor-17', SecurityProfileName: 'Sensors' } },
      `${at}.ProductFields.BehaviorName: it holds nothing; 1 to 128`,
    ],
    [
      'two things as resources',
      {
        ProductFields: behavior,
        Resources: ['a', 'b'].map((Id) => ({ Type: 'AwsIotRegisteredThing', Id })),
      },
      `${at}.Resources.1.Id: it holds "b", and "a" is named before; one thing is expected`,
    ],
    [
      'no fields',
      { ProductFields: undefined },
      `${at}.ProductFields.SecurityProfileName: it holds no`,
    ],
  ])('is refused with %s', (_, fields, reason) => {
    expect(read(findingBody('security-hub-detect', fields), 'alert', deployment)).toMatchObject({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: expect.stringContaining(reason),
    });
  });
});

describe('a finding of a Device Defender audit', () => {
  test('asks for the certificate that it is about', () => {
    expect(read(alertBody('security-hub-audit'), 'alert', deployment)).toMatchObject({
      kind: 'intents',
      intents: [
        {
          target: certificate(1),
          origin: {
            format: 'security-hub-imported',
            name: `${audit}/DEVICE_CERTIFICATE_SHARED_CHECK`,
            id: '123456789012/DEVICE_CERTIFICATE/x/DEVICE_CERTIFICATE_SHARED_CHECK',
          },
        },
      ],
    });
  });

  test('goes by the name that the API has for its check', () => {
    expect(read(alertBody('security-hub-audit-revoked'), 'alert', deployment)).toMatchObject({
      intents: [{ origin: { name: `${audit}/REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK` } }],
    });
  });

  test('names the certificate by its resource type, where the resource itself is called otherwise', () => {
    const body = findingBody('security-hub-audit', {
      Resources: [{ Type: 'Other', Id: certificateIdOf(4) }],
    });
    expect(targetsOf(body)).toEqual([certificate(4)]);
  });

  test.each([
    [
      'no check',
      { CheckName: undefined },
      'CheckName: it holds nothing; the name of an audit check',
    ],
    [
      'a check that is none',
      { CheckName: 'a b' },
      'CheckName: it holds "a b"; the name of an audit',
    ],
    ['no task', { TaskId: undefined }, 'TaskId: it holds nothing; 1 to 40'],
    [
      'no type of report',
      { ReportType: undefined },
      'ReportType: it holds nothing; "AuditFinding"',
    ],
  ])('is refused with %s', (_, fields, reason) => {
    const event = alertOf('security-hub-audit') as {
      detail: { findings: [{ ProductFields: object }] };
    };
    const ProductFields = { ...event.detail.findings[0].ProductFields, ...fields };
    const body = findingBody('security-hub-audit', { ProductFields });
    expect(read(body, 'alert', deployment)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(`${at}.ProductFields.${reason}`),
    });
  });
});

describe('a finding of another product', () => {
  test('asks for each certificate that it names as such, and for no other hash', () => {
    const reading = read(alertBody('security-hub-other-product'), 'alert', deployment);
    const origin = {
      format: 'security-hub-imported',
      name: own,
      id: 'pki-monitor/2026-11-09/1',
    };
    expect(reading).toMatchObject({
      intents: [
        { target: { ...certificate(1), partition: 'aws' }, origin },
        { target: certificate(3), origin },
        { target: certificate(2), origin },
      ],
    });
  });

  test('asks for each of several things in one event', () => {
    const event = alertOf('security-hub-detect') as { detail: { findings: readonly object[] } };
    const findings = ['sensor-1', 'sensor-2', 'sensor-1'].map((Id) =>
      Object.assign({}, event.detail.findings[0], {
        ProductFields: { SecurityProfileName: 'Sensors', BehaviorName: 'Disconnects' },
        Resources: [{ Type: 'AwsIotRegisteredThing', Id }],
      }),
    );
    expect(targetsOf(JSON.stringify({ ...event, detail: { findings } }))).toEqual([
      { kind: 'thing', thingName: 'sensor-1' },
      { kind: 'thing', thingName: 'sensor-2' },
    ]);
  });

  const named = certificateIdOf(7);
  const arn = `arn:aws:iot:eu-central-1:123456789012:cert/${named}`;
  const other = { Type: 'Other', Id: 'x' };

  test.each([
    ['an ARN as a resource', { Resources: [{ Type: 'Other', Id: arn }] }],
    ['an ARN deep in the details', { Resources: [{ ...other, Details: { a: { b: [arn] } } }] }],
    ['an ARN in a product field', { ProductFields: { finding: arn } }],
    [
      'an id as a resource that is a certificate',
      { Resources: [{ Type: 'x509certificate', Id: named }] },
    ],
    ['an id in a list', { Resources: [{ ...other, Details: { certificate_ids: [named] } }] }],
    ['an id in a product field', { ProductFields: { 'acme/DeviceCertificateId': named } }],
  ])('is understood with %s', (_, fields) => {
    const body = findingBody('security-hub-other-product-without-certificate', fields);
    expect(targetsOf(body)).toMatchObject([certificate(7)]);
  });

  test.each([
    ['an id as any resource', { Resources: [{ ...other, Id: named }] }],
    ['an id under any name', { ProductFields: { Sha256: named } }],
    ['an id inside a text', { ProductFields: { CertificateText: `id ${named}` } }],
    ['an ARN inside a text', { ProductFields: { Certificate: `see ${arn}` } }],
    [
      'an id inside JSON',
      { ProductFields: { Certificate: JSON.stringify({ certificateId: named }) } },
    ],
    [
      'a hash next to a certificate',
      { Resources: [{ Type: 'Certificate', Id: 'x', Details: { hash: named } }] },
    ],
    ['the id of a CA certificate', { ProductFields: { CACertificateId: named } }],
    [
      'the id of a CA certificate as a resource',
      { Resources: [{ Type: 'AwsIotCaCertificate', Id: named }] },
    ],
    ['the id of a CA certificate, in snake case', { ProductFields: { ca_certificate_id: named } }],
    ['the id of an issuer', { ProductFields: { IssuerCertificateId: named } }],
    [
      'the ARN of a CA certificate',
      { ProductFields: { Certificate: arn.replace('cert/', 'cacert/') } },
    ],
    ['an id that is longer', { ProductFields: { CertificateId: `${named}0` } }],
    ['a thing only', { Resources: [{ Type: 'AwsIotRegisteredThing', Id: 'sensor-17' }] }],
  ])('is refused with %s', (_, fields) => {
    const body = findingBody('security-hub-other-product-without-certificate', fields);
    expect(read(body, 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: `${at}.Resources: no device certificate is named there or in ProductFields; its ARN is expected, or its id in a resource whose type, or under a key whose name, holds "certificate"`,
    });
  });

  test('asks for a certificate once for each thing that policy may tell apart', () => {
    const event = alertOf('security-hub-audit') as {
      detail: { findings: readonly { ProductFields: object }[] };
    };
    const [finding] = event.detail.findings;
    const findings = ['KEY_QUALITY', 'SHARED', 'SHARED'].map((check) => {
      const CheckName = `DEVICE_CERTIFICATE_${check}_CHECK`;
      const ProductFields = Object.assign({}, finding?.ProductFields, { CheckName });
      return Object.assign({}, finding, { ProductFields });
    });
    const reading = read(JSON.stringify({ ...event, detail: { findings } }), 'alert', deployment);
    expect(reading).toMatchObject({
      kind: 'intents',
      intents: [
        {
          target: certificate(1),
          origin: { name: `${audit}/DEVICE_CERTIFICATE_KEY_QUALITY_CHECK` },
        },
        { target: certificate(1), origin: { name: `${audit}/DEVICE_CERTIFICATE_SHARED_CHECK` } },
      ],
    });
    expect(reading).toHaveProperty('intents.length', 2);
  });

  test('is refused where a certificate is registered elsewhere', () => {
    const body = (Id: string): string =>
      findingBody('security-hub-other-product', { Resources: [{ Type: 'Other', Id }] });
    expect(read(body(arn.replace('1234567', '7654321')), 'alert', deployment)).toMatchObject({
      failureKind: 'foreign-account',
      reason: expect.stringMatching(
        /^detail\.findings\.0\.Resources\.0\.Id: it is of account 7654321/,
      ),
    });
    expect(read(body(arn.replace('eu-central', 'eu-west')), 'alert', deployment)).toMatchObject({
      failureKind: 'foreign-region',
      reason: expect.stringMatching(
        /^detail\.findings\.0\.Resources\.0\.Id: it is of region eu-west-1/,
      ),
    });
  });

  test('is refused with the whole path to a certificate that is registered elsewhere', () => {
    const foreign = arn.replace('eu-central', 'eu-west');
    const body = findingBody('security-hub-other-product', {
      Resources: [{ ...other, Details: { Other: { list: [foreign] } } }],
    });
    expect(read(body, 'alert', deployment)).toMatchObject({
      reason: expect.stringMatching(
        /^detail\.findings\.0\.Resources\.0\.Details\.Other\.list\.0: it is of region eu-west-1/,
      ),
    });
    const fields = findingBody('security-hub-other-product', {
      Resources: [],
      ProductFields: { one: foreign },
    });
    expect(read(fields, 'alert', deployment)).toMatchObject({
      reason: expect.stringMatching(/^detail\.findings\.0\.ProductFields\.one: it is of region/),
    });
  });

  test('is not taken for Device Defender’s by how its ARN ends', () => {
    const ProductArn =
      'arn:aws:securityhub:eu-central-1:1:product/evil/product/aws/iot-device-defender-detect';
    const body = findingBody('security-hub-detect', { ProductArn });
    expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'refused' });
  });
});

describe('a finding is ignored', () => {
  test.each([
    ['security-hub-detect-archived', 'it is archived'],
    ['security-hub-detect-resolved', 'it is resolved'],
    ['security-hub-detect-suppressed', 'somebody has suppressed it'],
    ['security-hub-detect-alerts-suppressed', 'the alerts of its behavior are suppressed'],
    ['security-hub-other-product-passed', 'what was checked has passed'],
    [
      'security-hub-audit-expiring',
      'DEVICE_CERTIFICATE_EXPIRING_CHECK warns of a date and of no compromise',
    ],
    ['security-hub-audit-policy', 'IOT_POLICY_OVERLY_PERMISSIVE_CHECK names no device certificate'],
    ['security-hub-audit-suppressed', 'the audit has it as suppressed'],
    ['security-hub-audit-summary', 'it sums up a check, whose findings come one by one'],
  ])('%s', (name, cause) => {
    expect(read(alertBody(name), 'alert', deployment)).toEqual({
      kind: 'ignored',
      cause: expect.stringMatching(new RegExp(`^finding ".*": ${cause}$`)),
    });
  });
});

describe('a finding is refused', () => {
  test.each([
    [
      { AwsAccountId: '210987654321' },
      'foreign-account',
      'AwsAccountId: it is of account 210987654321',
    ],
    [{ AwsAccountId: undefined }, 'invalid-request', 'AwsAccountId: it holds nothing; 12 digits'],
    [{ Region: 'us-east-1' }, 'foreign-region', 'Region: it is of region us-east-1'],
    [{ Region: undefined }, 'invalid-request', 'Region: it holds nothing; the name of a region'],
    [{ RecordState: 'GONE' }, 'invalid-request', 'RecordState: it holds "GONE"; "ACTIVE" or'],
    [{ Workflow: 'NEW' }, 'invalid-request', 'Workflow: it holds "NEW"; an object'],
    [
      { Workflow: { Status: 'DONE' } },
      'invalid-request',
      'Workflow.Status: it holds "DONE"; "NEW"',
    ],
    [{ Compliance: { Status: 7 } }, 'invalid-request', 'Compliance.Status: it holds 7; "PASSED"'],
    [{ ProductFields: [] }, 'invalid-request', 'ProductFields: it holds an array of 0; an object'],
    [{ Resources: undefined }, 'invalid-request', 'Resources: it holds nothing; an array'],
    [{ Resources: ['x'] }, 'invalid-request', 'Resources.0: it holds "x"; a resource'],
    [{ Id: '' }, 'invalid-request', 'Id: it holds ""; the id of the finding'],
    [{ ProductArn: undefined }, 'invalid-request', 'ProductArn: it holds nothing; the ARN of the'],
  ])('with %j', (fields, failureKind, reason) => {
    expect(read(findingBody('security-hub-detect', fields), 'alert', deployment)).toMatchObject({
      kind: 'refused',
      failureKind,
      reason: expect.stringContaining(`${at}.${reason}`),
    });
  });

  test.each([
    ['no findings', {}, 'detail.findings: it holds nothing; an array of findings'],
    ['findings that are none', { findings: {} }, 'detail.findings: it holds an object; an array'],
    ['an empty array', { findings: [] }, 'detail.findings: it holds an array of 0; one finding'],
    ['a finding that is none', { findings: [7] }, 'detail.findings.0: it holds 7; a finding'],
    ['no detail', undefined, 'detail: it holds nothing; a JSON object'],
  ])('in an event with %s', (_, detail, reason) => {
    const body = alertBody('security-hub-detect', { detail });
    expect(read(body, 'alert', deployment)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining(reason),
    });
  });

  test.each(['Security Hub Insight Results', 'Findings Imported V2'])(
    'in an event of type "%s"',
    (type) => {
      const body = inSns(alertBody('security-hub-detect', { 'detail-type': type }));
      expect(read(body, 'alert', deployment)).toEqual({
        kind: 'refused',
        failureKind: 'invalid-request',
        reason: `Message.detail-type: it holds "${type}"; "Security Hub Findings - Imported" or "Security Hub Findings - Custom Action" is expected`,
      });
    },
  );
});

describe('a custom action', () => {
  test.each(['incident', 'alert'] as const)('is a person’s word, in the lane %s', (lane) => {
    expect(read(alertBody('security-hub-custom-action'), lane, deployment)).toMatchObject({
      kind: 'intents',
      intents: [
        {
          target: { kind: 'thing', thingName: 'sensor-17' },
          origin: {
            format: 'security-hub-custom-action',
            name: 'Revoke certificate',
            id: 'e92a782593c6f5b1fc7cb6a443dc1a12',
          },
        },
      ],
    });
  });

  test('may be chosen for several findings, which ask once for each thing and certificate', () => {
    expect(targetsOf(alertBody('security-hub-custom-action-several'))).toEqual([
      { kind: 'thing', thingName: 'sensor-17' },
      { ...certificate(1), partition: 'aws' },
      certificate(3),
      certificate(2),
    ]);
  });

  test('for an audit’s summary means all that the check has found', () => {
    expect(targetsOf(alertBody('security-hub-custom-action-summary'))).toEqual([
      {
        kind: 'audit',
        taskId: 'f3021945485adf92487c273558fcaa51',
        checkName: 'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK',
      },
    ]);
  });

  test('counts more than that the alerts of a behavior are suppressed', () => {
    const { detail, ...event } = alertOf('security-hub-detect-alerts-suppressed') as {
      detail: object;
    };
    const body = JSON.stringify({
      ...event,
      'detail-type': 'Security Hub Findings - Custom Action',
      detail: { ...detail, actionName: 'Revoke' },
    });
    expect(targetsOf(body)).toHaveLength(1);
  });

  test('does nothing for a finding that is over', () => {
    const body = findingBody('security-hub-custom-action', { RecordState: 'ARCHIVED' });
    expect(read(body, 'incident', deployment)).toMatchObject({ kind: 'ignored' });
  });

  test('is refused as a whole if one finding is another account’s, and says which', () => {
    const body = findingBody('security-hub-custom-action-several', {
      AwsAccountId: '210987654321',
    });
    expect(read(body, 'incident', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'foreign-account',
      reason:
        'detail.findings.0.AwsAccountId: it is of account 210987654321; this worker changes certificates of 123456789012 only',
    });
  });

  test.each([[undefined], [''], [7], ['x'.repeat(129)]])(
    'is refused without name: %j',
    (actionName) => {
      const event = alertOf('security-hub-custom-action') as { detail: object };
      const body = JSON.stringify({ ...event, detail: { ...event.detail, actionName } });
      expect(read(body, 'incident', deployment)).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(
          /^detail\.actionName: it holds .*; the name of the custom action is expected$/,
        ),
      });
    },
  );
});

test('an event of another kind is refused by its type, as the kinds that are known', () => {
  const body = alertBody('security-hub-audit', { 'detail-type': 'Security Hub Insight Results' });
  const reason =
    'detail-type: it holds "Security Hub Insight Results"; "Security Hub Findings - Imported" or "Security Hub Findings - Custom Action" is expected';
  expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'refused', reason });
  expect(read(inSns(body), 'alert', deployment)).toMatchObject({
    reason: `Message.${reason}`,
  });
});

test('of many findings that call for nothing, the first eight say why', () => {
  const event = alertOf('security-hub-audit') as { detail: { findings: readonly [object] } };
  const [finding] = event.detail.findings;
  const findings = Array.from({ length: 12 }, (_, n) => ({
    ...finding,
    Id: `id-${n % 10}`,
    RecordState: 'ARCHIVED',
  }));
  const body = JSON.stringify({ ...event, detail: { findings } });
  expect(read(body, 'alert', deployment)).toEqual({
    kind: 'ignored',
    cause: Array.from({ length: 8 }, (_, n) => `finding "id-${n}": it is archived`).join('; '),
  });
});
