// Puts the ports that the worker and the Lambda function share together, from the environment.

import { askAccountId } from '../aws/account.ts';
import { createCertificates, slowestAttemptMs, slowestCallMs } from '../aws/certificates.ts';
import {
  createDeadLetterQueue,
  createLaneQueue,
  createSqsClient,
  problemWith,
} from '../aws/queue.ts';
import { queueVariable, readConfig, type Config } from '../config.ts';
import type { Log } from '../event.ts';
import { lanes, type Lane } from '../lane.ts';
import { createMemoryLedger } from '../ledger.ts';
import type { LaneQueue } from '../queue.ts';
import { createThrottle } from '../throttle.ts';
import type { WorkerPorts } from '../worker.ts';
import { systemClock } from './clock.ts';
import { createLog } from './log.ts';

export interface Wired {
  readonly config: Config;
  readonly log: Log;
  readonly ports: WorkerPorts;
  /** What is wrong with the queues, one sentence each; asks SQS. */
  readonly queueProblems: () => Promise<readonly string[]>;
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
  if (reading.kind === 'problems') throw new CannotStart(reading.problems);
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
  const ports: WorkerPorts = {
    deployment: { accountId: config.accountId ?? (await accountId()), region: config.region },
    queues,
    deadLetters: createDeadLetterQueue(sqs, config.deadLetterQueueUrl),
    certificates: createCertificates(mostCalls),
    ledger: createMemoryLedger(),
    throttle: createThrottle({
      limits: { share: config.callsPerSecond, ceiling: config.mostCallsPerSecond },
      slowestCallMs: slowestAttemptMs,
      clock: systemClock,
      random: Math.random,
    }),
    log,
    clock: systemClock,
    random: Math.random,
  };
  const named = [
    ...lanes.map((lane) => [queueVariable[lane], config.queueUrls[lane]] as const),
    ['DEAD_LETTER_QUEUE_URL', config.deadLetterQueueUrl] as const,
  ];
  return {
    config,
    log,
    ports,
    queueProblems: async () => {
      const problems = await Promise.all(
        named.map(async ([name, url]) => {
          const problem = url === undefined ? undefined : await problemWith(sqs, url);
          return problem === undefined ? [] : [`${name}: ${problem}`];
        }),
      );
      return problems.flat();
    },
  };
}

async function accountId(): Promise<string> {
  try {
    return await askAccountId();
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new CannotStart([
      `AWS_ACCOUNT_ID: it is not set, and STS could not be asked (${why}); set it, or give us credentials`,
    ]);
  }
}
