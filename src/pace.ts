// How fast slots may follow one another: a pure policy that yields to ThrottlingException at once and
// comes back slowly. throttle.ts carries it out.

export interface Pace {
  /** What we may use at most, calls per second. */
  readonly ceiling: number;
  /** What we use now, calls per second. */
  readonly rate: number;
  /** When the rate was last lowered, ms on our clock; -Infinity if never. */
  readonly loweredAtMs: number;
}

/** What an attempt tells the pace. */
export type Feedback = 'succeeded' | 'throttled' | 'failed';

/** A throttled burst of calls is one signal, not many: the rate falls at most once in this time (ms). */
const oneSignalMs = 500;
const decrease = 0.8;
/** Each success wins back this part of the ceiling. */
const increase = 0.01;
/** Never slower than this part of the ceiling, so that a bad hour is not a standstill. */
const floor = 0.05;

/** A pace that starts at its ceiling, in calls per second. */
export function startPace(ceiling: number): Pace {
  return { ceiling, rate: ceiling, loweredAtMs: -Infinity };
}

/** The pace after an attempt that ended so, at `nowMs` on our clock. */
export function adapt(pace: Pace, feedback: Feedback, nowMs: number): Pace {
  switch (feedback) {
    case 'throttled':
      return nowMs - pace.loweredAtMs < oneSignalMs
        ? pace
        : {
            ...pace,
            rate: Math.max(pace.rate * decrease, pace.ceiling * floor),
            loweredAtMs: nowMs,
          };
    case 'succeeded':
      return { ...pace, rate: Math.min(pace.rate + pace.ceiling * increase, pace.ceiling) };
    case 'failed':
      return pace;
  }
}

/** The time between two slots, ms. */
export function intervalMs(pace: Pace): number {
  return 1000 / pace.rate;
}
