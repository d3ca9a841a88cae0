import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createMemoryBrakeStore } from '../src/brake-store.ts';
import { createBrake, type Brake, type Stay } from '../src/brake.ts';
import { createDispatcher, type DispatcherPorts } from '../src/dispatcher.ts';
import type { Origin } from '../src/intent.ts';
import { lanes, type Lane } from '../src/lane.ts';
import { createMemoryLedger } from '../src/ledger.ts';
import type { Outcome } from '../src/outcome.ts';
import type { SharedLedger } from '../src/shared-ledger.ts';
import { strongest, type Status } from '../src/status.ts';
import { createVirtualClock } from './helpers/clock.ts';
import {
  createFakeCertificates,
  createFakeThrottle,
  describedAs,
  failedAs,
  updated,
} from './helpers/fakes.ts';
import { createFakeLog } from './helpers/log.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

const stay: Stay = { cause: 'the lane is held' };
const heldBack = { kind: 'deferred', failureKind: 'brake', cause: 'the lane is held' };

/** A ledger that others share, and have nothing in. */
function createFakeSharedLedger() {
  const recorded: unknown[] = [];
  const sharedLedger: SharedLedger = {
    recall: async () => [],
    record: async (entry) => void recorded.push(entry),
    recordCovered: async (entry) => void recorded.push(entry),
  };
  return { sharedLedger, recorded };
}

interface Asked {
  readonly id: string;
  readonly lane: Lane;
  readonly certificate?: number;
  readonly newStatus?: Status;
  readonly origin?: Origin;
}

/** A brake that holds the lanes in `held`, and answers once the test lets it. */
function createFakeBrake() {
  const held = new Set<Lane>();
  const known = new Set<Lane>();
  const asked: Lane[] = [];
  const gates: (() => void)[] = [];
  let isSlow = false;
  const brake: Brake = {
    limits: () => true,
    holds: (lane) => held.has(lane),
    stays: (lane) => (known.has(lane) ? stay : undefined),
    released: async () => {},
    admit: async (lane) => {
      asked.push(lane);
      if (isSlow) await new Promise<void>((open) => gates.push(open));
      return held.has(lane) ? stay : undefined;
    },
  };
  return {
    brake,
    held,
    known,
    asked,
    slowly: () => (isSlow = true),
    /** Lets the brake answer the oldest question. */
    answer: async () => {
      gates.shift()?.();
      await turn();
    },
  };
}

function setup(ports: Partial<DispatcherPorts> = {}) {
  const guard = createFakeBrake();
  const certificates = createFakeCertificates();
  const throttle = createFakeThrottle();
  const clock = createVirtualClock();
  const stop = new AbortController();
  const outcomes: Record<string, Outcome> = {};
  const dispatcher = createDispatcher({
    certificates,
    throttle,
    clock,
    brake: guard.brake,
    ledger: createMemoryLedger(),
    held: { newestMs: () => 100_000 },
    random: () => 0.5,
    stopping: stop.signal,
    abandon: new AbortController().signal,
    ...ports,
  });
  function arrives({ id, lane, certificate = 0, newStatus = 'INACTIVE', origin }: Asked): void {
    const message = messageOf({ messageId: id, sentAtMs: 200_000, lane });
    const request = requestOf({
      certificateId: certificateIdOf(certificate),
      newStatus,
      ...(origin && { origin }),
    });
    void dispatcher.settle(request, message).then((outcome) => (outcomes[id] = outcome));
  }
  return {
    ...guard,
    certificates,
    throttle,
    clock,
    stop,
    outcomes,
    dispatcher,
    arrives,
    ask: async (asked: Asked) => {
      arrives(asked);
      await turn();
    },
    sent: () => certificates.calls.map(({ operation, status }) => status ?? operation),
    kinds: () => Object.fromEntries(Object.entries(outcomes).map(([id, { kind }]) => [id, kind])),
  };
}

