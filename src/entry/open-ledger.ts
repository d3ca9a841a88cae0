// The ledger that processes share. Only loaded where there is one.

import { checkTable, createDynamoClient, createLedgerTable } from '../aws/ledger-table.ts';
import { createBrakeTable } from '../aws/brake-table.ts';
import { createSharedBrakeStore, type BrakeStore } from '../brake-store.ts';
import type { Log } from '../event.ts';
import type { Deployment } from '../request.ts';
import { createSharedLedger, type SharedLedger } from '../shared-ledger.ts';
import { systemClock } from './clock.ts';

export interface OpenLedger {
  /** The brake's windows are in the same table. */
  readonly brakeStore: BrakeStore;
  readonly ledger: SharedLedger;
  /** Why its table can never serve, one sentence each; asks DynamoDB. */
  readonly problems: () => Promise<readonly string[]>;
}

/** @param table its name or ARN */
export function openLedgerTable(table: string, deployment: Deployment, log: Log): OpenLedger {
  const client = createDynamoClient();
  const ledger = createSharedLedger({
    table: createLedgerTable(client, { table, deployment, wallClock: Date.now }),
    log,
    clock: systemClock,
  });
  const brakeStore = createSharedBrakeStore({
    table: createBrakeTable(client, { table, deployment, wallClock: Date.now }),
    log,
    clock: systemClock,
  });
  return {
    ledger,
    brakeStore,
    problems: async () => {
      const check = await checkTable(client, table);
      switch (check.kind) {
        case 'fine':
          return [];
        case 'unusable':
          return [`LEDGER_TABLE: ${check.problem}`];
        case 'away': // it may come, and nothing is revoked later for that
          ledger.isAway(check.failure);
          return [];
      }
    },
  };
}
