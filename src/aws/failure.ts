// One table: from what an AWS call threw to a failure kind. By the error's name, never by the HTTP
// status: IoT answers ThrottlingException with 400. Only what carries no name is told by other signs.

import type { Failure, FailureKind } from '../call.ts';
import { quote } from '../quote.ts';

/** AWS service model of iot 2015-05-28, and the names that AWS uses across its services. */
const kindOfName: Readonly<Record<string, FailureKind>> = {
  ThrottlingException: 'throttled',
  Throttling: 'throttled',
  ThrottledException: 'throttled',
  ProvisionedThroughputExceededException: 'throttled', // DynamoDB's
  TooManyRequestsException: 'throttled',
  RequestThrottled: 'throttled',
  RequestThrottledException: 'throttled',
  RequestLimitExceeded: 'throttled',
  SlowDown: 'throttled',

  InternalFailureException: 'unavailable',
  InternalFailure: 'unavailable',
  InternalServerError: 'unavailable',
  InternalServerException: 'unavailable',
  InternalError: 'unavailable',
  ServiceUnavailableException: 'unavailable',
  ServiceUnavailable: 'unavailable',

  UnauthorizedException: 'unauthorized',
  AccessDeniedException: 'unauthorized',
  AccessDenied: 'unauthorized',
  AuthFailure: 'unauthorized',
  ExpiredToken: 'unauthorized',
  ExpiredTokenException: 'unauthorized',
  IncompleteSignature: 'unauthorized',
  IncompleteSignatureException: 'unauthorized',
  InvalidAccessKeyId: 'unauthorized',
  InvalidClientTokenId: 'unauthorized',
  InvalidSignatureException: 'unauthorized',
  MissingAuthenticationToken: 'unauthorized',
  MissingAuthenticationTokenException: 'unauthorized',
  NotAuthorized: 'unauthorized',
  OptInRequired: 'unauthorized',
  RequestExpired: 'unauthorized',
  RequestTimeTooSkewed: 'unauthorized',
  SignatureDoesNotMatch: 'unauthorized',
  UnrecognizedClientException: 'unauthorized',
  CredentialsProviderError: 'unauthorized',
  TokenProviderError: 'unauthorized',

  ResourceNotFoundException: 'not-found',
  InvalidRequestException: 'invalid-request',
  CertificateStateException: 'state-conflict',
};

/** Node's error codes of connections that never carried our request. */
const kindOfCode: Readonly<Record<string, FailureKind>> = {
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
  ECONNREFUSED: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EPROTO: 'unreachable',
  // These may have carried it.
  ECONNRESET: 'unknown-result',
  ECONNABORTED: 'unknown-result',
  EPIPE: 'unknown-result',
  ETIMEDOUT: 'unknown-result',
};

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  /** Of an AggregateError: each address of a host failed in its own way. */
  readonly errors?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly requestId?: unknown } | null;
}

/** Names that say nothing. */
const nameless: ReadonlySet<string> = new Set(['Error', 'AggregateError']);

/** What an AWS call threw, as a failure that its caller can branch on. It takes anything. */
export function failureOf(thrown: unknown): Failure {
  const error: SdkError = typeof thrown === 'object' && thrown !== null ? thrown : {};
  const name = typeof error.name === 'string' && error.name !== '' ? error.name : 'Unknown';
  const code = typeof error.code === 'string' ? error.code : '';
  const awsRequestId = error.$metadata?.requestId;
  return {
    kind: kindOf(name, code, error.$metadata?.httpStatusCode),
    name: nameless.has(name) && code !== '' ? code : name,
    message: messageOf(error) ?? quote(thrown),
    ...(typeof awsRequestId === 'string' && { awsRequestId }),
  };
}

function messageOf({ message, errors }: SdkError): string | undefined {
  if (message === '' && Array.isArray(errors)) {
    return errors.map((error) => failureOf(error).message).join('; ');
  }
  return typeof message === 'string' ? message : undefined;
}

function kindOf(name: string, code: string, httpStatus: unknown): FailureKind {
  const known = own(kindOfName, name) ?? own(kindOfCode, code);
  if (known !== undefined) return known;
  // The SDK's own time limits and aborts.
  if (name === 'TimeoutError' || name === 'AbortError') return 'unknown-result';
  if (/^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(code))
    return 'unreachable';
  // A load balancer's page, or an empty body: the SDK has no name for it, or calls it a SyntaxError.
  if (typeof httpStatus === 'number' && httpStatus >= 500) return 'unavailable';
  // A success that broke off half-way.
  if (httpStatus === 200) return 'unknown-result';
  return 'unknown-exception';
}

/** Not what every object has: an exception may be called "constructor". */
function own(kinds: Readonly<Record<string, FailureKind>>, key: string): FailureKind | undefined {
  return Object.hasOwn(kinds, key) ? kinds[key] : undefined;
}
