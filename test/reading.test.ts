import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../src/intent.ts';
import { lanes } from '../src/lane.ts';
import { read } from '../src/reading.ts';
import { alertBody, alertNames, alertOf, alterationsOf } from './helpers/alerts.ts';
import { badBodies } from './helpers/bad-bodies.ts';
import { bodies, largeBodies } from './helpers/body.ts';
import { inEventBridge, inSns } from './helpers/envelope.ts';
import { bodyOf, certificateIdOf, deployment } from './helpers/message.ts';

const id = certificateIdOf(0);
const alerts = {
  violation: alertBody('detect-in-alarm'),
  audit: alertBody('audit-shared'),
  finding: alertBody('security-hub-detect'),
  action: alertBody('security-hub-custom-action'),
  rule: alertBody('iot-rule-certificate'),
};

describe('a request of our own', () => {
  test.each(lanes)('says its status, in the lane %s', (lane) => {
    const body = bodyOf({ requestedBy: 'pki', serial: 7 });
    for (const form of [body, inSns(body), inEventBridge(JSON.parse(body)), btoa(body)]) {
      expect(read(form, lane, deployment)).toEqual({
        kind: 'intents',
        intents: [
          {
            target: { kind: 'certificate', certificateId: id },
            newStatus: 'REVOKED',
            requestedBy: 'pki',
            other: { serial: 7 },
          },
        ],
      });
    }
  });

  test('may come by a topic or an event of another account: it says itself what it is about', () => {
    const elsewhere = { TopicArn: 'arn:aws:sns:us-east-1:210987654321:pki' };
    expect(read(inSns(bodyOf(), elsewhere), 'rotation', deployment).kind).toBe('intents');
    const event = inEventBridge(JSON.parse(bodyOf()), { account: '210987654321' });
    expect(read(event, 'rotation', deployment).kind).toBe('intents');
  });
});

describe('a body that is no JSON is refused', () => {
  test.each([
    ['raw', 'Certificate c is bad', /^body: it is not JSON/],
    ['inside SNS', inSns('Certificate c is bad'), /^Message: it is not JSON/],
    ['in base64', btoa('{"certificateId":'), /^body: as the base64 that it is in: it is not JSON/],
  ])('%s', (_, body, reason) => {
    expect(read(body, 'alert', deployment)).toEqual({
      kind: 'refused',
      failureKind: 'malformed-body',
      reason: expect.stringMatching(reason),
    });
  });
});

describe('a body that nobody can use', () => {
  const sandbox = { accountId: '000000000000', region: 'us-east-1' };

  test.each(Object.entries(badBodies))('is refused in every lane: %s', (_, bad) => {
    for (const lane of lanes) {
      expect(read(bad.body, lane, sandbox)).toEqual({
        kind: 'refused',
        failureKind: bad.failureKind,
        reason: expect.stringMatching(bad.reason),
      });
    }
  });
});

