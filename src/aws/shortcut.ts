// Makes a call of the SDK's again for another input, without its stack of middleware. What that does to a
// request comes out the same for every call of an operation: endpoint, headers, user agent; and it takes
// more than half of a call's CPU, and more than all of this worker's logic.
//
// So the SDK makes the first call, and its request is kept as it was before it was signed. The next ones
// are that request with another path, query or body, signed by the SDK's signer and sent by its handler.
// Only a success is read here. Any other answer, or that there was none, goes through the SDK as if it had
// made the call itself: it names the exception, sets its clock, and tries again where it may.

import { Readable } from 'node:stream';
import type { IoTClient } from '@aws-sdk/client-iot';
import type {
  BuildMiddleware,
  HttpHandlerOptions,
  HttpRequest,
  MiddlewareStack,
  RequestSigner,
  RetryStrategy,
  RetryStrategyV2,
} from '@smithy/types';
import type { Answer, CallOptions } from './client.ts';

/** An operation whose calls by one client differ in nothing but path, query and body. */
export interface Operation<Input, Output> {
  /** The SDK's command. */
  readonly command: (input: Input) => { readonly middlewareStack: object };
  /** What the request for `input` has else than this one, which was for another. */
  readonly change: (
    request: HttpRequest,
    input: Input,
  ) => { readonly path?: string; readonly query?: Record<string, string>; readonly body?: string };
  /** Reads a success, to the end of its body: its connection is of no use before that. */
  readonly read: (response: Answer['response']) => Promise<Output>;
}

/** A client of the SDK, of whatever service. */
interface Client {
  readonly config: Pick<
    IoTClient['config'],
    'requestHandler' | 'retryStrategy' | 'signer' | 'systemClockOffset'
  >;
  readonly send: (command: never, options: CallOptions) => Promise<object>;
}

interface Kept {
  readonly request: HttpRequest;
  readonly signer: RequestSigner;
  /** Tells the SDK of a success: it weighs its retries against them. */
  readonly succeeded: () => void;
  /** Of the system's clock, ms. */
  readonly atMs: number;
}

/** So often the SDK makes a call itself, ms: it sets its clock by the answer. */
const keptForMs = 60_000;

/** Makes the calls of one operation. They reject as the SDK's do. */
export function createShortcut<Input, Output>(
  client: Client,
  { command, change, read }: Operation<Input, Output>,
): (input: Input, options?: HttpHandlerOptions) => Promise<Output> {
  const { config } = client;
  let kept: Kept | undefined;
  /** Settled once the SDK has made the first request, or has failed to. */
  let first: Promise<unknown> | undefined;
  const made = Promise.withResolvers<void>();

  const keep: BuildMiddleware<object, object> = (next) => async (args) => {
    const request = args.request as HttpRequest;
    // The SDK goes on to write into the headers.
    const copy = { ...request, headers: { ...request.headers } };
    kept = isTraced(request)
      ? undefined
      : {
          request: copy,
          signer: await config.signer(),
          succeeded: await successesOf(await config.retryStrategy()),
          atMs: now(),
        };
    made.resolve();
    return next(args);
  };

  async function sendBySdk(input: Input, options: CallOptions): Promise<Output> {
    const sent = command(input);
    const stack = sent.middlewareStack as MiddlewareStack<object, object>;
    // Last among what is done once a call: what follows differs from attempt to attempt.
    stack.add(keep, { step: 'build', priority: 'low' });
    return client.send(sent as never, options) as Promise<Output>;
  }

  /** The answer; one that is no success can be read at any time, and its connection is free. */
  async function send(
    { request, signer }: Kept,
    input: Input,
    options: HttpHandlerOptions,
  ): Promise<Answer> {
    const changed = change(request, input);
    const headers = { ...request.headers };
    if (changed.body !== undefined) {
      headers['content-length'] = String(Buffer.byteLength(changed.body));
    }
    const signingDate = new Date(now() + config.systemClockOffset);
    const signed = await signer.sign({ ...request, ...changed, headers }, { signingDate });
    const { response } = await config.requestHandler.handle(signed, options);
    if (isSuccess(response)) return { response };
    const body = Readable.from([Buffer.from(await textOf(response.body))]);
    return { response: { ...response, body } };
  }

  return async (input, options = {}) => {
    if (first === undefined) {
      const sent = sendBySdk(input, options);
      first = Promise.race([made.promise, sent.catch(() => undefined)]);
      return sent;
    }
    // What comes along with the first waits for its request: its stack takes milliseconds while it is cold.
    if (kept === undefined) await first;
    if (kept === undefined) return sendBySdk(input, options);
    if (Math.abs(now() - kept.atMs) > keptForMs) {
      kept = { ...kept, atMs: now() }; // for all others, until there is a newer one
      return sendBySdk(input, options);
    }
    const { succeeded } = kept;
    const sent = send(kept, input, options);
    const answer = await sent.catch(() => undefined);
    if (answer === undefined || !isSuccess(answer.response)) {
      return sendBySdk(input, { ...options, answers: [sent] });
    }
    succeeded();
    return read(answer.response);
  };
}

function isSuccess({ statusCode }: Answer['response']): boolean {
  return statusCode === 200;
}

async function successesOf(strategy: RetryStrategy | RetryStrategyV2): Promise<() => void> {
  if (!('recordSuccess' in strategy)) return () => {};
  const token = await strategy.acquireInitialRetryToken('');
  return () => strategy.recordSuccess(token);
}

/** The clock that the SDK signs by. */
function now(): number {
  // oxlint-disable-next-line no-restricted-properties -- the system's, whatever the worker's is
  return Date.now();
}

/** In Lambda, headers tell of the invocation that a request is made for: no two are alike. */
function isTraced({ headers }: HttpRequest): boolean {
  return Object.keys(headers).some((name) => /^(x-amzn-trace-id|traceparent)$/i.test(name));
}

/**
 * A body, to its end; it rejects if the connection breaks before. By its events: an async iterator, which
 * says the same in two lines, takes four to five times as long for the few bytes that AWS answers.
 */
export async function textOf(body: Answer['response']['body']): Promise<string> {
  const stream = body as Readable;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new Error('the connection broke amid the answer'));
    if (stream.destroyed) return giveUp();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve(Buffer.concat(chunks).toString()));
    stream.on('error', reject);
    stream.on('close', () => stream.readableEnded || giveUp());
  });
}
