import { describe, expect, test } from 'vitest';
import type { Figures } from '../../../src/sandbox/demo/figures.ts';
import { summaryOf } from '../../../src/sandbox/demo/summary.ts';
import type { Paint } from '../../../src/sandbox/demo/text.ts';

const plain: Paint = (_style, text) => text;
const figures: Figures = {
  messages: { incident: 30, alert: 516, rotation: 150 },
  quotaPerSecond: 10,
  calls: 206,
  applied: 187,
  merged: 493,
  storm: { alerts: 500, certificates: 15, calls: 15 },
  throttled: { calls: 8, atFullQuota: 0, leastGranted: 4 },
  failed: new Map([
    ['ServiceUnavailableException', 6],
    ['reset', 1],
  ]),
  deferred: 1,
  deadLetters: [
    { failureKind: 'malformed-body', count: 2, reason: 'body: it is empty' },
    { failureKind: 'not-found', count: 1, reason: 'because '.repeat(20) },
  ],
  incident: {
    certificates: 30,
    tookMs: 3390,
    waiting: 138,
    slippedIn: 3,
    computedInOrderMs: 16_800,
  },
};
const flood = {
  alarms: 80,
  held: 58,
  switchedOff: 40,
  stolen: { certificates: 10, tookMs: 1234 },
};
const held = { claim: 'Everything is fine', problems: [] };

describe('the summary', () => {
  test('tells each figure and what it means, within 80 columns', () => {
    const lines = summaryOf(figures, [held], plain);
    expect(lines).toEqual([
      '',
      'Incident      3.4 s  from the first message to the last of 30 certificates dead,',
      '                     while 138 rotation requests waited (3 of them slipped in)',
      '                     16.8 s if served in order: 168 calls at 10/s, computed',
      'Requests        696  30 incident, 516 alert, 150 rotation',
      'Calls           206  UpdateCertificate; 187 did what was asked (quota 10/s)',
      'Merged          493  calls saved: 500 alerts about 15 certificates took 15',
      'Throttled         8  refused, all while AWS granted 4/s; made again, slower',
      'Retried           7  failed attempts: 6 × 503, 1 × lost connection',
      'Deferred          1  back to the queue when attempts kept failing, done later',
      'Dead letters      3  unusable, so kept as they came, each with its reason:',
      '   2 × malformed-body      body: it is empty',
      '   1 × not-found           because because because because because because beca…',
      'Checked against the control plane and the queues',
      '✓ Everything is fine',
      'All is as asked. Your turn: npm run sandbox',
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('tells of the flood where the brake was lifted, within 80 columns', () => {
    const lines = linesOf({ flood });
    expect(lines.slice(7, 9)).toEqual([
      'Held             58  of 80 false alarms, at 40 certificates an hour; done once',
      '                     the brake was lifted. Meanwhile 10 more stolen keys: 1.2 s',
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('says how many calls were throttled at the full quota', () => {
    const throttled = { calls: 8, atFullQuota: 3, leastGranted: 4 };
    expect(linesOf({ throttled })).toContain(
      'Throttled         8  refused, 5 while AWS granted 4/s; made again, slower',
    );
  });

  test('explains no figure that is 0', () => {
    const lines = linesOf({ merged: 0, deferred: 0, failed: new Map(), deadLetters: [] });
    for (const label of ['Merged', 'Deferred', 'Retried', 'Dead letters']) {
      expect(lines).toContain(`${label.padEnd(12)}      0`);
    }
  });

  test('has no word on an incident that is not over', () => {
    const { incident: _, ...others } = figures;
    expect(summaryOf(others, [held], plain).join('\n')).not.toContain('Incident');
  });

  test('names an answer that it has no words for', () => {
    expect(linesOf({ failed: new Map([['OddException', 1]]) })).toContain(
      'Retried           1  failed attempts: 1 × OddException',
    );
  });

  test('names what is wrong, three problems of each check, and counts the broken checks', () => {
    const broken = { claim: 'All certificates are dead', problems: ['a', 'b', 'c', 'd', 'e'] };
    const lines = summaryOf(figures, [broken, held], plain);
    expect(lines.slice(lines.indexOf('✗ All certificates are dead'))).toEqual([
      '✗ All certificates are dead',
      '    a',
      '    b',
      '    c',
      '    and 2 more',
      '✓ Everything is fine',
      '1 of 2 checks failed.',
    ]);
  });

  test('paints what holds green and what does not red', () => {
    const named: Paint = (style, text) => `<${style}>${text}</${style}>`;
    const broken = { claim: 'It works', problems: ['it does not'] };
    const text = summaryOf(figures, [held, broken], named).join('\n');
    expect(text).toContain('<green>✓</green> Everything is fine');
    expect(text).toContain('<red>✗</red> It works\n<red>    it does not</red>');
  });
});

function linesOf(changes: Partial<Figures>): string[] {
  return summaryOf({ ...figures, ...changes }, [held], plain);
}
