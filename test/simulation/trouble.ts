// What is out of order in a simulated world at a moment, and how often it strikes.

import type { Random } from '../../src/clock.ts';
import type { Record } from './history.ts';
import type { Time } from './time.ts';

/** Each trouble strikes a call by chance while it lasts. */
export const troubles = [
  // IoT
  /** Somebody else uses up the quota. */
  'iot throttles',
  'iot throttles describe',
  /** Answers 500; half of these calls have taken effect. */
  'iot unavailable',
  'iot unreachable',
  /** Never answers, and never does it. */
  'iot hangs',
  /** It is done, and the answer is lost. */
  'iot answer lost',
  /** It is done long after the caller has given up. */
  'iot late',
  'iot slow',
  'iot unauthorized',
  'iot unknown exception',
  'iot invalid request',
  // SQS
  'receive fails',
  /** The messages are hidden, and nobody has seen them. */
  'receive answer lost',
  'receive slow',
  /** Messages come without SQS's times. */
  'times missing',
  /** A message that somebody holds is handed out again. */
  'duplicates',
  /** A deleted message is handed out once more. */
  'deleted comes back',
  'delete fails',
  /** Single entries of a batch fail. */
  'delete fails in part',
  'delete answer lost',
  'delete slow',
  'hide fails',
  'hide fails in part',
  'hide answer lost',
  'hide slow',
  'letter fails',
  'letter answer lost',
  'letter refused',
  // The ledger table
  'table slow',
  'table hangs',
  'table down',
  'table throttles',
  'table answer lost',
  'table garbage',
  // Lambda
  'invocation answer lost',
  'container dies',
] as const;

/** What only worlds with alerts have. */
export const alertTroubles = [
  // Things and audits
  'directory slow',
  'directory hangs',
  'directory throttles',
  'directory unauthorized',
  'directory unavailable',
  // What a message is expanded into
  'send back slow',
  'send back fails',
  'send back fails in part',
  'send back answer lost',
  // The brake's table
  'brake table slow',
  'brake table hangs',
  'brake table down',
  'brake table answer lost',
  /** Somebody else has written in between. */
  'brake table contested',
] as const;

export type Trouble = (typeof troubles)[number] | (typeof alertTroubles)[number];

export interface Troubles {
  /** Whether the trouble is there and strikes now. */
  readonly strikes: (trouble: Trouble) => boolean;
  readonly begin: (trouble: Trouble, strength: number, forMs: number) => void;
  readonly endAll: () => void;
  /** How often each has struck. */
  readonly struck: ReadonlyMap<Trouble, number>;
}

export function createTroubles(time: Time, chance: Random, record: Record): Troubles {
  const active = new Map<Trouble, number>();
  const struck = new Map<Trouble, number>();
  function end(trouble: Trouble): void {
    if (active.delete(trouble)) record({ kind: 'mended', fault: trouble });
  }
  return {
    struck,
    strikes: (trouble) => {
      const strength = active.get(trouble);
      if (strength === undefined || chance() >= strength) return false;
      struck.set(trouble, (struck.get(trouble) ?? 0) + 1);
      return true;
    },
    begin: (trouble, strength, forMs) => {
      active.set(trouble, strength);
      record({ kind: 'fault', fault: trouble });
      time.after(forMs, () => end(trouble));
    },
    endAll: () => {
      for (const trouble of [...troubles, ...alertTroubles]) end(trouble);
    },
  };
}
