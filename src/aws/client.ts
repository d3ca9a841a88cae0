// What all our AWS clients have in common: connections that live, and calls that end.

import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { HttpHandlerOptions } from '@smithy/types';

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
  return new Handler({
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    throwOnRequestTimeout: true,
    httpAgent: { keepAlive: true, maxSockets },
    httpsAgent: { keepAlive: true, maxSockets },
  });
}

type HttpRequest = Parameters<NodeHttpHandler['handle']>[0];

/** What comes back. */
export type Answer = Awaited<ReturnType<NodeHttpHandler['handle']>>;

/** The options of a call, which the SDK hands on to its handler with each attempt. */
export interface CallOptions extends HttpHandlerOptions {
  /** What the first attempts came to: they have been made. */
  readonly answers?: Promise<Answer>[];
}

class Handler extends NodeHttpHandler {
  override async handle(request: HttpRequest, options: CallOptions = {}): Promise<Answer> {
    return options.answers?.shift() ?? super.handle(request, options);
  }
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
  return new Promise<T>((resolve, reject) => {
    function giveUp(reason: unknown): void {
      cut.abort(reason);
      settle(() => reject(reason));
    }
    const onAbandon = (): void => giveUp(abandon.reason);
    const onTimeout = (): void => giveUp(new DOMException('no answer in time', 'TimeoutError'));
    function settle(how: () => void): void {
      clearTimeout(timer);
      abandon.removeEventListener('abort', onAbandon);
      how();
    }
    // oxlint-disable-next-line no-restricted-globals -- of a real socket, as the handler's own limits are
    const timer = setTimeout(onTimeout, timeLimitMs + beforehandMs);
    abandon.addEventListener('abort', onAbandon);
    if (abandon.aborted) onAbandon();
    send(cut.signal).then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
