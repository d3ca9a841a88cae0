import { describe, expect, test } from 'vitest';
import { read } from '../../src/reading.ts';
import { alertBody } from '../helpers/alerts.ts';
import { inEventBridge, inSns } from '../helpers/envelope.ts';
import { certificateIdOf, deployment } from '../helpers/message.ts';

const id = certificateIdOf(1);
const origin = { format: 'iot-rule', name: '' };

function ruleBody(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ certificateId: id, ...fields });
}

describe('the message of an IoT rule', () => {
  test.each([
    [
      'iot-rule-certificate',
      {
        target: { kind: 'certificate', certificateId: id },
        origin,
        other: { tamper: true, timestamp: 1763726400000 },
      },
    ],
    [
      'iot-rule-principal',
      {
        target: { kind: 'certificate', certificateId: id },
        origin,
        other: { topic: 'alarms/tamper' },
      },
    ],
    [
      'iot-rule-thing',
      { target: { kind: 'thing', thingName: 'sensor-17' }, origin, other: { tamper: true } },
    ],
  ])('asks for what it names: %s', (name, intent) => {
    const body = alertBody(name);
    for (const form of [body, inSns(body), btoa(body)]) {
      expect(read(form, 'alert', deployment)).toEqual({ kind: 'intents', intents: [intent] });
    }
  });

  test('asks for the certificate alone where it names the thing too', () => {
    expect(read(alertBody('iot-rule-presence'), 'alert', deployment)).toMatchObject({
      intents: [{ target: { kind: 'certificate', certificateId: id }, thingName: 'sensor-17' }],
    });
  });

  test('may name the certificate twice, in any letter case', () => {
    const body = ruleBody({ principalIdentifier: id.toUpperCase() });
    expect(read(body, 'alert', deployment)).toEqual({
      kind: 'intents',
      intents: [{ target: { kind: 'certificate', certificateId: id }, origin }],
    });
  });
});

test.each([
  ['words like "new" inside a name', { renewal: 'due' }],
  ['our account', { accountId: '123456789012', awsAccountId: '123456789012' }],
  ['an account that is a number', { accountId: 7 }],
])('the message of an IoT rule may hold %s', (_, fields) => {
  expect(read(ruleBody(fields), 'alert', deployment)).toMatchObject({ kind: 'intents' });
});

