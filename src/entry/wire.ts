// Puts the ports that the worker and the Lambda function share together, from the environment.

import { randomInt, randomUUID } from 'node:crypto';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { createCertificates, slowestAttemptMs, slowestCallMs } from '../aws/certificates.ts';
import {
  createDeadLetterQueue,
  createLaneQueue,
  createSqsClient,
  problemWith,
} from '../aws/queue.ts';
import { createMemoryBrakeStore } from '../brake-store.ts';
import type { Brake } from '../brake.ts';
import { queueVariable, readConfig, type Config } from '../config.ts';
import type { Log } from '../event.ts';
import { lanes, type Lane } from '../lane.ts';
import { createMemoryLedger } from '../ledger.ts';
import type { LaneQueue } from '../queue.ts';
import type { RedisQuota } from '../redis/quota.ts';
import type { Deployment } from '../request.ts';
import { createThrottle } from '../throttle.ts';
import type { WorkerPorts } from '../worker.ts';
import { systemClock } from './clock.ts';
import { createLog } from './log.ts';
import { openAlerts, openBrake, openPolicy } from './open-alerts.ts';
import type { OpenLedger } from './open-ledger.ts';

export interface Wired {
  readonly config: Config;
  readonly log: Log;
  readonly ports: WorkerPorts;
  /** What is wrong with the queues, the ledger's table and Redis, one sentence each; asks them. */
  readonly problems: () => Promise<readonly string[]>;
  /** What is wrong with the ledger's table alone: the one thing that we can do without. */
  readonly ledgerProblems: () => Promise<readonly string[]>;
  /** The brake, once; what waits for a held lane ends when `stopping` aborts. */
  readonly openBrake: (stopping: AbortSignal) => Brake;
}

/** Why we cannot start; its message is for people, a line for each problem. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
  constructor(problems: readonly string[]) {
    const lines = problems.map((problem) => `\n  ${problem}`);
    super(`iot-revocation-worker cannot start:${lines.join('')}`);
  }
}

/**
 * @param onLogLoss called when a line of the log could not be written
 * @throws CannotStart with all that is wrong with the environment
 */
export async function wire(onLogLoss: (error: Error) => void): Promise<Wired> {
  const sqs = createSqsClient();
  // What the SDK finds: AWS_REGION, or the profile's. If nothing, the configuration says so, beside
  // whatever else is wrong.
  const region = await sqs.config.region().catch(() => undefined);
  const reading = readConfig(process.env, region);
  const { policyFile } = reading.kind === 'config' ? reading.config : reading;
  const policy = openPolicy(policyFile);
  const problems = [reading, policy].flatMap((each) =>
    each.kind === 'problems' ? each.problems : [],
  );
  if (reading.kind === 'problems' || policy.kind === 'problems') throw new CannotStart(problems);
  const { config } = reading;
  const log = createLog(config.logLevel, onLogLoss);
  const queues: Partial<Record<Lane, LaneQueue>> = {};
  for (const lane of lanes) {
    const queueUrl = config.queueUrls[lane];
    if (queueUrl === undefined) continue;
    queues[lane] = createLaneQueue(sqs, { lane, queueUrl, now: systemClock.now });
  }
  const mostCalls = Math.min(
    500,
    Math.ceil((config.mostCallsPerSecond * slowestCallMs) / 1000) + 1,
  );
  const deployment = {
    accountId: config.accountId ?? (await accountId()),
    region: config.region,
  };
  const quota = await openQuota(config, deployment, log);
  const shared = await openLedger(config, deployment, log);
  const ledgerProblems = async (): Promise<readonly string[]> => (await shared?.problems()) ?? [];
  const brakes = shared?.brakeStore ?? createMemoryBrakeStore(1 / config.processes);
  const ports: WorkerPorts = {
    deployment,
    queues,
    deadLetters: createDeadLetterQueue(sqs, config.deadLetterQueueUrl),
    certificates: createCertificates(mostCalls),
    ledger: createMemoryLedger({ seed: randomInt(2 ** 32) }),
    ...(shared !== undefined && { sharedLedger: shared.ledger }),
    ...openAlerts({ config, deployment, policy: policy.policy, sqs }),
    throttle: createThrottle({
      limits: { share: config.callsPerSecond, ceiling: config.mostCallsPerSecond },
      slowestCallMs: slowestAttemptMs,
      clock: systemClock,
      random: Math.random,
      ...(quota !== undefined && { shared: quota }),
    }),
    log,
    clock: systemClock,
    random: Math.random,
  };
  return {
    config,
    log,
    ports,
    problems: async () => {
      const asked = [problemsWith(config, sqs, quota), ledgerProblems()];
      return (await Promise.all(asked)).flat();
    },
    ledgerProblems,
    openBrake: (stopping) => openBrake({ ceilings: config.ceilings, store: brakes, log, stopping }),
  };
}

// What only some deployments use is loaded where the environment asks for it: it would cost every
// start of a container its time, and every process its memory.

/** The quota that processes share, if they share one. */
async function openQuota(
  { redisUrl, processes }: Config,
  { accountId, region }: Deployment,
  log: Log,
): Promise<RedisQuota | undefined> {
  if (redisUrl === undefined) return undefined;
  const { createRedisQuota } = await import('../redis/quota.ts');
  return createRedisQuota({
    url: redisUrl,
    name: `${accountId}/${region}`,
    processId: randomUUID(),
    processes,
    log,
    clock: systemClock,
  });
}

/** The ledger that processes share, if they share one. */
async function openLedger(
  { ledgerTable }: Config,
  deployment: Deployment,
  log: Log,
): Promise<OpenLedger | undefined> {
  if (ledgerTable === undefined) return undefined;
  const { openLedgerTable } = await import('./open-ledger.ts');
  return openLedgerTable(ledgerTable, deployment, log);
}

async function problemsWith(
  config: Config,
  sqs: SQSClient,
  quota: RedisQuota | undefined,
): Promise<readonly string[]> {
  const queues = [
    ...lanes.map((lane) => [queueVariable[lane], config.queueUrls[lane]] as const),
    ['DEAD_LETTER_QUEUE_URL', config.deadLetterQueueUrl] as const,
  ];
  const problems = await Promise.all([
    ...queues.map(async ([name, url]) =>
      problem(name, url === undefined ? undefined : await problemWith(sqs, url)),
    ),
    quota?.problem().then((cause) => problem('REDIS_URL', cause)) ?? [],
  ]);
  return problems.flat();
}

function problem(name: string, cause: string | undefined): readonly string[] {
  return cause === undefined ? [] : [`${name}: ${cause}`];
}

async function accountId(): Promise<string> {
  const { askAccountId } = await import('../aws/account.ts');
  try {
    return await askAccountId();
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new CannotStart([
      `AWS_ACCOUNT_ID: it is not set, and STS could not be asked (${why}); set it, or give us credentials`,
    ]);
  }
}
