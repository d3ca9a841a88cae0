import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createDispatcher, type DispatcherPorts } from '../src/dispatcher.ts';
import type { Lane } from '../src/lane.ts';
import type { CoveredEntry, LedgerEntry } from '../src/ledger-entry.ts';
import { createMemoryLedger, type Proof } from '../src/ledger.ts';
import type { Message } from '../src/message.ts';
import type { Outcome } from '../src/outcome.ts';
import { createSharedLedger, type SharedLedger } from '../src/shared-ledger.ts';
import type { Status } from '../src/status.ts';
import { createVirtualClock } from './helpers/clock.ts';
import {
  createFakeCertificates,
  createFakeThrottle,
  describedAs,
  failedAs,
  updated,
} from './helpers/fakes.ts';
import { proofOf } from './helpers/ledger.ts';
import { createFakeLog } from './helpers/log.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

interface Asked {
  /** The message's id. */
  readonly id: string;
  readonly certificate?: number;
  readonly newStatus?: Status;
  readonly lane?: Lane;
  readonly incidentId?: string;
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
  function arrives({
    id,
    certificate = 0,
    newStatus = 'REVOKED',
    incidentId,
    ...fields
  }: Asked): void {
    const message: Message = messageOf({ messageId: id, sentAtMs: 200_000, ...fields });
    const request = requestOf({
      certificateId: certificateIdOf(certificate),
      newStatus,
      ...(incidentId !== undefined && { incidentId }),
    });
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

  test('names no AWS request where the call had no id', async () => {
    const ledger = createMemoryLedger();
    const { awsRequestId: _none, ...proof } = proofOf({ watermarkMs: 300_000 });
    ledger.record(certificateIdOf(0), proof);
    const { ask, outcomes } = setup({ ledger });
    await ask({ id: 'next' });
    expect(outcomes['next']).toStrictEqual({
      kind: 'covered',
      cause: 'the call for message message-1 started after this was sent',
      byMessageId: 'message-1',
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

  test('says no more than that where nobody has given a reason', async () => {
    const { ask, outcomes, stop } = setup();
    await ask({ id: 'waits' });
    stop.abort();
    await turn();
    expect(outcomes['waits']).toMatchObject({ failureKind: 'stopping', cause: 'stopping' });
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

/** A ledger that processes share, worked by hand. */
function createFakeShared() {
  const recalls: ((proofs: readonly Proof[]) => void)[] = [];
  const writing: (() => void)[] = [];
  const recalled: string[] = [];
  const recorded: LedgerEntry[] = [];
  const covered: CoveredEntry[] = [];
  const shared: SharedLedger = {
    recall: (certificateId) => {
      recalled.push(certificateId);
      return new Promise((resolve) => recalls.push(resolve));
    },
    record: (entry) => {
      recorded.push(entry);
      return new Promise((resolve) => writing.push(resolve));
    },
    recordCovered: (entry) => {
      covered.push(entry);
      return Promise.resolve();
    },
  };
  return {
    shared,
    recalled,
    recorded,
    covered,
    /** Answers the oldest recall. */
    knows: async (...proofs: readonly Proof[]) => {
      recalls.shift()?.(proofs);
      await turn();
    },
    /** Answers the oldest record. */
    keeps: async () => {
      writing.shift()?.();
      await turn();
    },
  };
}

function setupShared(ports: Partial<DispatcherPorts> = {}) {
  const table = createFakeShared();
  return { ...setup({ sharedLedger: table.shared, ...ports }), ...table };
}

describe('what another process has done', () => {
  const newest = proofOf({ watermarkMs: 100_000, messageId: 'theirs', awsRequestId: 'aws-9' });

  test('is asked before the first call, and covers whom it was done for without one', async () => {
    const { ask, outcomes, dispatcher, recalled, knows, throttle } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    expect([recalled, await throttle.fire()]).toEqual([[certificateIdOf(0)], false]);
    expect(dispatcher.load('rotation')).toBe(1);
    await knows(newest);
    expect(outcomes['first']).toEqual({
      kind: 'covered',
      cause: 'the call for message theirs started after this was sent',
      byMessageId: 'theirs',
      awsRequestId: 'aws-9',
    });
    expect([dispatcher.load('rotation'), await throttle.fire()]).toEqual([0, false]);
  });

  test('is remembered: the next of that time is not asked for', async () => {
    const { ask, kinds, recalled, knows } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    await knows(newest);
    await ask({ id: 'second', sentAtMs: 2000 });
    expect(kinds()).toEqual({ first: 'covered', second: 'covered' });
    expect(recalled).toHaveLength(1);
  });

  test('is asked once an update, however many join', async () => {
    const { ask, recalled, knows, throttle, certificates, keeps, recorded } = setupShared();
    for (let n = 0; n < 100; n++) await ask({ id: `m${n}` });
    await knows();
    await throttle.fire();
    await certificates.answer(updated);
    await keeps();
    expect([recalled.length, recorded.length]).toEqual([1, 1]);
    expect(recorded[0]?.asked).toHaveLength(100);
  });

  test('covers those who were sent before it; the others get their call', async () => {
    const { ask, kinds, knows, throttle, certificates, keeps, recorded } = setupShared();
    await ask({ id: 'before', sentAtMs: 98_999 });
    await ask({ id: 'within the margin', sentAtMs: 99_000 });
    await ask({ id: 'after', sentAtMs: 100_001 });
    await knows(newest);
    expect(kinds()).toEqual({ before: 'covered' });
    await throttle.fire();
    await certificates.answer(updated);
    await keeps();
    expect(kinds()).toEqual({
      before: 'covered',
      'within the margin': 'applied',
      after: 'covered',
    });
    expect(recorded[0]?.asked.map(({ messageId }) => messageId)).toEqual([
      'within the margin',
      'after',
    ]);
  });

  test('covers nothing stronger than itself', async () => {
    const { ask, kinds, sent, knows, throttle } = setupShared();
    await ask({ id: 'weaker', sentAtMs: 1000, newStatus: 'INACTIVE' });
    await ask({ id: 'stronger', sentAtMs: 1000, newStatus: 'REVOKED' });
    await knows({ ...newest, status: 'INACTIVE' });
    await throttle.fire();
    expect([kinds(), sent()]).toEqual([{ weaker: 'covered' }, ['REVOKED']]);
  });

  test('covers nothing if it says to be done in the far future', async () => {
    const { ask, kinds, knows, throttle } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    await knows({ ...newest, watermarkMs: 100_000 + 300_000 });
    expect(kinds()).toEqual({});
    expect(await throttle.fire()).toBe(true);
  });

  test('covers what it may be ahead of us: another process holds newer messages', async () => {
    const { ask, kinds, knows } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    await knows({ ...newest, watermarkMs: 100_000 + 299_999 });
    expect(kinds()).toEqual({ first: 'covered' });
  });

  test('covers nothing if our own queue tells no times', async () => {
    const { ask, kinds, knows, watermark, throttle } = setupShared();
    watermark.ms = -Infinity;
    await ask({ id: 'first', sentAtMs: 1000 });
    await knows(newest);
    expect([kinds(), await throttle.fire()]).toEqual([{}, true]);
  });

  test.each([100_000, 500_000, Number.MAX_SAFE_INTEGER])(
    'if that was REVOKED, by %s, makes INACTIVE look first: nothing is weakened',
    async (watermarkMs) => {
      const { ask, outcomes, sent, knows, throttle, certificates, keeps } = setupShared();
      await ask({ id: 'later', newStatus: 'INACTIVE' });
      await knows({ ...newest, watermarkMs });
      await throttle.fire();
      expect(sent()).toEqual(['describe']);
      await certificates.answer(describedAs('REVOKED'));
      await keeps();
      expect(outcomes['later']).toMatchObject({ kind: 'unchanged' });
    },
  );

  test('is for those who come while it is asked, too', async () => {
    const { ask, kinds, dispatcher, recalled, knows } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    await ask({ id: 'second', sentAtMs: 2000, lane: 'incident' });
    expect(dispatcher.load('incident')).toBe(1);
    await knows(newest);
    expect(kinds()).toEqual({ first: 'covered', second: 'covered' });
    expect([recalled.length, dispatcher.load('incident')]).toEqual([1, 0]);
  });

  test('of no use to who comes while it is asked lets them join the call', async () => {
    const { ask, kinds, sent, knows, throttle, certificates, keeps } = setupShared();
    await ask({ id: 'first', newStatus: 'INACTIVE', sentAtMs: 1000 });
    await ask({ id: 'second', lane: 'incident' });
    await knows(newest);
    await throttle.fire();
    await certificates.answer(updated);
    await keeps();
    expect([kinds(), sent()]).toEqual([{ first: 'covered', second: 'applied' }, ['REVOKED']]);
  });

  test('once it has closed an update, leaves the certificate open to others', async () => {
    const { ask, kinds, recalled, knows, throttle, certificates, keeps } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    await knows(newest);
    await ask({ id: 'later' });
    expect(recalled).toHaveLength(2);
    await knows(newest);
    await throttle.fire();
    await certificates.answer(updated);
    await keeps();
    expect(kinds()).toEqual({ first: 'covered', later: 'applied' });
  });

  test('is not waited for when stopping: what has no slot yet is deferred', async () => {
    const { ask, kinds, stop, knows, throttle, dispatcher } = setupShared();
    await ask({ id: 'first' });
    stop.abort('SIGTERM');
    await knows();
    expect(kinds()).toEqual({ first: 'deferred' });
    expect([await throttle.fire(), dispatcher.load('rotation')]).toEqual([false, 0]);
  });

  test('covers also when stopping: that costs no call', async () => {
    const { ask, kinds, stop, knows } = setupShared();
    await ask({ id: 'first', sentAtMs: 1000 });
    stop.abort('SIGTERM');
    await knows(newest);
    expect(kinds()).toEqual({ first: 'covered' });
  });

  test('does not stand before an urgent call: others are served while it is asked', async () => {
    const { ask, served, knows, throttle } = setupShared();
    await ask({ id: 'a', certificate: 1, lane: 'incident' });
    await ask({ id: 'b', certificate: 2, lane: 'rotation' });
    await knows(); // for a
    await throttle.fire();
    expect(served()).toEqual([1]);
  });
});

describe('what this process has done', () => {
  test('is recorded before anybody is told, so that no message is deleted before others can know', async () => {
    const { ask, kinds, dispatcher, knows, keeps, recorded, throttle, certificates } =
      setupShared();
    await ask({ id: 'first', incidentId: 'i-1' });
    await ask({ id: 'second', incidentId: 'i-2' });
    await knows();
    await throttle.fire();
    expect(recorded).toEqual([]);
    await certificates.answer(updated);
    expect([kinds(), throttle.feedback]).toEqual([{}, ['succeeded']]);
    expect(recorded).toMatchObject([
      {
        outcome: 'applied',
        proof: { status: 'REVOKED', watermarkMs: 100_000, messageId: 'first' },
        asked: [{ incidentId: 'i-1' }, { incidentId: 'i-2' }],
      },
    ]);
    await keeps();
    expect([kinds(), dispatcher.load('rotation')]).toEqual([
      { first: 'applied', second: 'covered' },
      0,
    ]);
  });

  test('is recorded once, whatever the number of attempts', async () => {
    const { ask, knows, recorded, throttle, certificates, clock } = setupShared();
    await ask({ id: 'first' });
    await knows();
    await throttle.fire();
    await certificates.answer(failedAs('unavailable'));
    await clock.advance(5000);
    await throttle.fire();
    await certificates.answer(updated);
    expect(recorded).toMatchObject([{ attempts: 2, outcome: 'applied' }]);
  });

  test('is recorded of a refusal, and of nothing that is tried again later', async () => {
    const refused = setupShared();
    await refused.ask({ id: 'first' });
    await refused.knows();
    await refused.throttle.fire();
    await refused.certificates.answer(failedAs('not-found'));
    expect(refused.recorded).toMatchObject([{ outcome: 'rejected', failureKind: 'not-found' }]);
    expect(refused.recorded[0]).not.toHaveProperty('proof');
    const denied = setupShared();
    await denied.ask({ id: 'first' });
    await denied.knows();
    await denied.throttle.fire();
    await denied.certificates.answer(failedAs('unauthorized'));
    expect([denied.recorded, denied.kinds()]).toEqual([[], { first: 'deferred' }]);
  });

  test('while it is recorded covers nobody whom SQS’s clock does not show to be covered', async () => {
    const { ask, kinds, sent, knows, keeps, throttle, certificates } = setupShared();
    await ask({ id: 'first' });
    await knows();
    await throttle.fire();
    await certificates.answer(updated);
    await ask({ id: 'earlier', sentAtMs: 1000 });
    await ask({ id: 'late' });
    expect(kinds()).toEqual({ earlier: 'covered' });
    await keeps();
    expect(kinds()).toEqual({ earlier: 'covered', first: 'applied' });
    await knows();
    await throttle.fire();
    expect(sent()).toEqual(['REVOKED', 'REVOKED']);
    await certificates.answer(updated);
    await keeps();
    expect(kinds()).toMatchObject({ late: 'applied' });
  });

  test('for another incident is recorded when it covers, by memory or by the table', async () => {
    const { ask, covered, knows } = setupShared();
    await ask({ id: 'by the table', sentAtMs: 1000, incidentId: 'i-2' });
    await knows(proofOf({ watermarkMs: 100_000 }));
    await ask({ id: 'by memory', sentAtMs: 1000, incidentId: 'i-3' });
    expect(covered.map(({ asked }) => asked[0].incidentId)).toEqual(['i-2', 'i-3']);
  });
});

describe('a shared table that hangs', () => {
  const never = (): Promise<never> => new Promise(() => undefined);

  test('holds a message for no longer than its limits, before the call and after it', async () => {
    const clock = createVirtualClock();
    const sharedLedger = createSharedLedger({
      table: { read: never, write: never, file: never },
      log: createFakeLog(),
      clock,
    });
    const { ask, kinds, throttle, certificates } = setup({ sharedLedger, clock });
    await ask({ id: 'first', incidentId: 'i-1' });
    await clock.advance(249);
    expect(await throttle.fire()).toBe(false);
    await clock.advance(1);
    expect(await throttle.fire()).toBe(true);
    await certificates.answer(updated);
    await clock.advance(999);
    expect(kinds()).toEqual({});
    await clock.advance(1);
    expect(kinds()).toEqual({ first: 'applied' });
    // From now on nobody waits for it.
    await ask({ id: 'covered', sentAtMs: 1000, incidentId: 'i-2' });
    expect(kinds()).toEqual({ first: 'applied', covered: 'covered' });
  });
});

describe('a bug in the shared ledger', () => {
  const deferred = { kind: 'deferred', failureKind: 'bug' };

  test.each([
    ['that throws', bug],
    ['that rejects', () => Promise.reject(new TypeError('no such thing'))],
  ])(
    '%s when asked defers who waits, and leaves the certificate open to others',
    async (_, recall) => {
      const sharedLedger = { ...createFakeShared().shared, recall };
      const { ask, outcomes, dispatcher } = setup({ sharedLedger });
      await ask({ id: 'first' });
      await ask({ id: 'second' });
      expect(outcomes).toMatchObject({ first: deferred, second: deferred });
      expect(dispatcher.load('rotation')).toBe(0);
    },
  );

  test('in what it answers defers who waits', async () => {
    const ledger = { ...createMemoryLedger(), record: bug };
    const { ask, outcomes, knows, dispatcher } = setupShared({ ledger });
    await ask({ id: 'first' });
    await knows(proofOf());
    expect(outcomes['first']).toMatchObject(deferred);
    expect(dispatcher.load('rotation')).toBe(0);
  });
});
