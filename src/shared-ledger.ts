// The ledger that processes share, beside each one's own memory: asked once an update, before its call,
// and told once, after it. It fails open: while the table does not answer, duplicates cost a call each,
// and nothing waits for it.

import DataLoader from 'dataloader';
import type { Failure } from './call.ts';
import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { CoveredEntry, LedgerEntry } from './ledger-entry.ts';
import type { Proof } from './ledger.ts';

export type TableAnswer<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** What we ask of a table. src/aws/ledger-table.ts has it in DynamoDB. No method rejects. */
export interface LedgerTable {
  /** The proofs of up to `mostPerRead` certificates, in their order. */
  readonly read: (
    certificateIds: readonly string[],
  ) => Promise<TableAnswer<readonly (readonly Proof[])[]>>;
  /** Keeps an entry, unless a newer one of its kind stands; tells which incident it is filed under. */
  readonly write: (
    entry: LedgerEntry,
    incidentId: string | undefined,
  ) => Promise<TableAnswer<{ readonly incidentId?: string }>>;
  /** Files a certificate under one more incident; once is enough. */
  readonly file: (
    entry: LedgerEntry | CoveredEntry,
    incidentId: string,
  ) => Promise<TableAnswer<'filed'>>;
}

/** DynamoDB reads at most this many items in one call (AWS service model, BatchGetItem). */
export const mostPerRead = 100;

/** Nothing here rejects, and nothing takes longer than its time limit. */
export interface SharedLedger {
  /** What others have proved of a certificate; nothing, if nobody answers in time. */
  readonly recall: (certificateId: string) => Promise<readonly Proof[]>;
  /** Resolves once the entry is kept, or has been given up. */
  readonly record: (entry: LedgerEntry) => Promise<void>;
  /** For the incident that a covered request names; resolves like `record`. */
  readonly recordCovered: (covered: CoveredEntry) => Promise<void>;
}

export interface SharedLedgerPorts {
  readonly table: LedgerTable;
  readonly log: Log;
  readonly clock: Clock;
}

/** The longest that a call waits for what others know, ms. DynamoDB answers within some ten. */
const recallLimitMs = 250;

/** The longest that a message waits for its entry, ms. */
const recordLimitMs = 1000;

/** A table that failed is left alone for so long, ms; doubled each time, up to the last. */
const firstRestMs = 1000;
const longestRestMs = 30_000;

/** Incidents known to be filed, which need no second write; forgetting one costs a write. */
const mostFiled = 10_000;

/** A table that has answered for so long is well again, ms. */
const steadyMs = 10_000;

export function createSharedLedger({ table, log, clock }: SharedLedgerPorts): SharedLedger {
  const reads = createTrouble('reads', { log, clock });
  const writes = createTrouble('writes', { log, clock });
  const filed = new Set<string>();
  const reader = new DataLoader<string, readonly Proof[]>(
    async (certificateIds) => {
      const proofs = await asked(reads, recallLimitMs, () => table.read(certificateIds));
      return certificateIds.map((_, at) => proofs?.[at] ?? []);
    },
    { cache: false, maxBatchSize: mostPerRead },
  );

  /** What the table answers, if it does so in time. */
  async function asked<T>(
    trouble: Trouble,
    limitMs: number,
    ask: () => Promise<TableAnswer<T>>,
  ): Promise<T | undefined> {
    if (trouble.rests()) return undefined;
    const answer = await within(limitMs, clock, ask());
    if (answer.kind === 'answered') {
      trouble.answered();
      return answer.value;
    }
    trouble.failed(answer.failure);
    return undefined;
  }

  async function file(entry: LedgerEntry | CoveredEntry, incidentId: string): Promise<void> {
    const key = keyOf(entry, incidentId);
    if (filed.has(key)) return;
    if ((await asked(writes, recordLimitMs, () => table.file(entry, incidentId))) === undefined)
      return;
    remember(key);
  }

  function remember(key: string): void {
    filed.add(key);
    const [oldest] = filed;
    if (filed.size > mostFiled && oldest !== undefined) filed.delete(oldest);
  }

  /** Writes the entry; that also files it, if no other incident stands there already. */
  async function write(entry: LedgerEntry, incidentId: string | undefined): Promise<void> {
    const kept = await asked(writes, recordLimitMs, () => table.write(entry, incidentId));
    if (kept === undefined || incidentId === undefined) return;
    if (kept.incidentId === incidentId) remember(keyOf(entry, incidentId));
    else await file(entry, incidentId);
  }

  return {
    recall: (certificateId) => reader.load(certificateId),
    record: async (entry) => {
      const incidents = new Set(entry.asked.flatMap(({ incidentId }) => incidentId ?? []));
      const [first, ...others] = incidents;
      await Promise.all([
        write(entry, first),
        ...others.map((incidentId) => file(entry, incidentId)),
      ]);
    },
    recordCovered: async (covered) => {
      const [{ incidentId }] = covered.asked;
      if (incidentId !== undefined) await file(covered, incidentId);
    },
  };
}

function keyOf({ certificateId }: LedgerEntry | CoveredEntry, incidentId: string): string {
  return `${certificateId} ${incidentId}`;
}

/** An answer, or that it took too long. */
async function within<T>(
  limitMs: number,
  clock: Clock,
  asking: Promise<TableAnswer<T>>,
): Promise<TableAnswer<T>> {
  const answered = new AbortController();
  const late = clock.sleep(limitMs, answered.signal).then(() => tooSlow(limitMs));
  const answer = await Promise.race([asking.catch(broken), late]);
  answered.abort(answer);
  return answer;
}

function tooSlow(limitMs: number): TableAnswer<never> {
  const message = `no answer within ${limitMs} ms`;
  return { kind: 'failed', failure: { kind: 'unknown-result', name: 'TimeoutError', message } };
}

function broken(bug: unknown): TableAnswer<never> {
  const message = String(bug);
  return { kind: 'failed', failure: { kind: 'unknown-exception', name: 'Bug', message } };
}

interface Trouble {
  /** Whether the table is to be left alone now; whoever asks goes without. */
  readonly rests: () => boolean;
  readonly failed: (failure: Failure) => void;
  readonly answered: () => void;
}

/** Tells once that the table is away, and once that it is back, with how much it has missed. */
function createTrouble(
  what: 'reads' | 'writes',
  { log, clock }: Pick<SharedLedgerPorts, 'log' | 'clock'>,
): Trouble {
  let missed = 0;
  let restMs = 0;
  let failedAtMs = -Infinity;

  function rests(): boolean {
    return clock.now() < failedAtMs + restMs;
  }

  return {
    rests: () => {
      if (rests()) missed++;
      return rests();
    },
    failed: ({ kind, name, message }) => {
      missed++;
      // What was asked before the rest began tells nothing new.
      if (rests()) return;
      if (restMs === 0) {
        log.write(
          'warn',
          { event: 'ledger-away', what, failureKind: kind, cause: `${name}: ${message}` },
          `the shared ledger fails ${what}; ${consequence[what]}`,
        );
      }
      restMs = Math.min(longestRestMs, Math.max(firstRestMs, restMs * 2));
      failedAtMs = clock.now();
    },
    answered: () => {
      if (restMs === 0 || clock.now() < failedAtMs + steadyMs) return;
      log.write(
        'info',
        { event: 'ledger-back', what, missed },
        `the shared ledger is back: ${what}`,
      );
      restMs = 0;
      missed = 0;
    },
  };
}

const consequence = {
  reads: 'going on without: what other processes have done already may cost a call each',
  writes: 'going on without: what is done meanwhile stands in the log only',
} as const;
