// The promises, held against worlds that nobody has thought of: duplicates, stale receipts, lost
// answers, throttling, skewed clocks, stops, crashes, and an operator who activates certificates again.
// A failure prints the seed and the smallest scenario that shows it.

import fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { lanes } from '../src/lane.ts';
import type { Outcome } from '../src/outcome.ts';
import { atLeast, type Status } from '../src/status.ts';
import { createThrottle } from '../src/throttle.ts';
import { createVirtualClock } from './helpers/clock.ts';
import { certificateIdOf } from './helpers/message.ts';
import {
  certificateCount,
  hopeless,
  simulate,
  type Delivery,
  type History,
  type IotCall,
  type Scenario,
  type Step,
  type Time,
} from './helpers/world.ts';

const trueTimeMs = Date.UTC(2026, 10, 21, 3);

/** A failure needs its time to shrink. */
const slow = { timeout: 60_000 };

const afterMs = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 60 }), weight: 5 },
  { arbitrary: fc.integer({ min: 0, max: 1500 }), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 10_000 }), weight: 1 },
);
const lane = fc.constantFrom('incident', 'alert', 'rotation');
const fault = fc.constantFrom('unavailable', 'lost-request', 'lost-response', 'unauthorized');
/** Often the first, so that requests meet. */
const certificate = fc.oneof(fc.constant(0), fc.nat({ max: certificateCount - 1 }));
/** Mostly INACTIVE, since nothing can be swallowed after REVOKED. */
const newStatus: fc.Arbitrary<Status> = fc.constantFrom(
  ...(['INACTIVE', 'INACTIVE', 'INACTIVE', 'REVOKED'] as const),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ afterMs, does: fc.constant('send'), lane, certificate, newStatus }),
    weight: 14,
  },
  { arbitrary: fc.record({ afterMs, does: fc.constant('activate'), certificate }), weight: 4 },
  { arbitrary: fc.record({ afterMs, does: fc.constantFrom('break', 'mend'), fault }), weight: 4 },
  {
    arbitrary: fc.record({
      afterMs,
      does: fc.constantFrom('stop', 'crash'),
      awayMs: fc.nat({ max: 3000 }),
    }),
    weight: 1,
  },
  { arbitrary: fc.record({ afterMs, does: fc.constant('send nonsense'), lane }), weight: 1 },
);

const scenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.integer(),
  quota: fc.integer({ min: 2, max: 12 }),
  ceiling: fc.integer({ min: 2, max: 12 }),
  strict: fc.boolean(),
  aheadMs: fc.constantFrom(0, -86_400_000, 86_400_000),
  // Two hosts disagree by less than twice this, and the ledger allows for one second.
  hostSkewMs: fc.constantFrom(0, 499),
  steps: fc.array(step, { maxLength: 60, size: 'max' }),
});

/** Lets hundreds of scenarios happen, and looks at what came of each. */
async function always(
  look: (history: History, scenario: Scenario) => void,
  { runs = 400, simulated = inVirtualTime }: { runs?: number; simulated?: Simulation } = {},
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(scenario, async (scenario) => {
      look(await simulated(scenario), scenario);
    }),
    { numRuns: runs },
  );
}

type Simulation = (scenario: Scenario) => Promise<History>;

function inVirtualTime(scenario: Scenario): Promise<History> {
  return simulate(scenario, createVirtualClock(trueTimeMs));
}

