// The real AWS SDK, pointed at a sandbox.

import { IoTClient } from '@aws-sdk/client-iot';
import type { IotSandbox } from '../../src/sandbox/iot.ts';

/** A client that makes one attempt a call, so that a test sees each failure. Destroy it after. */
export function iotClientFor({
  endpoint,
  region,
}: Pick<IotSandbox, 'endpoint' | 'region'>): IoTClient {
  return new IoTClient({
    endpoint,
    region,
    maxAttempts: 1,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
}

/** What a call that is expected to fail failed with; throws when it succeeded. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  return call.then(
    () => {
      throw new Error('The call succeeded');
    },
    (error: unknown) => error as Failure,
  );
}

/** The part of an SDK error that tests look at. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}
