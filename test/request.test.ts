import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { read } from '../src/reading.ts';
import { readRequests, requestSchema, type Refusal, type Request } from '../src/request.ts';
import { alertBody, alertNames } from './helpers/alerts.ts';
import { bodies, largeBodies } from './helpers/body.ts';
import { inEventBridge, inSns } from './helpers/envelope.ts';
import { bodyOf, certificateIdOf, deployment, requestOf } from './helpers/message.ts';

const id = certificateIdOf(0);

describe('a body that asks for a certificate by its id', () => {
  test('is a request in the account and region of this deployment', () => {
    const body = bodyOf({ certificateId: id, newStatus: 'INACTIVE' });
    // Strictly: nothing else is said, not even that it is undefined.
    expect(readRequests(body, deployment)).toStrictEqual({
      kind: 'requests',
      requests: [
        {
          certificateId: id,
          newStatus: 'INACTIVE',
          accountId: '123456789012',
          region: 'eu-central-1',
        },
      ],
    });
  });

  test('may be what `aws iot update-certificate --generate-cli-skeleton` prints, filled in', () => {
    const skeleton = `{\n    "certificateId": "${id}",\n    "newStatus": "REVOKED"\n}\n`;
    expect(only(skeleton)).toEqual(requestOf({ certificateId: id, newStatus: 'REVOKED' }));
  });

  test('says on whose word and why', () => {
    const told = {
      requestId: 'rotation-7/42',
      requestedBy: 'pki@example.com',
      reason: 'keyCompromise',
      comment: 'Schlüssel im Netz gefunden\nsiehe Ticket',
      incidentId: 'INC-1',
    };
    expect(only(bodyOf(told))).toEqual(requestOf(told));
  });

  test('keeps the fields that we do not know', () => {
    const other = {
      device: { serial: 7 },
      constructor: 'x',
      accountId: '999999999999',
      region: '',
    };
    expect(only(bodyOf(other))).toEqual(requestOf({ other }));
  });

  test.each([
    ['requestId', ''],
    ['requestedBy', 'a'.repeat(1024)],
    ['comment', '\t\n'],
  ])('may hold any text of at most 1024 characters in %s', (field, text) => {
    expect(only(bodyOf({ [field]: text }))).toEqual(requestOf({ [field]: text }));
  });
});

describe('a body that asks for a certificate by its ARN', () => {
  test.each([
    ['aws', 'eu-central-1'],
    ['aws-cn', 'cn-north-1'],
    ['aws-us-gov', 'us-gov-west-1'],
  ])('is a request in the partition %s', (partition, region) => {
    const certificateArn = arnOf({ partition, region });
    expect(only(bodyOf({ certificateId: undefined, certificateArn }), region)).toEqual(
      requestOf({ partition, region }),
    );
  });

  test('may name the id as well, in another letter case', () => {
    const certificateArn = arnOf({ id: id.toUpperCase() });
    expect(only(bodyOf({ certificateId: id, certificateArn }))).toEqual(
      requestOf({ partition: 'aws' }),
    );
  });

  test('is refused where it names another certificate than the id', () => {
    expect(refusal(bodyOf({ certificateId: certificateIdOf(1), certificateArn: arnOf() }))).toEqual(
      {
        kind: 'refused',
        failureKind: 'invalid-request',
        reason:
          'certificateId: it names another certificate than certificateArn; one of the two is enough',
      },
    );
  });

  test('is refused by its path where it came in an envelope', () => {
    const body = bodyOf({ certificateId: certificateIdOf(1), certificateArn: arnOf() });
    expect(refusal(inSns(body)).reason).toBe(
      'Message.certificateId: it names another certificate than Message.certificateArn; one of the two is enough',
    );
  });

  test('is refused where the certificate is of another account', () => {
    const certificateArn = arnOf({ account: '210987654321' });
    expect(refusal(bodyOf({ certificateId: undefined, certificateArn }))).toEqual({
      kind: 'refused',
      failureKind: 'foreign-account',
      reason:
        'certificateArn: it is of account 210987654321; this worker changes certificates of 123456789012 only',
    });
  });

  test('is refused where the certificate is of another region, even if the id is named too', () => {
    const certificateArn = arnOf({ region: 'us-east-1' });
    expect(refusal(bodyOf({ certificateId: id, certificateArn }))).toEqual({
      kind: 'refused',
      failureKind: 'foreign-region',
      reason:
        'certificateArn: it is of region us-east-1; this worker changes certificates in eu-central-1 only',
    });
  });

  test.each([
    ['no ARN', 'certificate/c'],
    ['an ARN of a thing', `arn:aws:iot:eu-central-1:123456789012:thing/${id}`],
    ['an ARN of a CA certificate', `arn:aws:iot:eu-central-1:123456789012:cacert/${id}`],
    ['an ARN of another service', `arn:aws:acm:eu-central-1:123456789012:cert/${id}`],
    ['an ARN without account', `arn:aws:iot:eu-central-1::cert/${id}`],
    ['an ARN of an account of 13 digits', arnOf({ account: '1234567890123' })],
    ['an ARN with a short id', arnOf({ id: id.slice(1) })],
    ['an ARN with a line feed after it', `${arnOf()}\n`],
  ])('is refused for %s', (_, certificateArn) => {
    expect(refusal(bodyOf({ certificateArn }))).toMatchObject({
      failureKind: 'invalid-request',
      reason: expect.stringMatching(/^certificateArn: it holds ".*"; arn:aws:iot:<region>/),
    });
  });

  test('is told what would be right where it is no string, and names something yet', () => {
    const body = bodyOf({ certificateId: undefined, certificateArn: 7 });
    expect(refusal(body).reason).toBe(
      'certificateArn: it holds 7; arn:aws:iot:<region>:<account>:cert/<64 hexadecimal characters> is expected',
    );
  });
});

