// A token bucket: how AWS APIs count their request quotas. Pure but for the clock it is given.

/** What one bucket allows. */
export interface Quota {
  /** Tokens added per second; one call costs one token. 0 adds none. */
  readonly rate: number;
  /** Most tokens the bucket holds, and what it starts with. */
  readonly burst: number;
}

/** A bucket of tokens; full when made. */
export interface TokenBucket {
  /** Takes one token, or says false and takes none. */
  readonly take: () => boolean;
}

// 0.1 × 10 steps must make one token, whatever floating point makes of it.
const rounding = 1e-9;

/** A full bucket that refills by the clock `now` (ms); a clock that steps back adds nothing. */
export function createTokenBucket(quota: Quota, now: () => number): TokenBucket {
  let tokens = quota.burst;
  let filledAtMs = now();
  return {
    take: () => {
      const nowMs = now();
      const earned = (Math.max(0, nowMs - filledAtMs) / 1000) * quota.rate;
      tokens = Math.min(quota.burst, tokens + earned);
      filledAtMs = nowMs;
      if (tokens + rounding < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
