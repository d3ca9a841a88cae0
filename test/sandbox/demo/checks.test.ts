import { describe, expect, test } from 'vitest';
import { checksOf, type Aftermath } from '../../../src/sandbox/demo/checks.ts';
import type { Letter, Plan } from '../../../src/sandbox/demo/plan.ts';
import { callOf, deadLetterOf, eventOf, nothingSeen, sentOf } from './evidence.ts';

const usable: Letter = {
  lane: 'rotation',
  body: '{}',
  request: { certificateId: 'asked', newStatus: 'REVOKED' },
};
const unusable: Letter = { lane: 'alert', body: '\uFEFF{}', refusal: 'malformed-body' };
const plan: Plan = {
  rotation: [usable],
  incident: [],
  alerts: [],
  violation: [],
  alarms: [],
  theft: [],
  unusable: [unusable],
  asked: new Map([['asked', 'REVOKED']]),
  bystanders: ['bystander'],
  things: [],
};
const statuses: Readonly<Record<string, string>> = { asked: 'REVOKED', bystander: 'ACTIVE' };
const letter = deadLetterOf('bad', unusable.body, { failureKind: 'malformed-body' });
const good: Aftermath = {
  ceiling: 0,
  plan,
  evidence: {
    ...nothingSeen,
    sent: [sentOf(usable, { messageId: 'good' }), sentOf(unusable, { messageId: 'bad' })],
    events: [eventOf('good'), eventOf('bad', { acknowledgement: 'dead-letter' })],
    calls: [callOf('asked')],
    brake: { heldAtMs: 100, liftedAtMs: 200 },
  },
  status: (id) => statuses[id],
  counts: { incident: 0, alert: 0, rotation: 0, deadLetter: 1 },
  deadLetters: [letter],
  exit: { code: 0, signal: null, complaint: '' },
};

