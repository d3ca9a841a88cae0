// The certificates of one account and region, by AWS IoT Core's control plane.

import {
  DescribeCertificateCommand,
  IoTClient,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot';
import type { Certificates } from '../call.ts';
import { httpHandler } from './client.ts';
import { failureOf } from './failure.ts';

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
  const client = new IoTClient({
    maxAttempts: 1,
    requestHandler: httpHandler({ maxSockets: mostCalls, requestTimeoutMs: timeLimitMs }),
  });
  return {
    update: async (certificateId, newStatus, abandon) => {
      const command = new UpdateCertificateCommand({ certificateId, newStatus });
      try {
        const { $metadata } = await within(timeLimitMs, abandon, (abortSignal) =>
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
          (abortSignal) => client.send(command, { abortSignal }),
        );
        const status = certificateDescription?.status ?? 'of unknown status';
        return { kind: 'described', status, ...requestIdOf($metadata) };
      } catch (error) {
        return { kind: 'failed', failure: failureOf(error) };
      }
    },
  };
}

/** What the SDK does before the request, fetching credentials above all, ends with no limit of its own. */
const beforehandMs = 1000;

/** Ends a call by the time that it may take, whatever it is that hangs. */
async function within<T>(
  timeLimitMs: number,
  abandon: AbortSignal,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(timeLimitMs + beforehandMs);
  const cut = AbortSignal.any([limit, abandon]);
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => given.reject(cut.reason);
  cut.addEventListener('abort', giveUp, { once: true });
  if (cut.aborted) giveUp();
  try {
    return await Promise.race([send(cut), given.promise]);
  } finally {
    cut.removeEventListener('abort', giveUp);
  }
}
function requestIdOf({ requestId }: { readonly requestId?: string | undefined }): {
  readonly awsRequestId?: string;
} {
  return requestId === undefined ? {} : { awsRequestId: requestId };
}
