import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createDispatcher, type DispatcherPorts } from '../src/dispatcher.ts';
import type { Lane } from '../src/lane.ts';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Message } from '../src/message.ts';
import type { Outcome } from '../src/outcome.ts';
import type { Status } from '../src/status.ts';
import { createVirtualClock } from './helpers/clock.ts';
import {
  createFakeCertificates,
  createFakeThrottle,
  describedAs,
  failedAs,
  updated,
} from './helpers/fakes.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

interface Asked {
  /** The message's id. */
  readonly id: string;
  readonly certificate?: number;
  readonly newStatus?: Status;
  readonly lane?: Lane;
  /** On SQS's clock; by default so late that no ledger covers it. */
  readonly sentAtMs?: number;
}

/** A dispatcher among fakes. `watermark` is the newest SQS time that it holds. */
function setup(ports: Partial<DispatcherPorts> = {}) {
  const certificates = createFakeCertificates();
  const throttle = createFakeThrottle();
  const clock = createVirtualClock();
  const stop = new AbortController();
  const abandon = new AbortController();
  const watermark = { ms: 100_000 };
  const outcomes: Record<string, Outcome> = {};
  const dispatcher = createDispatcher({
    certificates,
    throttle,
    clock,
    ledger: createMemoryLedger({ marginMs: 1000 }),
    held: { newestMs: () => watermark.ms },
    random: () => 0.5,
    stopping: stop.signal,
    abandon: abandon.signal,
    ...ports,
  });
  /** A request arrives; its outcome will be found under its message's id. */
  function arrives({ id, certificate = 0, newStatus = 'REVOKED', ...fields }: Asked): void {
    const message: Message = messageOf({ messageId: id, sentAtMs: 200_000, ...fields });
    const request = requestOf({ certificateId: certificateIdOf(certificate), newStatus });
    void dispatcher.settle(request, message).then((outcome) => (outcomes[id] = outcome));
  }
  async function ask(asked: Asked): Promise<void> {
    arrives(asked);
    await turn();
  }
  const kinds = (): Record<string, string> =>
    Object.fromEntries(Object.entries(outcomes).map(([id, { kind }]) => [id, kind]));
  const sent = (): readonly (string | undefined)[] =>
    certificates.calls.map(({ operation, status }) => status ?? operation);
  const served = (): readonly number[] =>
    certificates.calls.map(({ certificateId }) => Number.parseInt(certificateId.slice(-1), 16));
  return {
    arrives,
    ask,
    outcomes,
    kinds,
    sent,
    served,
    watermark,
    certificates,
    throttle,
    clock,
    stop,
    abandon,
    dispatcher,
  };
}

/** REVOKED has been applied; what arrives now was sent later. */
async function afterRevoked() {
  const world = setup();
  await world.ask({ id: 'revoked' });
  await world.throttle.fire();
  await world.certificates.answer(updated);
  return world;
}

function bug(): never {
  throw new TypeError('no such thing');
}

