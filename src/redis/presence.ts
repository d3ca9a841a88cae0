// Whether Redis is there, and what the log says about it: once when it goes, once when it is back, and
// little about one that comes and goes.

import type { Clock } from '../clock.ts';
import type { Log } from '../event.ts';

export interface Presence {
  readonly isAway: () => boolean;
  /** @param part what we go on with meanwhile */
  readonly lose: (cause: string, part: number) => void;
  readonly find: (peers: number) => void;
  /** While it is away, true now and then: it may be back. */
  readonly isTimeToLook: () => boolean;
}

/** While Redis is away, it is asked again so often, ms. */
export const retryMs = 1000;

/** One that comes and goes is told about no more often than this, ms. */
const quietMs = 60_000;

export function createPresence(log: Log, clock: Clock): Presence {
  let isAway = false;
  let lookAtMs = Infinity;
  let isTold = false;
  let tellAtMs = -Infinity;

  return {
    isAway: () => isAway,
    lose: (cause, part) => {
      isAway = true;
      lookAtMs = clock.now() + retryMs;
      if (isTold || clock.now() < tellAtMs) return;
      isTold = true;
      tellAtMs = clock.now() + quietMs;
      log.write(
        'warn',
        { event: 'redis-lost', cause, part },
        'going on alone with a part of the quota, until Redis is back',
      );
    },
    find: (peers) => {
      isAway = false;
      if (!isTold) return;
      isTold = false;
      log.write('info', { event: 'redis-back', peers }, 'the quota is shared again');
    },
    isTimeToLook: () => {
      if (!isAway || clock.now() < lookAtMs) return false;
      lookAtMs = Infinity; // until that look has failed
      return true;
    },
  };
}