describe('whatever happens', slow, () => {
  test('each message that is handled ends in one acknowledgement and one event', () =>
    always(({ deliveries, ends }) => {
      const ofCrashed = deliveries.filter(({ process }) => ends.get(process)?.how === 'crash');
      const ofOthers = deliveries.filter((delivery) => !ofCrashed.includes(delivery));
      expect(ofOthers.filter((delivery) => countOf(delivery) !== '1 1')).toEqual([]);
      const possible = new Set(['0 0', '1 0', '1 1']);
      expect(ofCrashed.filter((delivery) => !possible.has(countOf(delivery)))).toEqual([]);
    }));

  test('the event tells the acknowledgement, and the acknowledgement follows from the outcome', () =>
    always(({ deliveries }) => {
      for (const { message, asks, acknowledged, events } of deliveries) {
        const { lane, messageId } = message;
        const told = acknowledged[0]?.as.kind;
        expect(events).toMatchObject(
          events.map(() => ({ lane, messageId, ...asks, acknowledgement: told })),
        );
        expect(events.map(({ outcome }) => queueIsTold[outcome])).toEqual(events.map(() => told));
      }
    }));

  test('a message is deleted only after a success that covers it', () =>
    always(({ deliveries, calls }) => {
      const unfounded = deliveries.filter((delivery) => {
        const deleted = delivery.acknowledged.find(({ as }) => as.kind === 'delete');
        if (deleted === undefined) return false;
        return !calls.some((call) => covers(call, delivery, deleted.at.order));
      });
      expect(unfounded).toEqual([]);
    }));

  test('no message is lost, and each certificate ends in the status that was asked for', () =>
    always(({ sent, activated, statusOf }) => {
      const lost = sent.filter(
        ({ asks, queued }) => queued.gone !== (isHopeless(asks) ? 'dead-lettered' : 'deleted'),
      );
      expect(lost).toEqual([]);
      const undone = sent.filter(({ asks, sent: at }) => {
        if (asks === undefined || isHopeless(asks)) return false;
        if (at.order < (activated.get(asks.certificateId)?.order ?? 0)) return false;
        return !satisfies(statusOf(asks.certificateId), asks.newStatus);
      });
      expect(undone).toEqual([]);
    }));

  test('a dead letter is what can never succeed, and says why', () =>
    always(({ deliveries }, { steps }) => {
      for (const { asks, acknowledged } of deliveries) {
        const letters = acknowledged
          .map(({ as }) => as)
          .filter(({ kind }) => kind === 'dead-letter');
        expect(letters).toEqual(isHopeless(asks) || isContested(asks, steps) ? letters : []);
        expect(letters.every((letter) => 'reason' in letter && letter.reason !== '')).toBe(true);
      }
    }));

  test('a call asks for the strongest status among those who wait for it, and for no more', () =>
    always(({ attempts }) => {
      const wrong = attempts.filter(({ newStatus, asked }) => {
        const right = asked.includes('REVOKED') ? 'REVOKED' : 'INACTIVE';
        return newStatus !== undefined && newStatus !== right;
      });
      expect(wrong).toEqual([]);
    }));

  test('nothing weaker is sent after REVOKED, as far as the process can know', () =>
    always(({ calls }) => {
      const revoked = calls.filter(showsRevoked);
      const weaker = calls.filter(
        ({ process, certificateId, newStatus, started }) =>
          newStatus === 'INACTIVE' &&
          revoked.some(
            (known) =>
              known.process === process &&
              known.certificateId === certificateId &&
              (known.answered?.at.order ?? Infinity) < started.order,
          ),
      );
      expect(weaker).toEqual([]);
    }));

  test('no slot goes to the less urgent while the more urgent waits, but for rotation’s floor', () =>
    always(({ attempts }) => {
      const sinceRotation = new Map<number, number>();
      const unjust = attempts.filter(({ process, lane, passedOver }) => {
        const since = sinceRotation.get(process) ?? 0;
        sinceRotation.set(process, lane === 'rotation' ? 0 : since + 1);
        const floor = lane === 'rotation' && since >= 9;
        return !floor && passedOver.some((other) => lanes.indexOf(other) < lanes.indexOf(lane));
      });
      expect(unjust).toEqual([]);
    }));

  test('no call begins once the process is stopping, and what has not begun goes back at once', () =>
    always(({ attempts, deliveries, ends }) => {
      const tooLate = attempts.filter(
        ({ process, started }) => started.order > (ends.get(process)?.at.order ?? Infinity),
      );
      expect(tooLate).toEqual([]);
      const events = deliveries.flatMap((delivery) => delivery.events);
      const atOnce = events.filter(({ retryAfterSeconds }) => retryAfterSeconds === 0);
      expect(atOnce).toEqual(events.filter(({ failureKind }) => failureKind === 'stopping'));
    }));

  test('every attempt takes a slot of its own, retries and looks included', () =>
    always(({ attempts }, { ceiling }) => expect(tooEarly(attempts, ceiling)).toEqual([])));
});

