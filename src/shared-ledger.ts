// The ledger that processes share, beside each one's own memory: asked once an update, before its call,
// and told once, after it. It fails open: while the table does not answer, duplicates cost a call each,
// and nothing waits for it.

import DataLoader from 'dataloader';
import type { Failure } from './call.ts';
import type { Clock } from './clock.ts';
import type { Log } from './event.ts';
import type { CoveredEntry, LedgerEntry } from './ledger-entry.ts';
import type { Proof } from './ledger.ts';
import { noAnswerWithin, within } from './time-limit.ts';

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
const mostPerRead = 100;

/** Nothing here rejects, and nothing takes longer than its time limit. */
export interface SharedLedger {
  /** What others have proved of a certificate; nothing, if nobody answers in time. */
  readonly recall: (certificateId: string) => Promise<readonly Proof[]>;
  /** Resolves once the entry is kept, or has been given up. */
  readonly record: (entry: LedgerEntry) => Promise<void>;
  /** For the incident that a covered request names; resolves like `record`. */
  readonly recordCovered: (covered: CoveredEntry) => Promise<void>;
}

export interface TroubleTold {
  /** A look at the table has failed: that is the outage's one warning, and nothing is asked for a moment. */
  readonly isAway: (failure: Failure) => void;
}

export interface SharedLedgerPorts {
  readonly table: LedgerTable;
  readonly log: Log;
  readonly clock: Clock;
}

/** The longest that a call waits for what others know, ms. DynamoDB answers within some ten. */
const recallLimitMs = 250;

/** The longest that a message waits for its entry, and for the incident that it is filed under, ms. */
const recordLimitMs = 1000;

/** A table that failed is left alone for so long, ms; doubled each time, up to the last. */
const firstRestMs = 1000;
const longestRestMs = 30_000;

/** Incidents known to be filed, which need no second write; forgetting one costs a write. */
const mostFiled = 10_000;

/** A table that has failed nothing for so long, from its first answer on, is well again, ms. */
const steadyMs = 10_000;

export function createSharedLedger({
  table,
  log,
  clock,
}: SharedLedgerPorts): SharedLedger & TroubleTold {
  const away = new Set<What>();
  const reads = createTrouble('reads', away, { log, clock });
  const writes = createTrouble('writes', away, { log, clock });
  const filed = new Set<string>();
  const filing = new Map<string, Promise<unknown>>();
  const reader = new DataLoader<string, readonly Proof[]>(
    async (certificateIds) => {
      const byMs = clock.now() + recallLimitMs;
      const proofs = await asked(reads, byMs, () => table.read(certificateIds));
      return certificateIds.map((_, at) => proofs?.[at] ?? []);
    },
    { cache: false, maxBatchSize: mostPerRead },
  );

  /** What the table answers, if it does so in time. */
  async function asked<T>(
    trouble: Trouble,
    byMs: number,
    ask: () => Promise<TableAnswer<T>>,
  ): Promise<T | undefined> {
    if (trouble.rests()) return undefined;
    const limitMs = byMs - clock.now();
    const answer = await within<TableAnswer<T>>(limitMs, clock, answerOf(ask), () => ({
      kind: 'failed',
      failure: noAnswerWithin(limitMs),
    }));
    if (answer.kind === 'answered') {
      trouble.answered();
      return answer.value;
    }
    trouble.failed(answer.failure);
    return undefined;
  }

  /** Files once, however many ask for it at the same time. */
  async function file(entry: Entry, incidentId: string, byMs: number): Promise<void> {
    const key = keyOf(entry, incidentId);
    if (filed.has(key)) return;
    await (filing.get(key) ?? track(key, fileNow(entry, incidentId, byMs)));
  }

  async function fileNow(entry: Entry, incidentId: string, byMs: number): Promise<boolean> {
    return (await asked(writes, byMs, () => table.file(entry, incidentId))) === 'filed';
  }

  /** Lets whoever wants the same wait for this work, which tells whether it has filed. */
  async function track(key: string, work: Promise<boolean>): Promise<void> {
    filing.set(key, work);
    const isFiled = await work;
    filing.delete(key);
    if (isFiled) remember(key);
  }

  function remember(key: string): void {
    filed.add(key);
    const [oldest] = filed;
    if (filed.size > mostFiled && oldest !== undefined) filed.delete(oldest);
  }

  /** Writes the entry; that also files it, if no other incident stands there already. */
  async function write(
    entry: LedgerEntry,
    incidentId: string | undefined,
    byMs: number,
  ): Promise<void> {
    const kept = asked(writes, byMs, () => table.write(entry, incidentId));
    if (incidentId === undefined) await kept;
    else await track(keyOf(entry, incidentId), fileUnlessKept(kept, entry, incidentId, byMs));
  }

  async function fileUnlessKept(
    keeping: Promise<{ readonly incidentId?: string } | undefined>,
    entry: LedgerEntry,
    incidentId: string,
    byMs: number,
  ): Promise<boolean> {
    const kept = await keeping;
    if (kept === undefined) return false;
    const isFiled = kept.incidentId === incidentId || filed.has(keyOf(entry, incidentId));
    return isFiled || fileNow(entry, incidentId, byMs);
  }

  return {
    recall: (certificateId) => reader.load(certificateId),
    record: async (entry) => {
      const byMs = clock.now() + recordLimitMs;
      const incidents = new Set(entry.asked.flatMap(({ incidentId }) => incidentId ?? []));
      const [first, ...others] = incidents;
      await Promise.all([
        write(entry, first, byMs),
        ...others.map((incidentId) => file(entry, incidentId, byMs)),
      ]);
    },
    recordCovered: async (covered) => {
      const [{ incidentId }] = covered.asked;
      if (incidentId !== undefined) await file(covered, incidentId, clock.now() + recordLimitMs);
    },
    isAway: reads.failed,
  };
}

