// Bodies that nobody can use, each with the reason that its dead letter must give.

import { inEventBridge, inSns } from './envelope.ts';
import { certificateIdOf } from './message.ts';

interface BadBody {
  readonly body: string;
  readonly failureKind: string;
  readonly reason: RegExp;
}

const id = certificateIdOf(1);
const request = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ certificateId: id, newStatus: 'REVOKED', ...fields });
const arn = (region: string, account: string): string =>
  JSON.stringify({
    certificateArn: `arn:aws:iot:${region}:${account}:cert/${id}`,
    newStatus: 'REVOKED',
  });

function malformed(body: string, reason: RegExp): BadBody {
  return { body, failureKind: 'malformed-body', reason };
}

function invalid(body: string, reason: RegExp): BadBody {
  return { body, failureKind: 'invalid-request', reason };
}

function notAllowed(newStatus: string, reason: RegExp): BadBody {
  return { body: request({ newStatus }), failureKind: 'status-not-allowed', reason };
}

/** By what is bad about them. */
export const badBodies: Readonly<Record<string, BadBody>> = {
  garbage: malformed('%%% garbage %%%', /^body: it is not JSON \(/),
  'a space, since SQS takes no empty body': malformed(' ', /^body: it is empty/),
  'JSON that breaks off': malformed(request({}).slice(0, -1), /^body: it is not JSON/),
  'two JSON texts': malformed(`${request({})}${request({})}`, /^body: it is not JSON/),
  '1 MiB of nothing': malformed('x'.repeat(1_048_576), /^body: it is 1048576 characters long/),
  'many arrays in arrays': malformed('['.repeat(200_000), /^body: it is nested more than 32/),
  'arrays, deeply nested and closed': malformed(
    `${'['.repeat(5000)}${']'.repeat(5000)}`,
    /^body: it is nested more than 32 levels deep/,
  ),
  'objects, deeply nested': malformed(
    `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
    /^body: it is nested more than 32 levels deep/,
  ),
  'envelopes in envelopes': malformed(
    inSns(inSns(inSns(request({})))),
    /^Message\.Message: more than 2 envelopes inside one another/,
  ),
  'a byte order mark': malformed(`\uFEFF${request({})}`, /^body: it starts with a byte order mark/),
  'a lone surrogate as an escape': malformed(
    `{"certificateId":"${id}","newStatus":"REVOKED","comment":"\\ud800"}`,
    /^body: "\\ud800" holds a lone surrogate/,
  ),
  // A raw NUL, like a raw lone surrogate, is refused by SQS at the door.
  'a NUL as an escape': malformed(
    `{"certificateId":"${id}","newStatus":"REVOKED","comment":"a\\u0000b"}`,
    /^body: "a\\u0000b" holds a NUL character/,
  ),
  'a key __proto__': malformed(
    `{"certificateId":"${id}","newStatus":"REVOKED","__proto__":{"x":1}}`,
    /^body: it has a key "__proto__"/,
  ),
  'a key twice': malformed(
    `{"certificateId":"${id}","newStatus":"INACTIVE","newStatus":"REVOKED"}`,
    /^body: it has the key "newStatus" twice/,
  ),
  'a line break inside a string': malformed(
    `{"certificateId":"${id}","newStatus":"REVOKED","comment":"a\r\nb"}`,
    /^body: it is not JSON/,
  ),
  'a subscription’s confirmation': malformed(
    inSns('You have chosen', { Type: 'SubscriptionConfirmation' }),
    /^Type: this is an SNS "SubscriptionConfirmation"/,
  ),
  'garbage in a notification': malformed(inSns('garbage'), /^Message: it is not JSON/),
  null: invalid('null', /^body: it holds null; a JSON object is expected/),
  'an array': invalid('[1,2]', /^body: it holds an array of 2; a JSON object is expected/),
  'a number': invalid('7', /^body: it holds 7; a JSON object is expected/),
  'an object that says nothing': invalid(
    '{}',
    /newStatus: it holds nothing; "INACTIVE" or "REVOKED"/,
  ),
  'no certificate': invalid('{"newStatus":"REVOKED"}', /^certificateId: nothing is there/),
  'wrong types': invalid(
    '{"certificateId":7,"newStatus":["REVOKED"],"comment":{}}',
    /^certificateId: it holds 7; .*newStatus: it holds an array of 1; .*comment: it holds an object/,
  ),
  'an unknown status': invalid(request({ newStatus: 'revoked' }), /^newStatus: it holds "revoked"/),
  ACTIVE: notAllowed('ACTIVE', /^newStatus: it holds "ACTIVE"; .*activates none/),
  PENDING_TRANSFER: notAllowed('PENDING_TRANSFER', /moves between accounts/),
  PENDING_ACTIVATION: notAllowed('PENDING_ACTIVATION', /just-in-time registration/),
  REGISTER_INACTIVE: notAllowed('REGISTER_INACTIVE', /it is deprecated/),
  'an id of 63 characters': invalid(
    request({ certificateId: 'a'.repeat(63) }),
    /^certificateId: .*that is 63 hexadecimal characters/,
  ),
  'an id of 65 characters': invalid(
    request({ certificateId: 'a'.repeat(65) }),
    /^certificateId: .*that is 65 hexadecimal characters/,
  ),
  'an id that is not hexadecimal': invalid(
    request({ certificateId: 'g'.repeat(64) }),
    /^certificateId: .*64 hexadecimal characters/,
  ),
  'an id with 0x': invalid(
    request({ certificateId: `0x${'a'.repeat(62)}` }),
    /^certificateId: .*"0x" and 62 digits are no fingerprint/,
  ),
  'two certificates': invalid(
    JSON.stringify({
      ...JSON.parse(arn('us-east-1', '000000000000')),
      certificateId: certificateIdOf(2),
    }),
    /^certificateId: it names another certificate than certificateArn/,
  ),
  'a reason that is none': invalid(request({ reason: 'because' }), /^reason: it holds "because"/),
  'a wrong request in an event': invalid(
    inEventBridge({ newStatus: 'REVOKED' }),
    /^detail\.certificateId: nothing is there/,
  ),
  'an ARN of another account': {
    body: arn('us-east-1', '999999999999'),
    failureKind: 'foreign-account',
    reason: /^certificateArn: it is of account 999999999999; .* of 000000000000 only/,
  },
  'an ARN of another region': {
    body: arn('eu-west-1', '000000000000'),
    failureKind: 'foreign-region',
    reason: /^certificateArn: it is of region eu-west-1; .* in us-east-1 only/,
  },
};
