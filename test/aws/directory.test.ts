import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AttachThingPrincipalCommand, CreateThingCommand } from '@aws-sdk/client-iot';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDirectory } from '../../src/aws/directory.ts';
import type { Directory, Page } from '../../src/directory.ts';
import { startIot, type IotSandbox } from '../../src/sandbox/iot.ts';
import { stubEnvironment } from '../helpers/environment.ts';
import { iotClientFor } from '../helpers/iot-client.ts';

const never = new AbortController().signal;
const audit = { taskId: 'task-1', checkName: 'DEVICE_CERTIFICATE_SHARED_CHECK' };

/** A control plane, and the real client, found by the environment. */
async function setup(timeLimitMs?: number) {
  const iot = await startIot();
  onTestFinished(() => iot.stop());
  return { iot, directory: directoryAt(iot.endpoint, timeLimitMs, iot) };
}

function directoryAt(
  endpoint: string,
  timeLimitMs?: number,
  deployment = { accountId: '000000000000', region: 'us-east-1' },
): Directory {
  stubEnvironment({
    AWS_REGION: deployment.region,
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_SECRET_ACCESS_KEY: 'sandbox',
    AWS_ENDPOINT_URL_IOT: endpoint,
  });
  return createDirectory(deployment, timeLimitMs);
}

/** Things `thing-1` … that all have all of the certificates. */
async function attach(iot: IotSandbox, things: number, ids: readonly string[]): Promise<void> {
  const client = iotClientFor(iot);
  onTestFinished(() => client.destroy());
  for (let n = 1; n <= things; n++) {
    const thingName = `thing-${n}`;
    await client.send(new CreateThingCommand({ thingName }));
    await Promise.all(
      ids.map((id) =>
        client.send(new AttachThingPrincipalCommand({ thingName, principal: arnOf(id) })),
      ),
    );
  }
}

const arnOf = (id: string): string => `arn:aws:iot:us-east-1:000000000000:cert/${id}`;

/** A server that answers the same to everything; tells what it was asked. */
async function answering(body: unknown) {
  const asked: { url: string; principal: string; body: string }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked.push({
        url: request.url ?? '',
        principal: String(request.headers['x-amzn-principal']),
        body: Buffer.concat(chunks).toString(),
      });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** Every page, in order. */
async function pagesOf<Item>(
  ask: (nextToken: string | undefined) => Promise<Page<Item>>,
): Promise<readonly (readonly Item[])[]> {
  const pages: (readonly Item[])[] = [];
  let nextToken: string | undefined;
  do {
    const page = await ask(nextToken);
    if (page.kind === 'failed') throw new Error(JSON.stringify(page.failure));
    pages.push(page.items);
    ({ nextToken } = page);
  } while (nextToken !== undefined);
  return pages;
}

describe('the principals of a thing', () => {
  test('are the ARNs of what is attached to it', async () => {
    const { iot, directory } = await setup();
    const ids = await iot.seed({ count: 2 });
    await attach(iot, 1, ids);
    expect(await directory.thingPrincipals('thing-1', undefined, never)).toEqual({
      kind: 'page',
      items: ids.map(arnOf).toSorted(),
    });
  });

  test('come a page a call, in pages as large as AWS has them', async () => {
    const { iot, directory } = await setup();
    const ids = await iot.seed({ count: 251 });
    await attach(iot, 1, ids);
    const pages = await pagesOf((token) => directory.thingPrincipals('thing-1', token, never));
    expect(pages.map(({ length }) => length)).toEqual([250, 1]);
    expect(new Set(pages.flat())).toEqual(new Set(ids.map(arnOf)));
  });

  test('are none where none is attached; a thing that does not exist is not found', async () => {
    const { iot, directory } = await setup();
    await attach(iot, 1, []);
    expect(await directory.thingPrincipals('thing-1', undefined, never)).toEqual({
      kind: 'page',
      items: [],
    });
    expect(await directory.thingPrincipals('thing-2', undefined, never)).toMatchObject({
      kind: 'failed',
      failure: { kind: 'not-found', name: 'ResourceNotFoundException' },
    });
  });
});

describe('the things of a certificate', () => {
  test('are those that it is attached to, a page a call', async () => {
    const { iot, directory } = await setup();
    const [id = ''] = await iot.seed({ count: 1 });
    await attach(iot, 251, [id]);
    const pages = await pagesOf((token) => directory.principalThings(id, token, never));
    expect(pages.map(({ length }) => length)).toEqual([250, 1]);
    expect(pages.flat()).toContain('thing-251');
  });

  test('are not found where there is no such certificate', async () => {
    const { directory } = await setup();
    expect(await directory.principalThings('0'.repeat(64), undefined, never)).toMatchObject({
      kind: 'failed',
      failure: { kind: 'not-found' },
    });
  });

  test.each([
    ['us-east-1', 'aws'],
    ['eu-central-1', 'aws'],
    ['cn-north-1', 'aws-cn'],
    ['us-gov-west-1', 'aws-us-gov'],
    ['eusc-de-east-1', 'aws-eusc'],
    ['us-isob-east-1', 'aws-iso-b'],
  ])('are asked for, in %s, by an ARN of the partition %s', async (region, partition) => {
    const { endpoint, asked } = await answering({ things: [] });
    const directory = directoryAt(endpoint, undefined, { accountId: '123456789012', region });
    await directory.principalThings('a'.repeat(64), undefined, never);
    expect(asked[0]?.principal).toBe(
      `arn:${partition}:iot:${region}:123456789012:cert/${'a'.repeat(64)}`,
    );
  });
});

describe('the findings of an audit', () => {
  test('are asked for by task and check, and name certificates', async () => {
    const { endpoint, asked } = await answering({
      findings: [
        {
          findingId: 'f-1',
          isSuppressed: true,
          nonCompliantResource: { resourceIdentifier: { deviceCertificateId: 'a'.repeat(64) } },
        },
        { nonCompliantResource: { resourceIdentifier: { deviceCertificateId: 'b'.repeat(64) } } },
      ],
      nextToken: 'more',
    });
    const directory = directoryAt(endpoint);
    expect(await directory.auditFindings(audit, 'from-here', never)).toEqual({
      kind: 'page',
      items: [
        { certificateId: 'a'.repeat(64), isSuppressed: true },
        { certificateId: 'b'.repeat(64), isSuppressed: false },
      ],
      nextToken: 'more',
    });
    expect(asked[0]?.url).toBe('/audit/findings');
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      ...audit,
      maxResults: 250,
      nextToken: 'from-here',
    });
  });

  test.each([
    ['nothing', {}],
    ['no resource', { nonCompliantResource: null }],
    ['a resource without a name', { nonCompliantResource: { resourceIdentifier: {} } }],
    ['another resource', { nonCompliantResource: { resourceIdentifier: { clientId: 'x' } } }],
    ['an empty id', { nonCompliantResource: { resourceIdentifier: { deviceCertificateId: '' } } }],
  ])('name no certificate where they hold %s', async (_what, finding) => {
    const { endpoint } = await answering({ findings: [finding], nextToken: null });
    expect(await directoryAt(endpoint).auditFindings(audit, undefined, never)).toEqual({
      kind: 'page',
      items: [{ isSuppressed: false }],
    });
  });
});