describe('a body that asks for a thing', () => {
  const body = bodyOf({ certificateId: undefined, thingName: 'sensor-17', requestedBy: 'pki' });

  test('means all certificates of the thing', () => {
    expect(read(body, 'rotation', deployment)).toEqual({
      kind: 'intents',
      intents: [
        {
          target: { kind: 'thing', thingName: 'sensor-17' },
          newStatus: 'REVOKED',
          requestedBy: 'pki',
        },
      ],
    });
  });

  test('means the certificate alone, where it names one too', () => {
    const target = { kind: 'certificate', certificateId: id };
    expect(read(bodyOf({ thingName: 'sensor-17' }), 'rotation', deployment)).toEqual({
      kind: 'intents',
      intents: [{ target, newStatus: 'REVOKED', thingName: 'sensor-17' }],
    });
    expect(read(bodyOf(), 'rotation', deployment)).toStrictEqual({
      kind: 'intents',
      intents: [{ target, newStatus: 'REVOKED' }],
    });
    expect(only(bodyOf({ thingName: 'sensor-17' }))).toEqual(requestOf({ thingName: 'sensor-17' }));
  });

  test.each([
    ['of 128 characters', 'a'.repeat(128)],
    ['of every kind of character', 'aZ09:_-'],
  ])('may have a name %s', (_, thingName) => {
    expect(
      read(bodyOf({ certificateId: undefined, thingName }), 'alert', deployment),
    ).toMatchObject({ intents: [{ target: { kind: 'thing', thingName } }] });
  });

  test.each([
    ['that is empty', ''],
    ['with a space', 'my sensor'],
    ['in Unicode', 'Gerät'],
    ['of 129 characters', 'a'.repeat(129)],
    ['that leads elsewhere', '../certificates'],
    ['with a line feed after it', 'sensor-17\n'],
    ['that is an ARN', 'arn:aws:iot:eu-central-1:123456789012:thing/sensor-17'],
    ['that is no string', 17],
    ['that is null', null],
  ])('is refused for a name %s, with or without a certificate', (_, thingName) => {
    for (const body of [bodyOf({ thingName }), bodyOf({ certificateId: undefined, thingName })]) {
      expect(read(body, 'incident', deployment)).toEqual({
        kind: 'refused',
        failureKind: 'invalid-request',
        reason: expect.stringMatching(/^thingName: it holds .*; 1 to 128 of the characters/),
      });
    }
  });

  test('is refused without a status, and told so', () => {
    const { reason } = refusal(bodyOf({ certificateId: undefined, thingName: 'a', newStatus: '' }));
    expect(reason).toBe('newStatus: it holds ""; "INACTIVE" or "REVOKED" is expected');
  });

  test('is nothing for whoever takes certificates only', () => {
    expect(refusal(inSns(body))).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: 'Message.thingName: it names a thing; a certificate is expected here',
    });
  });
});