describe('a held lane', () => {
  test('defers its requests before the call, and makes none', async () => {
    const { ask, held, throttle, outcomes, sent } = setup();
    held.add('alert');
    await ask({ id: 'one', lane: 'alert' });
    await ask({ id: 'two', lane: 'alert' });
    await throttle.fire();
    expect(outcomes).toEqual({ one: heldBack, two: heldBack });
    expect(sent()).toEqual([]);
    expect(throttle.feedback).toEqual(['failed']); // which tells the pace nothing
  });

  test('leaves no update behind: its load goes down, and what comes later opens one', async () => {
    const { ask, held, throttle, certificates, dispatcher, kinds } = setup();
    held.add('alert');
    await ask({ id: 'one', lane: 'alert' });
    expect(dispatcher.load('alert')).toBe(1);
    await throttle.fire();
    expect(dispatcher.load('alert')).toBe(0);
    held.delete('alert');
    await ask({ id: 'two', lane: 'alert' });
    expect(dispatcher.load('alert')).toBe(1);
    await throttle.fire();
    await certificates.answer(updated);
    expect(kinds()).toEqual({ one: 'deferred', two: 'applied' });
    expect(dispatcher.load('alert')).toBe(0);
  });

  test('leaves nothing in a ledger that others share, and no update behind either', async () => {
    const { sharedLedger, recorded } = createFakeSharedLedger();
    const { ask, held, throttle, outcomes, dispatcher } = setup({ sharedLedger });
    held.add('alert');
    await ask({ id: 'one', lane: 'alert' });
    await throttle.fire();
    expect(outcomes).toEqual({ one: heldBack });
    expect(recorded).toEqual([]);
    expect(dispatcher.load('alert')).toBe(0);
  });

  test('that is known to stand takes no slot from the other lanes', async () => {
    const { ask, known, throttle, outcomes, asked, dispatcher } = setup();
    known.add('alert');
    await ask({ id: 'one', lane: 'alert' });
    expect(outcomes['one']).toEqual(heldBack);
    expect([dispatcher.load('alert'), asked.length]).toEqual([0, 0]);
    expect(await throttle.fire()).toBe(false);
  });

  test('lets be covered what a call covers', async () => {
    const ledger = createMemoryLedger();
    const certificateId = certificateIdOf(0);
    ledger.record(certificateId, {
      status: 'REVOKED',
      watermarkMs: 900_000,
      how: 'applied',
      messageId: 'm',
    });
    const { ask, held, known, kinds } = setup({ ledger });
    held.add('alert');
    known.add('alert');
    await ask({ id: 'one', lane: 'alert' });
    expect(kinds()).toEqual({ one: 'covered' });
  });

  test('does not hold an incident, nor what incident asks for', async () => {
    const { ask, held, throttle, certificates, outcomes, sent } = setup();
    held.add('alert');
    await ask({ id: 'false alarm', lane: 'alert' });
    await ask({ id: 'incident', lane: 'incident', newStatus: 'REVOKED' });
    await ask({ id: 'another', lane: 'incident', certificate: 1 });
    await throttle.fire();
    await throttle.fire();
    await certificates.answer(updated);
    await certificates.answer(updated);
    expect(outcomes).toMatchObject({
      'false alarm': heldBack,
      incident: { kind: 'applied' },
      another: { kind: 'applied' },
    });
    expect(sent()).toEqual(['REVOKED', 'INACTIVE']);
  });

  test('leaves the others its own request, and never its stronger status', async () => {
    const { ask, held, throttle, certificates, kinds, sent } = setup();
    held.add('alert');
    await ask({ id: 'alert', lane: 'alert', newStatus: 'REVOKED' });
    await ask({ id: 'rotation', lane: 'rotation', newStatus: 'INACTIVE' });
    await throttle.fire();
    expect(kinds()).toEqual({ alert: 'deferred' });
    await certificates.answer(updated);
    expect(kinds()).toEqual({ alert: 'deferred', rotation: 'applied' });
    expect(sent()).toEqual(['INACTIVE']);
  });
});

