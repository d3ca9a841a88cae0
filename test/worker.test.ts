import { describe, expect, test } from 'vitest';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Message } from '../src/message.ts';
import type { Taken } from '../src/queue.ts';
import { work } from '../src/worker.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { createFakeCertificates, createFakeThrottle, failedAs, updated } from './helpers/fakes.ts';
import { createFakeLog } from './helpers/log.ts';
import { bodyOf, certificateIdOf, deployment, messageOf } from './helpers/message.ts';
import { createFakeQueues, createFakeReceives, done, lost, type Told } from './helpers/queue.ts';
import { alertPorts } from './helpers/alert-ports.ts';

/** A worker of the incident lane among fakes, with a stop timeout of 20 s. */
async function setup({
  answer,
  stopTimeoutSeconds = 20,
}: {
  readonly answer?: (told: Told) => Taken;
  readonly stopTimeoutSeconds?: number;
} = {}) {
  const clock = createVirtualClock();
  const log = createFakeLog();
  const stop = new AbortController();
  const receives = createFakeReceives();
  const queues = createFakeQueues(answer);
  const certificates = createFakeCertificates();
  const throttle = createFakeThrottle();
  const ended: { unsettled?: number; atMs?: number; throttleStopped?: boolean } = {};
  const working = work(
    {
      deployment,
      queues: { incident: { ...queues.lane, receive: receives.receive } },
      deadLetters: queues.deadLetters,
      certificates,
      ledger: createMemoryLedger(),
      throttle: {
        wake: throttle.wake,
        rate: () => 10,
        stop: async () => {
          ended.throttleStopped = true;
        },
      },
      log,
      clock,
      random: () => 0.5,
      ...alertPorts(),
    },
    stopTimeoutSeconds,
    stop.signal,
  ).then(({ unsettled }) => Object.assign(ended, { unsettled, atMs: clock.now() }));
  await clock.advance(0);
  /** A poll brings messages. */
  async function arrive(...messages: readonly Partial<Message>[]): Promise<void> {
    receives.answer({
      kind: 'messages',
      messages: messages.map((fields) =>
        messageOf({ lane: 'incident', receivedAtMs: clock.now(), ...fields }),
      ),
    });
    await clock.advance(0);
  }
  /** The poll under way comes back with nothing, and nobody waits for company any more. */
  async function pollEnds(): Promise<void> {
    await arrive();
    await clock.advance(0);
  }
  return { ...queues, clock, log, stop, receives, certificates, throttle, ended, working, arrive, pollEnds }; // prettier-ignore
}

/** How many calls a worker makes, at 10 a second, for 20 messages for each of 100 certificates. */
async function callsForStorm({ sentAtMs }: { readonly sentAtMs: number }): Promise<number> {
  const clock = createVirtualClock();
  const queues = createFakeQueues();
  const throttle = createFakeThrottle();
  const stop = new AbortController();
  const backlog = Array.from({ length: 2000 }, (_, n) => ({
    messageId: `m${n}`,
    body: bodyOf({ certificateId: certificateIdOf(n % 100) }),
    sentAtMs,
  }));
  let calls = 0;
  const working = work(
    {
      deployment,
      queues: {
        alert: {
          ...queues.lane,
          receive: async ({ most, waitSeconds }) => {
            await clock.sleep(backlog.length > 0 ? 20 : waitSeconds * 1000);
            const times = { firstReceivedAtMs: clock.now(), receivedAtMs: clock.now() };
            const received = backlog.splice(0, most);
            const messages = received.map((sent) =>
              messageOf({ lane: 'alert', ...sent, ...times }),
            );
            return { kind: 'messages', messages };
          },
        },
      },
      deadLetters: queues.deadLetters,
      certificates: {
        update: async () => {
          calls++;
          await clock.sleep(60);
          return updated;
        },
        describe: async () => failedAs('unavailable'),
      },
      ledger: createMemoryLedger(),
      throttle: { ...throttle, rate: () => 10, stop: async () => undefined },
      log: createFakeLog(),
      clock,
      random: () => 0.5,
      ...alertPorts(),
    },
    20,
    stop.signal,
  );
  while (queues.told.length < 2000) {
    await clock.advance(100);
    await throttle.fire();
  }
  stop.abort();
  await clock.run(working);
  return calls;
}

