import { describe, expect, test } from 'vitest';
import { unwrap } from '../src/envelope.ts';
import { inEventBridge, inSns } from './helpers/envelope.ts';

const inner = { certificateId: 'c', newStatus: 'REVOKED', device: [1, null, { a: 'ä' }] };
const raw = JSON.stringify(inner);
const topicArn = 'arn:aws:sns:eu-central-1:123456789012:revocations';
const event = {
  source: 'com.example.pki',
  detailType: 'Certificate Revocation',
  account: '123456789012',
  region: 'eu-central-1',
  id: '17793124-05d4-b198-2fde-7ededc63b103',
};

describe('the content of a body', () => {
  test.each([
    ['is the body itself, where there is no envelope', raw, [], {}],
    ['lies in the Message of an SNS notification', inSns(raw), ['Message'], { topicArn }],
    ['lies in the detail of an EventBridge event', inEventBridge(inner), ['detail'], { event }],
    [
      'lies in an EventBridge event inside an SNS notification',
      inSns(inEventBridge(inner)),
      ['Message', 'detail'],
      { topicArn, event },
    ],
    [
      'lies in an SNS notification inside another',
      inSns(inSns(raw), { TopicArn: 'arn:aws:sns:us-east-1:123456789012:outer' }),
      ['Message', 'Message'],
      { topicArn },
    ],
    [
      'lies in an SNS notification with attributes and a subject',
      inSns(raw, { Subject: 'x', MessageAttributes: { lane: { Type: 'String', Value: 'x' } } }),
      ['Message'],
      { topicArn },
    ],
  ])('%s', (_, body, path, carriers) => {
    expect(unwrap(body)).toEqual({ kind: 'content', value: inner, path, ...carriers });
  });

  test('comes with what its event says of itself, as far as that is text', () => {
    const body = inEventBridge(inner, { account: 123456789012, region: null, id: undefined });
    const { source, detailType } = event;
    expect(unwrap(body)).toMatchObject({ event: { source, detailType } });
    expect(unwrap(body)).not.toHaveProperty('event.account');
    expect(unwrap(body)).not.toHaveProperty('event.region');
    expect(unwrap(body)).not.toHaveProperty('event.id');
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
    expect(content).toEqual({ kind: 'content', value: undefined, path: ['detail'], event });
  });
});

describe('a body in base64, as an IoT rule may send it', () => {
  const inBase64 = (text: string): string => Buffer.from(text).toString('base64');

  test.each([
    ['an object', raw, []],
    ['an object after white space', ` \n${raw}`, []],
    ['an envelope', inSns(raw), ['Message']],
  ])('holds %s', (_, text, path) => {
    expect(unwrap(inBase64(text))).toMatchObject({ kind: 'content', value: inner, path });
  });

  test.each([
    ['no object', inBase64('[1]')],
    ['no JSON', inBase64('revoke it all')],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]).toString('base64')],
    ['base64 of base64', inBase64(inBase64(raw))],
    ['base64 without its padding', inBase64('{"a":12}').replace('=', '')],
    ['base64 that could be written otherwise', `${inBase64('{"a":1}').slice(0, -3)}R==`],
    ['base64 in lines', `${inBase64(raw).slice(0, 8)}\n${inBase64(raw).slice(8)}`],
    ['base64 for addresses', inBase64('{"a":"???"}').replaceAll('/', '_')],
  ])('is no JSON where it holds %s', (_, body) => {
    expect(unwrap(body)).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/^body: it is not JSON/),
    });
  });

  test.each([
    ['{"a":1,"a":2}', 'it has the key "a" twice'],
    ['{"a":1', 'it is not JSON ('],
    [`\uFEFF${raw}`, 'it starts with a byte order mark'],
  ])('is told as such where the object is broken: %s', (text, reason) => {
    expect(unwrap(inBase64(text))).toEqual({
      kind: 'refused',
      reason: expect.stringContaining(`body: as the base64 that it is in: ${reason}`),
    });
  });

  test('is JSON first: a number may look like it', () => {
    expect(unwrap('1234')).toMatchObject({ kind: 'content', value: 1234 });
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
