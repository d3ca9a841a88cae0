// A model of the table in which processes keep the brake's windows: each write depends on the version
// that was read; others come between, answers are lost, and a person lifts the brake.

import type { BrakeTable, Versioned } from '../../src/brake-store.ts';
import type { Random } from '../../src/clock.ts';
import type { Lane } from '../../src/lane.ts';
import type { TableAnswer } from '../../src/shared-ledger.ts';
import { emptyWindow } from '../../src/window.ts';
import type { Record } from './history.ts';
import type { Process } from './process.ts';
import type { Time } from './time.ts';
import type { Troubles } from './trouble.ts';

interface WindowPorts {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
}

export interface Windows {
  /** The table, as a process reaches it. */
  readonly reach: (process: Process) => BrakeTable;
  /** A person lets a lane go for a while. */
  readonly lift: (lane: Lane, forMs: number) => void;
}

export function createWindows({ time, chance, record, troubles }: WindowPorts): Windows {
  const items = new Map<Lane, Versioned>();
  const itemOf = (lane: Lane): Versioned => items.get(lane) ?? { window: emptyWindow, version: 0 };

  function reach(process: Process): BrakeTable {
    const { name } = process;
    function ask<T>(what: string, carryOut: () => T): Promise<TableAnswer<T>> {
      const note = (as: string): void => {
        if (process.isAlive()) record({ kind: 'brake table', process: name, as });
      };
      return process.ask(`brake table ${what}`, async (): Promise<TableAnswer<T>> => {
        if (troubles.strikes('brake table hangs')) {
          note('hangs');
          return new Promise(() => undefined);
        }
        const isSlow = troubles.strikes('brake table slow');
        if (isSlow) note('slow');
        await time.sleep(isSlow ? chance() * 1500 : 2 + chance() * 15);
        if (troubles.strikes('brake table down')) {
          note('down');
          return failed('down');
        }
        const value = carryOut();
        if (troubles.strikes('brake table answer lost')) {
          note('answer lost');
          return failed('answer lost');
        }
        await time.sleep(2 + chance() * 15);
        return { kind: 'answered', value };
      });
    }
    return {
      read: (lane) => ask('read', () => itemOf(lane)),
      replace: (lane, newer) =>
        ask('write', () => {
          const { window, version } = itemOf(lane);
          if (troubles.strikes('brake table contested')) {
            record({ kind: 'brake table', process: name, as: 'contested' });
            items.set(lane, { window, version: version + 1 });
          }
          if (itemOf(lane).version !== newer.version) return 'conflict';
          items.set(lane, { window: newer.window, version: version + 1 });
          return 'replaced';
        }),
    };
  }

  return {
    reach,
    lift: (lane, forMs) => {
      const { window, version } = itemOf(lane);
      const liftedUntilMs = time.now() + forMs;
      items.set(lane, { window: { ...window, liftedUntilMs }, version: version + 1 });
      record({ kind: 'lifted', lane, untilMs: liftedUntilMs });
    },
  };
}

function failed(name: string): TableAnswer<never> {
  return { kind: 'failed', failure: { kind: 'unavailable', name, message: 'no' } };
}
