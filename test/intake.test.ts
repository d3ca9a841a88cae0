import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createIntake } from '../src/intake.ts';
import type { Lane } from '../src/lane.ts';
import type { Message } from '../src/message.ts';
import { messageOf } from './helpers/message.ts';

/** An intake of 10 calls a second, so of 30 updates a lane, and what a test sets beside it. */
function setup() {
  const stopping = new AbortController();
  const load: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };
  const world = { rate: 10 };
  const finish = new Map<Message, () => void>();
  const intake = createIntake({
    handle: (message) => new Promise((resolve) => finish.set(message, resolve)),
    load: (lane) => load[lane],
    rate: () => world.rate,
    stopping: stopping.signal,
  });
  async function hasRoom(lane: Lane): Promise<boolean> {
    const waits = intake.room(lane).then(() => true);
    return Promise.race([waits, turn(false)]);
  }
  function take(count: number, lane: Lane = 'rotation'): readonly Message[] {
    const messages = Array.from({ length: count }, (_, n) =>
      messageOf({ lane, messageId: `${n}` }),
    );
    for (const message of messages) intake.take(message);
    return messages;
  }
  async function settle(message: Message | undefined): Promise<void> {
    if (message !== undefined) finish.get(message)?.();
    await turn();
  }
  return { intake, load, world, stopping, hasRoom, take, settle };
}

describe('a lane', () => {
  test('has room while fewer updates wait than three seconds of calls', async () => {
    const { load, hasRoom } = setup();
    load.rotation = 29;
    expect(await hasRoom('rotation')).toBe(true);
    load.rotation = 30;
    expect(await hasRoom('rotation')).toBe(false);
  });

  test('has room for 200 updates at most, however high the pace', async () => {
    const { load, world, hasRoom } = setup();
    world.rate = 10_000;
    load.rotation = 199;
    expect(await hasRoom('rotation')).toBe(true);
    load.rotation = 200;
    expect(await hasRoom('rotation')).toBe(false);
  });

  test('has room for an update even at the slowest pace', async () => {
    const { load, world, hasRoom } = setup();
    world.rate = 0.05;
    expect(await hasRoom('alert')).toBe(true);
    load.alert = 1;
    expect(await hasRoom('alert')).toBe(false);
  });

  test('does not fill another one', async () => {
    const { load, hasRoom } = setup();
    load.rotation = 1000;
    expect(await hasRoom('incident')).toBe(true);
  });

  test('takes duplicates, which need no call, without end', async () => {
    const { load, hasRoom, take } = setup();
    load.alert = 1;
    take(1900, 'alert');
    expect(await hasRoom('alert')).toBe(true);
  });

  test('holds no more than 2000 messages, however few calls they need', async () => {
    const { hasRoom, take, settle, intake } = setup();
    const [first] = take(2000);
    const room = intake.room('rotation');
    expect(await hasRoom('rotation')).toBe(false);
    await settle(first);
    await room;
  });

  test('holds no more than that with what its polls may bring either', async () => {
    const { hasRoom, take, intake } = setup();
    take(1990);
    expect(await hasRoom('rotation')).toBe(true);
    intake.reserve('rotation', 10);
    expect(await hasRoom('rotation')).toBe(false);
  });

  test('may glance until it holds as many updates as a poll could have brought', () => {
    const { load, intake } = setup();
    load.rotation = 38; // one less than the 29 that leave room, and ten
    expect(intake.mayGlance('rotation')).toBe(true);
    load.rotation = 39;
    expect(intake.mayGlance('rotation')).toBe(false);
  });

  test('counts what a glance may bring as if it were there', () => {
    const { load, intake } = setup();
    load.rotation = 38;
    const { release } = intake.reserve('rotation', 1);
    expect(intake.mayGlance('rotation')).toBe(false);
    release();
    expect(intake.mayGlance('rotation')).toBe(true);
  });

  test('may glance beyond that while it holds more than two messages for each update', () => {
    const { load, take, intake } = setup();
    load.rotation = 40;
    take(80);
    expect(intake.mayGlance('rotation')).toBe(false);
    take(1);
    expect(intake.mayGlance('rotation')).toBe(true);
  });

  test('may not glance once it holds 2000 messages, however few calls they need', () => {
    const { load, take, intake } = setup();
    load.rotation = 1;
    take(1999);
    expect(intake.mayGlance('rotation')).toBe(true);
    take(1);
    expect(intake.mayGlance('rotation')).toBe(false);
  });

  test.each([
    [0.2, 5000],
    [4, 250],
    [10, 100],
    [300, 100],
  ])('of %d calls a second glances every %d ms at most', (rate, everyMs) => {
    const { world, intake } = setup();
    world.rate = rate;
    expect(intake.glanceEveryMs()).toBe(everyMs);
  });

  test('counts what its polls may bring as if it were there', async () => {
    const { load, hasRoom, intake } = setup();
    load.rotation = 9;
    const first = intake.reserve('rotation', 10);
    expect(await hasRoom('rotation')).toBe(true);
    const second = intake.reserve('rotation', 10);
    expect(await hasRoom('rotation')).toBe(true);
    intake.reserve('rotation', 10);
    expect(await hasRoom('rotation')).toBe(false);
    first.release();
    second.release();
    expect(await hasRoom('rotation')).toBe(true);
  });

  test('that is full has room again once a poll brought nothing', async () => {
    const { load, intake } = setup();
    load.rotation = 20;
    const { release } = intake.reserve('rotation', 10);
    const room = intake.room('rotation');
    release();
    await room;
  });

  test('that is full has room again once a message is settled', async () => {
    const { load, intake, take, settle } = setup();
    const [first] = take(1);
    load.rotation = 30;
    const room = intake.room('rotation');
    await settle(first); // this was a duplicate
    expect(await Promise.race([room.then(() => true), turn(false)])).toBe(false);
    const [second] = take(1);
    load.rotation = 29;
    await settle(second);
    await room;
  });

  test('that is full keeps nobody waiting once the worker stops', async () => {
    const { load, intake, stopping } = setup();
    load.incident = 30;
    const room = intake.room('incident');
    stopping.abort();
    await room;
    await intake.room('incident');
  });
});

describe('the intake', () => {
  test('holds a message until it has been seen through', async () => {
    const { intake, take, settle } = setup();
    const [first, second] = take(2);
    expect(intake.held()).toEqual([first, second]);
    await settle(first);
    expect(intake.held()).toEqual([second]);
  });

  test('is empty once the last is, those included that came meanwhile', async () => {
    const { intake, take, settle } = setup();
    await intake.empty();
    const [first] = take(1);
    const empty = intake.empty().then(() => true);
    const [second] = take(1);
    await settle(first);
    expect(await Promise.race([empty, turn(false)])).toBe(false);
    await settle(second);
    expect(await empty).toBe(true);
  });
});
