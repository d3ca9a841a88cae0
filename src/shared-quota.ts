// The quota that several processes share: what the throttle asks of it. src/redis/quota.ts has it in
// Redis or Valkey.

import type { Lane } from './lane.ts';

export interface SharedQuota {
  /** Asks for a slot of the common quota. It does not reject. */
  readonly slot: (wish: SlotWish) => Promise<Permit>;
}

export interface SlotWish {
  /** The most urgent lane that waits here. */
  readonly lane: Lane;
  /** Attempts that the slot is to serve. */
  readonly attempts: number;
  /** The pace of the common quota, calls per second. */
  readonly callsPerSecond: number;
}

export type Permit =
  /** The slot is ours, once so many ms are over. */
  | { readonly kind: 'granted'; readonly inMs: number }
  /** Another process waits in a more urgent lane: ask again after so many ms. */
  | { readonly kind: 'yield'; readonly forMs: number }
  /** Nobody knows: go on alone, with this part of the quota. */
  | { readonly kind: 'unavailable'; readonly part: number };
