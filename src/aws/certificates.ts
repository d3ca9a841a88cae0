// The certificates of one account and region, by AWS IoT Core's control plane.

import {
  DescribeCertificateCommand,
  IoTClient,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot';
import type { Certificates } from '../call.ts';
import { httpHandler, within, withCompactConfig } from './client.ts';
import { failureOf } from './failure.ts';
import { Sha256 } from './sha256.ts';

/** The longest that one call can take, ms; a slower answer counts as none. */
export const slowestCallMs = 5000;

/** An attempt is an update, and perhaps a look before or after it, ms. */
export const slowestAttemptMs: number = 2 * slowestCallMs;

/**
 * The IoT client, from the SDK's own environment. It makes one attempt a call: retries inside the
 * SDK would take no slot of the throttle.
 *
 * @param mostCalls calls that may be under way at the same time
 * @param timeLimitMs the longest that one call may take; default `slowestCallMs`
 */
export function createCertificates(
  mostCalls: number,
  timeLimitMs: number = slowestCallMs,
): Certificates {
  const client = withCompactConfig(
    new IoTClient({
      maxAttempts: 1,
      sha256: Sha256,
      requestHandler: httpHandler({ maxSockets: mostCalls, requestTimeoutMs: timeLimitMs }),
    }),
  );
  return {
    update: async (certificateId, newStatus, abandon) => {
      const command = new UpdateCertificateCommand({ certificateId, newStatus });
      try {
        const { $metadata } = await within(timeLimitMs, abandon, async (abortSignal) =>
          client.send(command, { abortSignal }),
        );
        return { kind: 'updated', ...requestIdOf($metadata) };
      } catch (error) {
        return { kind: 'failed', failure: failureOf(error) };
      }
    },
    describe: async (certificateId, abandon) => {
      const command = new DescribeCertificateCommand({ certificateId });
      try {
        const { certificateDescription, $metadata } = await within(
          timeLimitMs,
          abandon,
          async (abortSignal) => client.send(command, { abortSignal }),
        );
        const status = certificateDescription?.status ?? 'of unknown status';
        return { kind: 'described', status, ...requestIdOf($metadata) };
      } catch (error) {
        return { kind: 'failed', failure: failureOf(error) };
      }
    },
  };
}

function requestIdOf({ requestId }: { readonly requestId?: string | undefined }): {
  readonly awsRequestId?: string;
} {
  return requestId === undefined ? {} : { awsRequestId: requestId };
}