const first = { messageId: 'm1', receiptHandle: 'r1', body: bodyOf() };
const second = {
  messageId: 'm2',
  receiptHandle: 'r2',
  body: bodyOf({ certificateId: certificateIdOf(1) }),
};
const garbage = { messageId: 'm3', receiptHandle: 'r3', body: 'garbage' };

describe('the worker', () => {
  test('sees a message through to its delete and its event', async () => {
    const { clock, log, told, arrive, throttle, certificates } = await setup();
    await arrive(first);
    await throttle.fire();
    await certificates.answer(updated);
    await clock.advance(100);
    expect(told).toEqual(['delete r1']);
    expect(log.of('message')).toMatchObject([
      { messageId: 'm1', outcome: 'applied', acknowledgement: 'delete', acknowledged: true },
    ]);
  });

  test('dead-letters what it cannot use', async () => {
    const { clock, told, letters, arrive } = await setup();
    await arrive(garbage);
    await clock.advance(100);
    expect(told).toEqual(['letter garbage', 'delete r3']);
    expect(letters[0]?.attributes['failureKind']?.stringValue).toBe('malformed-body');
  });

  test('delays what it has to try again later', async () => {
    const { clock, told, arrive, throttle, certificates } = await setup();
    await arrive(first);
    await throttle.fire();
    await certificates.answer(failedAs('unauthorized'));
    await clock.advance(100);
    expect(told).toEqual(['hide r1 4']); // half of 5 s, and half of the other half
  });

  test('keeps hidden what it holds, and no longer', async () => {
    const { clock, told, arrive, throttle, certificates } = await setup();
    await arrive(first);
    await clock.advance(36_000);
    expect(told.slice(0, 3)).toEqual(['hide r1 30', 'hide r1 30', 'hide r1 30']);
    const before = told.length;
    await throttle.fire();
    await certificates.answer(updated);
    await clock.advance(60_000);
    expect(told.slice(before)).toEqual(['delete r1']);
  });

  test('does not hide again what it puts off because its letter was not taken', async () => {
    const { clock, told, arrive } = await setup({
      answer: (what) => (what === 'hide r3 30' ? done : lost),
    });
    await clock.advance(4000);
    // The letter and the delay fail a few times; meanwhile the message is due to be hidden for longer.
    await arrive({ ...garbage, receivedAtMs: clock.now() - 10_000 });
    await clock.advance(4000);
    expect(told).toContain('hide r3 60');
    expect(told.slice(told.indexOf('hide r3 60'))).not.toContain('hide r3 30');
  });

  test('tells when the queue did not take what it was told', async () => {
    const { clock, log, arrive, throttle, certificates } = await setup({
      answer: () => ({ done: false, final: true, cause: 'ReceiptHandleIsInvalid: old' }),
    });
    await arrive(first);
    await throttle.fire();
    await certificates.answer(updated);
    await clock.advance(100);
    expect(log.of('message')).toMatchObject([
      {
        level: 'error',
        outcome: 'applied',
        acknowledged: false,
        acknowledgementCause: 'delete: ReceiptHandleIsInvalid: old',
      },
    ]);
  });
});

describe('a storm that was there before the worker', () => {
  test('costs a call for each certificate', async () => {
    expect(await callsForStorm({ sentAtMs: -1000 })).toBe(100);
  });

  test('costs another for those that were called while it was no second old, and hardly any more', async () => {
    expect(await callsForStorm({ sentAtMs: -500 })).toBeLessThanOrEqual(105);
    expect(await callsForStorm({ sentAtMs: 0 })).toBeLessThanOrEqual(110);
  });
});

