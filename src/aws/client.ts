// What all our AWS clients have in common: connections that live, and calls that end.

import { NodeHttpHandler } from '@smithy/node-http-handler';

export interface ClientLimits {
  /** Connections at the same time. */
  readonly maxSockets: number;
  /** How long an answer may take, ms. */
  readonly requestTimeoutMs: number;
}

/** No connection takes longer, ms. */
const connectionTimeoutMs = 2000;

/**
 * An HTTP handler that keeps connections alive and gives up in time. Without
 * `throwOnRequestTimeout` the SDK only writes a warning when the time is over, and waits on.
 */
export function httpHandler({ maxSockets, requestTimeoutMs }: ClientLimits): NodeHttpHandler {
  return new NodeHttpHandler({
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets },
    httpsAgent: { keepAlive: true, maxSockets },
  });
}