describe('a list', () => {
  const lists: readonly (readonly [
    string,
    (directory: Directory, signal: AbortSignal) => Promise<Page<unknown>>,
  ])[] = [
    ['ListThingPrincipals', (d, signal) => d.thingPrincipals('thing-1', undefined, signal)],
    ['ListPrincipalThings', (d, signal) => d.principalThings('a'.repeat(64), undefined, signal)],
    ['ListAuditFindings', (d, signal) => d.auditFindings(audit, undefined, signal)],
  ];

  describe.each(lists)('%s', (operation, ask) => {
    test.each([
      ['nothing at all', {}],
      ['null everywhere', { principals: null, things: null, findings: null, nextToken: null }],
      ['an empty token', { principals: [], things: [], findings: [], nextToken: '' }],
    ])('that answers %s has one page, an empty one', async (_what, body) => {
      const { endpoint } = await answering(body);
      expect(await ask(directoryAt(endpoint), never)).toEqual({ kind: 'page', items: [] });
    });

    test.each([
      ['throttled', 'ThrottlingException'],
      ['unavailable', 'InternalFailureException'],
      ['unauthorized', 'AccessDeniedException'],
      ['invalid-request', 'InvalidRequestException'],
    ] as const)('is %s when AWS answers %s, after one attempt', async (kind, name) => {
      const { iot, directory } = await setup();
      iot.inject({ operation: operation as 'ListThingPrincipals', kind: 'exception', name });
      expect(await ask(directory, never)).toMatchObject({
        kind: 'failed',
        failure: { kind, name, awsRequestId: iot.calls[0]?.requestId },
      });
      expect(iot.calls).toHaveLength(1);
    });

    test('that gets no answer in time has an unknown result', async () => {
      const { iot, directory } = await setup(200);
      iot.inject({
        operation: operation as 'ListThingPrincipals',
        kind: 'hang',
        when: 'before-applying',
      });
      expect(await ask(directory, never)).toMatchObject({
        failure: { kind: 'unknown-result', name: 'TimeoutError' },
      });
    });

    test('that is cut ends at once', async () => {
      const { iot, directory } = await setup();
      iot.inject({
        operation: operation as 'ListThingPrincipals',
        kind: 'hang',
        when: 'before-applying',
      });
      const abandon = new AbortController();
      const answer = ask(directory, abandon.signal);
      await iot.waitFor((calls) => calls.some((call) => call.answer === 'hang'));
      abandon.abort();
      expect(await answer).toMatchObject({
        failure: { kind: 'unknown-result', name: 'AbortError' },
      });
    });

    test('does not reach AWS where nobody listens', async () => {
      const { iot, directory } = await setup();
      await iot.stop();
      expect(await ask(directory, never)).toMatchObject({ failure: { kind: 'unreachable' } });
    });
  });
});
