// Tries again with p-retry (the only importer of it) what may succeed later, after a full-jitter
// backoff of our own: p-retry's has no jitter at its cap, and no injectable clock or randomness.

import pRetry from 'p-retry';
import type { Clock, Random } from './clock.ts';

export type Attempt<Done, Again> =
  | { readonly kind: 'done'; readonly value: Done }
  /** `free`: neither counts against the attempts nor waits; the next slot is the wait. */
  | { readonly kind: 'again'; readonly why: Again; readonly free: boolean };

export type Retried<Done, Again> =
  | { readonly kind: 'done'; readonly value: Done }
  | { readonly kind: 'exhausted'; readonly why: Again };

export interface RetryPolicy {
  /** Attempts in all, those that are free not counted. */
  readonly attempts: number;
  /** The first backoff's upper bound, ms; each further one doubles. */
  readonly baseMs: number;
  /** No backoff is longer, ms. */
  readonly capMs: number;
}

/** A backoff, ms: anything from 0 to the bound ("full jitter", AWS Architecture Blog, 2015). */
export function backoffMs(failures: number, policy: RetryPolicy, random: Random): number {
  return random() * Math.min(policy.capMs, policy.baseMs * 2 ** (failures - 1));
}

class TryAgain<Again> extends Error {
  readonly why: Again;
  readonly free: boolean;
  constructor(why: Again, free: boolean) {
    super('try again');
    this.why = why;
    this.free = free;
  }
}

/**
 * Runs `attempt` until it is done or the policy's attempts are used up. `hurry` cuts the backoff
 * short; an attempt that must not go on says `done`. p-retry is given no signal: it would throw away
 * a success that arrives after the abort. It is asked once the first attempt has failed, for most don't.
 */
export async function retry<Done, Again>(
  attempt: () => Promise<Attempt<Done, Again>>,
  policy: RetryPolicy,
  { clock, random, hurry }: { clock: Clock; random: Random; hurry: () => AbortSignal },
): Promise<Retried<Done, Again>> {
  const first = await attempt();
  if (first.kind === 'done') return first;
  let next = async (): Promise<Attempt<Done, Again>> => first;
  async function tryOnce(): Promise<Retried<Done, Again>> {
    const result = await next();
    next = attempt;
    if (result.kind === 'again') throw new TryAgain(result.why, result.free);
    return result;
  }
  function shouldRetry({
    error,
    retriesConsumed,
  }: {
    error: Error;
    retriesConsumed: number;
  }): boolean {
    if (!(error instanceof TryAgain)) return false;
    return error.free || retriesConsumed < policy.attempts - 1;
  }
  try {
    return await pRetry(tryOnce, {
      retries: policy.attempts, // one more than ours: p-retry ends on its last one, free or not
      minTimeout: 0,
      shouldConsumeRetry: ({ error }) => !(error instanceof TryAgain && error.free),
      shouldRetry,
      onFailedAttempt: async ({ error, retriesConsumed }) => {
        if (!shouldRetry({ error, retriesConsumed }) || (error as TryAgain<Again>).free) return;
        await clock.sleep(backoffMs(retriesConsumed + 1, policy, random), hurry());
      },
    });
  } catch (error) {
    if (error instanceof TryAgain) return { kind: 'exhausted', why: error.why as Again };
    throw error;
  }
}
