import { describe, expect, test } from 'vitest';
import { lanes } from '../../src/lane.ts';
import { read } from '../../src/reading.ts';
import { alertBody, alertOf } from '../helpers/alerts.ts';
import { inEventBridge, inSns } from '../helpers/envelope.ts';
import { bodyOf, deployment } from '../helpers/message.ts';

describe('what CloudTrail tells of a call', () => {
  test.each(lanes)('never becomes work again: UpdateCertificate, in the lane %s', (lane) => {
    for (const body of [
      alertBody('cloud-trail-update-certificate'),
      inSns(alertBody('cloud-trail-update-certificate')),
    ]) {
      expect(read(body, lane, deployment)).toEqual({
        kind: 'ignored',
        cause:
          'CloudTrail tells that a certificate’s status was changed, as this worker itself does, and asks for no change',
      });
    }
  });

  test('is ignored for any other call', () => {
    expect(read(alertBody('cloud-trail-delete-thing'), 'alert', deployment)).toEqual({
      kind: 'ignored',
      cause: 'CloudTrail tells of the call "DeleteThing" to "aws.iot", and asks for none',
    });
    const body = alertBody('cloud-trail-delete-thing', { source: 'aws.ec2', detail: null });
    expect(read(body, 'alert', deployment)).toEqual({
      kind: 'ignored',
      cause: 'CloudTrail tells of a call to "aws.ec2", and asks for none',
    });
  });

  test('is ignored even if it looks like a request too', () => {
    const { detail } = alertOf('cloud-trail-update-certificate');
    const body = alertBody('cloud-trail-update-certificate', {
      detail: { ...(detail as object), ...JSON.parse(bodyOf()) },
    });
    expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'ignored' });
  });
});

test('an event of a producer’s own that only calls itself so is none', () => {
  const detail = JSON.parse(bodyOf()) as object;
  const body = inEventBridge(detail, { 'detail-type': 'AWS API Call via CloudTrail' });
  expect(read(body, 'rotation', deployment)).toMatchObject({ kind: 'intents' });
});
