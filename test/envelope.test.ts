import { describe, expect, test } from 'vitest';
import { unwrap } from '../src/envelope.ts';
import { inEventBridge, inSns } from './helpers/envelope.ts';

const inner = { certificateId: 'c', newStatus: 'REVOKED', device: [1, null, { a: 'ä' }] };
const raw = JSON.stringify(inner);

describe('the content of a body', () => {
  test.each([
    ['is the body itself, where there is no envelope', raw, []],
    ['lies in the Message of an SNS notification', inSns(raw), ['Message']],
    ['lies in the detail of an EventBridge event', inEventBridge(inner), ['detail']],
    [
      'lies in an EventBridge event inside an SNS notification',
      inSns(inEventBridge(inner)),
      ['Message', 'detail'],
    ],
    ['lies in an SNS notification inside another', inSns(inSns(raw)), ['Message', 'Message']],
    [
      'lies in an SNS notification with attributes and a subject',
      inSns(raw, { Subject: 'x', MessageAttributes: { lane: { Type: 'String', Value: 'x' } } }),
      ['Message'],
    ],
  ])('%s', (_, body, path) => {
    expect(unwrap(body)).toEqual({ kind: 'content', value: inner, path });
  });

  test.each([
    ['an object without envelope', {}],
    ['an object with half an SNS envelope', { Type: 'Notification', Message: raw }],
    ['an object with a TopicArn that is no string', { Type: 'Notification', TopicArn: 1 }],
    ['an object with a TopicArn of its own', { TopicArn: 'a', Message: raw }],
    ['an object with half an EventBridge envelope', { 'detail-type': 'x', detail: inner }],
    ['an object with a source of its own', { source: 'pki', detail: 'x' }],
    ['an array', [inner]],
    ['a string', raw],
    ['a number', 1],
    ['null', null],
  ])('is whatever JSON the body holds: %s', (_, value) => {
    expect(unwrap(JSON.stringify(value))).toEqual({ kind: 'content', value, path: [] });
  });

  test('is nothing where an EventBridge event has no detail', () => {
    const content = unwrap(inEventBridge(undefined));
    expect(content).toEqual({ kind: 'content', value: undefined, path: ['detail'] });
  });
});

describe('a body is refused, and the reason names the layer', () => {
  test.each([
    ['the body is no JSON', 'no', 'body: it is not JSON'],
    ['a Message is no JSON', inSns('Certificate c is bad'), 'Message: it is not JSON'],
    ['a Message is empty', inSns(''), 'Message: it is empty'],
    ['a Message has a key twice', inSns('{"a":1,"a":2}'), 'Message: it has the key "a" twice'],
    [
      'a Message inside a Message is no JSON',
      inSns(inSns('no')),
      'Message.Message: it is not JSON',
    ],
    [
      'a Message is no string',
      inSns(raw, { Message: inner }),
      'Message: it holds an object; an SNS notification has a string there',
    ],
    [
      'a notification has no Message',
      inSns(raw, { Message: undefined }),
      'Message: it holds nothing; an SNS notification has a string there',
    ],
    [
      'SNS asks to confirm a subscription',
      inSns(raw, { Type: 'SubscriptionConfirmation' }),
      'Type: this is an SNS "SubscriptionConfirmation", which asks for no certificate',
    ],
    [
      'SNS tells of an unsubscription inside a notification',
      inSns(inSns(raw, { Type: 'UnsubscribeConfirmation' })),
      'Message.Type: this is an SNS "UnsubscribeConfirmation"',
    ],
    [
      'there are three envelopes',
      inSns(inSns(inSns(raw))),
      'Message.Message: more than 2 envelopes inside one another',
    ],
    [
      'there are three envelopes of different kinds',
      inSns(inEventBridge(JSON.parse(inEventBridge(inner)))),
      'Message.detail: more than 2 envelopes inside one another',
    ],
  ])('%s', (_, body, reason) => {
    expect(unwrap(body)).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) });
  });
});