describe('with the throttle that the runtimes use', slow, () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('any stretch of time has at most one and a half calls more than the rate allows', () =>
    always(({ attempts }, { ceiling }) => expect(tooEarly(attempts, ceiling, 1.5)).toEqual([]), {
      runs: 100,
      simulated: (scenario) => {
        vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: trueTimeMs });
        return simulate(scenario, fakeTime(), (clock, ceiling) =>
          createThrottle({
            limits: { share: ceiling, ceiling },
            slowestCallMs: 3000,
            clock,
            random: Math.random,
          }),
        );
      },
    }));
});

const queueIsTold: Readonly<Record<Outcome['kind'], string>> = {
  applied: 'delete',
  covered: 'delete',
  unchanged: 'delete',
  rejected: 'dead-letter',
  deferred: 'retry',
};

/** Whether a call proves, by the moment `by`, that what `delivery` asks for was done after it was sent. */
function covers(call: IotCall, { asks, process, sent }: Delivery, by: number): boolean {
  if (call.process !== process || call.certificateId !== asks?.certificateId) return false;
  if (call.started.order < sent.order || call.answered === undefined) return false;
  if (call.answered.at.order > by) return false;
  const { answer } = call.answered;
  if (answer.kind === 'updated') return satisfies(call.newStatus, asks.newStatus);
  return answer.kind === 'described' && satisfies(answer.status, asks.newStatus);
}

function countOf({ acknowledged, events }: Delivery): string {
  return `${acknowledged.length} ${events.length}`;
}

function isHopeless(asks: Delivery['asks']): boolean {
  return asks === undefined || hopeless.has(asks.certificateId);
}

/** Somebody may have activated it between each of three calls and the look that followed. */
function isContested(asks: Delivery['asks'], steps: readonly Step[]): boolean {
  const activations = steps.filter(
    (step) => step.does === 'activate' && certificateIdOf(step.certificate) === asks?.certificateId,
  );
  return activations.length >= 3;
}

function satisfies(status: string | undefined, asked: Status): boolean {
  return (status === 'INACTIVE' || status === 'REVOKED') && atLeast(status, asked);
}

function showsRevoked({ newStatus, answered }: IotCall): boolean {
  if (answered?.answer.kind === 'updated') return newStatus === 'REVOKED';
  return answered?.answer.kind === 'described' && answered.answer.status === 'REVOKED';
}

/**
 * The attempts that came before the rate allows them, for each process by itself. If none is early
 * against any before it, no window of time holds more than `burst` above the rate (GCRA).
 */
function tooEarly(
  attempts: History['attempts'],
  perSecond: number,
  burst = 1,
): History['attempts'] {
  const toleranceMs = ((burst - 1) * 1000) / perSecond;
  const earliestMs = new Map<number, number>();
  return attempts.filter(({ process, started }) => {
    const earliest = earliestMs.get(process) ?? -Infinity;
    earliestMs.set(process, Math.max(earliest, started.ms) + 1000 / perSecond);
    return started.ms < earliest - toleranceMs - 1; // timers count whole milliseconds
  });
}

/** The timers of this very process, faked; bottleneck knows no others. */
function fakeTime(): Time {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const timer = setTimeout(wake, ms);
        signal?.addEventListener('abort', wake, { once: true });
        function wake(): void {
          clearTimeout(timer);
          signal?.removeEventListener('abort', wake);
          resolve();
        }
      }),
    run: async (work) => {
      const over = work.then(() => true);
      while (!(await Promise.race([over, turn(false)]))) {
        if (vi.getTimerCount() === 0) throw new Error('the work waits for no timer');
        vi.advanceTimersToNextTimer();
      }
      return work;
    },
  };
}
