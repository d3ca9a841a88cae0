// What happened in a simulated world, in the order in which it happened, by true time. The checker
// reads nothing else; a person reads it as `storyOf` tells it.

import type { Ceilings } from '../../src/brake.ts';
import type { Lane } from '../../src/lane.ts';
import type { Status } from '../../src/status.ts';

/** What a message asks for; the plan knows it without reading the body. */
export interface Ask {
  readonly certificateId: string;
  readonly status: Status;
}

/** All certificates of a thing, or all that an audit complains of. */
export interface Wide {
  /** The thing's name, or the audit task's id. */
  readonly group: string;
  readonly status: Status;
}

/** What may be done for a message's sake; nothing, where it is nonsense or not allowed. */
export interface Wish {
  readonly ask?: Ask;
  readonly wide?: Wide;
  /** An alert, or a request that names a thing: nobody has decided on this very certificate. */
  readonly byAlert?: boolean;
  /** It is understood, and calls for no action. */
  readonly isIdle?: boolean;
}

export type Happening =
  // What SQS does.
  | (Wish & {
      readonly kind: 'sent';
      readonly messageId: string;
      readonly lane: Lane;
      /** The message that lay in the dead-letter queue before. */
      readonly redriveOf?: string;
    })
  /** What a process has made of a message came back into the lane, and the process knows. */
  | {
      readonly kind: 'sent back';
      readonly process: string;
      readonly messageId: string;
      readonly lane: Lane;
      readonly ask?: Ask;
    }
  | {
      readonly kind: 'received';
      readonly messageId: string;
      readonly receipt: string;
      readonly process: string;
      /** `again`: its time was over, or it was given back. `unasked`: a duplicate of SQS's own making. */
      readonly why: 'first' | 'again' | 'unasked';
      readonly visibleFromMs: number;
    }
  | { readonly kind: 'deleted'; readonly messageId: string; readonly process: string }
  | {
      readonly kind: 'hidden';
      readonly messageId: string;
      readonly receipt: string;
      readonly visibleFromMs: number;
    }
  /** It lies in the dead-letter queue. */
  | ({ readonly kind: 'letter'; readonly process: string } & Letter)
  // What a process asks of it, and hears.
  | {
      readonly kind: 'delivered';
      readonly process: string;
      readonly messageId: string;
      readonly receipt: string;
      readonly lane: Lane;
    }
  | ({ readonly kind: 'delete asked' } & Receipt)
  | ({ readonly kind: 'delete answered'; readonly taken: boolean } & Receipt)
  | ({ readonly kind: 'hide asked'; readonly seconds: number } & Receipt)
  | ({ readonly kind: 'hide answered'; readonly taken: boolean } & Receipt)
  | ({ readonly kind: 'letter asked'; readonly process: string } & Letter)
  | ({
      readonly kind: 'letter answered';
      readonly taken: boolean;
      readonly process: string;
    } & Letter)
  // IoT.
  | { readonly kind: 'slot'; readonly process: string }
  | {
      readonly kind: 'call';
      readonly call: number;
      readonly process: string;
      readonly operation: 'update' | 'describe';
      readonly certificateId: string;
      readonly status?: Status;
    }
  | {
      readonly kind: 'effect';
      readonly call: number;
      readonly certificateId: string;
      readonly to: string;
    }
  | {
      readonly kind: 'answer';
      readonly call: number;
      readonly process: string;
      /** `updated`, `described`, or a failure's kind. */
      readonly as: string;
      /** What DescribeCertificate showed. */
      readonly shown?: string;
    }
  | {
      readonly kind: 'third party';
      readonly certificateId: string;
      /** `missing`: deleted. */
      readonly to: string;
    }
  // Things and audits.
  | {
      readonly kind: 'member';
      readonly group: string;
      readonly certificateId: string;
      /** Whether it is attached to the thing, or the audit complains of it, from now on. */
      readonly isIn: boolean;
    }
  // The brake's table.
  | { readonly kind: 'brake table'; readonly process: string; readonly as: string }
  | { readonly kind: 'lifted'; readonly lane: Lane; readonly untilMs: number }
  // The shared ledger.
  | { readonly kind: 'table'; readonly process: string; readonly what: string }
  // Processes.
  | {
      readonly kind: 'started';
      readonly process: string;
      readonly runtime: 'worker' | 'lambda';
      /** Slots per second, and how many at once. */
      readonly rate: number;
      readonly burst: number;
      /** Whether a throttled call slows it down. */
      readonly adapts: boolean;
      /** Distinct certificates an hour that it takes out of service for a lane's sake, and alone. */
      readonly ceilings?: Ceilings;
      readonly dryRun?: readonly Lane[];
    }
  | { readonly kind: 'stop'; readonly process: string; readonly timeoutMs: number }
  | { readonly kind: 'stopped'; readonly process: string; readonly unsettled: number }
  | { readonly kind: 'crashed'; readonly process: string; readonly where: string }
  /** A nap: nothing goes on, and nobody has to wait for it to be over. */
  | { readonly kind: 'frozen'; readonly process: string; readonly isNap: boolean }
  | { readonly kind: 'thawed'; readonly process: string }
  | { readonly kind: 'jumped'; readonly process: string; readonly byMs: number }
  | {
      readonly kind: 'invoked';
      readonly process: string;
      readonly receipts: readonly string[];
      readonly timeoutMs: number;
    }
  | { readonly kind: 'responded'; readonly process: string; readonly kept: readonly string[] }
  | { readonly kind: 'timed out'; readonly process: string }
  | { readonly kind: 'threw'; readonly process: string; readonly cause: string }
  | {
      readonly kind: 'event';
      readonly process: string;
      readonly messageId: string;
      readonly receiveCount: number;
      readonly outcome: string;
      readonly acknowledgement: string;
      readonly acknowledged: boolean;
      readonly failureKind?: string;
      readonly retryAfterSeconds?: number;
      readonly cause?: string;
    }
  // The world.
  | { readonly kind: 'fault'; readonly fault: string }
  | { readonly kind: 'mended'; readonly fault: string }
  | { readonly kind: 'healed' }
  | { readonly kind: 'ended'; readonly left: readonly string[] };

