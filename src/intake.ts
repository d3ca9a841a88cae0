// The messages that a worker has in hand, and how much more it may receive. A held message burns its
// visibility, so no more is received than can soon be called for; duplicates need no call, and keep
// flowing.

import type { Lane } from './lane.ts';
import type { Message } from './message.ts';
import { mostPerBatch } from './queue.ts';

export interface IntakePorts {
  /** Sees a message through. It does not reject. */
  readonly handle: (message: Message) => Promise<void>;
  /** Updates of a lane that still need a call. */
  readonly load: (lane: Lane) => number;
  /** Calls per second at present. */
  readonly rate: () => number;
  /** Once aborted, nobody waits for room. */
  readonly stopping: AbortSignal;
}

export interface Intake {
  /** Resolves once a lane may receive ten more, or when stopping. */
  readonly room: (lane: Lane) => Promise<void>;
  /**
   * Whether a lane without room may receive one message more. Amid duplicates it hardly needs a call;
   * otherwise the lane then holds no more than its last poll could have brought. Its calls may be rare,
   * for slots go to more urgent lanes first: without that bound it would hold ever more.
   */
  readonly mayGlance: (lane: Lane) => boolean;
  /** What lies between two such glances, ms: they serve calls, and are no more frequent than calls. */
  readonly glanceEveryMs: () => number;
  /** Keeps room for the `most` messages that a receive may bring, until it is over. */
  readonly reserve: (lane: Lane, most: number) => { readonly release: () => void };
  readonly take: (message: Message) => void;
  readonly held: () => readonly Message[];
  /** Resolves once nothing is held; what is taken meanwhile counts. */
  readonly empty: () => Promise<void>;
}

/** Work that a lane holds in advance, in seconds of the present pace. */
const prefetchSeconds = 3;

/**
 * However high the rate: updates that a lane holds at most. While 200 calls of 60 ms are under way, 3000
 * are made a second, more than any quota that we know of. More in hand costs a busy CPU a tenth of its
 * time, in which V8 moves what waits from one generation of its heap to the next.
 */
const mostUpdates = 200;

/** However few calls they need: messages that a lane holds at most. */
const mostHeld = 2000;

/** However high the rate: what lies between two glances at least, ms. */
const shortestGlanceMs = 100;

export function createIntake({ handle, load, rate, stopping }: IntakePorts): Intake {
  const held = new Map<Message, Promise<void>>();
  const inLane: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };
  const reserved: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };
  const waiting = new Set<() => void>();
  stopping.addEventListener('abort', wake);

  /** Whether a lane may receive while fewer than so many of its updates wait. */
  function hasRoom(lane: Lane, updates: number): boolean {
    return load(lane) + reserved[lane] < updates && inLane[lane] + reserved[lane] < mostHeld;
  }

  /** Updates that a lane holds in advance at the present pace. */
  function prefetch(): number {
    return Math.min(mostUpdates, Math.ceil(rate() * prefetchSeconds));
  }

  /** Whether what a lane holds is duplicates for the most part. */
  function isMerging(lane: Lane): boolean {
    return inLane[lane] > 2 * load(lane);
  }

  function wake(): void {
    const all = [...waiting];
    waiting.clear();
    for (const resume of all) resume();
  }

  return {
    room: async (lane) => {
      while (!stopping.aborted && !hasRoom(lane, prefetch())) {
        await new Promise<void>((resume) => waiting.add(resume));
      }
    },
    mayGlance: (lane) => hasRoom(lane, isMerging(lane) ? Infinity : prefetch() + mostPerBatch - 1),
    glanceEveryMs: () => Math.max(shortestGlanceMs, 1000 / rate()),
    reserve: (lane, most) => {
      reserved[lane] += most;
      return {
        release: () => {
          reserved[lane] -= most;
          wake();
        },
      };
    },
    take: (message) => {
      inLane[message.lane]++;
      const handled = handle(message).finally(() => {
        held.delete(message);
        inLane[message.lane]--;
        wake();
      });
      held.set(message, handled);
    },
    held: () => [...held.keys()],
    empty: async () => {
      while (held.size > 0) await Promise.all(held.values());
    },
  };
}
