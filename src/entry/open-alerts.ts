// What alerts need, from the configuration: the policy, AWS IoT's directory within its quotas, and the
// brake.

import { readFileSync } from 'node:fs';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { slowestCallMs } from '../aws/certificates.ts';
import { createDirectory } from '../aws/directory.ts';
import { createSendBack } from '../aws/send-back.ts';
import { createMemoryBrakeStore, type BrakeStore } from '../brake-store.ts';
import { createBrake, type Brake } from '../brake.ts';
import type { Config } from '../config.ts';
import type { Log } from '../event.ts';
import { readJson } from '../json.ts';
import type { AlertPorts } from '../pipeline.ts';
import { readPolicy, type PolicyReading } from '../policy-file.ts';
import { defaultPolicy, type Policy } from '../policy.ts';
import type { Deployment } from '../request.ts';
import { createThrottle, type Throttle } from '../throttle.ts';
import { systemClock } from './clock.ts';

/** The policy that a file asks for; the default, where no file is named. */
export function openPolicy(path: string | undefined): PolicyReading {
  if (path === undefined) return { kind: 'policy', policy: defaultPolicy };
  const reading = readPolicyFile(path);
  if (reading.kind === 'policy') return reading;
  const problems = reading.problems.map((problem) => `POLICY_FILE: ${path}: ${problem}`);
  return { kind: 'problems', problems };
}

function readPolicyFile(path: string): PolicyReading {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'problems', problems: [`it cannot be read (${why})`] };
  }
  const json = readJson(text);
  return json.kind === 'refused'
    ? { kind: 'problems', problems: [json.reason] }
    : readPolicy(json.value);
}

export interface AlertNeeds {
  readonly config: Config;
  readonly deployment: Deployment;
  readonly policy: Policy;
  readonly sqs: SQSClient;
}

export function openAlerts({ config, deployment, policy, sqs }: AlertNeeds): AlertPorts {
  const { ceilings, dryRun, queueUrls } = config;
  return {
    policy,
    directory: createDirectory(deployment),
    lookupThrottles: {
      thingPrincipals: lookupThrottle(config),
      principalThings: lookupThrottle(config),
      auditFindings: lookupThrottle(config),
    },
    sendBack: createSendBack(sqs, queueUrls),
    dryRun: {
      lanes: dryRun,
      // Its events tell what it would have held; nobody has to let anything go.
      brake: openBrake({ ceilings, store: createMemoryBrakeStore(), log: silent, stopping: never }),
    },
  };
}

const silent: Log = { write: () => undefined };

const never: AbortSignal = new AbortController().signal;

export interface BrakeNeeds {
  readonly ceilings: Config['ceilings'];
  readonly store: BrakeStore;
  readonly log: Log;
  /** Ends what waits for a held lane. */
  readonly stopping: AbortSignal;
}

export function openBrake(needs: BrakeNeeds): Brake {
  return createBrake({ ...needs, wallClock: Date.now, clock: systemClock });
}

/**
 * Calls per second that AWS allows of each list, in every account and region (AWS IoT quotas L-FC3EF4D9
 * and L-C481616A; none is published for ListAuditFindings).
 */
const listsPerSecond = 10;

/** Each list's own pace, divided among processes as UpdateCertificate's is. */
function lookupThrottle({ quotaShare, processes }: Config): Throttle {
  return createThrottle({
    limits: { share: (listsPerSecond * quotaShare) / processes, ceiling: listsPerSecond },
    slowestCallMs,
    clock: systemClock,
    random: Math.random,
  });
}
