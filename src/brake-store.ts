// Where the brake's windows are kept: in this process, or in a table that processes share.

import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { Lane } from './lane.ts';
import type { TableAnswer } from './shared-ledger.ts';
import { within } from './time-limit.ts';
import { emptyWindow, type Window } from './window.ts';

/**
 * What becomes of a window; undefined or the same leaves it as it is.
 *
 * @param part of the lane's ceiling, what whoever keeps this window may let go
 */
export type Change = (window: Window, part: number) => Window | undefined;

export interface BrakeStore {
  /** Changes a lane's window, and tells what it then is; nobody else's change comes between. It does not reject. */
  readonly revise: (
    lane: Lane,
    change: Change,
  ) => Promise<{ readonly window: Window; readonly part: number }>;
}

/** Windows that live as long as this process. */
export function createMemoryBrakeStore(part = 1): BrakeStore {
  const windows = new Map<Lane, Window>();
  return {
    revise: async (lane, change) => {
      const known = windows.get(lane) ?? emptyWindow;
      const window = change(known, part) ?? known;
      windows.set(lane, window);
      return { window, part };
    },
  };
}

/** What we ask of a table. src/aws/brake-table.ts has it in DynamoDB. No method rejects. */
export interface BrakeTable {
  readonly read: (lane: Lane) => Promise<TableAnswer<Versioned>>;
  /** Replaces the window, unless it is of another version by now. */
  readonly replace: (lane: Lane, newer: Versioned) => Promise<TableAnswer<'replaced' | 'conflict'>>;
}

export interface Versioned {
  readonly window: Window;
  /** 0 where there is none yet; `replace` is given the one that it was read with. */
  readonly version: number;
}

export interface SharedBrakeStorePorts {
  readonly table: BrakeTable;
  /** So many processes share the table at most, as far as is known. */
  readonly processes: number;
  readonly log: Log;
  readonly clock: Clock;
}

/** The longest that a call waits for the table, ms. */
const limitMs = 1000;

/** Others' changes that may come between ours in that time. */
const mostConflicts = 20;

/**
 * Windows that processes share. While the table fails, each goes on by what it knows itself, with its
 * part of the ceiling: the brake holds sooner then, never later.
 */
export function createSharedBrakeStore(ports: SharedBrakeStorePorts): BrakeStore {
  const { table, processes, log, clock } = ports;
  const alone = createMemoryBrakeStore(1 / processes);
  let isAlone = false;

  async function reviseTable(lane: Lane, change: Change): Promise<TableAnswer<Window>> {
    for (let conflicts = 0; conflicts < mostConflicts; conflicts++) {
      const read = await table.read(lane);
      if (read.kind === 'failed') return read;
      const { window, version } = read.value;
      const changed = change(window, 1) ?? window;
      if (changed === window) return { kind: 'answered', value: window };
      const told = await table.replace(lane, { window: changed, version });
      if (told.kind === 'failed') return told;
      if (told.value === 'replaced') return { kind: 'answered', value: changed };
    }
    const message = `others changed it ${mostConflicts} times in between`;
    return { kind: 'failed', failure: { kind: 'contested', name: 'Conflict', message } };
  }

  return {
    revise: async (lane, change) => {
      const answer = await within(limitMs, clock, reviseTable(lane, change), tooSlow);
      if (answer.kind === 'answered') {
        if (isAlone)
          log.write('info', { event: 'brake-shared', lane }, 'the brake is shared again');
        isAlone = false;
        await alone.revise(lane, () => answer.value);
        return { window: answer.value, part: 1 };
      }
      if (!isAlone) {
        const { kind: failureKind, name, message } = answer.failure;
        log.write(
          'warn',
          { event: 'brake-alone', lane, failureKind, cause: `${name}: ${message}`, processes },
          'the brake cannot ask the ledger table; this process goes on with its part of the ceiling',
        );
      }
      isAlone = true;
      return alone.revise(lane, change);
    },
  };
}

function tooSlow(): TableAnswer<never> {
  const message = `no answer within ${limitMs} ms`;
  return { kind: 'failed', failure: { kind: 'unknown-result', name: 'TimeoutError', message } };
}