describe('the message of an IoT rule is refused', () => {
  test.each([
    [
      'two certificates',
      { principalIdentifier: certificateIdOf(2) },
      'principalIdentifier: it names another certificate than certificateId; one of the two is enough',
    ],
    [
      'an id that is short',
      { certificateId: id.slice(1) },
      'that is 63 hexadecimal characters; 64',
    ],
    ['an id that is no string', { certificateId: 7 }, 'certificateId: it holds 7; 64 hexadecimal'],
    ['an id that is null', { certificateId: null }, 'certificateId: it holds null; 64 hexadecimal'],
    [
      'an ARN as an id',
      { certificateId: `arn:aws:iot:::cert/${id}` },
      'certificateId: it holds "arn',
    ],
    [
      'a Cognito identity',
      { principalIdentifier: 'us-east-1:12345678-1234-1234-1234-123456789012' },
      'that is an Amazon Cognito identity, which has no certificate; the id of a certificate is',
    ],
    [
      'a Cognito identity of a region with a longer name',
      { principalIdentifier: 'us-gov-west-1:12345678-1234-1234-1234-123456789012' },
      'that is an Amazon Cognito identity, which has no certificate; the id of a certificate is',
    ],
    [
      'a role in another partition',
      { principalIdentifier: 'arn:aws-us-gov:iam::123456789012:role/a' },
      'that is an IAM principal, which has no certificate; the id of a certificate is',
    ],
    [
      'an IAM user',
      { principalIdentifier: 'AIDATYAHN6IGWGZK24MAR' },
      'that is an IAM principal, which has no certificate; the id of a certificate is',
    ],
    [
      'a session of an IAM role',
      { principalIdentifier: 'AROATYAHN6IGWGZK24MAR:session' },
      'that is an IAM principal, which has no certificate; the id of a certificate is',
    ],
    [
      'the ARN of a role',
      { principalIdentifier: 'arn:aws:sts::123456789012:assumed-role/a/b' },
      'that is an IAM principal, which has no certificate; the id of a certificate is',
    ],
    [
      'a principal of another kind',
      { principalIdentifier: 'device' },
      'principalIdentifier: it holds',
    ],
    ['a principal that is no string', { principalIdentifier: {} }, 'it holds an object; 64 hex'],
    [
      'a thing’s name with a space',
      { thingName: 'my sensor' },
      'thingName: it holds "my sensor"; 1',
    ],
    [
      'a thing’s name of 129 characters',
      { thingName: 'a'.repeat(129) },
      'thingName: it holds "aaa',
    ],
    [
      'a thing’s name that is a path',
      { thingName: '../x' },
      'thingName: it holds "../x"; 1 to 128',
    ],
  ])('for %s', (_, fields, reason) => {
    expect(read(ruleBody(fields), 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: expect.stringContaining(reason),
    });
  });

  test('for an IAM principal even if it names a thing too', () => {
    const body = JSON.stringify({ principalIdentifier: 'AIDATYAHN6IGWGZK24MAR', thingName: 'a' });
    expect(read(body, 'alert', deployment)).toMatchObject({
      reason: expect.stringMatching(/^principalIdentifier: .*IAM principal/),
    });
  });

  test.each([
    ['accountId', { accountId: '210987654321' }],
    ['awsAccountId', { accountId: '123456789012', awsAccountId: '210987654321' }],
  ])('where its %s is another’s', (field, fields) => {
    expect(read(ruleBody(fields), 'alert', deployment)).toMatchObject({
      failureKind: 'foreign-account',
      reason: expect.stringContaining(`${field}: it is of account 210987654321`),
    });
  });

  test('where its topic is of another account or region', () => {
    const at = (place: string): string =>
      inSns(ruleBody({}), { TopicArn: `arn:aws:sns:${place}:tamper` });
    expect(read(at('eu-central-1:210987654321'), 'alert', deployment)).toMatchObject({
      failureKind: 'foreign-account',
    });
    expect(read(at('us-east-1:123456789012'), 'alert', deployment)).toMatchObject({
      failureKind: 'foreign-region',
    });
  });
});

describe('what may be meant as a request of our own is no message of an IoT rule', () => {
  test.each([
    ['newstatus', 'REVOKED'],
    ['NewStatus', 'REVOKED'],
    ['new_status', 'REVOKED'],
    ['newSatus', 'REVOKED'],
    ['new', 'x'],
    ['status', 'REVOKED'],
    ['certificateStatus', 'ACTIVE'],
    ['desiredState', 'Revoked'],
    ['to', ' inactive '],
    ['requestId', '1'],
    ['requestedBy', 'me'],
    ['requested_by', 'me'],
    ['reason', 'keyCompromise'],
    ['comment', 'x'],
    ['incidentId', 'INC-1'],
    ['IncidentID', 'INC-1'],
    ['certificateArn', `arn:aws:iot:eu-central-1:123456789012:cert/${id}`],
    ['origin', { format: 'iot-rule', name: '' }],
  ])('with %s', (field, held) => {
    expect(read(ruleBody({ [field]: held }), 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: expect.stringContaining('newStatus: it holds nothing; "INACTIVE" or "REVOKED"'),
    });
  });

  test.each([
    ['only a certificate’s ARN', JSON.stringify({ certificateArn: 'arn' })],
    ['an event', inEventBridge({ certificateId: id })],
    ['a list', `[${ruleBody({})}]`],
    ['nothing that we know', '{"deviceId":"sensor-17"}'],
  ])('nor is %s', (_, body) => {
    expect(read(body, 'alert', deployment)).toMatchObject({
      kind: 'refused',
      failureKind: 'invalid-request',
    });
  });
});