describe('while the brake is asked', () => {
  test('who joins by another lane is asked for, too', async () => {
    const { ask, held, throttle, asked, slowly, answer, kinds, sent } = setup();
    slowly();
    held.add('alert');
    await ask({ id: 'rotation', lane: 'rotation' });
    await throttle.fire();
    await ask({ id: 'alert', lane: 'alert', newStatus: 'REVOKED' });
    await answer();
    expect(sent()).toEqual([]);
    await answer();
    expect(asked).toEqual(['rotation', 'alert']);
    expect(sent()).toEqual(['INACTIVE']);
    expect(kinds()).toEqual({ alert: 'deferred' });
  });

  test('who joins by a lane that was asked for already goes or stays with it', async () => {
    for (const isHeld of [true, false]) {
      const { ask, held, throttle, asked, slowly, answer, certificates, kinds } = setup();
      slowly();
      if (isHeld) held.add('alert');
      await ask({ id: 'first', lane: 'alert' });
      await throttle.fire();
      await ask({ id: 'second', lane: 'alert' });
      await answer();
      if (!isHeld) await certificates.answer(updated);
      expect(asked).toEqual(['alert']);
      expect(Object.keys(kinds())).toEqual(['first', 'second']);
      expect(new Set(Object.values(kinds()))).toEqual(
        new Set(isHeld ? ['deferred'] : ['applied', 'covered']),
      );
    }
  });

  test('who joins in the very moments after its answer never goes unasked', async () => {
    for (let moments = 0; moments < 40; moments++) {
      const { ask, arrives, held, throttle, slowly, answer, certificates, sent } = setup();
      slowly();
      held.add('alert');
      await ask({ id: 'rotation', lane: 'rotation', newStatus: 'INACTIVE' });
      await throttle.fire();
      const answered = answer();
      for (let moment = 0; moment < moments; moment++) await Promise.resolve();
      arrives({ id: 'alert', lane: 'alert', newStatus: 'REVOKED' });
      await answered;
      await answer();
      expect(sent(), `after ${moments} moments`).toEqual(['INACTIVE']);
      await certificates.answer(updated);
    }
  });

  test('a stop ends it: no call begins any more', async () => {
    const { ask, throttle, slowly, answer, stop, outcomes, sent } = setup();
    slowly();
    await ask({ id: 'one', lane: 'alert' });
    await throttle.fire();
    stop.abort('SIGTERM');
    await answer();
    expect(outcomes['one']).toEqual({
      kind: 'deferred',
      failureKind: 'stopping',
      cause: 'SIGTERM',
    });
    expect(sent()).toEqual([]);
  });

  test('a bug in it defers who waits, and frees the slot', async () => {
    const { brake } = createFakeBrake();
    const { ask, throttle, outcomes, dispatcher } = setup({
      brake: { ...brake, admit: async () => Promise.reject(new TypeError('no such thing')) },
    });
    await ask({ id: 'one', lane: 'alert' });
    await throttle.fire();
    expect(outcomes['one']).toMatchObject({ kind: 'deferred', failureKind: 'bug' });
    expect([throttle.feedback, dispatcher.load('alert')]).toEqual([['failed'], 0]);
  });
});