describe('requests for one certificate', () => {
  test('share a call until it starts', async () => {
    const { ask, kinds, outcomes, sent, throttle, certificates } = setup();
    await ask({ id: 'first' });
    await ask({ id: 'second' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['REVOKED']);
    expect(kinds()).toEqual({ first: 'applied', second: 'covered' });
    expect(outcomes['second']).toMatchObject({ byMessageId: 'first', awsRequestId: 'aws-1' });
  });

  test('get the strongest status among them, and who asked for it leads', async () => {
    const { ask, kinds, outcomes, sent, throttle, certificates } = setup();
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await ask({ id: 'stronger', newStatus: 'REVOKED' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['REVOKED']);
    expect(kinds()).toEqual({ weaker: 'covered', stronger: 'applied' });
    expect(outcomes['weaker']).toMatchObject({
      byMessageId: 'stronger',
      call: { sentStatus: 'REVOKED', attempts: 1 },
    });
  });

  test('never get a stronger status than was asked for', async () => {
    const { ask, sent, throttle } = setup();
    await ask({ id: 'a', newStatus: 'INACTIVE' });
    await ask({ id: 'b', newStatus: 'INACTIVE' });
    await throttle.fire();
    expect(sent()).toEqual(['INACTIVE']);
  });

  test('do not share a call with another certificate', async () => {
    const { ask, served, throttle } = setup();
    await ask({ id: 'a', certificate: 1 });
    await ask({ id: 'b', certificate: 2 });
    await throttle.fire();
    await throttle.fire();
    expect(served()).toEqual([1, 2]);
  });
});

describe('a request that arrives while a call is under way', () => {
  test('waits, and gets a call of its own if it may have been sent after the first began', async () => {
    const { ask, kinds, sent, throttle, certificates, watermark } = setup();
    watermark.ms = 50_000;
    await ask({ id: 'first' });
    await throttle.fire();
    await ask({ id: 'late', sentAtMs: 49_000 });
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied', late: 'applied' });
    expect(sent()).toEqual(['REVOKED', 'REVOKED']);
  });

  test('is covered if it was sent before the call began, by SQS’s clock', async () => {
    const { ask, kinds, outcomes, throttle, certificates, watermark } = setup();
    watermark.ms = 50_000;
    await ask({ id: 'first' });
    await throttle.fire();
    watermark.ms = 60_000; // what is received during the call says nothing about its start
    await ask({ id: 'earlier', sentAtMs: 48_999 });
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied', earlier: 'covered' });
    expect(outcomes['earlier']).toMatchObject({ byMessageId: 'first', awsRequestId: 'aws-1' });
    expect(await throttle.fire()).toBe(false);
  });

  test('is not covered by a weaker call', async () => {
    const { ask, kinds, sent, throttle, certificates } = setup();
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await throttle.fire();
    await ask({ id: 'stronger', sentAtMs: 0 });
    await certificates.answer(updated);
    expect(kinds()).toEqual({ weaker: 'applied' });
    await throttle.fire();
    expect(sent()).toEqual(['INACTIVE', 'REVOKED']);
  });

  test('is served by the next attempt, if that call fails', async () => {
    const { ask, kinds, sent, throttle, certificates, clock } = setup();
    await ask({ id: 'first', newStatus: 'INACTIVE' });
    await throttle.fire();
    await ask({ id: 'late', newStatus: 'REVOKED' });
    await certificates.answer(failedAs('unavailable'));
    await clock.advance(200);
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['INACTIVE', 'REVOKED']);
    expect(kinds()).toEqual({ first: 'covered', late: 'applied' });
  });

  test('does not share the fate of a call that is refused', async () => {
    const { ask, kinds, throttle, certificates } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    await ask({ id: 'late' });
    await certificates.answer(failedAs('not-found'));
    expect(kinds()).toEqual({ first: 'rejected' });
    expect(await throttle.fire()).toBe(true);
  });

  test('does not join in the very moments after the answer either', async () => {
    for (let moments = 0; moments < 60; moments++) {
      const { arrives, ask, kinds, throttle, certificates } = setup();
      await ask({ id: 'first' });
      await throttle.fire();
      const answered = certificates.answer(updated);
      for (let moment = 0; moment < moments; moment++) await Promise.resolve();
      arrives({ id: 'late' });
      await answered;
      expect(kinds(), `after ${moments} moments`).toEqual({ first: 'applied' });
    }
  });
});

describe('a call', () => {
  test('counts what was held when it began, not what is held when it ends', async () => {
    const { ask, kinds, throttle, certificates, watermark } = setup();
    watermark.ms = 50_000;
    await ask({ id: 'first' });
    await throttle.fire();
    watermark.ms = 60_000;
    await certificates.answer(updated);
    await ask({ id: 'in between', sentAtMs: 55_000 });
    expect(kinds()).toEqual({ first: 'applied' });
  });
});

describe('a call whose result is unknown', () => {
  test('covers nothing, and is tried again after a backoff', async () => {
    const { ask, kinds, sent, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    await ask({ id: 'earlier', sentAtMs: 0 });
    await certificates.answer(failedAs('unknown-result'));
    expect(kinds()).toEqual({});
    expect(await throttle.fire()).toBe(false);
    await clock.advance(100); // half of 200 ms, by the setup's chance
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['REVOKED', 'REVOKED']);
    expect(kinds()).toEqual({ first: 'applied', earlier: 'covered' });
  });

  test('lets who arrives in the backoff join the next attempt', async () => {
    const { ask, kinds, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    await certificates.answer(failedAs('unknown-result'));
    await ask({ id: 'in the backoff' });
    await clock.advance(100);
    await throttle.fire();
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied', 'in the backoff': 'covered' });
  });

  test('defers everybody when the attempts are used up, and leaves nothing that covers', async () => {
    const { ask, outcomes, sent, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    for (let attempt = 0; attempt < 5; attempt++) {
      await throttle.fire();
      await certificates.answer(failedAs('unknown-result', { name: 'TimeoutError' }));
      await clock.advance(5000);
    }
    expect(outcomes['first']).toMatchObject({
      kind: 'deferred',
      failureKind: 'unknown-result',
      cause: 'TimeoutError: no',
      call: { attempts: 5 },
    });
    await ask({ id: 'earlier', sentAtMs: 0 });
    expect(outcomes['earlier']).toBeUndefined();
    expect(await throttle.fire()).toBe(true);
    expect(sent()).toHaveLength(6);
  });
});

describe('after REVOKED, a request for INACTIVE', () => {
  test('is covered without a look, if it was sent before', async () => {
    const { ask, kinds, throttle } = await afterRevoked();
    await ask({ id: 'weaker', newStatus: 'INACTIVE', sentAtMs: 0 });
    expect(kinds()).toEqual({ revoked: 'applied', weaker: 'covered' });
    expect(await throttle.fire()).toBe(false);
  });

  test('is satisfied by a look, and sends nothing', async () => {
    const { ask, outcomes, sent, throttle, certificates } = await afterRevoked();
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await throttle.fire();
    await certificates.answer(describedAs('REVOKED'));
    expect(sent()).toEqual(['REVOKED', 'describe']);
    expect(outcomes['weaker']).toMatchObject({
      kind: 'unchanged',
      cause: 'the certificate is REVOKED already',
      call: { awsRequestId: 'aws-look' },
    });
  });

  test('is covered by that look from then on, as SQS’s clock goes', async () => {
    const { ask, outcomes, throttle, certificates, watermark } = await afterRevoked();
    watermark.ms = 300_000;
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await throttle.fire();
    await certificates.answer(describedAs('REVOKED'));
    await ask({ id: 'next', newStatus: 'INACTIVE', sentAtMs: 298_999 });
    expect(outcomes['next']).toMatchObject({
      kind: 'covered',
      cause: 'the certificate was seen REVOKED after this was sent, for message weaker',
    });
  });

  test('is tried again when the look fails, and still sends nothing', async () => {
    const { ask, kinds, sent, throttle, certificates, clock } = await afterRevoked();
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await throttle.fire();
    await certificates.answer(failedAs('throttled'));
    await clock.advance(5000);
    await throttle.fire();
    await certificates.answer(describedAs('REVOKED'));
    expect(sent()).toEqual(['REVOKED', 'describe', 'describe']);
    expect(kinds()).toMatchObject({ weaker: 'unchanged' });
  });

  test('goes out if the look finds another certificate registered under that id', async () => {
    const { ask, kinds, sent, throttle, certificates } = await afterRevoked();
    await ask({ id: 'weaker', newStatus: 'INACTIVE' });
    await throttle.fire();
    await certificates.answer(describedAs('ACTIVE'));
    await certificates.answer(updated);
    expect(sent()).toEqual(['REVOKED', 'describe', 'INACTIVE']);
    expect(kinds()).toMatchObject({ weaker: 'applied' });
  });
});

describe('a certificate that was found INACTIVE', () => {
  test('needs another call for the next request, since anybody may activate it again', async () => {
    const { ask, kinds, throttle, certificates } = setup();
    await ask({ id: 'first', newStatus: 'INACTIVE' });
    await throttle.fire();
    await certificates.answer(failedAs('state-conflict'));
    await certificates.answer(describedAs('INACTIVE'));
    expect(kinds()).toEqual({ first: 'unchanged' });
    await ask({ id: 'earlier', newStatus: 'INACTIVE', sentAtMs: 0 });
    expect(kinds()).toEqual({ first: 'unchanged' });
    expect(await throttle.fire()).toBe(true);
  });
});

describe('a slot', () => {
  test('serves the most urgent update at the moment it fires', async () => {
    const { ask, served, throttle } = setup();
    await ask({ id: 'r', certificate: 1, lane: 'rotation' });
    await ask({ id: 'a', certificate: 2, lane: 'alert' });
    await ask({ id: 'i', certificate: 3, lane: 'incident' });
    for (let slot = 0; slot < 3; slot++) await throttle.fire();
    expect(served()).toEqual([3, 2, 1]);
  });

  test('serves an update as urgently as its most urgent request', async () => {
    const { ask, served, throttle } = setup();
    await ask({ id: 'a', certificate: 1, lane: 'rotation' });
    await ask({ id: 'b', certificate: 2, lane: 'rotation' });
    await ask({ id: 'c', certificate: 3, lane: 'alert' });
    await ask({ id: 'b again', certificate: 2, lane: 'incident' });
    for (let slot = 0; slot < 3; slot++) await throttle.fire();
    expect(served()).toEqual([2, 3, 1]);
  });

  test('is left to rotation once in ten while rotation waits', async () => {
    const { ask, served, throttle } = setup();
    await ask({ id: 'r', certificate: 15, lane: 'rotation' });
    for (let n = 0; n < 12; n++) await ask({ id: `i${n}`, certificate: n, lane: 'incident' });
    for (let slot = 0; slot < 12; slot++) await throttle.fire();
    expect(served().indexOf(15)).toBe(9);
  });

  test('is taken by each attempt, and told how the attempt ended', async () => {
    const { ask, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    for (const answer of [failedAs('throttled'), failedAs('unavailable'), updated]) {
      await throttle.fire();
      await certificates.answer(answer);
      await clock.advance(1000);
    }
    expect(throttle.feedback).toEqual(['throttled', 'failed', 'succeeded']);
  });

  test('finds nobody while the only update is in its backoff, until a more urgent duplicate ends that', async () => {
    const { ask, throttle, certificates, clock } = setup();
    await ask({ id: 'first', lane: 'rotation' });
    await throttle.fire();
    await certificates.answer(failedAs('unavailable'));
    await ask({ id: 'as urgent', lane: 'rotation' });
    expect(await throttle.fire()).toBe(false);
    await ask({ id: 'more urgent', lane: 'incident' });
    expect(clock.now()).toBe(0);
    expect(await throttle.fire()).toBe(true);
  });
});

describe('being throttled', () => {
  test('counts as no attempt of the request, and its only wait is for the next slot', async () => {
    const { ask, outcomes, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    for (let slot = 0; slot < 20; slot++) {
      expect(await throttle.fire()).toBe(true);
      await certificates.answer(failedAs('throttled'));
    }
    await throttle.fire();
    await certificates.answer(updated);
    expect(clock.now()).toBe(0);
    expect(outcomes['first']).toMatchObject({ kind: 'applied', call: { attempts: 21 } });
  });

  test('is rejected after the third state conflict that another operation might explain', async () => {
    const { ask, outcomes, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(outcomes).toEqual({});
      await clock.advance(5000);
      await throttle.fire();
      await certificates.answer(failedAs('state-conflict'));
      await certificates.answer({ kind: 'described', status: 'ACTIVE' });
    }
    expect(outcomes['first']).toMatchObject({ kind: 'rejected', failureKind: 'state-conflict' });
  });

  test('counts as no attempt after other failures either', async () => {
    const { ask, kinds, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    for (let attempt = 0; attempt < 4; attempt++) {
      await throttle.fire();
      await certificates.answer(failedAs('unavailable'));
      await clock.advance(5000);
    }
    await throttle.fire();
    await certificates.answer(failedAs('throttled'));
    await throttle.fire();
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied' });
  });

  test('defers at last, so that no message is held for ever', async () => {
    const { ask, outcomes, throttle, certificates, clock } = setup();
    await ask({ id: 'first' });
    let slots = 0;
    while (outcomes['first'] === undefined) {
      slots++;
      await throttle.fire();
      await certificates.answer(failedAs('throttled'));
      await clock.advance(5000);
    }
    expect(outcomes['first']).toMatchObject({ kind: 'deferred', failureKind: 'throttled' });
    expect(slots).toBe(29);
  });
});

describe('stopping', () => {
  test('defers what has no slot yet, at once', async () => {
    const { ask, outcomes, throttle, stop } = setup();
    await ask({ id: 'waits' });
    stop.abort('SIGTERM');
    await turn();
    expect(outcomes['waits']).toEqual({
      kind: 'deferred',
      failureKind: 'stopping',
      cause: 'SIGTERM',
    });
    expect(await throttle.fire()).toBe(false);
  });

  test('lets the call under way end, and keeps its success', async () => {
    const { ask, kinds, throttle, certificates, stop } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    stop.abort('SIGTERM');
    await turn();
    expect(certificates.calls[0]?.signal.aborted).toBe(false);
    await certificates.answer(updated);
    expect(kinds()).toEqual({ first: 'applied' });
  });

  test('makes no further attempt of a call that failed, and tells of the one that was made', async () => {
    const { ask, outcomes, throttle, certificates, stop, clock } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    stop.abort('SIGTERM');
    await certificates.answer(failedAs('unknown-result'));
    expect(outcomes['first']).toMatchObject({
      kind: 'deferred',
      failureKind: 'stopping',
      call: { attempts: 1 },
    });
    expect([clock.now(), await throttle.fire()]).toEqual([0, false]);
  });

  test('ends a backoff at once', async () => {
    const { ask, kinds, throttle, certificates, stop, clock } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    await certificates.answer(failedAs('unavailable'));
    stop.abort('SIGTERM');
    await turn();
    expect(kinds()).toEqual({ first: 'deferred' });
    expect(clock.sleeping).toBe(0);
  });

  test('defers who came during the last call, unless SQS’s clock shows that it covers them', async () => {
    const { ask, outcomes, throttle, certificates, stop } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    await ask({ id: 'earlier', sentAtMs: 0 });
    await ask({ id: 'later' });
    stop.abort('SIGTERM');
    await certificates.answer(updated);
    expect(outcomes).toMatchObject({
      first: { kind: 'applied' },
      earlier: { kind: 'covered' },
      later: { kind: 'deferred', failureKind: 'stopping' },
    });
  });

  test('defers what arrives after it', async () => {
    const { ask, kinds, stop } = setup();
    stop.abort('SIGTERM');
    await ask({ id: 'after' });
    expect(kinds()).toEqual({ after: 'deferred' });
  });

  test('defers what arrives at a dispatcher that was made too late', async () => {
    const { ask, kinds } = setup({ stopping: AbortSignal.abort('SIGTERM') });
    await ask({ id: 'after' });
    expect(kinds()).toEqual({ after: 'deferred' });
  });

  test('hands each call the signal that abandons it', async () => {
    const { ask, throttle, certificates, abandon } = setup();
    await ask({ id: 'first' });
    await throttle.fire();
    expect(certificates.calls[0]?.signal).toBe(abandon.signal);
  });
});

describe('a bug', () => {
  const deferred = { kind: 'deferred', failureKind: 'bug' };

  test('in a call defers who joined, frees the slot, and leaves the certificate open to others', async () => {
    const certificates = { ...createFakeCertificates(), update: bug };
    const { ask, outcomes, throttle } = setup({ certificates });
    await ask({ id: 'first' });
    await ask({ id: 'second' });
    await throttle.fire();
    expect(outcomes).toMatchObject({ first: deferred, second: deferred });
    expect(outcomes['first']).toHaveProperty('cause', expect.stringContaining('no such thing'));
    expect(throttle.feedback).toEqual(['failed']);
    await ask({ id: 'third' });
    expect(await throttle.fire()).toBe(true);
  });

  test('in the ledger defers the request that met it', async () => {
    const { ask, outcomes } = setup({ ledger: { ...createMemoryLedger(), covering: bug } });
    await ask({ id: 'first' });
    expect(outcomes['first']).toMatchObject(deferred);
  });

  test('in the ledger defers also who came during a call', async () => {
    const real = createMemoryLedger();
    const ledger = { ...real };
    const { ask, outcomes, throttle, certificates } = setup({ ledger });
    await ask({ id: 'first' });
    await throttle.fire();
    await ask({ id: 'late' });
    ledger.covering = bug;
    await certificates.answer(updated);
    expect(outcomes).toMatchObject({ first: { kind: 'applied' }, late: deferred });
  });

  test('in recording a success defers it: one more call, and nothing lost', async () => {
    const { ask, outcomes, throttle, certificates } = setup({
      ledger: { ...createMemoryLedger(), record: bug },
    });
    await ask({ id: 'first' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(outcomes['first']).toMatchObject(deferred);
  });
});

describe('the load of a lane', () => {
  test('is the number of its updates that still need a call, duplicates not counted', async () => {
    const { ask, dispatcher, throttle, certificates } = setup();
    await ask({ id: 'a', certificate: 1, lane: 'rotation' });
    await ask({ id: 'b', certificate: 2, lane: 'rotation' });
    await ask({ id: 'a again', certificate: 1, lane: 'rotation' });
    expect(dispatcher.load('rotation')).toBe(2);
    await ask({ id: 'b again', certificate: 2, lane: 'incident' });
    expect([dispatcher.load('incident'), dispatcher.load('rotation')]).toEqual([1, 1]);
    await throttle.fire();
    expect(dispatcher.load('incident')).toBe(1);
    await certificates.answer(updated);
    expect(dispatcher.load('incident')).toBe(0);
  });
});
