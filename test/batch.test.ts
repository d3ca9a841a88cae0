import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBatch } from '../src/batch.ts';
import type { Taken } from '../src/queue.ts';
import { createVirtualClock } from './helpers/clock.ts';

const done: Taken = { done: true };
const lost: Taken = { done: false, final: false, cause: 'InternalError: no' };
const refused: Taken = { done: false, final: true, cause: 'ReceiptHandleIsInvalid: no' };

/** A batch whose entries are numbers, and what its queue was sent. `answer` says how an entry fares. */
function setup(answer: (entry: number, nthCall: number) => Taken | undefined = () => done) {
  const clock = createVirtualClock();
  const hurry = new AbortController();
  const sent: { readonly at: number; readonly entries: readonly number[] }[] = [];
  const answers: Record<number, Taken[]> = {};
  const add = createBatch<number>({
    clock,
    hurry: hurry.signal,
    random: () => 0.5,
    send: async (entries) => {
      sent.push({ at: clock.now(), entries });
      await clock.sleep(10); // the way to the queue and back
      return entries.flatMap((entry) => answer(entry, sent.length) ?? []);
    },
  });
  function put(...entries: readonly number[]): void {
    for (const entry of entries) {
      void add(entry).then((taken) => (answers[entry] ??= []).push(taken));
    }
  }
  const batches = (): readonly (readonly number[])[] => sent.map(({ entries }) => entries);
  return { clock, hurry, sent, batches, answers, put };
}

const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

describe('an entry', () => {
  test('waits a tenth of a second for company', async () => {
    const { clock, sent, answers, put } = setup();
    put(1);
    await clock.advance(60);
    put(2);
    await clock.advance(39);
    expect(sent).toEqual([]);
    await clock.advance(11);
    expect(sent).toEqual([{ at: 100, entries: [1, 2] }]);
    expect(answers).toEqual({ 1: [done], 2: [done] });
  });

  test('waits by one timer, however much company it has', async () => {
    const { clock, put } = setup();
    put(1, 2, 3);
    await clock.advance(50);
    expect(clock.sleeping).toBe(1);
  });

  test('goes at once when it is the tenth', async () => {
    const { clock, sent, put } = setup();
    put(...numbers(1, 10));
    await clock.advance(0);
    expect(sent).toEqual([{ at: 0, entries: numbers(1, 10) }]);
  });

  test('never shares a call with more than nine, even when many come in one tick', async () => {
    const { clock, batches, put } = setup();
    put(...numbers(1, 25));
    await clock.advance(1000);
    expect(batches()).toEqual([numbers(1, 10), numbers(11, 20), numbers(21, 25)]);
  });

  test('that comes after a full batch has its own wait for company', async () => {
    const { clock, sent, put } = setup();
    put(1);
    await clock.advance(90);
    put(...numbers(2, 10));
    put(11);
    await clock.advance(99);
    expect(sent).toHaveLength(1);
    await clock.advance(1);
    expect(sent.at(-1)).toEqual({ at: 190, entries: [11] });
  });

  test('gets its own answer, by its place', async () => {
    const { clock, answers, put } = setup((entry) => (entry === 2 ? refused : done));
    put(1, 2, 3);
    await clock.advance(200);
    expect(answers).toEqual({ 1: [done], 2: [refused], 3: [done] });
  });

  test('that failed is sent again by itself, after a backoff and the wait for company', async () => {
    const { clock, sent, answers, put } = setup((entry, nth) =>
      entry === 2 && nth === 1 ? lost : done,
    );
    put(1, 2, 3);
    await clock.advance(110);
    expect(answers).toEqual({ 1: [done], 3: [done] });
    await clock.advance(1000);
    expect(sent.slice(1)).toEqual([{ at: 310, entries: [2] }]); // 110 + half of 200 + 100
    expect(answers[2]).toEqual([done]);
  });

  test('that failed finds company among the new', async () => {
    const { clock, batches, put } = setup((entry, nth) => (entry === 1 && nth === 1 ? lost : done));
    put(1);
    await clock.advance(150);
    put(2);
    await clock.advance(1000);
    expect(batches()).toEqual([[1], [2, 1]]);
  });

  test('is sent four times, and then told why', async () => {
    const { clock, batches, answers, put } = setup(() => lost);
    put(1);
    await clock.advance(60_000);
    expect(batches()).toEqual([[1], [1], [1], [1]]);
    expect(answers[1]).toEqual([lost]);
  });

  test('that is refused for good is not sent again', async () => {
    const { clock, batches, answers, put } = setup(() => refused);
    put(1);
    await clock.advance(60_000);
    expect(batches()).toEqual([[1]]);
    expect(answers[1]).toEqual([refused]);
  });

  test('that got no answer is sent again', async () => {
    const { clock, batches, answers, put } = setup((_entry, nth) => (nth === 1 ? undefined : done));
    put(1);
    await clock.advance(1000);
    expect(batches()).toEqual([[1], [1]]);
    expect(answers[1]).toEqual([done]);
  });

  test('that never gets an answer is told so', async () => {
    const { clock, answers, put } = setup(() => undefined);
    put(1);
    await clock.advance(60_000);
    expect(answers[1]).toEqual([{ done: false, final: false, cause: 'no answer' }]);
  });
});