describe('another attempt', () => {
  test('is asked for again, and tells of the first one if it has to stay', async () => {
    const { ask, held, throttle, certificates, clock, asked, outcomes, sent } = setup();
    await ask({ id: 'one', lane: 'alert' });
    await throttle.fire();
    await certificates.answer(failedAs('unavailable'));
    held.add('alert');
    await clock.advance(5000);
    await throttle.fire();
    expect(asked).toEqual(['alert', 'alert']);
    expect(sent()).toEqual(['INACTIVE']);
    expect(outcomes['one']).toMatchObject({ ...heldBack, call: { attempts: 1 } });
  });

  test('goes on for who came late by a lane that is not held', async () => {
    const { ask, held, throttle, certificates, clock, kinds, sent, dispatcher } = setup();
    await ask({ id: 'one', lane: 'alert', newStatus: 'REVOKED' });
    await throttle.fire();
    await ask({ id: 'late', lane: 'rotation' });
    await certificates.answer(failedAs('unavailable'));
    held.add('alert');
    await clock.advance(5000);
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['REVOKED', 'INACTIVE']);
    expect(kinds()).toEqual({ one: 'deferred', late: 'applied' });
    expect(lanes.map((lane) => dispatcher.load(lane))).toEqual([0, 0, 0]);
  });
});

describe('who came late by a held lane', () => {
  test('stays, and lends the next attempt nothing', async () => {
    const { ask, held, throttle, certificates, clock, outcomes, sent } = setup();
    await ask({ id: 'one', lane: 'rotation' });
    await throttle.fire();
    await ask({ id: 'late', lane: 'alert', newStatus: 'REVOKED' });
    await certificates.answer(failedAs('unavailable'));
    held.add('alert');
    await clock.advance(5000);
    await throttle.fire();
    expect(outcomes).toMatchObject({ late: heldBack });
    await certificates.answer(updated);
    expect(outcomes).toMatchObject({ one: { kind: 'applied' } });
    expect(sent()).toEqual(['INACTIVE', 'INACTIVE']);
  });
});

describe('what a brake lets go', { timeout: 60_000 }, () => {
  const step = fc.record({
    lane: fc.constantFrom<Lane>('alert', 'rotation'),
    certificate: fc.nat({ max: 7 }),
    newStatus: fc.constantFrom<Status>('INACTIVE', 'REVOKED'),
    does: fc.constantFrom('nothing', 'fire', 'fail', 'succeed'),
  });

  test('is never more than its ceiling, nor anything that only those ask for who stay', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = createVirtualClock();
        const brake = createBrake({
          ceilings: { alert: 3 },
          store: createMemoryBrakeStore(),
          wallClock: () => clock.now(),
          clock,
          log: createFakeLog(),
          stopping: new AbortController().signal,
        });
        const world = setup({ brake, clock });
        const answers = async (does: string): Promise<void> => {
          const answer = does === 'fail' ? failedAs('unavailable') : updated;
          await world.certificates.answer(answer).catch(() => undefined); // if one is under way
          await clock.advance(300);
        };
        for (const [n, { does, ...asking }] of steps.entries()) {
          await world.ask({ id: `m${n}`, ...asking });
          if (does !== 'nothing') await world.throttle.fire();
          if (does === 'fail' || does === 'succeed') await answers(does);
        }
        while (Object.keys(world.outcomes).length < steps.length) {
          await world.throttle.fire();
          await answers('succeed');
        }
        const asked = steps.map((asking, n) => ({ ...asking, outcome: world.outcomes[`m${n}`] }));
        const going = asked.filter(({ outcome }) => !isHeldBack(outcome));
        const gone = new Set(
          going.filter(({ lane }) => lane === 'alert').map(({ certificate }) => certificate),
        );
        expect(gone.size).toBeLessThanOrEqual(3);
        for (const { certificateId, status } of world.certificates.calls) {
          if (status === undefined) continue; // a look
          const by = going.filter(
            ({ certificate }) => certificateIdOf(certificate) === certificateId,
          );
          expect(by.map(({ newStatus }) => newStatus)).toContain(status);
        }
        expect(
          asked.filter(({ lane, outcome }) => lane === 'rotation' && isHeldBack(outcome)),
        ).toEqual([]);
      }),
    );
  });

  test('is all that was asked, where no lane has a ceiling', async () => {
    const { ask, throttle, certificates, kinds, asked } = setup();
    const all: readonly Status[] = ['INACTIVE', 'REVOKED', 'INACTIVE'];
    for (const [n, newStatus] of all.entries()) {
      await ask({ id: `m${n}`, lane: lanes[n] ?? 'alert', newStatus });
    }
    await throttle.fire();
    await certificates.answer(updated);
    expect(certificates.calls.map(({ status }) => status)).toEqual([strongest(all)]);
    expect(new Set(Object.values(kinds()))).toEqual(new Set(['applied', 'covered']));
    expect(asked).toEqual(['incident', 'alert', 'rotation']);
  });
});

