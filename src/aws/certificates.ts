// The certificates of one account and region, by AWS IoT Core's control plane.

import { DescribeCertificateCommand, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import type { Certificates } from '../call.ts';
import { within } from './client.ts';
import { failureOf } from './failure.ts';
import { createIotClient } from './iot-client.ts';

/** The longest that one call can take, ms; a slower answer counts as none. */
export const slowestCallMs = 5000;

/** An attempt is an update, and perhaps a look before or after it, ms. */
export const slowestAttemptMs: number = 2 * slowestCallMs;

/**
 * The certificates, with the SDK's own environment.
 *
 * @param mostCalls calls that may be under way at the same time
 * @param timeLimitMs the longest that one call may take; default `slowestCallMs`
 */
export function createCertificates(
  mostCalls: number,
  timeLimitMs: number = slowestCallMs,
): Certificates {
  const client = createIotClient({ maxSockets: mostCalls, requestTimeoutMs: timeLimitMs });
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
