import { describe, expect, test } from 'vitest';
import type { Call } from '../../../src/sandbox/call-log.ts';
import { fullDemo } from '../../../src/sandbox/demo/demo.ts';
import { liveLines, plainLine, progressOf } from '../../../src/sandbox/demo/progress.ts';
import type { Paint } from '../../../src/sandbox/demo/text.ts';
import { callOf, eventOf, nothingSeen, sentOf } from './evidence.ts';

const plain: Paint = (_style, text) => text;

describe('progress', () => {
  const now = { nowMs: 5000, startMs: 2000 };

  test('counts what is settled of what was sent, lane by lane', () => {
    const sent = ['a', 'b', 'c'].map((messageId) => sentOf({ lane: 'alert' }, { messageId }));
    const events = [eventOf('a'), eventOf('b', { acknowledgement: 'retry' }), eventOf('other')];
    const { lanes, elapsedMs } = progressOf({ ...nothingSeen, sent, events }, now);
    expect(lanes).toEqual({
      incident: { settled: 0, sent: 0 },
      alert: { settled: 1, sent: 3 },
      rotation: { settled: 0, sent: 0 },
    });
    expect(elapsedMs).toBe(3000);
  });

  test('counts the calls of the last second, and what was granted and refused', () => {
    const at = (receivedAtMs: number, answer = 'ok'): Call => callOf('a', { receivedAtMs, answer });
    const calls = [at(3999), at(4000), at(4001), at(4500, 'ThrottlingException')];
    const grants = [
      { atMs: 0, rate: 10 },
      { atMs: 4400, rate: 4 },
    ];
    expect(progressOf({ ...nothingSeen, calls, grants }, now)).toMatchObject({
      callsNow: 2,
      granted: 4,
      throttled: 1,
    });
  });

  test('counts who was merged', () => {
    const events = [eventOf('a'), eventOf('b', { outcome: 'covered' })];
    expect(progressOf({ ...nothingSeen, events }, now).merged).toBe(1);
  });
});

describe('progress as it is shown', () => {
  const { size } = fullDemo;
  const full = {
    elapsedMs: 49_999,
    lanes: {
      incident: { settled: size.incident, sent: size.incident },
      alert: { settled: 250, sent: size.alerts },
      rotation: { settled: 0, sent: size.rotation },
    },
    callsNow: 10,
    granted: 10,
    throttled: 123,
    merged: 1234,
  };

  test('is a bar for each lane, and what AWS sees', () => {
    const lines = liveLines(full, plain);
    expect(lines).toEqual([
      `  incident ${'█'.repeat(50)}    30 of 30`,
      `  alert    ${'█'.repeat(25)}${'░'.repeat(25)}  250 of 500`,
      `  rotation ${'░'.repeat(50)}    0 of 100`,
      '  49 s     10 calls/s, AWS grants 10   123 throttled   1234 merged',
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('leaves a bar empty as long as nothing was sent', () => {
    const lanes = { ...full.lanes, alert: { settled: 0, sent: 0 } };
    expect(liveLines({ ...full, lanes }, plain)[1]).toBe(
      `  alert    ${'░'.repeat(50)}      0 of 0`,
    );
  });

  test('is one line of 80 columns where there is no terminal', () => {
    const line = plainLine(full);
    expect(line).toBe(' 49 s  incident 30/30  alert 250/500  rotation 0/100  10 calls/s of 10');
    expect(line.length).toBeLessThanOrEqual(80);
  });
});
