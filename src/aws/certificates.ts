// The certificates of one account and region, by AWS IoT Core's control plane.

import {
  DescribeCertificateCommand,
  UpdateCertificateCommand,
  type UpdateCertificateRequest,
} from '@aws-sdk/client-iot';
import type { Certificates } from '../call.ts';
import { within } from './client.ts';
import { failureOf } from './failure.ts';
import { createIotClient } from './iot-client.ts';
import { createShortcut, textOf } from './shortcut.ts';

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
  const update = createShortcut<UpdateCertificateRequest, Answered>(client, {
    command: (input) => new UpdateCertificateCommand(input),
    change: ({ path }, { certificateId = '', newStatus = '' }) => ({
      path: path.slice(0, path.lastIndexOf('/') + 1) + certificateId,
      query: { newStatus },
    }),
    read: async ({ headers, body }) => {
      await textOf(body);
      return { $metadata: { requestId: headers['x-amzn-requestid'] } };
    },
  });
  return {
    update: async (certificateId, newStatus, abandon) => {
      try {
        const { $metadata } = await within(timeLimitMs, abandon, async (abortSignal) =>
          update({ certificateId, newStatus }, { abortSignal }),
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

/** What the SDK says of every answer. */
interface Answered {
  readonly $metadata: { readonly requestId?: string | undefined };
}

function requestIdOf({ requestId }: Answered['$metadata']): { readonly awsRequestId?: string } {
  return requestId === undefined ? {} : { awsRequestId: requestId };
}