describe('an alert in another lane than its own', () => {
  const belongs = 'it belongs in the alert lane, and came by the';

  test.each([
    [
      'violation',
      'incident',
      `a violation that Device Defender Detect tells of; ${belongs} incident`,
    ],
    [
      'violation',
      'rotation',
      `a violation that Device Defender Detect tells of; ${belongs} rotation`,
    ],
    ['audit', 'incident', `the notification of a Device Defender audit; ${belongs} incident lane`],
    ['audit', 'rotation', `the notification of a Device Defender audit; ${belongs} rotation lane`],
    ['finding', 'incident', `a finding that Security Hub tells of; ${belongs} incident lane`],
    ['finding', 'rotation', `a finding that Security Hub tells of; ${belongs} rotation lane`],
    [
      'action',
      'rotation',
      'a custom action of Security Hub; it belongs in the incident or the alert lane, and came by the',
    ],
    [
      'rule',
      'incident',
      `either the message of an IoT rule or a request without "newStatus"; ${belongs} incident`,
    ],
    [
      'rule',
      'rotation',
      `either the message of an IoT rule or a request without "newStatus"; ${belongs} rotation`,
    ],
  ] as const)('is refused: %s in %s', (alert, lane, reason) => {
    expect(read(inSns(alerts[alert]), lane, deployment)).toEqual({
      kind: 'refused',
      failureKind: 'wrong-lane',
      reason: expect.stringContaining(`body: this is ${reason}`),
    });
  });

  test('is read if a person has approved it', () => {
    expect(read(alerts.action, 'incident', deployment).kind).toBe('intents');
  });

  test('is ignored there too, if it calls for no action', () => {
    for (const name of alertNames) {
      const body = alertBody(name);
      const reading = read(body, 'alert', deployment);
      if (reading.kind !== 'ignored') continue;
      for (const lane of lanes) expect(read(body, lane, deployment)).toEqual(reading);
    }
  });

  test('may be a request that lacks its status, which is told all that is wrong with it', () => {
    expect(read('{"certificateId":"c"}', 'rotation', deployment)).toMatchObject({
      failureKind: 'invalid-request',
      reason: expect.stringMatching(/^certificateId: .*newStatus: it holds nothing/),
    });
  });
});

/** What says how the rest is to be read, so that without it another format is meant. */
const envelopeFields = new Set(['detail-type', 'source', 'account', 'region', 'id', 'time']);

describe('every documented alert, with any field missing or of a wrong type', () => {
  test.each(alertNames)('is answered, and the answer names the field: %s', (name) => {
    const isRefused = read(alertBody(name), 'alert', deployment).kind === 'refused';
    for (const { at, to, body } of alterationsOf(alertOf(name))) {
      const reading = read(body, 'alert', deployment);
      expect(flawOf(reading), `${at} = ${JSON.stringify(to)}`).toBe('');
      if (reading.kind !== 'refused' || envelopeFields.has(at) || isRefused) continue;
      const named = partsOf(at).some((part) => reading.reason.includes(part));
      const isNoAlert = reading.reason.includes('newStatus: it holds nothing');
      expect(named || isNoAlert, `${at}: ${reading.reason}`).toBe(true);
    }
  });

  test.each(alertNames)('never asks for a status, nor for what it does not name: %s', (name) => {
    const values = [undefined, 'x', certificateIdOf(5), 'other-thing', 'ACTIVE', 'in-alarm'];
    for (const { body } of alterationsOf(alertOf(name), values)) {
      expect(inventedIn(body, read(body, 'alert', deployment))).toBe('');
    }
  });
});