describe('what an audit has found', () => {
  const origin: Origin = { format: 'device-defender-audit', name: 'SHARED_CHECK' };

  test.each(['INACTIVE', 'REVOKED'])(
    'is left alone where it is %s already: it may be our own doing',
    async (status) => {
      const { ask, throttle, certificates, sent, outcomes } = setup();
      await ask({ id: 'one', lane: 'alert', origin });
      await throttle.fire();
      await certificates.answer(describedAs(status));
      expect(sent()).toEqual(['describe']);
      expect(outcomes['one']).toMatchObject({
        kind: 'unchanged',
        cause: `the certificate is ${status} already`,
      });
    },
  );

  test('is taken out of service where it is not', async () => {
    const { ask, throttle, certificates, sent, kinds } = setup();
    await ask({ id: 'one', lane: 'alert', origin });
    await throttle.fire();
    await certificates.answer(describedAs('ACTIVE'));
    await certificates.answer(updated);
    expect(sent()).toEqual(['describe', 'INACTIVE']);
    expect(kinds()).toEqual({ one: 'applied' });
  });

  test('is made stronger where it is only INACTIVE', async () => {
    const { ask, throttle, certificates, sent } = setup();
    await ask({ id: 'one', lane: 'alert', origin, newStatus: 'REVOKED' });
    await throttle.fire();
    await certificates.answer(describedAs('INACTIVE'));
    await certificates.answer(updated);
    expect(sent()).toEqual(['describe', 'REVOKED']);
  });

  test('needs no look where somebody else asks for the same', async () => {
    const { ask, throttle, certificates, sent, kinds } = setup();
    await ask({ id: 'one', lane: 'alert', origin });
    await ask({ id: 'two', lane: 'incident' });
    await throttle.fire();
    await certificates.answer(updated);
    expect(sent()).toEqual(['INACTIVE']);
    expect(Object.values(kinds()).toSorted()).toEqual(['applied', 'covered']);
  });

  test('covers nothing by a look that found it INACTIVE: anybody may activate it again', async () => {
    const { ask, throttle, certificates, dispatcher } = setup();
    await ask({ id: 'one', lane: 'alert', origin });
    await throttle.fire();
    await certificates.answer(describedAs('INACTIVE'));
    const earlier = messageOf({ messageId: 'earlier', sentAtMs: 0 });
    const request = requestOf({ newStatus: 'INACTIVE' });
    expect(dispatcher.covered(request, earlier)).toBeUndefined();
  });
});

describe('what is covered', () => {
  test('is told without opening an update', async () => {
    const { ask, throttle, certificates, dispatcher } = setup();
    await ask({ id: 'one', lane: 'alert', newStatus: 'REVOKED' });
    await throttle.fire();
    await certificates.answer(updated);
    const request = requestOf({ newStatus: 'INACTIVE' });
    expect(await dispatcher.covered(request, messageOf({ sentAtMs: 98_999 }))).toMatchObject({
      kind: 'covered',
      byMessageId: 'one',
    });
    expect(dispatcher.covered(request, messageOf({ sentAtMs: 99_000 }))).toBeUndefined();
    expect(await throttle.fire()).toBe(false);
  });
});

function isHeldBack(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'deferred' && outcome.failureKind === 'brake';
}
