import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Lane } from '../src/lane.ts';
import type { Feedback } from '../src/pace.ts';
import { createSlots, type Release } from '../src/slots.ts';
import { createFakeThrottle } from './helpers/fakes.ts';

interface Waiter {
  readonly name: string;
  lane: Lane;
}

function setup() {
  const throttle = createFakeThrottle();
  const stop = new AbortController();
  let mostUrgent: (() => Lane | undefined) | undefined;
  const watched = {
    wake: (...[serve, urgent]: Parameters<typeof throttle.wake>) => {
      mostUrgent = urgent;
      throttle.wake(serve);
    },
  };
  const slots = createSlots<Waiter>(watched, stop.signal);
  /** What each waiter got, in order. */
  const granted: [string, Release | undefined][] = [];
  function wait(name: string, lane: Lane): Waiter {
    const waiter = { name, lane };
    void slots.take(waiter).then((release) => granted.push([name, release]));
    return waiter;
  }
  return {
    slots,
    throttle,
    stop,
    granted,
    wait,
    mostUrgent: () => mostUrgent?.(),
    names: () => granted.map(([name]) => name),
    giveBack: async (feedback: Feedback) => {
      granted.shift()?.[1]?.(feedback);
      await turn();
    },
  };
}

describe('a slot', () => {
  test('is given when it fires, to whoever is the most urgent then', async () => {
    const { throttle, wait, names } = setup();
    wait('rotation', 'rotation');
    wait('incident', 'incident');
    await turn();
    expect(names()).toEqual([]);
    await throttle.fire();
    expect(names()).toEqual(['incident']);
    await throttle.fire();
    expect(names()).toEqual(['incident', 'rotation']);
    expect(await throttle.fire()).toBe(false);
  });

  test('tells the throttle how it went, once it is given back', async () => {
    const { throttle, wait, giveBack } = setup();
    wait('one', 'alert');
    await throttle.fire();
    expect(throttle.feedback).toEqual([]);
    await giveBack('throttled');
    expect(throttle.feedback).toEqual(['throttled']);
  });

  test('may be taken again by the same waiter, behind the others of its lane', async () => {
    const { throttle, slots, wait, names } = setup();
    const again = wait('one', 'alert');
    await throttle.fire();
    wait('two', 'alert');
    const second = slots.take(again);
    await throttle.fire();
    expect(names()).toEqual(['one', 'two']);
    await throttle.fire();
    expect(await second).toBeTypeOf('function');
  });
});

describe('a waiter that is promoted', () => {
  test('waits among the more urgent', async () => {
    const { throttle, slots, wait, names, mostUrgent } = setup();
    const one = wait('one', 'rotation');
    wait('two', 'alert');
    expect(mostUrgent()).toBe('alert');
    one.lane = 'incident';
    slots.promote(one);
    expect(mostUrgent()).toBe('incident');
    await throttle.fire();
    expect(names()).toEqual(['one']);
  });

  test('stays away if it does not wait', async () => {
    const { throttle, slots, mostUrgent } = setup();
    slots.promote({ name: 'nobody', lane: 'incident' });
    expect([mostUrgent(), await throttle.fire()]).toEqual([undefined, false]);
  });
});

describe('stopping', () => {
  test('sends everybody away who waits, and whoever comes later', async () => {
    const { throttle, stop, wait, granted } = setup();
    wait('one', 'incident');
    wait('two', 'rotation');
    stop.abort();
    wait('three', 'incident');
    await turn();
    expect(granted.toSorted()).toEqual([
      ['one', undefined],
      ['three', undefined],
      ['two', undefined],
    ]);
    expect(await throttle.fire()).toBe(false);
  });

  test('leaves the slot to whoever has it', async () => {
    const { throttle, stop, wait, giveBack } = setup();
    wait('one', 'alert');
    await throttle.fire();
    stop.abort();
    await giveBack('succeeded');
    expect(throttle.feedback).toEqual(['succeeded']);
  });
});