type Entry = LedgerEntry | CoveredEntry;

function keyOf({ certificateId }: Entry, incidentId: string): string {
  return `${certificateId} ${incidentId}`;
}

/** A bug in the table is trouble with it, and no more. */
async function answerOf<T>(ask: () => Promise<TableAnswer<T>>): Promise<TableAnswer<T>> {
  try {
    return await ask();
  } catch (bug) {
    const failure: Failure = { kind: 'unknown-exception', name: 'Bug', message: String(bug) };
    return { kind: 'failed', failure };
  }
}

type What = 'reads' | 'writes';

interface Trouble {
  /** Whether the table is to be left alone now; whoever asks goes without. */
  readonly rests: () => boolean;
  readonly failed: (failure: Failure) => void;
  readonly answered: () => void;
}

/**
 * Tells that the table is away, and that it is back, with how much it has missed: once each, and one
 * warning for reads and writes together.
 */
function createTrouble(
  what: What,
  away: Set<What>,
  { log, clock }: Pick<SharedLedgerPorts, 'log' | 'clock'>,
): Trouble {
  let missed = 0;
  let restMs = 0;
  let restsUntilMs = -Infinity;
  /** Of the first answer after the last failure. */
  let wellSinceMs: number | undefined;
  const rests = (): boolean => clock.now() < restsUntilMs;

  return {
    rests: () => {
      if (rests()) missed++;
      return rests();
    },
    failed: ({ kind, name, message }) => {
      missed++;
      // What was asked before the rest began tells nothing new.
      if (rests()) return;
      if (!away.has(what)) {
        log.write(
          away.size === 0 ? 'warn' : 'info',
          { event: 'ledger-away', what, failureKind: kind, cause: `${name}: ${message}` },
          `the shared ledger fails ${what}; ${consequence[what]}`,
        );
        away.add(what);
      }
      wellSinceMs = undefined;
      restMs = Math.min(longestRestMs, Math.max(firstRestMs, restMs * 2));
      restsUntilMs = clock.now() + restMs;
    },
    answered: () => {
      if (!away.has(what) || rests()) return;
      wellSinceMs ??= clock.now();
      if (clock.now() < wellSinceMs + steadyMs) return;
      log.write(
        'info',
        { event: 'ledger-back', what, missed },
        `the shared ledger is back: ${what}`,
      );
      away.delete(what);
      restMs = 0;
      missed = 0;
    },
  };
}

const consequence = {
  reads: 'going on without: what other processes have done already may cost a call each',
  writes: 'going on without: what is done meanwhile stands in the log only',
} as const;