interface Receipt {
  readonly process: string;
  readonly messageId: string;
  readonly receipt: string;
}

interface Letter {
  readonly messageId: string;
  readonly failureKind: string;
  readonly reason: string;
  /** Whether the body is as it was sent. */
  readonly untouched: boolean;
}

export type Timed = Happening & { readonly atMs: number };

export interface History {
  readonly seed: number;
  readonly startMs: number;
  /** The status of each certificate at the start. */
  readonly statuses: ReadonlyMap<string, string>;
  /** Whether processes learn of one another's calls. */
  readonly sharesLedger: boolean;
  /** Whether a process may forget what it knows: its ledger is that small. */
  readonly forgets: boolean;
  readonly account: AccountFacts;
  readonly happenings: readonly Timed[];
}

/** What is set up for alerts. */
export interface AccountFacts {
  readonly hasAlerts: boolean;
  /** What only the incident lane may touch. */
  readonly protectedCertificates: ReadonlySet<string>;
  readonly protectedThings: ReadonlySet<string>;
  /** So many things may share a certificate that an alert takes out of service. */
  readonly mostThings: Readonly<Partial<{ [lane in Lane]: number }>>;
  readonly hasCeilings: boolean;
  /** Whether all processes count together. */
  readonly sharesBrake: boolean;
  /** So many processes share the ceilings. */
  readonly processes: number;
}

export type Record = (happening: Happening) => void;

/** What happened, a line each, for a person to read; certificates are called c0, c1, … */
export function storyOf({ startMs, happenings }: History): string {
  return happenings.map((each) => `${seconds(each.atMs - startMs)}  ${lineOf(each)}`).join('\n');
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3).padStart(10);
}

function lineOf(happening: Timed): string {
  const { kind, atMs: _atMs, ...fields } = happening;
  const who = 'process' in fields ? `${fields.process}: ` : '';
  const told = Object.entries(fields)
    .filter(([name]) => name !== 'process' && name !== 'at')
    .map(([name, value]) => `${name}=${plain(value)}`);
  return `${who}${kind} ${told.join(' ')}`;
}

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '-');
  const short = text.replaceAll(/c0{10,}([0-9a-f]*)/g, (_all, digits: string) => `c${digits || 0}`);
  return short.length > 160 ? `${short.slice(0, 160)}…` : short;
}
