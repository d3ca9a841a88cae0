// The IoT client that all of our calls to AWS IoT Core's control plane go through.

import { IoTClient } from '@aws-sdk/client-iot';
import { httpHandler, type ClientLimits } from './client.ts';
import { Sha256 } from './sha256.ts';

/**
 * The IoT client, from the SDK's own environment. It makes one attempt a call: retries inside the SDK
 * would take no slot of the throttle.
 */
export function createIotClient(limits: ClientLimits): IoTClient {
  return new IoTClient({ maxAttempts: 1, sha256: Sha256, requestHandler: httpHandler(limits) });
}
