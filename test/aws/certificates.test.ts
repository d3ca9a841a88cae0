import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createCertificates } from '../../src/aws/certificates.ts';
import type { Certificates, FailureKind } from '../../src/call.ts';
import type { FaultEffect } from '../../src/sandbox/fault.ts';
import { startIot, type IotOptions, type IotSandbox } from '../../src/sandbox/iot.ts';
import { stubEnvironment } from '../helpers/environment.ts';

const never = new AbortController().signal;

interface World {
  readonly iot: IotSandbox;
  /** The calls since. */
  readonly calls: () => IotSandbox['calls'];
  readonly id: string;
  readonly certificates: Certificates;
}

/** A control plane with one active certificate, and the real client, found by the environment. */
async function setup({
  timeLimitMs,
  isLater = false,
  ...options
}: IotOptions & {
  timeLimitMs?: number;
  /** Whether the client has made an update before: the first is the SDK's, the others are not. */
  isLater?: boolean;
} = {}): Promise<World> {
  const iot = await startIot({ quota: 'unlimited', ...options });
  onTestFinished(() => iot.stop());
  const certificates = clientOf(iot.endpoint, timeLimitMs);
  const [id = '', other = ''] = await iot.seed({ count: 2 });
  if (isLater) await certificates.update(other, 'INACTIVE', never);
  const before = iot.calls.length;
  return { iot, id, certificates, calls: () => iot.calls.slice(before) };
}

function clientOf(endpoint: string, timeLimitMs?: number): Certificates {
  stubEnvironment({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_IOT: endpoint,
  });
  return createCertificates(10, timeLimitMs);
}

