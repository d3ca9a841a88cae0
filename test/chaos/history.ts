// What happened in one world, in the order in which the sandbox saw it. The checker reads nothing else,
// and scenarios choose their moments by it.

import type { Lane } from '../../src/lane.ts';
import type { Status } from '../../src/status.ts';

/** What must become of a message. */
export type Due =
  /** This certificate in this status, or a stronger one that somebody else asks for. */
  | { readonly kind: 'serve'; readonly certificateId: string; readonly status: Status }
  /** A dead letter. */
  | { readonly kind: 'refuse' }
  /** Nobody knows without reading it as the worker does: a dead letter, or a success of one of these. */
  | { readonly kind: 'either' };

export type Happening =
  | {
      readonly kind: 'sent';
      readonly messageId: string;
      readonly lane: Lane;
      readonly body: string;
      readonly attributes: Readonly<Record<string, string>>;
      readonly due: Due;
      /** The place in the history before which it cannot have been in the queue. */
      readonly notBefore: number;
      /** It looks so old that SQS's clock can cover it. */
      readonly isOld: boolean;
    }
  // What a process asks of SQS. `heard`: the answer went out to somebody who was there.
  | { readonly kind: 'request'; readonly process: string; readonly operation: string }
  /** Its request met foul weather. */
  | { readonly kind: 'struck'; readonly process: string; readonly weather: string }
  | ({
      readonly kind: 'received';
      readonly lane: Lane;
      readonly receiveCount: number;
      readonly heard: boolean;
    } & Receipt)
  | ({ readonly kind: 'delete asked' } & Receipt)
  | ({ readonly kind: 'deleted'; readonly heard: boolean } & Receipt)
  | ({ readonly kind: 'hide asked'; readonly seconds: number } & Receipt)
  | ({ readonly kind: 'hidden'; readonly seconds: number; readonly heard: boolean } & Receipt)
  | {
      readonly kind: 'letter';
      readonly process: string;
      /** Of the message that it is about, as it says itself. */
      readonly messageId: string;
      readonly body: string;
      readonly attributes: Readonly<Record<string, string>>;
      readonly heard: boolean;
    }
  // What a process asks of AWS IoT.
  | {
      readonly kind: 'call';
      readonly process: string;
      readonly call: number;
      readonly operation: 'UpdateCertificate' | 'DescribeCertificate';
      readonly certificateId: string;
      readonly status?: string;
    }
  | {
      readonly kind: 'answer';
      readonly process: string;
      readonly call: number;
      readonly operation: 'UpdateCertificate' | 'DescribeCertificate';
      readonly certificateId: string;
      /** `ok`, an exception's name, `reset`, `hang` or `html`. */
      readonly answer: string;
      readonly applied: boolean;
      /** The status that the certificate has now. */
      readonly shows: string;
    }
  // What a process has told the shared ledger, and DynamoDB has kept.
  | { readonly kind: 'entered'; readonly process: string; readonly certificateId: string }
  // Processes.
  | {
      readonly kind: 'began';
      readonly process: string;
      readonly runtime: 'worker' | 'lambda';
      readonly callsPerSecond: number;
      readonly sharesLedger: boolean;
    }
  | { readonly kind: 'line'; readonly process: string; readonly line: Line }
  /** It writes to its standard error. */
  | { readonly kind: 'complaint'; readonly process: string }
  | { readonly kind: 'signal'; readonly process: string; readonly signal: NodeJS.Signals }
  | {
      readonly kind: 'ended';
      readonly process: string;
      readonly how: number | NodeJS.Signals;
      readonly stderr: string;
      /** Messages that are hidden in the lanes, though nobody is there to hold them, and not put off. */
      readonly hiddenForNothing: number;
    }
  | { readonly kind: 'fault'; readonly fault: string }
  | { readonly kind: 'mended'; readonly fault: string };

export type Line = Readonly<Record<string, unknown>>;

interface Receipt {
  readonly process: string;
  readonly messageId: string;
  readonly handle: string;
}

/** By epoch ms. */
export type Timed = Happening & { readonly atMs: number };

export interface History {
  readonly happenings: readonly Timed[];
  readonly record: (happening: Happening) => void;
  /** Calls for each happening from now on, before what caused it goes on; the answer ends that. */
  readonly watch: (look: (happening: Timed) => void) => () => void;
  /** Resolves with true once the predicate holds, looked at upon each happening; with false at the limit. */
  readonly until: (predicate: () => boolean, limitMs: number) => Promise<boolean>;
}

export function createHistory(): History {
  const happenings: Timed[] = [];
  const watchers = new Set<(happening: Timed) => void>();
  const watch: History['watch'] = (look) => {
    watchers.add(look);
    return () => void watchers.delete(look);
  };
  return {
    happenings,
    record: (happening) => {
      const timed = { ...happening, atMs: Date.now() };
      happenings.push(timed);
      for (const look of watchers) look(timed);
    },
    watch,
    until: (predicate, limitMs) => {
      if (predicate()) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (holds: boolean): void => {
          unwatch();
          clearTimeout(timer);
          resolve(holds);
        };
        const unwatch = watch(() => {
          if (predicate()) end(true);
        });
        const timer = setTimeout(end, limitMs, false); // so that what never happens is told, not waited for
      });
    },
  };
}
