// What the control plane was asked and what it answered, in order of receipt; tests and the demo
// wait on it instead of sleeping.

import type { Operation } from './operation.ts';

/** One call that the control plane received. */
export interface Call {
  /** `UnknownOperation` for a path that no operation has. */
  readonly operation: Operation | 'UnknownOperation';
  readonly certificateId?: string;
  readonly thingName?: string;
  /** UpdateCertificate's wanted status, as it came. */
  readonly newStatus?: string;
  /** Epoch ms by the injected clock. */
  readonly receivedAtMs: number;
  /** Epoch ms by the injected clock; absent while pending, and for ever after a hang. */
  readonly answeredAtMs?: number;
  /** `pending` until decided; then `ok`, the exception's name, `reset`, `hang`, or `html`. */
  readonly answer: string;
  /** Whether the operation succeeded, even if the client never heard of it. */
  readonly applied: boolean;
  readonly requestId: string;
  readonly userAgent?: string;
}

/** What is known of a call once it has its answer. */
type Answered = Pick<Call, 'answer' | 'applied' | 'answeredAtMs'>;

/** The calls so far, and a signal for each change. */
export interface CallLog {
  /** Live, in order of receipt; an entry is replaced when it is answered. */
  readonly calls: readonly Call[];
  /** Enters a call as pending; call the result once, before the answer goes out. */
  readonly receive: (call: Omit<Call, 'answer' | 'applied'>) => (answered: Answered) => void;
  /** Resolves once the predicate holds, looked at now and upon each change. */
  readonly waitFor: (predicate: (calls: readonly Call[]) => boolean) => Promise<void>;
  /** Rejects everybody who still waits. */
  readonly close: () => void;
}

/** An empty log. */
export function createCallLog(): CallLog {
  const calls: Call[] = [];
  const waiters = new Set<Waiter>();
  const changed = (): void => {
    for (const waiter of waiters) if (settles(waiter, calls)) waiters.delete(waiter);
  };
  return {
    calls,
    receive: (received) => {
      const call: Call = { ...received, answer: 'pending', applied: false };
      const index = calls.push(call) - 1;
      changed();
      return (answered) => {
        calls[index] = { ...call, ...answered };
        changed();
      };
    },
    waitFor: (predicate) =>
      new Promise((resolve, reject) => {
        const waiter: Waiter = { predicate, resolve, reject };
        if (!settles(waiter, calls)) waiters.add(waiter);
      }),
    close: () => {
      for (const { reject } of waiters) reject(new Error('The IoT sandbox stopped while waiting'));
      waiters.clear();
    },
  };
}

interface Waiter {
  readonly predicate: (calls: readonly Call[]) => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

// A predicate that throws fails its own waiter, not the request that changed the log.
function settles({ predicate, resolve, reject }: Waiter, calls: readonly Call[]): boolean {
  try {
    if (!predicate(calls)) return false;
    resolve();
  } catch (error) {
    reject(error instanceof Error ? error : new Error(String(error)));
  }
  return true;
}
