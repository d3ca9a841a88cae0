// Who waits for a slot, and whom the next slot serves. bottleneck's own priorities come too late
// (it registers everything that waits for minTime alone at once), so the choice is made here, when
// the slot fires.

import { lanes, type Lane } from './lane.ts';

/** Of every ten slots, rotation gets at least one while it waits, so that it always moves. */
const floorEvery = 10;

export interface Priority<Waiter extends { readonly lane: Lane }> {
  /** Queues `waiter` behind its lane's others. */
  add(waiter: Waiter): void;
  /** Moves a waiter whose lane has changed; one that does not wait stays away. */
  promote(waiter: Waiter): void;
  /** Takes the waiter that the slot which fires now serves. */
  take(): Waiter | undefined;
  /** The most urgent lane in which somebody waits. */
  readonly mostUrgent: () => Lane | undefined;
  /** Takes everybody, in no particular order. */
  drain(): readonly Waiter[];
  readonly size: number;
}

export function createPriority<Waiter extends { readonly lane: Lane }>(): Priority<Waiter> {
  const waiting: Record<Lane, Set<Waiter>> = {
    incident: new Set(),
    alert: new Set(),
    rotation: new Set(),
  };
  let slotsPastRotation = 0;

  function remove(waiter: Waiter): boolean {
    return lanes.some((lane) => waiting[lane].delete(waiter));
  }

  function nextLane(): Lane | undefined {
    if (waiting.rotation.size > 0 && slotsPastRotation >= floorEvery - 1) return 'rotation';
    return lanes.find((lane) => waiting[lane].size > 0);
  }

  return {
    add: (waiter) => {
      waiting[waiter.lane].add(waiter);
    },
    promote: (waiter) => {
      if (remove(waiter)) waiting[waiter.lane].add(waiter);
    },
    take: () => {
      const lane = nextLane();
      if (lane === undefined) return undefined;
      slotsPastRotation =
        lane === 'rotation' || waiting.rotation.size === 0 ? 0 : slotsPastRotation + 1;
      const [first] = waiting[lane];
      if (first !== undefined) waiting[lane].delete(first);
      return first;
    },
    mostUrgent: () => lanes.find((lane) => waiting[lane].size > 0),
    drain: () => {
      const all = lanes.flatMap((lane) => [...waiting[lane]]);
      for (const lane of lanes) waiting[lane].clear();
      return all;
    },
    get size() {
      return lanes.reduce((sum, lane) => sum + waiting[lane].size, 0);
    },
  };
}
