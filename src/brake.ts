// The brake: in any hour, each lane takes at most so many distinct certificates out of service. A
// producer gone mad stops at the ceiling, before the next call; the other lanes go on.

import type { BrakeStore, Revised } from './brake-store.ts';
import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { Lane } from './lane.ts';
import { admit, countOf, roomFromMs, windowMs, type Window } from './window.ts';

/** Distinct certificates in any hour; absent: any number. */
export type Ceilings = Readonly<Partial<Record<Lane, number>>>;

export interface Brake {
  /** Whether the lane has a ceiling at all. */
  readonly limits: (lane: Lane) => boolean;
  /** Lets a certificate go, or tells why it has to stay. It does not reject. */
  readonly admit: (lane: Lane, certificateId: string) => Promise<Stay | undefined>;
  /** Why a certificate has to stay, where that is known without asking: it needs no slot to find out. */
  readonly stays: (lane: Lane, certificateId: string) => Stay | undefined;
  /** Whether the lane stands at its ceiling. */
  readonly holds: (lane: Lane) => boolean;
  /** Resolves once a lane that stood at its ceiling may go on, or when stopping. */
  readonly released: (lane: Lane) => Promise<void>;
}

export interface Stay {
  readonly cause: string;
}

export interface BrakePorts {
  readonly ceilings: Ceilings;
  readonly store: BrakeStore;
  /** The time of day, ms since the epoch: windows outlive processes. */
  readonly wallClock: () => number;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends all waiting. */
  readonly stopping: AbortSignal;
}

/** A held lane's window is looked at so often, ms: somebody may have lifted the brake. */
const lookEveryMs = 5000;

/** What is known of a lane that stands at its ceiling. */
interface Holding {
  /** The ceiling, or this process’s part of it while it cannot ask the others. */
  readonly most: number;
  readonly window: Window;
  /** Since when and until when, ms since the epoch. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** When somebody asked the store last, ms on our clock. */
  lookedAtMs: number;
}

