import { describe, expect, test } from 'vitest';
import { readFinding } from '../../src/alerts/finding.ts';
import type { Reading } from '../../src/intent.ts';
import { alertOf } from '../helpers/alerts.ts';
import { certificateIdOf, deployment } from '../helpers/message.ts';

type Fields = Readonly<Record<string, unknown>>;

const product = 'arn:aws:securityhub:eu-central-1::product/aws/iot-device-defender-audit';

/** The finding of an audit, with some of its fields replaced; undefined takes one out. */
function readAudit(fields: Fields, productFields: Fields = {}): Reading {
  const { detail } = alertOf('security-hub-audit') as {
    detail: { findings: readonly [{ ProductFields: Fields }] };
  };
  const [finding] = detail.findings;
  const ProductFields = { ...finding.ProductFields, ...productFields };
  return readFinding({ ...finding, ProductFields, ...fields }, { path: ['f'], deployment });
}

function reasonOf(reading: Reading): string | undefined {
  return reading.kind === 'refused' ? reading.reason : undefined;
}

function nameOf(reading: Reading): string | undefined {
  return reading.kind === 'intents' ? reading.intents[0]?.origin?.name : undefined;
}

describe('a finding', () => {
  const id = 'the id of the finding is expected, in at most 512 characters';
  const arn = 'the ARN of the product that found it is expected';
  const account = '12 digits are expected';
  test.each<[string, Fields, string]>([
    ['Id', { Id: 7 }, id],
    ['Id', { Id: '' }, id],
    ['Id', { Id: 'x'.repeat(513) }, id],
    ['ProductArn', { ProductArn: 7 }, arn],
    ['ProductArn', { ProductArn: 'product' }, arn],
    ['ProductArn', { ProductArn: `x${product}` }, arn],
    ['ProductArn', { ProductArn: `arn:${'x'.repeat(2045)}` }, arn],
    ['AwsAccountId', { AwsAccountId: 123456789012 }, account],
    ['AwsAccountId', { AwsAccountId: '1234567890123' }, account],
    ['AwsAccountId', { AwsAccountId: 'x123456789012' }, account],
    ['AwsAccountId', { AwsAccountId: '123456789012x' }, account],
    ['Region', { Region: 7 }, 'the name of a region is expected'],
    ['Resources.0', { Resources: ['x'] }, 'a resource is expected'],
    ['Resources.0.Type', { Resources: [{ Id: 'x' }] }, 'the type of a resource is expected'],
    ['Resources.0.Id', { Resources: [{ Type: 'x' }] }, 'the id of a resource is expected'],
  ])('is refused by its %s: %j', (field, fields, expected) => {
    const reason = reasonOf(readAudit(fields));
    expect(reason).toMatch(new RegExp(`^f\\.${field}: it holds `));
    expect(reason).toContain(`; ${expected}`);
  });

  test.each(['NEW', 'ASSIGNED', 'IN_PROGRESS', 'NOTIFIED'])(
    'stands while its workflow is %s',
    (Status) => {
      expect(readAudit({ Workflow: { Status } }).kind).toBe('intents');
    },
  );

  test('of the longest id, and of a product of the longest ARN, is read', () => {
    expect(readAudit({ Id: 'x'.repeat(512) }).kind).toBe('intents');
    const ProductArn = `arn:${'x'.repeat(2044)}`;
    expect(nameOf(readAudit({ ProductArn }))).toBe(ProductArn);
  });
});

describe('the finding of an audit', () => {
  test.each([
    product,
    product.replace('eu-central-1::', 'us-east-1:123456789012:'),
    product.replace('arn:aws:', 'arn:aws-us-gov:'),
  ])('is known by its product: %s', (ProductArn) => {
    expect(nameOf(readAudit({ ProductArn }))).toBe(`${ProductArn}/DEVICE_CERTIFICATE_SHARED_CHECK`);
  });

  test.each([
    `arn:x/${product}`,
    `${product}/2`,
    product.replace('::', ':x:'),
    product.replace('eu-central-1', 'EU'),
    product.replace('arn:aws:', 'arn:aws2:'),
    product.replace('product/aws/', 'product/123456789012/'),
  ])('is any product’s that only looks alike: %s', (ProductArn) => {
    expect(nameOf(readAudit({ ProductArn }))).toBe(ProductArn);
  });

  const form = 'the name of an audit check of AWS IoT Device Defender is expected';
  const task = '1 to 40 of the characters a-z, A-Z, 0-9 and "-" are expected';
  test.each<[string, Fields, string]>([
    ['CheckName', { CheckName: 7 }, form],
    ['CheckName', { CheckName: '' }, form],
    ['CheckName', { CheckName: 'shared_CHECK' }, form],
    ['CheckName', { CheckName: 'SHARED_check' }, form],
    ['CheckName', { CheckName: 'X'.repeat(129) }, form],
    ['ReportType', { ReportType: 'x' }, '"AuditFinding" or "CheckSummary" is expected'],
    ['TaskId', { TaskId: 7 }, task],
    ['TaskId', { TaskId: '' }, task],
    ['TaskId', { TaskId: 'a b' }, task],
  ])('is refused by its %s: %j', (field, fields, expected) => {
    const reason = reasonOf(readAudit({}, fields));
    expect(reason).toMatch(new RegExp(`^f\\.ProductFields\\.${field}: it holds `));
    expect(reason).toContain(`; ${expected}`);
  });

  test('is about the certificate that it names, whatever new check has found it', () => {
    const CheckName = 'X'.repeat(128);
    expect(readAudit({}, { CheckName })).toMatchObject({
      kind: 'intents',
      intents: [
        {
          target: { kind: 'certificate', certificateId: certificateIdOf(1) },
          origin: { name: `${product}/${CheckName}` },
        },
      ],
    });
  });
});
