import { describe, expect, test } from 'vitest';
import { lanes, moreUrgent } from '../src/lane.ts';

describe('lanes', () => {
  test('are ordered by urgency: an incident before an alert before a rotation', () => {
    expect(lanes).toEqual(['incident', 'alert', 'rotation']);
  });

  test('yield the more urgent of two, whichever comes first', () => {
    const order = lanes.flatMap((a) => lanes.map((b) => [a, b, moreUrgent(a, b)]));
    expect(order).toEqual([
      ['incident', 'incident', 'incident'],
      ['incident', 'alert', 'incident'],
      ['incident', 'rotation', 'incident'],
      ['alert', 'incident', 'incident'],
      ['alert', 'alert', 'alert'],
      ['alert', 'rotation', 'alert'],
      ['rotation', 'incident', 'incident'],
      ['rotation', 'alert', 'alert'],
      ['rotation', 'rotation', 'rotation'],
    ]);
  });
});