export function createBrake(ports: BrakePorts): Brake {
  const { ceilings, store, wallClock, clock, log, stopping } = ports;
  const holding = new Map<Lane, Holding>();
  /**
   * When an error told of it last, ms on our clock; within the hour that it is for, it is no news. That
   * the table is away has been told by its store.
   */
  const toldAtMs = new Map<Lane, number>();

  function hold(lane: Lane, ceiling: number, { window, part }: Revised): void {
    const most = partOf(ceiling, part);
    const held: Holding = {
      most,
      window,
      sinceMs: holding.get(lane)?.sinceMs ?? wallClock(),
      untilMs: roomFromMs(window, most, wallClock()),
      lookedAtMs: clock.now(),
    };
    holding.set(lane, held);
    if (most === 0) return;
    if (clock.now() < (toldAtMs.get(lane) ?? -Infinity) + windowMs) return;
    toldAtMs.set(lane, clock.now());
    log.write(
      'error',
      {
        event: 'brake',
        lane,
        ceilingPerHour: ceiling,
        ...(most < ceiling && { partOfCeiling: most }),
        certificates: countOf(window, wallClock()),
        heldSince: isoTime(held.sinceMs),
        ...(Number.isFinite(held.untilMs) && { heldUntil: isoTime(held.untilMs) }),
      },
      `${reached(lane, held, ceiling)} and is held; its messages stay in the queue. To let it go: iot-revoke brake lift ${lane} (needs LEDGER_TABLE), or restart with a higher ${ceilingVariable[lane]}`,
    );
  }

  function release(lane: Lane): void {
    if (!holding.delete(lane)) return;
    log.write('info', { event: 'brake-released', lane }, `the ${lane} lane goes on`);
  }

  function holdOrRelease(lane: Lane, ceiling: number, revised: Revised): void {
    const nowMs = wallClock();
    const hasRoom = roomFromMs(revised.window, partOf(ceiling, revised.part), nowMs) <= nowMs;
    if (hasRoom) release(lane);
    else hold(lane, ceiling, revised);
  }

  /** Looks again whether a held lane may go on. */
  async function look(lane: Lane, ceiling: number): Promise<void> {
    holdOrRelease(lane, ceiling, await store.revise(lane, () => undefined));
  }

  function stays(lane: Lane, certificateId: string): Stay | undefined {
    const held = holding.get(lane);
    // Whoever asks while it is held finds out soon enough; the store is not asked for each of them.
    if (held === undefined || clock.now() >= held.lookedAtMs + lookEveryMs) return undefined;
    // What has been let go, and tries again, counts already.
    if (held.window.admitted.has(keyOf(certificateId))) return undefined;
    return stayOf(lane, held, ceilings[lane]);
  }

  async function admitNow(
    lane: Lane,
    certificateId: string,
    ceiling: number,
  ): Promise<Stay | undefined> {
    const held = holding.get(lane);
    if (held !== undefined) held.lookedAtMs = clock.now();
    const revised = await store.revise(lane, (before, part) =>
      admit(before, keyOf(certificateId), partOf(ceiling, part), wallClock()),
    );
    if (revised.isRefused) hold(lane, ceiling, revised);
    else if (held !== undefined) holdOrRelease(lane, ceiling, revised);
    return revised.isRefused ? stayOf(lane, holding.get(lane), ceiling) : undefined;
  }

  return {
    limits: (lane) => ceilings[lane] !== undefined,
    holds: (lane) => holding.has(lane),
    stays,
    admit: async (lane, certificateId) => {
      const ceiling = ceilings[lane];
      if (ceiling === undefined) return undefined;
      return stays(lane, certificateId) ?? admitNow(lane, certificateId, ceiling);
    },
    released: async (lane) => {
      const ceiling = ceilings[lane];
      while (!stopping.aborted) {
        const held = holding.get(lane);
        if (held === undefined || ceiling === undefined) return;
        await clock.sleep(held.lookedAtMs + lookEveryMs - clock.now(), stopping);
        // Somebody else may have looked in the meantime.
        if (stopping.aborted || clock.now() < held.lookedAtMs + lookEveryMs) continue;
        held.lookedAtMs = clock.now();
        await look(lane, ceiling);
      }
    },
  };
}

/** The variable that sets each lane's ceiling. */
export const ceilingVariable: Readonly<Record<Lane, string>> = {
  incident: 'INCIDENT_CEILING_PER_HOUR',
  alert: 'ALERT_CEILING_PER_HOUR',
  rotation: 'ROTATION_CEILING_PER_HOUR',
};

/**
 * What stands for a certificate in a window: 80 bits of its id, since a window of many has to fit into
 * one item of a table. From both ends, so that made-up ids in a test, too, differ.
 */
function keyOf(certificateId: string): string {
  return certificateId.slice(0, 10) + certificateId.slice(-10);
}

/** None, while nobody can tell what the others have let go. */
function partOf(ceiling: number, part: number): number {
  return Math.floor(ceiling * part);
}

function stayOf(lane: Lane, held: Holding | undefined, ceiling: number | undefined): Stay {
  if (held === undefined) return { cause: `the ${lane} lane has reached its ceiling` };
  const room = Number.isFinite(held.untilMs)
    ? `there is room again at ${isoTime(held.untilMs)}`
    : 'there is room again once the ledger table answers';
  return { cause: `${reached(lane, held, ceiling)}; ${room}` };
}

function reached(lane: Lane, { most }: Holding, ceiling: number | undefined): string {
  if (most === 0) {
    return `the ledger table does not tell what the ${lane} lane has let go of its ceiling of ${ceiling} certificates an hour`;
  }
  return most === ceiling
    ? `the ${lane} lane has reached its ceiling of ${ceiling} certificates an hour`
    : `the ${lane} lane has reached this process’s part (${most}) of its ceiling of ${ceiling} certificates an hour`;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
