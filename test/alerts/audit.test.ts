import { describe, expect, test } from 'vitest';
import { read } from '../../src/reading.ts';
import { alertBody, alertOf } from '../helpers/alerts.ts';
import { inSns } from '../helpers/envelope.ts';
import { deployment } from '../helpers/message.ts';

const taskId = '4e2bcd1ccbc2a5dd15292a82ab80c380';

function checksOf(body: string): readonly string[] {
  const reading = read(body, 'alert', deployment);
  if (reading.kind !== 'intents') throw new Error(JSON.stringify(reading));
  return reading.intents.map(({ target }) => (target.kind === 'audit' ? target.checkName : ''));
}

function withCheck(fields: Readonly<Record<string, unknown>>): string {
  const [detail] = alertOf('audit-shared')['auditDetails'] as readonly object[];
  return alertBody('audit-shared', { auditDetails: [{ ...detail, ...fields }] });
}

describe('an audit’s notification', () => {
  test('asks for the certificates that a check complains of', () => {
    expect(read(inSns(alertBody('audit-shared')), 'alert', deployment)).toEqual({
      kind: 'intents',
      intents: [
        {
          target: { kind: 'audit', taskId, checkName: 'DEVICE_CERTIFICATE_SHARED_CHECK' },
          origin: {
            format: 'device-defender-audit',
            name: 'DEVICE_CERTIFICATE_SHARED_CHECK',
            id: taskId,
          },
          other: { nonCompliantResourcesCount: 2, totalResourcesCount: 1000 },
        },
      ],
    });
  });

  test('asks once for each check that names certificates, under the name that the API knows', () => {
    expect(checksOf(alertBody('audit-several-checks'))).toEqual([
      'DEVICE_CERTIFICATE_SHARED_CHECK',
      'REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK',
      'DEVICE_CERTIFICATE_KEY_QUALITY_CHECK',
    ]);
  });

  test('that failed asks for what its completed checks have found', () => {
    expect(checksOf(alertBody('audit-failed-in-part'))).toEqual([
      'DEVICE_CERTIFICATE_SHARED_CHECK',
    ]);
  });

  test.each([
    ['audit-failed', `audit task ${taskId} ended as FAILED and has found nothing`],
    ['audit-canceled', `audit task ${taskId} ended as CANCELED and has found nothing`],
    ['audit-on-demand-compliant', `audit task ${taskId} has found nothing`],
    [
      'audit-expiring',
      `audit task ${taskId} has found nothing to act on; DEVICE_CERTIFICATE_EXPIRING_CHECK warns of a date and of no compromise`,
    ],
    [
      'audit-without-certificates',
      `audit task ${taskId} has found nothing to act on; CA_CERTIFICATE_EXPIRING_CHECK names no device certificate; CONFLICTING_CLIENT_IDS_CHECK names no device certificate`,
    ],
  ])('is ignored: %s', (name, cause) => {
    expect(read(inSns(alertBody(name)), 'alert', deployment)).toEqual({ kind: 'ignored', cause });
  });

  test.each([
    ['of no resources', { nonCompliantResourcesCount: 0 }],
    ['of a check that failed half way', { checkRunStatus: 'FAILED' }],
    ['of a check that complies', { checkRunStatus: 'COMPLETED_COMPLIANT' }],
  ])('is ignored where it tells %s', (_, fields) => {
    expect(read(withCheck(fields), 'alert', deployment)).toMatchObject({ kind: 'ignored' });
  });

  test.each([
    [
      { accountId: '210987654321' },
      'foreign-account',
      /^accountId: it is of account 210987654321; /,
    ],
    [{ accountId: 'ours' }, 'invalid-request', /^accountId: it holds "ours"; 12 digits/],
    [{ accountId: undefined }, 'invalid-request', /^accountId: it holds nothing; 12 digits/],
    [{ taskId: undefined }, 'invalid-request', /^taskId: it holds nothing; 1 to 40/],
    [{ taskId: '../x' }, 'invalid-request', /^taskId: it holds "\.\.\/x"; 1 to 40/],
    [{ taskStatus: 'IN_PROGRESS' }, 'invalid-request', /^taskStatus: it holds "IN_PROGRESS"; "COM/],
    [{ taskStatus: undefined }, 'invalid-request', /^taskStatus: it holds nothing; "COMPLETED"/],
    [{ auditDetails: undefined }, 'invalid-request', /^auditDetails: it holds nothing; an array/],
    [{ auditDetails: [7] }, 'invalid-request', /^auditDetails\.0: it holds 7; an object/],
  ])('is refused with %j', (fields, failureKind, reason) => {
    expect(read(alertBody('audit-shared', fields), 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind,
      reason: expect.stringMatching(reason),
    });
  });

  test.each([
    [
      { checkName: 'DEVICE_CERTIFICATE_STOLEN_CHECK' },
      /checkName: it holds "DEVICE_CERTIFICATE_ST/,
    ],
    [{ checkName: 'toString' }, /checkName: it holds "toString"; the name of an audit check/],
    [{ checkName: undefined }, /checkName: it holds nothing/],
    [{ checkRunStatus: 'NON_COMPLIANT' }, /checkRunStatus: it holds "NON_COMPLIANT"; "COMPLETED_N/],
    [{ nonCompliantResourcesCount: '2' }, /nonCompliantResourcesCount: it holds "2"; a whole/],
    [{ nonCompliantResourcesCount: -1 }, /nonCompliantResourcesCount: it holds -1; a whole/],
    [{ nonCompliantResourcesCount: 1.5 }, /nonCompliantResourcesCount: it holds 1.5; a whole/],
  ])('is refused with a check of %j', (fields, reason) => {
    expect(read(inSns(withCheck(fields)), 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: expect.stringMatching(new RegExp(`^Message.auditDetails.0.${reason.source}`)),
    });
  });

  test('is not held up by a check that we do not know', () => {
    const details = alertOf('audit-shared')['auditDetails'] as readonly object[];
    const auditDetails = [...details, { ...details[0], checkName: 'NEW_CHECK' }];
    const body = alertBody('audit-shared', { auditDetails });
    expect(checksOf(body)).toEqual(['DEVICE_CERTIFICATE_SHARED_CHECK']);
    expect(read(body, 'alert', deployment)).toHaveProperty(
      'intents.0.other.notUnderstood',
      'auditDetails.2.checkName: it holds "NEW_CHECK"; the name of an audit check of AWS IoT Device Defender is expected',
    );
  });

  test('is refused where it came by the topic of another region, whose tasks are not ours', () => {
    const TopicArn = 'arn:aws:sns:us-east-1:123456789012:audits';
    expect(read(inSns(alertBody('audit-shared'), { TopicArn }), 'alert', deployment)).toMatchObject(
      {
        failureKind: 'foreign-region',
        reason: expect.stringMatching(/^TopicArn: it is of region us-east-1/),
      },
    );
  });
});
