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

/** What the SDK does before the request, fetching credentials above all, ends with no limit of its own. */
const beforehandMs = 1000;

/**
 * Ends a call by the time that it may take, whatever it is that hangs; or when it is abandoned. By
 * hand: AbortSignal.timeout and AbortSignal.any leave a timer and weak references behind for seconds,
 * which cost more than all the rest of this worker's logic.
 */
export async function within<T>(
  timeLimitMs: number,
  abandon: AbortSignal,
  send: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const cut = new AbortController();
  const given = Promise.withResolvers<never>();
  function giveUp(reason: unknown): void {
    cut.abort(reason);
    given.reject(reason);
  }
  const onAbandon = (): void => giveUp(abandon.reason);
  const onTimeout = (): void => giveUp(new DOMException('no answer in time', 'TimeoutError'));
  // oxlint-disable-next-line no-restricted-globals -- of a real socket, as the handler's own limits are
  const timer = setTimeout(onTimeout, timeLimitMs + beforehandMs);
  abandon.addEventListener('abort', onAbandon);
  if (abandon.aborted) onAbandon();
  try {
    return await Promise.race([send(cut.signal), given.promise]);
  } finally {
    clearTimeout(timer);
    abandon.removeEventListener('abort', onAbandon);
  }
}

/**
 * The client, a few µs a call quicker. V8 keeps an object that has grown as the SDK's configuration
 * grows in a hash table, and the SDK copies that object four times a call; what has been a prototype V8
 * lays out anew. Nothing of it changes but its place in memory, and without the effect all still works.
 */
export function withCompactConfig<Client extends { readonly config: object }>(
  client: Client,
): Client {
  const heir = Object.create(client.config) as { readonly region?: unknown };
  // V8 does it once a property has been looked for beyond the heir for a while.
  for (let times = 0; times < 1000; times++) void heir.region;
  return client;
}
