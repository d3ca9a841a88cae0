// What the pipeline needs for alerts, in tests of something else: the default policy, a directory that
// knows nothing, and no dry run.

import type { AlertPorts } from '../../src/pipeline.ts';
import { defaultPolicy } from '../../src/policy.ts';
import type { Throttle } from '../../src/throttle.ts';

/** A throttle whose slots fire at once. */
const atOnce: Pick<Throttle, 'wake'> = {
  wake: (serve) => {
    while (serve() !== undefined);
  },
};

export function alertPorts(fields: Partial<AlertPorts> = {}): AlertPorts {
  const nothing = async () => ({ kind: 'page', items: [] }) as const;
  return {
    policy: defaultPolicy,
    directory: { thingPrincipals: nothing, principalThings: nothing, auditFindings: nothing },
    lookupThrottles: { thingPrincipals: atOnce, principalThings: atOnce, auditFindings: atOnce },
    sendBack: async (_lane, bodies) => bodies.map(() => ({ done: true })),
    dryRun: { lanes: new Set() },
    ...fields,
  };
}
