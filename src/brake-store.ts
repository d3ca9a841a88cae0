// Where the brake's windows are kept: in this process, or in a table that processes share.

import type { Failure } from './call.ts';
import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { Lane } from './lane.ts';
import type { TableAnswer } from './shared-ledger.ts';
import { noAnswerWithin, within } from './time-limit.ts';
import { emptyWindow, type Window } from './window.ts';

/**
 * What becomes of a window; undefined, if it stays as it is because of the ceiling. It may be asked
 * several times, and the last answer counts.
 *
 * @param part of the lane's ceiling, what whoever keeps this window may let go
 */
export type Change = (window: Window, part: number) => Window | undefined;

/** What became of it. */
export interface Revised {
  readonly window: Window;
  readonly part: number;
  /** The change was undefined. */
  readonly isRefused: boolean;
}

export interface BrakeStore {
  /** Changes a lane's window, and tells what it then is; nobody else's change comes between. It does not reject. */
  readonly revise: (lane: Lane, change: Change) => Promise<Revised>;
}

/**
 * Windows that live as long as this process.
 *
 * @param part of each ceiling, what this process may let go; default all of it
 */
export function createMemoryBrakeStore(part = 1): BrakeStore {
  const windows = new Map<Lane, Window>();
  return {
    revise: async (lane, change) => {
      const known = windows.get(lane) ?? emptyWindow;
      const changed = change(known, part);
      windows.set(lane, changed ?? known);
      return { window: changed ?? known, part, isRefused: changed === undefined };
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
  readonly log: Log;
  readonly clock: Clock;
}

/** The longest that one turn at the table takes, ms. Whoever asks meanwhile waits for the next. */
const limitMs = 1000;

/** Others' changes that may come between ours in that time. */
const mostConflicts = 50;

/** A table that has answered for so long is well again, ms. */
const steadyMs = 10_000;

/** Somebody's change, and whom to tell what came of it. */
interface Asked {
  readonly change: Change;
  readonly tell: (revised: Revised | Promise<never>) => void;
}

/** What all changes of a turn have made of a window, and whether each of them was refused. */
interface Turned {
  readonly window: Window;
  readonly refused: readonly boolean[];
}

/**
 * Windows that processes share. While the table fails, nobody knows what the others let go, so nothing
 * goes: a lane with a ceiling is held until the table answers. The lanes without one go on.
 *
 * A process takes one turn at a lane's window at a time, with the changes of all who have come by then:
 * they would only get in each other's way, and DynamoDB counts every write of the whole window.
 */
export function createSharedBrakeStore({ table, log, clock }: SharedBrakeStorePorts): BrakeStore {
  /** Who waits for the next turn, of each lane that has one under way. */
  const waiting = new Map<Lane, Asked[]>();
  let failedAtMs = -Infinity;
  let isAway = false;

  async function takeTurns(lane: Lane, first: Asked): Promise<void> {
    for (let turn = [first]; turn.length > 0; turn = waiting.get(lane) ?? []) {
      waiting.set(lane, []);
      await takeTurn(lane, turn);
    }
    waiting.delete(lane);
  }

  async function takeTurn(lane: Lane, turn: readonly Asked[]): Promise<void> {
    const changes = turn.map(({ change }) => change);
    try {
      const { part, window, refused } = await revise(lane, changes);
      for (const [at, { tell }] of turn.entries()) {
        tell({ window, part, isRefused: refused[at] === true });
      }
    } catch (bug) {
      for (const { tell } of turn) tell(Promise.reject(bug));
    }
  }

  async function revise(
    lane: Lane,
    changes: readonly Change[],
  ): Promise<Turned & { readonly part: number }> {
    const over = new AbortController();
    const asking = reviseTable(lane, changes, over.signal);
    const answer = await within(limitMs, clock, asking, tooSlow);
    over.abort('the turn is over');
    if (answer.kind === 'answered') {
      tellBack(lane);
      return { ...answer.value, part: 1 };
    }
    tellAway(lane, answer.failure);
    return { window: emptyWindow, refused: changes.map(() => true), part: 0 };
  }

  async function reviseTable(
    lane: Lane,
    changes: readonly Change[],
    over: AbortSignal,
  ): Promise<TableAnswer<Turned>> {
    for (let conflicts = 0; conflicts < mostConflicts; conflicts++) {
      const read = await table.read(lane);
      if (read.kind === 'failed') return read;
      // Too late: those who asked have been told that nothing goes.
      if (over.aborted) return tooSlow();
      const { window, version } = read.value;
      const turned = turn(window, changes, 1);
      if (turned.window === window) return { kind: 'answered', value: turned };
      const told = await table.replace(lane, { window: turned.window, version });
      if (told.kind === 'failed') return told;
      if (told.value === 'replaced') return { kind: 'answered', value: turned };
    }
    const message = `others changed it ${mostConflicts} times in between`;
    return { kind: 'failed', failure: { kind: 'contested', name: 'Conflict', message } };
  }

  function tellAway(lane: Lane, { kind: failureKind, name, message }: Failure): void {
    failedAtMs = clock.now();
    if (isAway) return;
    isAway = true;
    log.write(
      'warn',
      { event: 'brake-away', lane, failureKind, cause: `${name}: ${message}` },
      'the ledger table does not say what the lane has let go; it is held until the table answers',
    );
  }

  function tellBack(lane: Lane): void {
    if (!isAway || clock.now() < failedAtMs + steadyMs) return;
    isAway = false;
    log.write('info', { event: 'brake-back', lane }, 'the ledger table counts for the brake again');
  }

  return {
    revise: (lane, change) =>
      new Promise((tell) => {
        const asked = { change, tell };
        const line = waiting.get(lane);
        if (line === undefined) void takeTurns(lane, asked);
        else line.push(asked);
      }),
  };
}

/** All changes, one after the other. */
function turn(before: Window, changes: readonly Change[], part: number): Turned {
  let window = before;
  const refused = changes.map((change) => {
    const changed = change(window, part);
    window = changed ?? window;
    return changed === undefined;
  });
  return { window, refused };
}

function tooSlow(): TableAnswer<never> {
  return { kind: 'failed', failure: noAnswerWithin(limitMs) };
}