describe('once in a hurry', () => {
  test('what waits for company goes at once', async () => {
    const { clock, hurry, sent, put } = setup();
    put(1, 2);
    await clock.advance(50);
    hurry.abort();
    await clock.advance(0);
    expect(sent).toEqual([{ at: 50, entries: [1, 2] }]);
  });

  test('what comes next waits for nobody, yet shares a call with who comes in the same moment', async () => {
    const { clock, hurry, batches, answers, put } = setup();
    hurry.abort();
    put(1, 2);
    await clock.advance(0);
    put(3);
    await clock.advance(0);
    expect(batches()).toEqual([[1, 2], [3]]);
    await clock.advance(10);
    expect(answers).toEqual({ 1: [done], 2: [done], 3: [done] });
  });

  test('a backoff is cut, and there are no others', async () => {
    const { clock, hurry, batches, answers, put } = setup(() => lost);
    put(1);
    await clock.advance(115);
    hurry.abort();
    await clock.advance(40);
    expect(batches()).toEqual([[1], [1], [1], [1]]);
    expect(answers[1]).toEqual([lost]);
  });
});

test('each entry gets exactly one answer, whatever its queue says and whenever it comes', async () => {
  const taken = fc.oneof(
    { weight: 3, arbitrary: fc.constant(done) },
    fc.constantFrom(lost, refused, undefined),
  );
  const scenario = fc.record({
    gapsMs: fc.array(fc.constantFrom(0, 0, 0, 1, 50, 99, 100, 101, 500), {
      minLength: 1,
      maxLength: 40,
    }),
    replies: fc.infiniteStream(taken),
    hurryAfter: fc.nat(60),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ gapsMs, replies, hurryAfter }) => {
      const { clock, hurry, batches, answers, put } = setup(() => replies.next().value);
      for (const [entry, gapMs] of gapsMs.entries()) {
        if (entry === hurryAfter) hurry.abort();
        put(entry);
        if (gapMs > 0) await clock.advance(gapMs);
      }
      await clock.advance(60_000);
      expect(clock.sleeping).toBe(0);
      expect(Object.values(answers).map(({ length }) => length)).toEqual(gapsMs.map(() => 1));
      for (const batch of batches()) {
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(10);
        expect(new Set(batch).size).toBe(batch.length);
      }
      for (const [entry, [answer]] of Object.entries(answers)) {
        const times = batches().filter((batch) => batch.includes(Number(entry))).length;
        expect(times).toBeGreaterThanOrEqual(1);
        expect(times).toBeLessThanOrEqual(4);
        if (answer?.done === false && !answer.final) expect(times).toBe(4);
      }
    }),
  );
});
