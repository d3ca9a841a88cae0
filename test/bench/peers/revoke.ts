// What every peer has in common: the queues to read, and the call that a message asks for. Each brings
// its own way of reading, acknowledging and trying again.

import { IoTClient, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import { SQSClient } from '@aws-sdk/client-sqs';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import Bottleneck from 'bottleneck';

/** Polls at the same time, per queue. */
export const pollers: number = Number(process.env['POLLERS'] ?? 1);

export interface Queue {
  readonly url: string;
  /** Bottleneck's priorities, 0 first (https://github.com/SGrondin/bottleneck#job-options). */
  readonly priority: number;
}

/** The most urgent first; a peer reads them side by side. */
export const queues: readonly Queue[] = ['INCIDENT', 'ALERT', 'ROTATION'].flatMap((lane, at) => {
  const url = process.env[`${lane}_QUEUE_URL`];
  return url ? [{ url, priority: at * 4 }] : [];
});

/** More connections than the default of 50, as the SDK's guide says for many calls at once:
 * https://docs.aws.amazon.com/sdk-for-javascript/v3/developer-guide/node-configuring-maxsockets.html */
const requestHandler = { maxSockets: 500 };

export function createSqs(): SQSClient {
  return new SQSClient({
    useQueueUrlAsEndpoint: false,
    requestHandler: new NodeHttpHandler({ httpsAgent: requestHandler, httpAgent: requestHandler }),
  });
}

/** An external pacer at the quota, as bottleneck's README has it for rate limits:
 * https://github.com/SGrondin/bottleneck#step-1-of-3 */
const pacerTps = Number(process.env['PACER_TPS'] ?? 0);
const pacer =
  pacerTps > 0
    ? new Bottleneck({ minTime: 1000 / pacerTps, maxConcurrent: Math.max(10, pacerTps) })
    : undefined;

export type Revoke = (body: string | undefined, priority: number) => Promise<void>;

/**
 * Carries a message out, with the SDK's own retries:
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html. Ten attempts and not
 * three, so that a throttled call is not given up at once.
 */
export function createRevoke(retryMode: 'standard' | 'adaptive', maxAttempts = 10): Revoke {
  const iot = new IoTClient({
    retryMode,
    maxAttempts,
    requestHandler: new NodeHttpHandler({ httpsAgent: requestHandler, httpAgent: requestHandler }),
  });
  return async (body, priority) => {
    const { certificateId, newStatus } = JSON.parse(body ?? '') as {
      readonly certificateId: string;
      readonly newStatus: 'INACTIVE' | 'REVOKED';
    };
    const call = async (): Promise<void> => {
      await iot.send(new UpdateCertificateCommand({ certificateId, newStatus }));
    };
    await (pacer === undefined ? call() : pacer.schedule({ priority }, call));
  };
}
