// A process of a simulated world: its own clock, and a gate that all it asks and hears must pass. It
// can crash at any passage (so at any await of the code that runs in it), freeze and thaw.

import type { Clock } from '../../src/clock.ts';
import type { Record } from './history.ts';
import type { Time } from './time.ts';

export interface Process {
  readonly name: string;
  readonly clock: Clock;
  /** The time of day; it never jumps, and is off by a minute or two at most. */
  readonly wallClock: () => number;
  /** Asks the world for something: the request goes out unless the process is dead, the answer comes back likewise. */
  readonly ask: <T>(
    where: string,
    request: () => Promise<T>,
    hear?: (answer: T) => void,
  ) => Promise<T>;
  /** Runs what comes from outside, such as a signal; a frozen process gets it when it thaws. */
  readonly poke: (run: () => void) => void;
  readonly isAlive: () => boolean;
  readonly isFrozen: () => boolean;
  /** Dies at the passage after so many others; 0 is now. */
  readonly crashAfter: (passages: number) => void;
  readonly freeze: (how?: { readonly isNap: boolean }) => void;
  readonly thaw: () => void;
  /** Sets the clock on or back. */
  readonly jump: (byMs: number) => void;
  /** Ends in good order: from now on it asks for nothing more. */
  readonly exit: () => void;
  /** Called when it dies. */
  readonly onDeath: (mourn: () => void) => void;
}

export function createProcess(
  name: string,
  {
    time,
    record,
    aheadMs,
    wallAheadMs = 0,
  }: {
    readonly time: Time;
    readonly record: Record;
    readonly aheadMs: number;
    readonly wallAheadMs?: number;
  },
): Process {
  let offsetMs = aheadMs;
  let alive = true;
  let frozen = false;
  let passagesLeft = Infinity;
  let pent: (() => void)[] = [];
  const mourners: (() => void)[] = [];

  function die(where: string): void {
    if (!alive) return;
    alive = false;
    pent = [];
    record({ kind: 'crashed', process: name, where });
    for (const mourn of mourners) mourn();
  }

  /** Whether the process is still there to pass. */
  function passes(where: string): boolean {
    if (alive && --passagesLeft < 0) die(where);
    return alive;
  }

  function poke(run: () => void): void {
    if (!alive) return;
    if (frozen) pent.push(run);
    else run();
  }

  function ask<T>(
    where: string,
    request: () => Promise<T>,
    hear?: (answer: T) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!passes(`before ${where}`)) return;
      request().then(
        (answer) =>
          poke(() => {
            if (!passes(`after ${where}`)) return;
            hear?.(answer);
            resolve(answer);
          }),
        (bug: unknown) => poke(() => reject(bug)),
      );
    });
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const callOff = time.after(ms, () => poke(wake));
      signal?.addEventListener('abort', wake, { once: true });
      function wake(): void {
        callOff();
        signal?.removeEventListener('abort', wake);
        if (passes('a timer')) resolve();
      }
    });
  }

  return {
    name,
    clock: { now: () => time.now() + offsetMs, sleep },
    wallClock: () => time.now() + wallAheadMs,
    ask,
    poke,
    isAlive: () => alive,
    isFrozen: () => frozen,
    crashAfter: (passages) => {
      passagesLeft = passages;
      if (passages === 0) die('between two events');
    },
    freeze: ({ isNap } = { isNap: false }) => {
      if (!alive || frozen) return;
      frozen = true;
      record({ kind: 'frozen', process: name, isNap });
    },
    thaw: () => {
      if (!alive || !frozen) return;
      frozen = false;
      record({ kind: 'thawed', process: name });
      const late = pent;
      pent = [];
      for (const run of late) time.after(0, () => poke(run));
    },
    jump: (byMs) => {
      offsetMs += byMs;
      if (alive) record({ kind: 'jumped', process: name, byMs });
    },
    exit: () => {
      alive = false;
    },
    onDeath: (mourn) => mourners.push(mourn),
  };
}
