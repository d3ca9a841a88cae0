// What a sandbox says of itself once it runs: shell lines that set the environment, and comments
// that say what to do with it. A shell can evaluate all of it.

import type { Sandbox } from './sandbox.ts';

/**
 * The announcement; `certificateIds` are those there are to revoke, at least one, and `thingName` is a
 * thing that has some.
 */
export function announcementOf(
  { environment, iot, queues }: Pick<Sandbox, 'environment' | 'iot' | 'queues'>,
  certificateIds: readonly string[],
  thingName: string,
): string {
  const request = {
    certificateId: certificateIds[0],
    newStatus: 'REVOKED',
    requestedBy: 'sandbox',
    reason: 'keyCompromise',
  };
  const violation = {
    violationEventType: 'in-alarm',
    violationEventTime: 1_795_316_645_000,
    violationId: '37e18651d207bbc74236c13faf146127',
    thingName,
    securityProfileName: 'Sensors',
    behavior: { name: 'Refused', metric: 'aws:num-authorization-failures' },
    metricValue: { count: 21 },
  };
  return [
    '# SQS, SNS, AWS IoT and DynamoDB on loopback. Copy these lines into the terminals of the worker and the AWS CLI:',
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${value}`),
    '# If that shell has an AWS profile or session set: unset AWS_PROFILE AWS_SESSION_TOKEN',
    '#',
    '# Start the worker:',
    '# npm start',
    `# Revoke one of the ${certificateIds.length} certificates:`,
    // Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL_SQS (aws/aws-cli issue 8737).
    `# aws sqs send-message --endpoint-url "$AWS_ENDPOINT_URL_SQS" --queue-url "$INCIDENT_QUEUE_URL" --message-body '${JSON.stringify(request)}'`,
    '# Publish what Device Defender tells of a thing that misbehaves; its certificates become INACTIVE:',
    // Version 1 ignores AWS_ENDPOINT_URL_SNS, too.
    `# aws sns publish --endpoint-url "$AWS_ENDPOINT_URL_SNS" --topic-arn "$ALERT_TOPIC_ARN" --message '${JSON.stringify(violation)}'`,
    '# How many certificates each lane has taken out of service in the last hour:',
    '# node src/entry/cli.ts brake status',
    '# Let the alert lane go, should it be held at its ceiling (ALERT_CEILING_PER_HOUR, 100):',
    '# node src/entry/cli.ts brake lift alert',
    '# Who revoked it, and why:',
    `# node src/entry/cli.ts audit certificate ${request.certificateId}`,
    '# See the certificates and their status:',
    `# curl -s ${iot.endpoint}/_sandbox/certificates`,
    '# See every call that AWS IoT got:',
    `# curl -s ${iot.endpoint}/_sandbox/calls`,
    '# See how many messages each queue holds:',
    `# curl -s ${queues.endpoint}/_fauxqs/queues`,
    '#',
    '# Ready. Ctrl-C stops it; its messages and certificates end with it.',
    '',
  ].join('\n');
}
