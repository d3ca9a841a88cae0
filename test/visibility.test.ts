import { describe, expect, test } from 'vitest';
import type { Message } from '../src/message.ts';
import type { Taken, VisibilityChange } from '../src/queue.ts';
import { createVisibility } from '../src/visibility.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeLog } from './helpers/log.ts';
import { messageOf } from './helpers/message.ts';
import { done, lost, refused } from './helpers/queue.ts';

interface Extension {
  readonly at: number;
  readonly handle: string;
  readonly seconds: number;
}

/** Keeps what is in `held` hidden for 30 s at a time. Each change takes 10 ms, and fares as `answer` says. */
function setup(answer: (nth: number) => Taken = () => done) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const ended = new AbortController();
  const held = new Set<Message>();
  const extended: Extension[] = [];
  const sizes: number[] = [];
  async function changeVisibility(changes: readonly VisibilityChange[]): Promise<readonly Taken[]> {
    sizes.push(changes.length);
    for (const { receiptHandle: handle, seconds } of changes) {
      extended.push({ at: clock.now(), handle, seconds });
    }
    await clock.sleep(10);
    return changes.map(() => answer(sizes.length));
  }
  const { keepHidden, letGo } = createVisibility({
    held: () => [...held],
    queue: { changeVisibility },
    visibilitySeconds: 30,
    log,
    clock,
    random: () => 0.5,
    ended: ended.signal,
  });
  const hidden = keepHidden();
  /** Takes a message into the hand, now. */
  function take(receiptHandle: string): Message {
    const message = messageOf({ receiptHandle, receivedAtMs: clock.now() });
    held.add(message);
    return message;
  }
  const handles = (): readonly string[] => extended.map(({ handle }) => handle);
  return { clock, log, ended, held, extended, sizes, handles, take, letGo, hidden };
}

describe('a held message', () => {
  test('is hidden again, long before its time is over, for as long as it is held', async () => {
    const { clock, extended, take } = setup();
    take('r1');
    await clock.advance(60_000);
    const times = extended.map(({ at }) => at);
    for (const [n, at] of times.entries()) {
      expect(at - (times[n - 1] ?? 0)).toBeGreaterThanOrEqual(9_900);
      expect(at - (times[n - 1] ?? 0)).toBeLessThanOrEqual(15_200);
    }
    expect(times.length).toBeGreaterThanOrEqual(4);
    expect(extended.every(({ seconds }) => seconds === 30)).toBe(true);
  });

  test('that was taken between two looks is hidden again within half its time', async () => {
    for (const afterMs of [1, 2500, 4999]) {
      const { clock, extended, take } = setup();
      await clock.advance(afterMs);
      take('r1');
      await clock.advance(20_000);
      expect(extended[0]?.at).toBeLessThan(afterMs + 15_101);
    }
  });

  test('is left alone while its time is young', async () => {
    const { clock, extended, take } = setup();
    take('r1');
    await clock.advance(9_999);
    expect(extended).toEqual([]);
  });

  test('is hidden again in batches of ten, each message once', async () => {
    const { clock, sizes, handles, take } = setup();
    for (let n = 0; n < 25; n++) take(`r${n}`);
    await clock.advance(14_000);
    expect(sizes).toEqual([10, 10, 5]);
    expect(new Set(handles()).size).toBe(25);
  });

  test('that is not held any more is not hidden again', async () => {
    const { clock, extended, held, take } = setup();
    const message = take('r1');
    await clock.advance(9_000);
    held.delete(message);
    await clock.advance(60_000);
    expect(extended).toEqual([]);
  });

  test('that was settled while its extension waited for company is not hidden again', async () => {
    const { clock, handles, held, take } = setup();
    const message = take('r1');
    take('r2');
    await clock.advance(10_050); // extensions are being gathered
    held.delete(message);
    await clock.advance(1000);
    expect(handles()).toEqual(['r2']);
  });

  test('that was settled meanwhile is done with: nothing is asked for it, and nothing tries again', async () => {
    for (const others of [[], ['r2']]) {
      const { clock, sizes, held, take } = setup();
      const message = take('r1');
      for (const other of others) take(other);
      await clock.advance(10_050);
      held.delete(message);
      await clock.advance(70); // sent, and answered
      expect(sizes).toEqual(others.map(() => 1));
      expect(clock.sleeping).toBe(1); // until the next look
    }
  });
});

describe('a message that is let go', () => {
  test('is not hidden again, though it is still held', async () => {
    const { clock, handles, letGo, take } = setup();
    const message = take('r1');
    take('r2');
    await letGo(message);
    await clock.advance(12_000);
    expect(handles()).toEqual(['r2']);
  });

  test('is not hidden again by an extension that waits for company', async () => {
    const { clock, handles, letGo, take } = setup();
    const message = take('r1');
    take('r2');
    await clock.advance(10_050);
    await letGo(message);
    await clock.advance(1000);
    expect(handles()).toEqual(['r2']);
  });

  test('is not hidden again by an extension that failed', async () => {
    const { clock, handles, log, letGo, take } = setup(() => lost);
    const message = take('r1');
    await clock.advance(10_120);
    await letGo(message);
    await clock.advance(5000);
    expect(handles()).toEqual(['r1']);
    expect(log.lines).toEqual([]);
  });

  test('is gone only when no extension is on its way any more', async () => {
    const { clock, handles, letGo, take } = setup();
    const message = take('r1');
    await clock.advance(10_105); // sent, and not yet answered
    expect(handles()).toEqual(['r1']);
    let gone = false;
    const letting = letGo(message).then(() => (gone = true));
    await clock.advance(4);
    expect(gone).toBe(false);
    await clock.advance(1);
    await letting;
  });
});

describe('an extension that fails', () => {
  test('is tried again, and told of if that does not help', async () => {
    const { clock, log, handles, take } = setup(() => lost);
    take('r1');
    await clock.advance(14_000);
    expect(handles()).toEqual(['r1', 'r1', 'r1', 'r1']);
    expect(log.lines).toEqual([
      {
        level: 'warn',
        text: 'another receiver may get this message too',
        event: 'visibility-lost',
        lane: 'rotation',
        messageId: 'message-1',
        cause: 'InternalError: lost',
      },
    ]);
  });

  test('is no news of a message that has been settled meanwhile', async () => {
    const { clock, log, held, take } = setup(() => refused);
    const message = take('r1');
    await clock.advance(10_105); // the extension is on its way
    held.delete(message);
    await clock.advance(1000);
    expect(log.lines).toEqual([]);
  });

  test('is followed by the next in its turn', async () => {
    const { clock, extended, take } = setup((nth) => (nth === 1 ? refused : done));
    take('r1');
    await clock.advance(25_200);
    expect(extended).toHaveLength(2);
  });
});

test('once all is over nothing is hidden again, and nobody waits', async () => {
  const { clock, ended, extended, take, hidden } = setup();
  await clock.advance(1);
  take('r1');
  await clock.advance(12_000); // it will be due at the next look
  ended.abort();
  await hidden;
  await clock.advance(0);
  expect(clock.sleeping).toBe(0);
  await clock.advance(60_000);
  expect(extended).toEqual([]);
});
