// One outcome of each kind, and the call that they rest on.

import type { CallStory, Outcome } from '../../src/outcome.ts';

export function callStory(fields: Partial<CallStory> = {}): CallStory {
  return {
    sentStatus: 'REVOKED',
    watermarkMs: 0,
    attempts: 1,
    startedAtMs: 0,
    callMs: 0,
    ...fields,
  };
}

type OutcomeOfEachKind = {
  readonly [Kind in Outcome['kind']]: Extract<Outcome, { readonly kind: Kind }>;
};

export const outcomes: OutcomeOfEachKind = {
  applied: { kind: 'applied', call: callStory() },
  covered: { kind: 'covered', cause: 'joined the call of message m', byMessageId: 'm' },
  unchanged: { kind: 'unchanged', cause: 'the certificate is REVOKED already', call: callStory() },
  rejected: {
    kind: 'rejected',
    failureKind: 'not-found',
    cause: 'ResourceNotFoundException: no such certificate',
    call: callStory(),
  },
  deferred: {
    kind: 'deferred',
    failureKind: 'throttled',
    cause: 'ThrottlingException: Rate exceeded',
    call: callStory(),
  },
  expanded: { kind: 'expanded', cause: '12 certificates are named; each has a request now' },
  ignored: { kind: 'ignored', cause: 'the alarm was cleared' },
};