describe.each([
  ['the first', false],
  ['a later', true],
])('an update, %s', (_which, isLater) => {
  test('that succeeds has changed the status, and brings AWS’s request id', async () => {
    const { iot, id, certificates, calls } = await setup({ isLater });
    const answer = await certificates.update(id, 'INACTIVE', never);
    expect(answer).toEqual({ kind: 'updated', awsRequestId: calls()[0]?.requestId });
    expect(iot.status(id)).toBe('INACTIVE');
  });

  test('of a certificate that is nowhere is not found', async () => {
    const { certificates } = await setup({ isLater });
    const answer = await certificates.update('0'.repeat(64), 'REVOKED', never);
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { kind: 'not-found', name: 'ResourceNotFoundException' },
    });
  });

  test('above the quota is throttled, though its status is 400, and the SDK does not try again', async () => {
    const { id, certificates, calls } = await setup({ isLater, quota: { rate: 0, burst: 0 } });
    const answer = await certificates.update(id, 'REVOKED', never);
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { kind: 'throttled', name: 'ThrottlingException', message: 'Rate exceeded' },
    });
    expect(calls()).toHaveLength(1);
  });

  const exceptions: readonly (readonly [kind: FailureKind, name: string, status?: number])[] = [
    ['throttled', 'ThrottlingException'],
    ['throttled', 'ThrottlingException', 429],
    ['throttled', 'TooManyRequestsException', 429],
    ['unavailable', 'InternalFailureException'],
    ['unavailable', 'ServiceUnavailableException'],
    ['unavailable', 'InternalServerError', 500],
    ['invalid-request', 'InvalidRequestException'],
    ['not-found', 'ResourceNotFoundException'],
    ['state-conflict', 'CertificateStateException'],
    ['unauthorized', 'UnauthorizedException'],
    ['unauthorized', 'AccessDeniedException'],
    ['unauthorized', 'AccessDenied', 403],
    ['unauthorized', 'UnrecognizedClientException', 403],
    ['unauthorized', 'InvalidSignatureException', 403],
    ['unauthorized', 'ExpiredTokenException', 403],
    ['unauthorized', 'MissingAuthenticationTokenException', 403],
    ['unknown-exception', 'TeapotException', 418],
    ['unknown-exception', 'constructor', 400],
    ['unavailable', 'TeapotException', 500],
  ];
  for (const [kind, name, status] of exceptions) {
    test(`is ${kind} when AWS answers ${[name, status].join(' ')}`, async () => {
      const { iot, id, certificates, calls } = await setup({ isLater });
      const effect: FaultEffect = {
        kind: 'exception',
        name,
        message: 'in AWS’s words',
        ...(status !== undefined && { status }),
      };
      iot.inject({ operation: 'UpdateCertificate', ...effect });
      expect(await certificates.update(id, 'REVOKED', never)).toEqual({
        kind: 'failed',
        failure: { kind, name, message: 'in AWS’s words', awsRequestId: calls()[0]?.requestId },
      });
      expect(calls()).toHaveLength(1);
    });
  }

  test('that meets a load balancer’s page finds AWS unavailable', async () => {
    const { iot, id, certificates } = await setup({ isLater });
    iot.inject({ operation: 'UpdateCertificate', kind: 'html' });
    expect(await certificates.update(id, 'REVOKED', never)).toMatchObject({
      failure: { kind: 'unavailable' },
    });
  });

  test.each(['before-applying', 'after-applying'] as const)(
    'whose connection is reset %s has an unknown result',
    async (when) => {
      const { iot, id, certificates, calls } = await setup({ isLater });
      iot.inject({ operation: 'UpdateCertificate', kind: 'reset', when });
      expect(await certificates.update(id, 'REVOKED', never)).toMatchObject({
        failure: { kind: 'unknown-result', message: expect.stringContaining('ECONNRESET') },
      });
      expect(calls()).toHaveLength(1);
    },
  );

  test('that gets no answer in time has an unknown result', async () => {
    const { iot, id, certificates, calls } = await setup({ isLater, timeLimitMs: 200 });
    iot.inject({ operation: 'UpdateCertificate', kind: 'hang', when: 'after-applying' });
    expect(await certificates.update(id, 'REVOKED', never)).toMatchObject({
      failure: { kind: 'unknown-result', name: 'TimeoutError' },
    });
    expect(iot.status(id)).toBe('REVOKED');
    expect(calls()).toHaveLength(1);
  });

  test('that is cut has an unknown result, at once', async () => {
    const { iot, id, certificates } = await setup({ isLater });
    iot.inject({ operation: 'UpdateCertificate', kind: 'hang', when: 'before-applying' });
    const abandon = new AbortController();
    const answer = certificates.update(id, 'REVOKED', abandon.signal);
    await iot.waitFor((calls) => calls.some((call) => call.answer === 'hang'));
    abandon.abort();
    expect(await answer).toMatchObject({ failure: { kind: 'unknown-result', name: 'AbortError' } });
  });

  test('that was cut before it began sends nothing', async () => {
    const { id, certificates, calls } = await setup({ isLater });
    expect(await certificates.update(id, 'REVOKED', AbortSignal.abort())).toMatchObject({
      failure: { kind: 'unknown-result', name: 'AbortError' },
    });
    expect(calls()).toEqual([]);
  });

  test('does not reach AWS where nobody listens, or where no such host is', async () => {
    const { iot, id, certificates } = await setup(); // of a connection that lives, nobody knows what it carried
    await iot.stop();
    expect(await certificates.update(id, 'REVOKED', never)).toMatchObject({
      failure: { kind: 'unreachable', name: 'ECONNREFUSED' },
    });
    const nowhere = clientOf('http://iot.invalid:1');
    expect(await nowhere.update(id, 'REVOKED', never)).toMatchObject({
      failure: { kind: 'unreachable', name: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) },
    });
  });

  test('without credentials is unauthorized, for it is our deployment that is wrong', async () => {
    const { iot, id } = await setup({ isLater });
    stubEnvironment({
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_IOT: iot.endpoint,
      AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
      AWS_CONFIG_FILE: '/nowhere',
    });
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
    expect(await createCertificates(1).update(id, 'REVOKED', never)).toMatchObject({
      failure: { kind: 'unauthorized', name: 'CredentialsProviderError' },
    });
  });

  test.each([
    ['an empty 500', 500, '', 'unavailable'],
    ['an empty 503', 503, '', 'unavailable'],
    ['an empty 400', 400, '', 'unknown-exception'],
    ['a 502 that is no JSON', 502, '<html>', 'unavailable'],
    ['a 400 that is no JSON', 400, '<html>', 'unknown-exception'],
  ])('understands %s', async (_what, status, body, kind) => {
    const server = createServer((_request, response) => response.writeHead(status).end(body));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => server.closeAllConnections());
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const certificates = clientOf(`http://127.0.0.1:${port}`);
    const answer = await certificates.update('0'.repeat(64), 'REVOKED', never);
    expect(answer).toMatchObject({ kind: 'failed', failure: { kind } });
    const { failure } = answer as Extract<typeof answer, { readonly kind: 'failed' }>;
    expect(failure.name).not.toBe('');
  });

  test('that succeeds keeps its connection for the next', async () => {
    const { iot, certificates } = await setup({ isLater });
    const ids = await iot.seed({ count: 5 });
    const seen = new Set<number>();
    const server = createServer((request, response) => {
      seen.add(request.socket.remotePort ?? 0);
      response.writeHead(200).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => server.closeAllConnections());
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const client = clientOf(`http://127.0.0.1:${port}`);
    for (const id of ids)
      expect(await client.update(id, 'REVOKED', never)).toMatchObject({ kind: 'updated' });
    expect(seen.size).toBe(1);
    expect(certificates).toBeDefined();
  });
});

describe('a look', () => {
  test('sees the status', async () => {
    const { iot, id, certificates } = await setup();
    expect(await certificates.describe(id, never)).toEqual({
      kind: 'described',
      status: 'ACTIVE',
      awsRequestId: iot.calls[0]?.requestId,
    });
  });

  test.each([
    ['not-found', 'ResourceNotFoundException'],
    ['throttled', 'ThrottlingException'],
    ['unavailable', 'InternalFailureException'],
    ['unauthorized', 'AccessDeniedException'],
  ] as const)('is %s when AWS answers %s', async (kind, name) => {
    const { iot, id, certificates } = await setup();
    iot.inject({ operation: 'DescribeCertificate', kind: 'exception', name });
    expect(await certificates.describe(id, never)).toMatchObject({
      kind: 'failed',
      failure: { kind, name },
    });
  });

  test('is cut as an update is', async () => {
    const { iot, id, certificates } = await setup();
    iot.inject({ operation: 'DescribeCertificate', kind: 'hang', when: 'before-applying' });
    const abandon = new AbortController();
    const answer = certificates.describe(id, abandon.signal);
    await iot.waitFor((calls) => calls.some((call) => call.answer === 'hang'));
    abandon.abort();
    expect(await answer).toMatchObject({ failure: { kind: 'unknown-result' } });
  });
});