describe('a body that tells which alert led to it', () => {
  const origin = {
    format: 'device-defender-audit',
    name: 'DEVICE_CERTIFICATE_SHARED_CHECK',
    id: '4e2bcd1ccbc2a5dd15292a82ab80c380',
  } as const;

  test('keeps it', () => {
    expect(only(bodyOf({ origin }))).toEqual(requestOf({ origin }));
    const { format, name } = origin;
    expect(only(bodyOf({ origin: { format, name } }))).toStrictEqual(
      requestOf({ origin: { format, name } }),
    );
    expect(read(bodyOf({ origin }), 'alert', deployment)).toMatchObject({ intents: [{ origin }] });
  });

  test.each([
    [null, 'origin: it holds null; an object with'],
    ['audit', 'origin: it holds "audit"; an object with'],
    [{ ...origin, more: 1 }, 'origin: it holds an object; an object with'],
    [
      { ...origin, format: 'guess' },
      'origin.format: it holds "guess"; one of device-defender-detect, device-defender-audit, security-hub-imported, ',
    ],
    [{ ...origin, name: undefined }, 'origin.name: it holds nothing; a string'],
    [{ ...origin, id: 7 }, 'origin.id: it holds 7; a string'],
    [{ ...origin, id: 'a'.repeat(2049) }, 'at most 2048 characters are expected'],
  ])('is refused with %j', (origin, reason) => {
    expect(refusal(bodyOf({ origin }))).toMatchObject({
      failureKind: 'invalid-request',
      reason: expect.stringContaining(reason),
    });
  });

  test('is what every alert’s request can be written as, and be read again', () => {
    for (const name of alertNames) {
      const reading = read(alertBody(name), 'alert', deployment);
      for (const { target: _, other, ...asked } of reading.kind === 'intents'
        ? reading.intents
        : []) {
        const body = bodyOf({ ...other, ...asked });
        expect(only(body)).toEqual(requestOf({ ...asked, ...(other && { other }) }));
        expect(read(body, 'alert', deployment).kind).toBe('intents');
      }
    }
  });
});

describe('a certificate id is refused', () => {
  test.each([
    ['of 63 characters', id.slice(1), 'that is 63 hexadecimal characters; 64'],
    ['of 65 characters', `${id}c`, 'that is 65 hexadecimal characters; 64'],
    ['with the prefix 0x', `0x${id.slice(2)}`, '"0x" and 62 digits are no fingerprint; 64'],
    ['with a letter that is no digit', `g${id.slice(1)}`, 'it holds "g0'],
    ['with colons', id.replaceAll(/(..)(?=.)/g, '$1:'), '; 64 hexadecimal characters'],
    ['with a line feed after it', `${id}\n`, '; 64 hexadecimal characters'],
    ['with a space before it', ` ${id}`, '; 64 hexadecimal characters'],
    ['with full-width digits', `${id.slice(1)}\uFF10`, '; 64 hexadecimal characters'],
    ['that is empty', '', 'it holds ""; 64 hexadecimal characters'],
    ['that is a number', 64, 'it holds 64; 64 hexadecimal characters'],
    ['that is null', null, 'it holds null; 64 hexadecimal characters'],
    ['that is a list', [id], 'it holds an array of 1; 64 hexadecimal characters'],
  ])('%s', (_, certificateId, reason) => {
    const { failureKind, reason: told } = refusal(bodyOf({ certificateId }));
    expect(failureKind).toBe('invalid-request');
    expect(told).toMatch(/^certificateId: /);
    expect(told).toContain(reason);
  });

  test('that is not there, and neither is an ARN', () => {
    expect(refusal('{"newStatus":"REVOKED"}')).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason:
        'certificateId: nothing is there; 64 hexadecimal characters, the SHA-256 fingerprint of the certificate, or "certificateArn", or "thingName", are expected',
    });
  });
});