describe('a stop', () => {
  test('of an idle worker takes as long as the poll under way', async () => {
    const { clock, stop, ended, working, pollEnds, receives } = await setup();
    stop.abort();
    await clock.advance(3000);
    expect(ended.unsettled).toBeUndefined();
    await pollEnds();
    await working;
    expect(ended).toEqual({ unsettled: 0, atMs: 3000, throttleStopped: true });
    expect(receives.begun()).toBe(1);
    expect(clock.sleeping).toBe(0);
  });

  test('gives back at once what has not started', async () => {
    const { clock, log, stop, told, arrive, pollEnds, working } = await setup();
    await arrive(first, second);
    stop.abort('stopping on SIGTERM');
    await clock.advance(0);
    expect(told).toEqual(['hide r1 0', 'hide r2 0']);
    expect(log.of('message')).toMatchObject([
      { outcome: 'deferred', failureKind: 'stopping', cause: 'stopping on SIGTERM', level: 'info' },
      { outcome: 'deferred', failureKind: 'stopping' },
    ]);
    await pollEnds();
    expect(await working).toMatchObject({ unsettled: 0, atMs: 0 });
  });

  test('gives back at once what the last poll brings, but for what needs no call', async () => {
    const { clock, stop, told, arrive, working } = await setup();
    stop.abort();
    await arrive(first, garbage);
    await clock.advance(0);
    expect(told.toSorted()).toEqual(['delete r3', 'hide r1 0', 'letter garbage']);
    expect(await working).toMatchObject({ unsettled: 0 });
  });

  test('waits for the call under way, and acknowledges it', async () => {
    const { clock, stop, told, arrive, pollEnds, throttle, certificates, ended, working } =
      await setup();
    await arrive(first, second);
    await throttle.fire();
    stop.abort();
    await pollEnds();
    await clock.advance(4000);
    expect(told).toEqual(['hide r2 0']);
    expect(ended.unsettled).toBeUndefined();
    await certificates.answer(updated);
    await clock.advance(0);
    expect(told).toEqual(['hide r2 0', 'delete r1']);
    expect(await working).toMatchObject({ unsettled: 0, atMs: 4000 });
  });

  test('does not try again what fails now', async () => {
    const { clock, stop, told, arrive, pollEnds, throttle, certificates, working } = await setup();
    await arrive(first);
    await throttle.fire();
    stop.abort();
    await pollEnds();
    await certificates.answer(failedAs('unavailable'));
    await clock.advance(0);
    expect(await throttle.fire()).toBe(false);
    expect(told).toEqual(['hide r1 0']);
    expect(await working).toMatchObject({ unsettled: 0, atMs: 0 });
  });

  test('does not hide again what it gave back, though an extension was about to', async () => {
    const { clock, stop, told, arrive, pollEnds, working } = await setup();
    await arrive(first);
    await clock.advance(10_050); // the extension waits for company
    stop.abort();
    await pollEnds();
    await working;
    await clock.advance(60_000);
    expect(told).toEqual(['hide r1 0']);
  });

  test('cuts, after seven tenths of its time, a call that does not end', async () => {
    const { clock, stop, arrive, pollEnds, throttle, certificates } = await setup();
    await arrive(first);
    await throttle.fire();
    stop.abort();
    await pollEnds();
    const signal = certificates.calls[0]?.signal;
    await clock.advance(13_999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(signal?.aborted).toBe(true);
  });

  test('ends in time, and says how many messages it leaves to their visibility timeout', async () => {
    const { clock, stop, arrive, pollEnds, throttle, ended, working } = await setup();
    await arrive(first);
    await throttle.fire();
    stop.abort();
    await pollEnds();
    await clock.advance(20_000);
    await working;
    expect(ended).toEqual({ unsettled: 1, atMs: 18_000, throttleStopped: true });
    expect(clock.sleeping).toBe(0);
  });

  test('that was asked for before the start receives nothing', async () => {
    const clock = createVirtualClock();
    const receives = createFakeReceives();
    const queues = createFakeQueues(() => done);
    const { unsettled } = await clock.run(
      work(
        {
          deployment,
          queues: { alert: { ...queues.lane, receive: receives.receive } },
          deadLetters: queues.deadLetters,
          certificates: createFakeCertificates(),
          ledger: createMemoryLedger(),
          throttle: { ...createFakeThrottle(), rate: () => 10, stop: async () => undefined },
          log: createFakeLog(),
          clock,
          random: () => 0.5,
          ...alertPorts(),
        },
        20,
        AbortSignal.abort(),
      ),
    );
    expect([unsettled, receives.begun(), clock.now()]).toEqual([0, 0, 0]);
  });

  test.each([
    [3600, 5],
    [20, 5],
    [9, 3],
    [3, 1],
    [2, 1],
    [1.5, 1],
  ])(
    'within %d s lets no poll wait for longer than %d s',
    async (stopTimeoutSeconds, waitSeconds) => {
      const { receives } = await setup({ stopTimeoutSeconds });
      expect(receives.wish()).toEqual({ most: 10, waitSeconds, visibilitySeconds: 30 });
      expect(waitSeconds).toBeLessThan(stopTimeoutSeconds * 0.7);
    },
  );
});
