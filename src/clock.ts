// Time comes in as an argument: the runtimes bring the system's clock, tests and simulations their own.

export interface Clock {
  /** Milliseconds on a clock that never goes back; comparable only with itself. */
  readonly now: () => number;
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts. It never rejects. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A number in [0, 1), as Math.random gives it. */
export type Random = () => number;
