// Who waits for the slots of a throttle. Whom a slot serves is decided when it fires.

import type { Lane } from './lane.ts';
import type { Feedback } from './pace.ts';
import { createPriority } from './priority.ts';
import type { Throttle } from './throttle.ts';

/** Gives a slot back, with what its attempt came to. */
export type Release = (feedback: Feedback) => void;

export interface Slots<Waiter extends { readonly lane: Lane }> {
  /** A slot, once one fires and no more urgent waiter is left; undefined when stopping. */
  readonly take: (waiter: Waiter) => Promise<Release | undefined>;
  /** Moves a waiter whose lane has changed; one that does not wait stays away. */
  readonly promote: (waiter: Waiter) => void;
}

/** @param stopping from its abort on nobody gets a slot, and nobody waits */
export function createSlots<Waiter extends { readonly lane: Lane }>(
  throttle: Pick<Throttle, 'wake'>,
  stopping: AbortSignal,
): Slots<Waiter> {
  const waiting = createPriority<Waiter>();
  const grants = new Map<Waiter, (release: Release | undefined) => void>();
  stopping.addEventListener('abort', releaseAll);

  function serve(): Promise<Feedback> | undefined {
    const { promise, resolve } = Promise.withResolvers<Feedback>();
    const waiter = waiting.take();
    if (waiter === undefined) return undefined;
    grant(waiter, resolve);
    return promise;
  }

  function releaseAll(): void {
    for (const waiter of waiting.drain()) grant(waiter, undefined);
  }

  function grant(waiter: Waiter, release: Release | undefined): void {
    const tell = grants.get(waiter);
    grants.delete(waiter);
    tell?.(release);
  }

  return {
    take: async (waiter) => {
      if (stopping.aborted) return undefined;
      return new Promise((tell) => {
        grants.set(waiter, tell);
        waiting.add(waiter);
        throttle.wake(serve, waiting.mostUrgent);
      });
    },
    promote: (waiter) => waiting.promote(waiter),
  };
}