describe('a status is refused', () => {
  test.each([
    ['ACTIVE', 'this worker takes certificates out of service and activates none'],
    ['PENDING_TRANSFER', 'only AWS IoT itself sets it, while a certificate moves between accounts'],
    ['PENDING_ACTIVATION', 'only AWS IoT itself sets it, during just-in-time registration'],
    ['REGISTER_INACTIVE', 'it is deprecated, and means a registration; INACTIVE deactivates'],
  ])('%s, in its own words', (newStatus, why) => {
    expect(refusal(bodyOf({ newStatus }))).toEqual({
      kind: 'refused',
      failureKind: 'status-not-allowed',
      reason: `newStatus: it holds "${newStatus}"; ${why}; "INACTIVE" or "REVOKED" is expected`,
    });
  });

  test.each([
    ['in lower case', 'revoked', '"revoked"'],
    ['that AWS does not know', 'DELETED', '"DELETED"'],
    ['named as a method of objects', 'toString', '"toString"'],
    ['that is no string', true, 'true'],
    ['in a list', ['ACTIVE'], 'an array of 1'],
    ['that is null', null, 'null'],
    ['that is not there', undefined, 'nothing'],
  ])('%s', (_, newStatus, shown) => {
    expect(refusal(bodyOf({ newStatus }))).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: `newStatus: it holds ${shown}; "INACTIVE" or "REVOKED" is expected`,
    });
  });
});

describe('what tells who and why is refused', () => {
  test.each(['requestId', 'requestedBy', 'comment', 'incidentId'])(
    'in %s, if it is no text or a long one',
    (field) => {
      expect(refusal(bodyOf({ [field]: 7 })).reason).toBe(
        `${field}: it holds 7; a string is expected`,
      );
      expect(refusal(bodyOf({ [field]: null })).reason).toBe(
        `${field}: it holds null; a string is expected`,
      );
      expect(refusal(bodyOf({ [field]: 'a'.repeat(1025) })).reason).toBe(
        `${field}: it holds "${'a'.repeat(80)}…"; at most 1024 characters are expected`,
      );
    },
  );

  test.each(['stolen', 'KeyCompromise', 'removeFromCRL', '', 1])(
    'in reason, if it is none of RFC 5280 that revokes: %j',
    (reason) => {
      expect(refusal(bodyOf({ reason })).reason).toBe(
        `reason: it holds ${JSON.stringify(reason)}; one of unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise (RFC 5280) is expected; free text goes into "comment"`,
      );
    },
  );
});

describe('a body is refused', () => {
  test.each([
    ['a list of requests', `[${bodyOf()}]`, 'body: it holds an array of 1'],
    ['a string', '"REVOKED"', 'body: it holds "REVOKED"'],
    ['null', 'null', 'body: it holds null'],
    ['an EventBridge event without detail', inEventBridge(undefined), 'detail: it holds nothing'],
    ['an SNS notification of a number', inSns('7'), 'Message: it holds 7'],
  ])('that is %s', (_, body, reason) => {
    expect(refusal(body)).toEqual({
      kind: 'refused',
      failureKind: 'invalid-request',
      reason: `${reason}; a JSON object is expected`,
    });
  });

  test('that is malformed, as such', () => {
    expect(refusal('{')).toMatchObject({ failureKind: 'malformed-body' });
    expect(refusal(inSns('{'))).toMatchObject({ failureKind: 'malformed-body' });
  });

  test('for all that is wrong with it at once', () => {
    const body = bodyOf({ certificateId: 'c', newStatus: 'ACTIVE', reason: 'stolen' });
    const { failureKind, reason } = refusal(body);
    expect(failureKind).toBe('status-not-allowed');
    expect(reason.split(/; (?=\w+: )/).map((problem) => problem.split(':')[0])).toEqual([
      'certificateId',
      'newStatus',
      'reason',
    ]);
  });

  test('with the path through its envelopes', () => {
    const detail = { certificateId: id, newStatus: 'ACTIVE' };
    expect(refusal(inSns(inEventBridge(detail))).reason).toMatch(/^Message\.detail\.newStatus: /);
    expect(refusal(inSns('{"newStatus":"REVOKED"}')).reason).toMatch(/^Message\.certificateId: /);
  });
});

