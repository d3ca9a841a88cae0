// The quota that several processes share: what the throttle asks of it. src/redis/quota.ts has it in
// Redis or Valkey.

import type { Lane } from './lane.ts';
import type { Pace } from './pace.ts';

/** Nothing here rejects, and nothing takes longer than a second or so. */
export interface SharedQuota {
  /** Asks for a slot of the common quota. */
  readonly slot: (wish: SlotWish) => Promise<Permit>;
  /** Tells where this process waits now; undefined if it waits no more. */
  readonly waits: (lane: Lane | undefined) => void;
  /** What we have learnt changes the pace that all have in common; it may be applied again. */
  readonly revise: (change: (pace: Pace) => Pace) => void;
}

export interface SlotWish {
  /** The most urgent lane that waits here. */
  readonly lane: Lane;
  /** What this process believes of the quota; it counts where nobody has believed anything yet. */
  readonly pace: Pace;
}

export type Permit = { /** Of the quota, this process's part. */ readonly part: number } & (
  | {
      /** A slot of the common pace is ours, once so many ms are over. */
      readonly kind: 'granted';
      readonly inMs: number;
      readonly pace: Pace;
      /** Before it, nobody had anything to do. */
      readonly rested: boolean;
    }
  /** It is not our turn: ask again after so many ms. */
  | { readonly kind: 'yield'; readonly forMs: number; readonly pace: Pace }
  /** Nobody knows: go on alone, with our part. */
  | { readonly kind: 'unavailable' }
);