describe('whatever a queue holds', () => {
  const lane = fc.constantFrom(...lanes);

  test('is answered, and does no harm that it does not name', () => {
    fc.assert(
      fc.property(fc.oneof(bodies(), mutatedAlerts()), lane, (body, lane) => {
        for (const form of [body, inSns(body)]) {
          const reading = read(form, lane, deployment);
          expect(flawOf(reading)).toBe('');
          expect(inventedIn(body, reading)).toBe('');
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('asks for a status only where it says one', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const held = fc.oneof(text, fc.constantFrom(id, 'sensor-17', 'REVOKED', true, 7, null));
    const key = fc.constantFrom(
      'certificateId',
      'certificateArn',
      'principalIdentifier',
      'thingName',
      'newstatus',
      'NewStatus',
      'status',
      'reason',
      'origin',
      'violationEventType',
      'other',
    );
    fc.assert(
      fc.property(fc.dictionary(key, held), lane, (fields, lane) => {
        const reading = read(JSON.stringify(fields), lane, deployment);
        const intents = reading.kind === 'intents' ? reading.intents : [];
        expect(intents.filter(({ newStatus }) => newStatus !== undefined)).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test('is no deactivation by an IoT rule, if "newStatus" is misspelt', () => {
    const misspelt = fc
      .tuple(fc.nat({ max: 8 }), fc.constantFrom('', 'x', 's', '_'), fc.constantFrom(0, 1))
      .map(([at, added, cut]) => 'newStatus'.slice(0, at) + added + 'newStatus'.slice(at + cut))
      .filter((key) => key !== 'newStatus');
    const status = fc.constantFrom('REVOKED', 'INACTIVE', 'revoked', ' Inactive', 'ACTIVE');
    fc.assert(
      fc.property(misspelt, status, (key, status) => {
        const body = JSON.stringify({ certificateId: id, [key]: status });
        expect(read(body, 'alert', deployment)).toMatchObject({ kind: 'refused' });
      }),
    );
  });

  test.each(Object.entries(largeBodies))('is answered, also %s of 1 MiB', (_, body) => {
    expect(flawOf(read(body, 'alert', deployment))).toBe('');
  });
});

/** Documented alerts with some characters cut out, repeated or replaced. */
function mutatedAlerts(): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat({ max: 40 }),
    added: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.constantFrom(
        '"',
        ',',
        '"newStatus":"REVOKED",',
        '"certificateId":1,',
        '"thingName":"a",',
        certificateIdOf(6),
      ),
    ),
  });
  return fc
    .tuple(fc.constantFrom(...alertNames), fc.array(edit, { maxLength: 3 }))
    .map(([name, edits]) =>
      edits.reduce((body, { at, removed, added }) => {
        const start = Math.floor(at * body.length);
        return body.slice(0, start) + added + body.slice(start + removed);
      }, alertBody(name)),
    );
}

/** What a log, an operator or the next stage would have against a reading; nothing if it is good. */
function flawOf(reading: Reading): string {
  if (reading.kind === 'intents') {
    const targets = reading.intents.map(({ target }) => JSON.stringify(target));
    if (targets.length === 0) return 'it asks for nothing';
    if (new Set(targets).size < targets.length) return 'it asks twice';
    const good =
      /^\{"kind":("certificate","certificateId":"[0-9a-f]{64}"|"thing","thingName":"[\w:-]{1,128}"|"audit")/;
    return targets.every((target) => good.test(target)) ? '' : `it asks for ${targets.join()}`;
  }
  const text = reading.kind === 'refused' ? reading.reason : reading.cause;
  if (!/^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+$/u.test(text)) return `it is not one line: ${text}`;
  if (!text.isWellFormed()) return 'it is not well-formed';
  return text.length < 4000 ? '' : 'it is too long';
}

/** What a reading asks for that its body does not say; nothing if it invents nothing. */
function inventedIn(body: string, reading: Reading): string {
  if (reading.kind !== 'intents') return '';
  const text = body.toLowerCase();
  for (const { target, newStatus } of reading.intents) {
    if (target.kind === 'certificate' && !text.includes(target.certificateId)) return 'certificate';
    if (target.kind === 'thing' && !text.includes(target.thingName.toLowerCase())) return 'thing';
    if (target.kind === 'audit' && !text.includes(target.taskId.toLowerCase())) return 'audit task';
    if (newStatus !== undefined && !body.includes('newStatus')) return 'status';
  }
  return '';
}

/** A path, and those above it that still say more than "some finding". */
function partsOf(at: string): readonly string[] {
  const keys = at.split('.');
  const parts = keys.map((_, n) => keys.slice(0, n + 1).join('.'));
  return keys[1] === 'findings' && keys.length > 3 ? parts.slice(3) : parts;
}

test('a request that names a thing means one of ours: what came by another account’s topic is refused', () => {
  const body = JSON.stringify({ thingName: 'gateway-1', newStatus: 'INACTIVE' });
  const foreign = inSns(body, { TopicArn: 'arn:aws:sns:us-east-1:999999999999:theirs' });
  for (const lane of lanes) {
    expect(read(foreign, lane, deployment)).toMatchObject({ failureKind: 'foreign-account' });
    expect(read(body, lane, deployment)).toMatchObject({ kind: 'intents' });
  }
});
