import { describe, expect, test } from 'vitest';
import { destinationOf } from '../../src/command/destination.ts';

describe('the destination of a lane', () => {
  test('is the queue of its variable, in the region that the URL names', () => {
    const queueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/alerts';
    expect(destinationOf('alert', { ALERT_QUEUE_URL: queueUrl })).toEqual({
      kind: 'queue',
      queueUrl,
      region: 'eu-west-1',
    });
  });

  test('is in a region that we do not know, if the URL is not of AWS', () => {
    const queueUrl = 'http://127.0.0.1:9324/000000000000/incident';
    expect(destinationOf('incident', { INCIDENT_QUEUE_URL: queueUrl })).toEqual({
      kind: 'queue',
      queueUrl,
      region: undefined,
    });
  });

  test.each([
    [undefined, 'it is not set'],
    ['', 'it is not set'],
    ['my-queue', 'it holds "my-queue"'],
  ])('is told to be missing by the variable’s name (%j)', (value, held) => {
    expect(destinationOf('rotation', { ROTATION_QUEUE_URL: value })).toEqual({
      kind: 'problem',
      problem: `ROTATION_QUEUE_URL: ${held}; the URL of the rotation lane’s SQS queue is expected, such as https://sqs.eu-west-1.amazonaws.com/123456789012/my-queue`,
    });
  });
});
