// Faults to inject: what can go wrong between a client and AWS IoT, on demand and countable.

import * as z from 'zod';
import { isExceptionName } from './answer.ts';
import { operationNames, type Operation } from './operation.ts';

/** What goes wrong, and for which calls. */
export type Fault = FaultTarget & FaultEffect;

/** Which calls a fault strikes. */
interface FaultTarget {
  readonly operation: Operation;
  /** Only calls for this certificate; all when absent. */
  readonly certificateId?: string;
  /** How many calls it strikes before it is spent. Default: 1, or `always` with a probability. */
  readonly times?: number | 'always';
  /** The chance, 0–1, that it strikes a call. Default 1. */
  readonly probability?: number;
}

/** What a struck call meets. */
export type FaultEffect =
  /** An exception, unapplied. `status` is required for names that AWS IoT does not have. */
  | {
      readonly kind: 'exception';
      readonly name: string;
      readonly status?: number;
      readonly message?: string;
    }
  /** No answer, ever. */
  | { readonly kind: 'hang'; readonly when: FaultMoment }
  /** The connection is reset by peer. */
  | { readonly kind: 'reset'; readonly when: FaultMoment }
  /** The answer takes `ms` longer, and is applied after them. Adds to other faults. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** 503 with an HTML page, as a load balancer answers for a service that is gone; unapplied. */
  | { readonly kind: 'html' };

/** Whether the state has changed by the time the connection fails. */
type FaultMoment = 'before-applying' | 'after-applying';

/** What a call meets: a delay (ms, 0 for none), then at most one other effect. */
interface Strike {
  readonly delayMs: number;
  readonly effect?: Exclude<FaultEffect, { readonly kind: 'slow' }>;
}

/** The faults in force. */
export interface FaultPlan {
  /** Adds a fault, behind those already there; the answer removes it. Throws on an invalid one. */
  readonly inject: (fault: Fault) => () => void;
  readonly clear: () => void;
  /** Decides what this call meets, and counts it against the faults that strike it. */
  readonly strike: (operation: Operation, certificateId: string | undefined) => Strike;
}

/** No faults yet; `random` gives 0 ≤ x < 1. */
export function createFaultPlan(random: () => number): FaultPlan {
  const entries = new Set<{ readonly fault: Fault; left: number }>();
  return {
    inject: (fault) => {
      const entry = { fault: faultSchema.parse(fault), left: timesOf(fault) };
      entries.add(entry);
      return () => entries.delete(entry);
    },
    clear: () => entries.clear(),
    strike: (operation, certificateId) => {
      let strike: Strike = { delayMs: 0 };
      for (const entry of entries) {
        const { fault } = entry;
        const isAimed = aims(fault, operation, certificateId);
        const isMoot = strike.effect !== undefined && fault.kind !== 'slow';
        if (!isAimed || isMoot || random() >= (fault.probability ?? 1)) continue;
        strike = add(strike, fault);
        entry.left -= 1;
        if (entry.left <= 0) entries.delete(entry);
      }
      return strike;
    },
  };
}

const target = {
  operation: z.enum(operationNames),
  certificateId: z.string().exactOptional(),
  times: z.union([z.int().positive(), z.literal('always')]).exactOptional(),
  probability: z.number().min(0).max(1).exactOptional(),
};
const when = z.enum(['before-applying', 'after-applying']);

/** A fault as the admin surface takes it. */
export const faultSchema: z.ZodType<Fault> = z.discriminatedUnion('kind', [
  z
    .strictObject({
      ...target,
      kind: z.literal('exception'),
      name: z.string().min(1),
      status: z.int().min(400).max(599).exactOptional(),
      message: z.string().exactOptional(),
    })
    .refine(({ name, status }) => status !== undefined || isExceptionName(name), {
      path: ['status'],
      error: 'required for an exception name that AWS IoT does not have',
    }),
  z.strictObject({ ...target, kind: z.literal('hang'), when }),
  z.strictObject({ ...target, kind: z.literal('reset'), when }),
  z.strictObject({ ...target, kind: z.literal('slow'), ms: z.number().nonnegative() }),
  z.strictObject({ ...target, kind: z.literal('html') }),
]);

function timesOf({ times, probability }: Fault): number {
  if (times === 'always') return Infinity;
  return times ?? (probability === undefined ? 1 : Infinity);
}

function aims(fault: Fault, operation: Operation, certificateId: string | undefined): boolean {
  const isForAll = fault.certificateId === undefined;
  return fault.operation === operation && (isForAll || fault.certificateId === certificateId);
}

function add(strike: Strike, fault: Fault): Strike {
  return fault.kind === 'slow'
    ? { ...strike, delayMs: strike.delayMs + fault.ms }
    : { ...strike, effect: fault };
}
