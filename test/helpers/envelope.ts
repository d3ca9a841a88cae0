// What AWS wraps around a body on its way into a queue.

/** The body of an SNS → SQS subscription without raw delivery. */
export function inSns(message: string, fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: 'arn:aws:sns:eu-central-1:123456789012:revocations',
    Message: message,
    Timestamp: '2026-11-21T12:00:00.000Z',
    SignatureVersion: '1',
    Signature: 'EXAMPLE',
    SigningCertURL: 'https://sns.eu-central-1.amazonaws.com/SimpleNotificationService.pem',
    UnsubscribeURL: 'https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe',
    ...fields,
  });
}

/** The body of an EventBridge rule whose target is a queue. */
export function inEventBridge(
  detail: unknown,
  fields: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    version: '0',
    id: '17793124-05d4-b198-2fde-7ededc63b103',
    'detail-type': 'Certificate Revocation',
    source: 'com.example.pki',
    account: '123456789012',
    time: '2026-11-21T12:00:00Z',
    region: 'eu-central-1',
    resources: [],
    detail,
    ...fields,
  });
}
