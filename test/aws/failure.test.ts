import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../src/aws/failure.ts';
import type { FailureKind } from '../../src/call.ts';

interface Signs {
  readonly name?: string;
  readonly code?: string;
  readonly status?: number;
}

/** An error as the SDK or Node throws it. */
function errorOf({ name, code, status }: Signs): Error {
  return Object.assign(new Error('a message'), {
    ...(name !== undefined && { name }),
    ...(code !== undefined && { code }),
    ...(status !== undefined && { $metadata: { httpStatusCode: status, requestId: 'aws-1' } }),
  });
}

const kindsByName: Readonly<Partial<Record<FailureKind, readonly string[]>>> = {
  throttled: [
    'ThrottlingException',
    'Throttling',
    'ThrottledException',
    'TooManyRequestsException',
    'RequestThrottled',
    'RequestThrottledException',
    'RequestLimitExceeded',
    'SlowDown',
  ],
  unavailable: [
    'InternalFailureException',
    'InternalFailure',
    'InternalServerError',
    'InternalServerException',
    'InternalError',
    'ServiceUnavailableException',
    'ServiceUnavailable',
  ],
  unauthorized: [
    'UnauthorizedException',
    'AccessDeniedException',
    'AccessDenied',
    'AuthFailure',
    'ExpiredToken',
    'ExpiredTokenException',
    'IncompleteSignature',
    'InvalidAccessKeyId',
    'InvalidClientTokenId',
    'InvalidSignatureException',
    'MissingAuthenticationToken',
    'NotAuthorized',
    'OptInRequired',
    'RequestExpired',
    'SignatureDoesNotMatch',
    'UnrecognizedClientException',
    'CredentialsProviderError',
    'TokenProviderError',
  ],
  'not-found': ['ResourceNotFoundException'],
  'invalid-request': ['InvalidRequestException'],
  'state-conflict': ['CertificateStateException'],
  'unknown-result': ['TimeoutError', 'AbortError'],
  'unknown-exception': [
    'TeapotException',
    'throttlingexception',
    'LimitExceededException',
    'constructor',
    'toString',
    '__proto__',
    'hasOwnProperty',
  ],
};

describe.each(Object.entries(kindsByName))('a failure is %s by the name', (kind, names) => {
  test.each(names)('%s, whatever its status', (name) => {
    for (const status of [400, 401, 403, 404, 406, 409, 429]) {
      expect(failureOf(errorOf({ name, status }))).toEqual({
        kind,
        name,
        message: 'a message',
        awsRequestId: 'aws-1',
      });
    }
  });
});

describe('a failure without a name that we know', () => {
  test.each([
    [
      'unreachable',
      ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EPROTO'],
    ],
    [
      'unreachable',
      ['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN'],
    ],
    ['unreachable', ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER']], // prettier-ignore
    ['unknown-result', ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']],
    ['unknown-exception', ['EMFILE', 'constructor', '']],
  ] as const)('is %s by the codes %j', (kind, codes) => {
    for (const code of codes) {
      expect(failureOf(errorOf({ code }))).toMatchObject({ kind, name: code || 'Error' });
    }
  });

  test.each([
    ['unavailable', 500],
    ['unavailable', 503],
    ['unknown-result', 200],
    ['unknown-exception', 400],
    ['unknown-exception', 302],
  ] as const)('is %s by the status %d', (kind, status) => {
    expect(failureOf(errorOf({ name: 'SyntaxError', status }))).toMatchObject({ kind });
  });

  test('shows its code where its name says nothing', () => {
    expect(failureOf(errorOf({ code: 'ECONNRESET' })).name).toBe('ECONNRESET');
    expect(failureOf(errorOf({ name: 'NetworkingError', code: 'ECONNRESET' })).name).toBe(
      'NetworkingError',
    );
  });

  test('of several addresses that all refused says so', () => {
    // Node tries ::1 and 127.0.0.1 in turn (happy eyeballs), and has no message for both.
    const refusals = [new Error('connect ECONNREFUSED ::1:1'), new Error('connect ECONNREFUSED 127.0.0.1:1')]; // prettier-ignore
    const error = Object.assign(new AggregateError(refusals), { code: 'ECONNREFUSED' });
    expect(failureOf(error)).toEqual({
      kind: 'unreachable',
      name: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1',
    });
  });
});

test('anything thrown is a failure that can be told', () => {
  const strange = fc.oneof(
    fc.anything({ withNullPrototype: true }),
    fc.record({ name: fc.anything(), message: fc.anything(), code: fc.anything(), $metadata: fc.anything() }), // prettier-ignore
  );
  fc.assert(
    fc.property(strange, (thrown) => {
      const failure = failureOf(thrown);
      expect([...Object.keys(kindsByName), 'unreachable']).toContain(failure.kind);
      expect([typeof failure.name, typeof failure.message]).toEqual(['string', 'string']);
      expect(failure.name).not.toBe('');
    }),
  );
});
