import { describe, expect, test } from 'vitest';
import { read } from '../../src/reading.ts';
import { alertBody, alertOf } from '../helpers/alerts.ts';
import { inEventBridge, inSns } from '../helpers/envelope.ts';
import { deployment } from '../helpers/message.ts';

const alarm = 'detect-in-alarm';

describe('a violation in alarm', () => {
  test.each([
    ['raw', alertBody(alarm)],
    ['from SNS', inSns(alertBody(alarm))],
    ['from SNS through EventBridge', inSns(inEventBridge(alertOf(alarm)))],
  ])('asks for the certificates of its thing, %s', (_, body) => {
    const { behavior, metricValue, violationEventTime } = alertOf(alarm);
    expect(read(body, 'alert', deployment)).toEqual({
      kind: 'intents',
      intents: [
        {
          target: { kind: 'thing', thingName: 'sensor-17' },
          origin: {
            format: 'device-defender-detect',
            name: 'Sensors/MessagesSent',
            id: '37e18651d207bbc74236c13faf146127',
          },
          other: { behavior, metricValue, violationEventTime },
        },
      ],
    });
  });

  test.each([
    ['detect-in-alarm-ml', 'Sensors/AuthorizationFailures'],
    ['detect-in-alarm-verified', 'Sensors/MessagesSent'],
  ])('is policy’s to judge by profile and behavior: %s', (name, origin) => {
    expect(read(alertBody(name), 'alert', deployment)).toMatchObject({
      kind: 'intents',
      intents: [{ origin: { name: origin } }],
    });
  });

  test('may carry fields that we do not know, and a verification state of null', () => {
    const body = alertBody(alarm, { verificationState: null, suppressedBy: { x: 1 } });
    expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'intents' });
  });
});

describe('a violation is ignored', () => {
  test.each([
    ['detect-alarm-cleared', 'has ended: the alarm was cleared'],
    ['detect-alarm-invalidated', 'no longer counts: it was invalidated'],
    ['detect-false-positive', 'was verified as FALSE_POSITIVE'],
    ['detect-benign-positive', 'was verified as BENIGN_POSITIVE'],
  ])('%s', (name, cause) => {
    expect(read(inSns(alertBody(name)), 'alert', deployment)).toEqual({
      kind: 'ignored',
      cause: `violation 37e18651d207bbc74236c13faf146127 of Sensors/MessagesSent by sensor-17 ${cause}`,
    });
  });
});

describe('a violation is refused', () => {
  test.each([
    ['violationEventType', 'in-alarms', '"in-alarm", "alarm-cleared" or "alarm-invalidated"'],
    ['violationEventType', undefined, '"in-alarm", "alarm-cleared" or "alarm-invalidated"'],
    ['verificationState', 'FALSE', '"FALSE_POSITIVE", "BENIGN_POSITIVE", "TRUE_POSITIVE"'],
    ['verificationState', 7, '"FALSE_POSITIVE", "BENIGN_POSITIVE", "TRUE_POSITIVE"'],
    ['securityProfileName', 'a/b', '1 to 128 of the characters'],
    ['securityProfileName', undefined, '1 to 128 of the characters'],
    ['behavior', undefined, 'an object with the behavior’s "name" is expected'],
    ['behavior', 'MessagesSent', 'an object with the behavior’s "name" is expected'],
    ['behavior.name', undefined, '1 to 128 of the characters'],
    ['violationId', 'a b', '1 to 128 of the characters'],
    ['violationId', undefined, '1 to 128 of the characters'],
    ['thingName', undefined, '1 to 128 of the characters'],
    ['thingName', ['sensor-17'], '1 to 128 of the characters'],
    ['thingName', '', '1 to 128 of the characters'],
    ['thingName', 'my sensor', '1 to 128 of the characters'],
    ['thingName', 'Gerät', '1 to 128 of the characters'],
    ['thingName', 'sensor\u202E17', '1 to 128 of the characters'],
    ['thingName', 'a'.repeat(129), '1 to 128 of the characters'],
    ['thingName', '../principals', '1 to 128 of the characters'],
    ['thingName', 'a/b', '1 to 128 of the characters'],
    ['thingName', '..', '1 to 128 of the characters'],
    ['thingName', 'a%2Fb', '1 to 128 of the characters'],
    ['thingName', 'a?maxResults=1', '1 to 128 of the characters'],
    ['thingName', 'sensor-17\n', '1 to 128 of the characters'],
  ])('whose %s holds %j', (field, held, expected) => {
    const fields = field === 'behavior.name' ? { behavior: { name: held } } : { [field]: held };
    const reading = read(inSns(alertBody(alarm, fields)), 'alert', deployment);
    expect(reading).toMatchObject({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: expect.stringContaining(`Message.${field}: it holds `),
    });
    expect(reading).toMatchObject({ reason: expect.stringContaining(expected) });
  });

  test.each([
    [
      'another account',
      inSns(alertBody(alarm), { TopicArn: 'arn:aws:sns:eu-central-1:210987654321:alerts' }),
      'foreign-account',
      'TopicArn: it is of account 210987654321; this worker changes certificates of 123456789012 only',
    ],
    [
      'another region',
      inSns(alertBody(alarm), { TopicArn: 'arn:aws:sns:us-east-1:123456789012:alerts' }),
      'foreign-region',
      'TopicArn: it is of region us-east-1; this worker changes certificates in eu-central-1 only',
    ],
    [
      'a topic that is none',
      inSns(alertBody(alarm), { TopicArn: 'alerts' }),
      'invalid-request',
      'TopicArn: it holds "alerts"; arn:aws:sns:<region>:<account>:<topic> is expected',
    ],
    [
      'an event of another account',
      inEventBridge(alertOf(alarm), { account: '210987654321' }),
      'foreign-account',
      'account: it is of account 210987654321; this worker changes certificates of 123456789012 only',
    ],
    [
      'an event of another region inside SNS',
      inSns(inEventBridge(alertOf(alarm), { region: 'us-east-1' })),
      'foreign-region',
      'Message.region: it is of region us-east-1; this worker changes certificates in eu-central-1 only',
    ],
    [
      'an event that a topic of another account carried',
      inSns(inEventBridge(alertOf(alarm)), {
        TopicArn: 'arn:aws:sns:eu-central-1:210987654321:alerts',
      }),
      'foreign-account',
      'TopicArn: it is of account 210987654321; this worker changes certificates of 123456789012 only',
    ],
  ])('that comes from %s', (_, body, failureKind, reason) => {
    expect(read(body, 'alert', deployment)).toEqual({ kind: 'refused', failureKind, reason });
  });
});

describe('what has but one field of a violation', () => {
  test.each([
    'violationEventType',
    'violationEventTime',
    'violationId',
    'verificationState',
    'securityProfileName',
    'behavior',
  ])('is no message of an IoT rule about its thing: %s', (field) => {
    const { [field]: held = 'UNKNOWN' } = alertOf(alarm);
    const body = JSON.stringify({ thingName: 'sensor-17', [field]: held });
    expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'refused' });
  });
});

test('our own request may have fields of the same names', () => {
  const body = JSON.stringify({
    certificateId: 'c'.repeat(64),
    newStatus: 'REVOKED',
    violationId: '1',
  });
  expect(read(body, 'rotation', deployment)).toMatchObject({
    intents: [{ newStatus: 'REVOKED', other: { violationId: '1' } }],
  });
});
