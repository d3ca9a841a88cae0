// The topic, as Device Defender publishes to it: by SNS's query protocol, and by the AWS CLI. There is no
// SNS client of JavaScript's here; this project needs none.

import { describe, expect, onTestFinished, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { queueUserOf } from '../helpers/sqs.ts';
import { bareEnvironment, noRecentAwsCli, run } from './command.ts';

const noAws = noRecentAwsCli();

// Starting Python takes a second or more on a busy machine.
const patience = { timeout: 60_000 };

const violation = {
  violationEventTime: 1_700_000_000_000,
  thingName: 'sensor-1',
  behavior: { name: 'too-many-messages', metric: 'aws:num-messages-sent' },
  violationEventType: 'in-alarm',
  metricValue: { count: 1000 },
  violationId: '7c9b9f1e-5a8d-4b43-9b6c-1f9c0e5d9a01',
  securityProfileName: 'sensors',
};

async function setup(region?: string) {
  const sandbox = await startSandbox({ ...(region !== undefined && { region }) });
  onTestFinished(() => sandbox.stop());
  const user = queueUserOf(sandbox.queues);
  const publish = async (message: string, other: Readonly<Record<string, string>> = {}) => {
    const { AWS_ENDPOINT_URL_SNS = '', ALERT_TOPIC_ARN = '' } = sandbox.environment;
    const parameters = { TopicArn: ALERT_TOPIC_ARN, Message: message, ...other };
    const response = await fetch(AWS_ENDPOINT_URL_SNS, {
      method: 'POST',
      body: new URLSearchParams({ Action: 'Publish', Version: '2010-03-31', ...parameters }),
    });
    const [, messageId] = /<MessageId>(.+)<\/MessageId>/.exec(await response.text()) ?? [];
    return { status: response.status, messageId };
  };
  return { sandbox, user, publish };
}

describe('the topic', () => {
  test('brings a Detect violation into the alert lane, in SNS’s envelope, and into no other', async () => {
    const { sandbox, user, publish } = await setup();
    const { status, messageId } = await publish(JSON.stringify(violation), { Subject: 'Detect' });
    expect(status).toBe(200);
    const { alert, ...others } = sandbox.queues.urls;
    const messages = await user.receive(alert);
    expect(messages.map(({ Body = '' }) => JSON.parse(Body) as unknown)).toEqual([
      expect.objectContaining({
        Type: 'Notification',
        MessageId: messageId,
        TopicArn: sandbox.topicArn,
        Subject: 'Detect',
        Message: JSON.stringify(violation),
        Timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        SignatureVersion: '1',
        UnsubscribeURL: expect.any(String),
      }),
    ]);
    for (const url of Object.values(others)) expect(await user.receive(url)).toEqual([]);
  });

  test('carries what a shell or a URL would trip over', async () => {
    const { sandbox, user, publish } = await setup();
    const message = 'a&b=c+d%20 "ü😀\n<x>';
    await publish(message);
    const [received] = await user.receive(sandbox.queues.urls.alert);
    expect(JSON.parse(received?.Body ?? '')).toMatchObject({ Message: message });
  });

  test.skipIf(noAws)('is found by the AWS CLI, by the environment alone', patience, async () => {
    const { sandbox, user } = await setup();
    const script =
      'aws sns publish --topic-arn "$ALERT_TOPIC_ARN" --message "$VIOLATION" --output text';
    const { exitCode, stdout, stderr } = await run('sh', ['-c', script], {
      ...bareEnvironment,
      ...sandbox.environment,
      VIOLATION: JSON.stringify(violation),
    });
    expect([exitCode, stderr]).toEqual([0, '']);
    const [received] = await user.receive(sandbox.queues.urls.alert);
    expect(JSON.parse(received?.Body ?? '')).toMatchObject({
      MessageId: stdout.trim(),
      Message: JSON.stringify(violation),
    });
  });

  test('is of the sandbox’s account and region', async () => {
    const { sandbox } = await setup('eu-west-1');
    expect(sandbox.topicArn).toBe('arn:aws:sns:eu-west-1:000000000000:iot-revocation-alerts');
    expect(sandbox.snsEndpoint).toBe(sandbox.environment['AWS_ENDPOINT_URL_SNS']);
  });

  test('is the only one there is', async () => {
    const { sandbox, publish } = await setup();
    expect(await publish('x', { TopicArn: `${sandbox.topicArn}-2` })).toMatchObject({
      status: 404,
    });
  });
});
