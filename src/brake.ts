// The brake: in any hour, each lane takes at most so many distinct certificates out of service. A
// producer gone mad stops at the ceiling, before the next call; the other lanes go on.

import type { BrakeStore } from './brake-store.ts';
import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { Lane } from './lane.ts';
import { admit, roomFromMs } from './window.ts';

/** Distinct certificates in any hour; absent: any number. */
export type Ceilings = Readonly<Partial<Record<Lane, number>>>;

export interface Brake {
  /** Whether the lane has a ceiling at all. */
  readonly limits: (lane: Lane) => boolean;
  /** Lets a certificate go, or tells why it has to stay. It does not reject. */
  readonly admit: (lane: Lane, certificateId: string) => Promise<Stay | undefined>;
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

interface Holding {
  readonly ceiling: number;
  lookedAtMs: number;
  untilMs: number;
}

export function createBrake(ports: BrakePorts): Brake {
  const { ceilings, store, wallClock, clock, log, stopping } = ports;
  const holding = new Map<Lane, Holding>();
  /** Told of by an error of its own, and not again within the hour that it is for. */
  const toldUntilMs = new Map<Lane, number>();

  /** Looks again whether a held lane may go on. */
  async function look(lane: Lane, ceiling: number): Promise<void> {
    const { window, part } = await store.revise(lane, () => undefined);
    const untilMs = roomFromMs(window, partOf(ceiling, part), wallClock());
    if (untilMs <= wallClock()) release(lane);
    else hold(lane, partOf(ceiling, part), untilMs);
  }

  function hold(lane: Lane, ceiling: number, untilMs: number): void {
    holding.set(lane, { ceiling, untilMs, lookedAtMs: clock.now() });
    if (wallClock() < (toldUntilMs.get(lane) ?? -Infinity)) return;
    toldUntilMs.set(lane, untilMs);
    log.write(
      'error',
      { event: 'brake', lane, ceilingPerHour: ceiling, holdsUntil: isoTime(untilMs) },
      `the ${lane} lane has reached its ceiling of ${ceiling} certificates an hour and is held; its messages stay in the queue. To let it go: iot-revoke brake lift ${lane} (needs LEDGER_TABLE), or restart with a higher ${ceilingVariable[lane]}`,
    );
  }

  function release(lane: Lane): void {
    if (!holding.delete(lane)) return;
    log.write('info', { event: 'brake-released', lane }, `the ${lane} lane goes on`);
  }

  return {
    limits: (lane) => ceilings[lane] !== undefined,
    holds: (lane) => holding.has(lane),
    admit: async (lane, certificateId) => {
      const ceiling = ceilings[lane];
      if (ceiling === undefined) return undefined;
      const held = holding.get(lane);
      // Whoever asks while it is held finds out soon enough; the store is not asked for each of them.
      if (held !== undefined && clock.now() < held.lookedAtMs + lookEveryMs)
        return stay(lane, held);
      let admitted = false;
      const { window, part } = await store.revise(lane, (before, share) => {
        const after = admit(before, certificateId, partOf(ceiling, share), wallClock());
        admitted = after !== undefined;
        return after;
      });
      if (admitted) {
        release(lane);
        return undefined;
      }
      const most = partOf(ceiling, part);
      hold(lane, most, roomFromMs(window, most, wallClock()));
      return stay(lane, holding.get(lane));
    },
    released: async (lane) => {
      const ceiling = ceilings[lane];
      while (ceiling !== undefined && holding.has(lane) && !stopping.aborted) {
        await clock.sleep(lookEveryMs, stopping);
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

function partOf(ceiling: number, part: number): number {
  return Math.max(1, Math.floor(ceiling * part));
}

function stay(lane: Lane, held: Holding | undefined): Stay {
  const until = held === undefined ? 'later' : isoTime(held.untilMs);
  return {
    cause: `the ${lane} lane has reached its ceiling of ${held?.ceiling} certificates an hour; there is room again at ${until}`,
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
