import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, retry, type Attempt, type Retried, type RetryPolicy } from '../src/retry.ts';
import { createVirtualClock, type VirtualClock } from './helpers/clock.ts';

type Result = Attempt<string, string>;

const policy: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 1000 };
const done: Result = { kind: 'done', value: 'done' };
const again: Result = { kind: 'again', why: 'again', free: false };
const free: Result = { kind: 'again', why: 'free', free: true };
const never = new AbortController().signal;

describe('the backoff', () => {
  test('is bounded by the base, doubled with each failure, up to the cap', () => {
    const almostOne = 1 - Number.EPSILON;
    const bounds = [1, 2, 3, 4, 5, 99].map((n) =>
      Math.round(backoffMs(n, policy, () => almostOne)),
    );
    expect(bounds).toEqual([200, 400, 800, 1000, 1000, 1000]);
  });

  test('is anything from nothing to its bound, at the cap too', () => {
    expect(backoffMs(1, policy, () => 0)).toBe(0);
    expect(backoffMs(1, policy, () => 0.5)).toBe(100);
    expect(backoffMs(50, policy, () => 0.5)).toBe(500);
  });

  test('keeps to its bounds for every policy', () => {
    const ms = fc.double({ min: 1, max: 1e6, noNaN: true });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), ms, ms, chance, (n, baseMs, capMs, random) => {
        const waited = backoffMs(n, { attempts: 1, baseMs, capMs }, () => random);
        expect(waited).toBeGreaterThanOrEqual(0);
        expect(waited).toBeLessThanOrEqual(capMs);
      }),
    );
  });
});

describe('attempts', () => {
  test('end with the first that is done', async () => {
    const { run } = setup([again, again, done, again]);
    expect(await run()).toEqual({
      retried: { kind: 'done', value: 'done' },
      startedAtMs: [0, 100, 300],
    });
  });

  test('are as many as the policy says, with a backoff between two', async () => {
    const { run } = setup([again, again, again, again, again, done]);
    expect(await run()).toEqual({
      retried: { kind: 'exhausted', why: 'again' },
      startedAtMs: [0, 100, 300, 700, 1200],
    });
  });

  test('end at once, without a backoff, if the policy has only one', async () => {
    const { run } = setup([again], { ...policy, attempts: 1 });
    expect(await run()).toEqual({ retried: { kind: 'exhausted', why: 'again' }, startedAtMs: [0] });
  });

  test('that are free neither count nor wait', async () => {
    const { run } = setup([free, free, again, free, free, free, again, free, done]);
    expect(await run()).toEqual({
      retried: { kind: 'done', value: 'done' },
      startedAtMs: [0, 0, 0, 100, 100, 100, 100, 300, 300],
    });
  });

  test('that are free do not end it either when only one more may fail', async () => {
    const { run } = setup([again, again, again, again, free, free, done]);
    expect((await run()).retried).toEqual({ kind: 'done', value: 'done' });
    const single = setup([free, free, done], { ...policy, attempts: 1 });
    expect((await single.run()).retried).toEqual({ kind: 'done', value: 'done' });
  });

  test('tell why the last of them failed', async () => {
    const { run } = setup([free, again, { ...again, why: 'the last' }], { ...policy, attempts: 2 });
    expect((await run()).retried).toEqual({ kind: 'exhausted', why: 'the last' });
  });

  test('never exceed the policy, and succeed where one within it does', async () => {
    const results = fc.array(fc.constantFrom(again, free, done), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(results, fc.integer({ min: 1, max: 6 }), async (all, attempts) => {
        const { run } = setup([...all, done], { ...policy, attempts });
        const { retried, startedAtMs } = await run();
        const upToSuccess = [...all, done].slice(0, [...all, done].indexOf(done));
        const failures = upToSuccess.filter((result) => result === again).length;
        expect(retried.kind).toBe(failures >= attempts ? 'exhausted' : 'done');
        const went = [...all, done].slice(0, startedAtMs.length);
        expect(went.filter((result) => result === again).length).toBe(Math.min(failures, attempts));
      }),
    );
  });
});

describe('a hurry', () => {
  test('cuts the backoff short', async () => {
    const hurry = new AbortController();
    const { start, startedAtMs, clock } = setup([again, done], policy, () => hurry.signal);
    const retried = start();
    await clock.advance(30);
    hurry.abort();
    await clock.advance(0);
    expect(await retried).toEqual({ kind: 'done', value: 'done' });
    expect(startedAtMs).toEqual([0, 30]);
  });

  test('is asked for anew before each backoff', async () => {
    const hurries = [AbortSignal.abort(), new AbortController().signal];
    const { run } = setup([again, again, done], policy, () => hurries.shift() ?? never);
    expect((await run()).startedAtMs).toEqual([0, 0, 200]);
  });

  test('throws no success away that comes after it', async () => {
    const hurry = new AbortController();
    const answer = Promise.withResolvers<Result>();
    const retried = retry(() => answer.promise, policy, {
      clock: createVirtualClock(),
      random: () => 0.5,
      hurry: () => hurry.signal,
    });
    hurry.abort(new Error('stopping'));
    answer.resolve(done);
    expect(await retried).toEqual({ kind: 'done', value: 'done' });
  });
});

describe('a bug', () => {
  test.each([
    new Error('bug'),
    new TypeError('x is not a function'),
    new TypeError('fetch failed'),
  ])('in an attempt ends it, and is not tried again: %s', async (bug) => {
    const { run, startedAtMs } = setup([bug, done]);
    await expect(run()).rejects.toBe(bug);
    expect(startedAtMs).toEqual([0]);
  });
});

interface Run {
  readonly retried: Retried<string, string>;
  /** When each attempt started. */
  readonly startedAtMs: readonly number[];
}

/** Attempts that end in these results, one after the other; chance is always a half. */
function setup(
  results: readonly (Result | Error)[],
  retryPolicy = policy,
  hurry = () => never,
): {
  clock: VirtualClock;
  startedAtMs: readonly number[];
  start: () => Promise<Retried<string, string>>;
  run: () => Promise<Run>;
} {
  const clock = createVirtualClock();
  const startedAtMs: number[] = [];
  async function attempt(): Promise<Result> {
    startedAtMs.push(clock.now());
    const result = results[startedAtMs.length - 1];
    if (result === undefined) throw new Error('one attempt too many');
    if (result instanceof Error) throw result;
    return result;
  }
  const start = (): Promise<Retried<string, string>> =>
    retry(attempt, retryPolicy, { clock, random: () => 0.5, hurry });
  const run = async (): Promise<Run> => ({ retried: await clock.run(start()), startedAtMs });
  return { clock, startedAtMs, start, run };
}