describe('the checks', () => {
  test('all hold when everything is as asked', () => {
    expect(problemsIn({})).toEqual([]);
  });

  test.each(['ACTIVE', 'INACTIVE', undefined])(
    'find a certificate that is %s where REVOKED was asked for',
    (status) => {
      const problems = problemsIn({ status: (id) => (id === 'asked' ? status : statuses[id]) });
      expect(problems).toEqual([`asked… is ${status}, not REVOKED`]);
    },
  );

  test('find a certificate that is REVOKED where only INACTIVE was asked for', () => {
    const asked = new Map([['asked', 'INACTIVE']]) satisfies Map<string, string> as Plan['asked'];
    expect(problemsIn({ plan: { ...plan, asked } })).toEqual(['asked… is REVOKED, not INACTIVE']);
  });

  test('find a change that nobody asked for', () => {
    expect(problemsIn({ status: () => 'REVOKED' })).toEqual(['bystander… is REVOKED']);
  });

  test('find a call that nobody asked for, even one that changed nothing', () => {
    const calls = [callOf('bystander', { newStatus: 'REVOKED', applied: false })];
    expect(problemsIn({ evidence: { ...good.evidence, calls } })).toEqual([
      'a call for REVOKED named bystander…',
    ]);
  });

  test('find a message without an end: no event, only retries, or an end that failed', () => {
    for (const events of [
      [],
      [eventOf('good', { acknowledgement: 'retry', outcome: 'deferred' })],
      [eventOf('good', { acknowledged: false })],
    ]) {
      const rest = [eventOf('bad', { acknowledgement: 'dead-letter' })];
      expect(problemsIn({ evidence: { ...good.evidence, events: [...events, ...rest] } })).toEqual([
        'rotation message good came to 0 ends',
      ]);
    }
  });

  test('find a message that came to two ends', () => {
    const events = [...good.evidence.events, eventOf('good')];
    expect(problemsIn({ evidence: { ...good.evidence, events } })).toEqual([
      'rotation message good came to 2 ends',
    ]);
  });

  test('know what was published by the id of its violation', () => {
    const published: Letter = { ...usable, lane: 'alert', violationId: 'v' };
    const origin = { format: 'device-defender-detect', name: 'fleet/x', id: 'v' } as const;
    const told = { certificateId: 'asked', newStatus: 'INACTIVE', outcome: 'applied', attempts: 1 } as const; // prettier-ignore
    const [, bad] = good.evidence.sent;
    const sent = [sentOf(published, { messageId: 'v' }), ...(bad ? [bad] : [])];
    for (const event of [
      eventOf('m', { origin }),
      eventOf('m', { requests: [{ ...told, origin }] }),
    ]) {
      const events = [event, eventOf('bad', { acknowledgement: 'dead-letter' })];
      expect(problemsIn({ evidence: { ...good.evidence, sent, events } })).toEqual([]);
    }
  });

  test('find alerts that went past the ceiling before the brake was lifted, or short of it', () => {
    const alarms = ['a', 'b', 'c'].map((certificateId): Letter => {
      return { lane: 'alert', body: '{}', request: { certificateId, newStatus: 'INACTIVE' } };
    });
    const sent = [...good.evidence.sent, ...alarms.map((alarm) => sentOf(alarm))];
    const events = [...good.evidence.events, ...['a', 'b', 'c'].map((id) => eventOf(id))];
    const calls = ['a', 'b', 'b', 'c'].map((id, at) => callOf(id, { receivedAtMs: at * 90 }));
    const evidence = { ...good.evidence, sent, events, calls };
    expect(problemsIn({ ceiling: 2, evidence })).toEqual([]);
    expect(problemsIn({ ceiling: 1, evidence })).toEqual(['there were 2']);
    expect(problemsIn({ ceiling: 3, evidence })).toEqual(['there were 2']);
  });

  test('find a brake that never held or was never lifted, and whom it kept waiting', () => {
    const theft: readonly Letter[] = [
      { lane: 'incident', body: '{}', request: { certificateId: 'asked', newStatus: 'REVOKED' } },
    ];
    const held = { ...good.evidence, calls: [callOf('asked', { newStatus: 'REVOKED' })] };
    const withTheft = { ...plan, theft };
    expect(problemsIn({ plan: withTheft, evidence: held })).toEqual([]);
    expect(problemsIn({ plan: withTheft })).toEqual([
      '1 stolen keys were alive as long as it held',
    ]);
    expect(problemsIn({ evidence: { ...held, brake: {} } })).toEqual([
      'the alert lane was never held',
      'the brake was never lifted',
    ]);
  });

  test('find what is left in a lane', () => {
    expect(problemsIn({ counts: { ...good.counts, alert: 2 } })).toEqual([
      'the alert lane still holds 2',
    ]);
  });

  test('find a dead letter that is missing, doubled, or nobody’s', () => {
    expect(problemsIn({ deadLetters: [] })).toEqual(['bad: it is there 0 times']);
    expect(problemsIn({ deadLetters: [letter, letter] })).toEqual(['bad: it is there 2 times']);
    expect(problemsIn({ counts: { ...good.counts, deadLetter: 2 } })).toEqual([
      'the dead-letter queue holds 2',
    ]);
  });

  test('find a dead letter whose body lost a byte order mark', () => {
    expect(problemsIn({ deadLetters: [{ ...letter, body: '{}' }] })).toEqual([
      'bad: its body has changed',
    ]);
  });

  test('find a dead letter with the wrong reason, or none', () => {
    const because = (attributes: Record<string, string>) => [
      { ...letter, attributes: { ...letter.attributes, ...attributes } },
    ];
    expect(problemsIn({ deadLetters: because({ failureKind: 'not-found' }) })).toEqual([
      'bad: it is called not-found, not malformed-body',
    ]);
    expect(problemsIn({ deadLetters: because({ failureReason: '' }) })).toEqual([
      'bad: it has no reason',
    ]);
  });

  test('find a worker that did not stop by itself, and what it said', () => {
    const exits = [
      { code: 1, signal: null, complaint: 'Error: no' },
      { code: null, signal: 'SIGKILL', complaint: '' },
    ] as const;
    expect(exits.map((exit) => problemsIn({ exit }))).toEqual([
      ['exit code 1: Error: no'],
      ['killed by SIGKILL'],
    ]);
  });

  test('find that the demo did not come to its end, before all else', () => {
    expect(problemsIn({ trouble: '50 s were over', status: () => 'ACTIVE' })).toEqual([
      '50 s were over',
      'asked… is ACTIVE, not REVOKED',
    ]);
  });
});

function problemsIn(changes: Partial<Aftermath>): readonly string[] {
  return checksOf({ ...good, ...changes }).flatMap(({ problems }) => problems);
}
