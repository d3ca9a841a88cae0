// A model of the table that processes share their ledger through: conditional writes, lost answers,
// outages, and items that somebody has written by hand.

import type { Random } from '../../src/clock.ts';
import type { Proof } from '../../src/ledger.ts';
import { statuses } from '../../src/status.ts';
import type { LedgerTable, TableAnswer } from '../../src/shared-ledger.ts';
import { oneOf } from './chance.ts';
import type { Record } from './history.ts';
import type { Process } from './process.ts';
import type { Time } from './time.ts';
import type { Trouble, Troubles } from './trouble.ts';

interface TablePorts {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
}

/** The table, as each process reaches it. */
export function createTable(ports: TablePorts): (process: Process) => LedgerTable {
  const { time, chance, record, troubles } = ports;
  const items = new Map<string, Map<string, Proof>>();

  /** Keeps a proof unless a newer one of its status stands. */
  function keep(certificateId: string, proof: Proof): boolean {
    const item = items.get(certificateId) ?? new Map<string, Proof>();
    items.set(certificateId, item);
    const stands = item.get(proof.status);
    if (stands !== undefined && stands.watermarkMs > proof.watermarkMs && !isNonsense(stands))
      return false;
    item.set(proof.status, proof);
    return true;
  }

  /** What nobody of ours would write, days ahead; the condition lets it be replaced. */
  const isNonsense = ({ watermarkMs }: Proof): boolean => !(watermarkMs < time.now() + 86_400_000);

  function writeByHand(certificateId: string): void {
    const watermarkMs = oneOf(chance, [time.now() + 2 * 86_400_000, Number.NaN, 0, Infinity]);
    const status = oneOf(chance, statuses);
    const proof: Proof = { status, watermarkMs, how: 'applied', messageId: 'by hand' };
    items.set(certificateId, new Map([[status, proof]]));
    record({
      kind: 'table',
      process: 'somebody',
      what: `writes ${status} by hand, as of ${watermarkMs}`,
    });
  }

  function reach(process: Process): LedgerTable {
    function ask<T>(what: string, carryOut: () => T): Promise<TableAnswer<T>> {
      return process.ask(`table ${what}`, async (): Promise<TableAnswer<T>> => {
        if (troubles.strikes('table hangs')) return new Promise(() => undefined);
        await time.sleep(troubles.strikes('table slow') ? chance() * 1500 : 2 + chance() * 20);
        const refusal = (['table down', 'table throttles'] as const).find(troubles.strikes);
        if (refusal !== undefined) return failedAs(refusal);
        const value = carryOut();
        if (troubles.strikes('table answer lost')) return failedAs('table answer lost');
        await time.sleep(2 + chance() * 20);
        return { kind: 'answered', value };
      });
    }
    return {
      read: (certificateIds) =>
        ask('read', () =>
          certificateIds.map((certificateId) => {
            if (troubles.strikes('table garbage')) writeByHand(certificateId);
            return [...(items.get(certificateId)?.values() ?? [])];
          }),
        ),
      write: (entry, incidentId) =>
        ask('write', () => {
          const { certificateId, proof } = entry;
          if (proof !== undefined) {
            const { status, watermarkMs } = proof;
            const how = keep(certificateId, proof) ? 'keeps' : 'has something newer than';
            record({ kind: 'table', process: process.name, what: `${how} ${certificateId} ${status} as of ${watermarkMs}` }); // prettier-ignore
          }
          return incidentId === undefined ? {} : { incidentId };
        }),
      file: () => ask('file', () => 'filed' as const),
    };
  }

  return reach;
}

function failedAs(trouble: Trouble): TableAnswer<never> {
  return { kind: 'failed', failure: { kind: 'unavailable', name: trouble, message: 'no' } };
}