describe('a body in which several things are wrong', () => {
  test('is told of all of them at once, a certificate that nobody named among them', () => {
    const { reason } = refusal(JSON.stringify({ CertificateId: 'c', NewStatus: 'REVOKED' }));
    expect(reason).toContain('certificateId: nothing is there');
    expect(reason).toContain('newStatus: it holds nothing');
  });
});

describe('whatever a queue holds', () => {
  test('gives requests, or a refusal whose reason a log and a person can take', () => {
    fc.assert(
      fc.property(bodies(), fc.boolean(), (body, wrapped) => {
        expect(complaintAbout(wrapped ? inSns(body) : body)).toBe('');
      }),
      { numRuns: 1000 },
    );
  });

  test.each(Object.entries(largeBodies))('is answered, also %s of 1 MiB', (_, body) => {
    expect(complaintAbout(body)).toBe('');
  });

  test('is answered in a few lines, even if everything is wrong and must be escaped', () => {
    const bad = '\u2028'.repeat(2000);
    const fields = Object.keys((requestSchema as unknown as { shape: object }).shape);
    const body = JSON.stringify(Object.fromEntries(fields.map((field) => [field, bad])));
    expect(refusal(body).reason.length).toBeLessThan(6000);
  });

  test('is a request in any letter case of its id, and is normalised', () => {
    fc.assert(
      fc.property(requests(), fc.infiniteStream(fc.boolean()), (request, upper) => {
        const certificateId = request.certificateId.replaceAll(/./g, (digit) =>
          upper.next().value ? digit.toUpperCase() : digit,
        );
        const { accountId: _account, region: _region, other, ...told } = request;
        expect(only(JSON.stringify({ ...other, ...told, certificateId }))).toEqual(request);
      }),
    );
  });

  test('is the same request raw, in SNS, in EventBridge and in both', () => {
    fc.assert(
      fc.property(requests(), (request) => {
        const { accountId: _account, region: _region, other, ...told } = request;
        const content = { ...other, ...told };
        const raw = JSON.stringify(content);
        for (const body of [
          raw,
          inSns(raw),
          inEventBridge(content),
          inSns(inEventBridge(content)),
        ]) {
          expect(only(body)).toEqual(request);
        }
      }),
    );
  });
});

/** Any request that can be asked for by an id. */
function requests(): fc.Arbitrary<Request> {
  const text = fc.string({ unit: 'grapheme', maxLength: 200 });
  const hex = fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'.split('')),
    minLength: 64,
    maxLength: 64,
  });
  const other = fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), fc.constantFrom(1, null, 'x'), {
    minKeys: 1,
  });
  return fc
    .record(
      {
        certificateId: hex,
        newStatus: fc.constantFrom('INACTIVE', 'REVOKED'),
        requestId: text,
        requestedBy: text,
        reason: fc.constantFrom('keyCompromise', 'superseded', 'aACompromise'),
        comment: text,
        incidentId: text,
        other,
      },
      { requiredKeys: ['certificateId', 'newStatus'] },
    )
    .map((fields) => requestOf(fields));
}

/** What a producer or an operator would have against the answer to this body; nothing if it is good. */
function complaintAbout(body: string): string {
  const reading = readRequests(body, deployment);
  if (reading.kind === 'requests') {
    const [request, ...more] = reading.requests;
    const good = /^[0-9a-f]{64}$/.test(request?.certificateId ?? '') && more.length === 0;
    return good ? '' : `it gives ${JSON.stringify(reading.requests)}`;
  }
  if (!/^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+$/u.test(reading.reason))
    return 'it is not one line';
  if (!reading.reason.isWellFormed()) return 'it is not well-formed';
  return reading.reason.length < 2000 ? '' : 'it is too long';
}

function arnOf({
  partition = 'aws',
  region = 'eu-central-1',
  account = '123456789012',
  id = certificateIdOf(0),
} = {}): string {
  return `arn:${partition}:iot:${region}:${account}:cert/${id}`;
}

/** The one request of a good body. */
function only(body: string, region = deployment.region): Request | undefined {
  const reading = readRequests(body, { ...deployment, region });
  if (reading.kind === 'refused') throw new Error(reading.reason);
  expect(reading.requests).toHaveLength(1);
  return reading.requests[0];
}

function refusal(body: string): Refusal {
  const reading = readRequests(body, deployment);
  if (reading.kind === 'requests') throw new Error('it was accepted');
  return reading;
}
