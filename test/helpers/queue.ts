// A lane's queue and a dead-letter queue that note what they are told, and answer as a test says.

import type { DeadLetter, DeadLetterQueue, LaneQueue, Received, Taken } from '../../src/queue.ts';

export const done: Taken = { done: true };
/** The same again may succeed. */
export const lost: Taken = { done: false, final: false, cause: 'InternalError: lost' };
/** The same again would be refused again. */
export const refused: Taken = { done: false, final: true, cause: 'InvalidParameterValue: no' };

/** What a queue was told: `delete r1`, `hide r1 30`, `letter <body>`. */
export type Told = string;

export interface FakeQueues {
  readonly lane: Pick<LaneQueue, 'delete' | 'changeVisibility'>;
  readonly deadLetters: DeadLetterQueue;
  /** Everything that was told, in order. */
  readonly told: readonly Told[];
  readonly letters: readonly DeadLetter[];
}

export function createFakeQueues(answer: (told: Told) => Taken = () => done): FakeQueues {
  const told: Told[] = [];
  const letters: DeadLetter[] = [];
  const tell = (what: Told): Taken => {
    told.push(what);
    return answer(what);
  };
  return {
    told,
    letters,
    lane: {
      delete: async (handles) => handles.map((handle) => tell(`delete ${handle}`)),
      changeVisibility: async (changes) =>
        changes.map(({ receiptHandle, seconds }) => tell(`hide ${receiptHandle} ${seconds}`)),
    },
    deadLetters: {
      send: async (letter) => {
        letters.push(letter);
        return tell(`letter ${letter.body}`);
      },
    },
  };
}

export interface FakeReceives {
  readonly receive: LaneQueue['receive'];
  /** The receives that wait for an answer. */
  readonly underWay: () => number;
  /** How many receives there were. */
  readonly begun: () => number;
  /** What the last one wished. */
  readonly wish: () => Parameters<LaneQueue['receive']>[0] | undefined;
  /** Answers the oldest receive. */
  readonly answer: (received: Received) => void;
}

export function createFakeReceives(): FakeReceives {
  const waiting: ((received: Received) => void)[] = [];
  let begun = 0;
  let last: Parameters<LaneQueue['receive']>[0] | undefined;
  return {
    receive: (wish) => {
      begun++;
      last = wish;
      return new Promise((resolve) => waiting.push(resolve));
    },
    underWay: () => waiting.length,
    begun: () => begun,
    wish: () => last,
    answer: (received) => {
      const resolve = waiting.shift();
      if (resolve === undefined) throw new Error('no receive is under way');
      resolve(received);
    },
  };
}
