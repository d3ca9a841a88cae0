// The shortcut against servers that see what is sent: it must be what the SDK would have sent.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { IoTClient, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import type { AwsCredentialIdentity } from '@smithy/types';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { httpHandler } from '../../src/aws/client.ts';
import { createShortcut, textOf } from '../../src/aws/shortcut.ts';
import { stubEnvironment } from '../helpers/environment.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Answering = (response: ServerResponse, count: number) => void;

const succeed: Answering = (response) => {
  response.writeHead(200, { 'x-amzn-requestid': 'r-1' }).end('{}');
};

/** A server that remembers what it is asked. */
async function listen(answer: Answering = succeed): Promise<{ endpoint: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      seen.push(await seenOf(request));
      answer(response, seen.length);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => server.closeAllConnections());
  onTestFinished(() => void server.close());
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function seenOf(request: IncomingMessage): Promise<Seen> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const { method = '', url = '', headers } = request;
  return { method, url, headers: headers as Record<string, string>, body };
}

/** Who signs, and when: by these alone may two requests for the same differ. */
function unsigned({ headers, ...request }: Seen): object {
  const {
    authorization = '',
    'x-amz-date': date = '',
    'x-amz-security-token': token,
    'amz-sdk-invocation-id': _id,
    'amz-sdk-request': _attempt,
    ...others
  } = headers;
  const [scope] = authorization.split(',');
  expect(scope).toContain(date.slice(0, 8));
  return { ...request, headers: others, token, service: scope?.split('/').slice(2) };
}

const credentials: AwsCredentialIdentity = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'secret',
  sessionToken: 'session',
};

function iotClient(endpoint: string, settings: object = {}): IoTClient {
  stubEnvironment({ AWS_REGION: 'eu-west-1' });
  return new IoTClient({
    endpoint,
    credentials,
    maxAttempts: 1,
    requestHandler: httpHandler({ maxSockets: 5, requestTimeoutMs: 5000 }),
    ...settings,
  });
}

type Update = (input: Wanted) => Promise<string>;

interface Wanted {
  readonly certificateId: string;
  readonly newStatus: 'REVOKED' | 'INACTIVE';
}

function shortcutOf(client: IoTClient): Update {
  return createShortcut<Wanted, string>(client, {
    command: (input) => new UpdateCertificateCommand(input),
    change: ({ path }, { certificateId, newStatus }) => ({
      path: path.slice(0, path.lastIndexOf('/') + 1) + certificateId,
      query: { newStatus },
    }),
    read: async ({ body }) => textOf(body),
  });
}

const first: Wanted = { certificateId: 'a'.repeat(64), newStatus: 'INACTIVE' };
const second: Wanted = { certificateId: 'b'.repeat(64), newStatus: 'REVOKED' };

describe('a repeated request', () => {
  test.each([
    ['at the root', ''],
    ['under a path', '/behind/a-proxy'],
  ])('is what the SDK would have sent, but for who signs and when: %s', async (_where, base) => {
    const { endpoint, seen } = await listen();
    const client = iotClient(endpoint + base);
    const update = shortcutOf(client);
    await update(first);
    const bySdk = vi.spyOn(client, 'send');
    expect(await update(second)).toBe('{}');
    expect(bySdk).not.toHaveBeenCalled();
    await client.send(new UpdateCertificateCommand(second));
    const [, repeated, sdks] = seen;
    if (repeated === undefined || sdks === undefined) throw new Error('requests are missing');
    expect(seen).toHaveLength(3);
    expect(repeated.url).toBe(`${base}/certificates/${second.certificateId}?newStatus=REVOKED`);
    expect(unsigned(repeated)).toEqual(unsigned(sdks));
  });

  test('with a body is what the SDK would have sent, with its length', async () => {
    const { endpoint, seen } = await listen();
    stubEnvironment({ AWS_REGION: 'eu-west-1' });
    const client = new SQSClient({ endpoint, credentials, useQueueUrlAsEndpoint: false });
    const receive = createShortcut<{ QueueUrl: string; MaxNumberOfMessages: number }, string>(
      client,
      {
        command: (input) => new ReceiveMessageCommand(input),
        change: (_request, input) => ({ body: JSON.stringify(input) }),
        read: async ({ body }) => textOf(body),
      },
    );
    const wish = { QueueUrl: `${endpoint}/1/käse`, MaxNumberOfMessages: 10 };
    await receive({ QueueUrl: `${endpoint}/1/a`, MaxNumberOfMessages: 1 });
    const bySdk = vi.spyOn(client, 'send');
    await receive(wish);
    expect(bySdk).not.toHaveBeenCalled();
    await client.send(new ReceiveMessageCommand(wish));
    const [, repeated, sdks] = seen;
    if (repeated === undefined || sdks === undefined) throw new Error('requests are missing');
    expect(JSON.parse(repeated.body)).toEqual(wish);
    expect(unsigned(repeated)).toEqual(unsigned(sdks));
  });

  test('is signed by the SDK: the same at the same time has the same signature', async () => {
    const { endpoint, seen } = await listen();
    const client = iotClient(endpoint);
    const update = shortcutOf(client);
    await update(first);
    await update(second);
    const [, repeated] = seen;
    if (repeated === undefined) throw new Error('the request is missing');
    const { authorization = '', 'x-amz-date': date = '' } = repeated.headers;
    const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
    const { hostname, port } = new URL(endpoint);
    const signer = await client.config.signer();
    const again = await signer.sign(
      {
        method: 'PUT',
        protocol: 'http:',
        hostname,
        port: Number(port),
        path: `/certificates/${second.certificateId}`,
        query: { newStatus: 'REVOKED' },
        headers: Object.fromEntries(signed.map((name) => [name, repeated.headers[name] ?? ''])),
      },
      { signingDate: new Date(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')) },
    );
    expect(again.headers['authorization']).toBe(authorization);
    expect(signed).toContain('x-amz-security-token');
  });

  test('is signed with the credentials of its time', async () => {
    const { endpoint, seen } = await listen();
    let made = 0;
    const client = iotClient(endpoint, {
      // Those that have expired are fetched anew.
      credentials: async () => ({
        ...credentials,
        accessKeyId: `AKID${++made}`,
        sessionToken: `session-${made}`,
        expiration: new Date(0),
      }),
    });
    const update = shortcutOf(client);
    for (let times = 0; times < 3; times++) await update(second);
    const tokens = seen.map(({ headers }) => headers['x-amz-security-token']);
    expect(new Set(tokens).size).toBe(3);
    for (const { headers } of seen) {
      const number = headers['x-amz-security-token']?.split('-')[1];
      expect(headers['authorization']).toContain(`Credential=AKID${number}/`);
    }
  });

  test('is the SDK’s own again after a minute, or when the clock was set', async () => {
    const { endpoint } = await listen();
    const client = iotClient(endpoint);
    const update = shortcutOf(client);
    const bySdk = vi.spyOn(client, 'send');
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['Date'], now: 1e12 });
    for (const [atMs, calls] of [
      [0, 1],
      [60_000, 1],
      [60_001, 2],
      [120_001, 2],
      [-1, 3],
    ] as const) {
      vi.setSystemTime(1e12 + atMs);
      await update(second);
      expect(bySdk).toHaveBeenCalledTimes(calls);
    }
  });

  test('is waited for by those that come with the first, and by none after a minute', async () => {
    const { endpoint, seen } = await listen();
    const client = iotClient(endpoint);
    const update = shortcutOf(client);
    const bySdk = vi.spyOn(client, 'send');
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ['Date'], now: 1e12 });
    const fiveAtOnce = async (): Promise<unknown> =>
      Promise.all(Array.from({ length: 5 }, async () => update(second)));
    await fiveAtOnce();
    expect([bySdk.mock.calls.length, seen.length]).toEqual([1, 5]);
    vi.setSystemTime(1e12 + 60_001);
    await fiveAtOnce();
    expect([bySdk.mock.calls.length, seen.length]).toEqual([2, 10]);
  });

  test('is waited for no longer than the SDK tries to make it', async () => {
    const { endpoint, seen } = await listen();
    let asked = 0;
    const client = iotClient(endpoint, {
      credentials: async () => {
        if (++asked === 1) throw new Error('no credentials yet');
        return credentials;
      },
    });
    const update = shortcutOf(client);
    const settled = await Promise.allSettled([update(first), update(second), update(second)]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(seen).toHaveLength(2);
  });

  test('that succeeds lets the SDK try again more often after failures', async () => {
    const { endpoint } = await listen((response, count) => {
      response.writeHead(count > 1 && count < 5 ? 503 : 200).end('{}');
    });
    const client = iotClient(endpoint, { maxAttempts: 3 });
    const update = shortcutOf(client);
    const capacity = async (): Promise<number> => {
      const strategy = (await client.config.retryStrategy()) as unknown;
      return (strategy as { getCapacity: () => number }).getCapacity();
    };
    await update(first);
    const before = await capacity();
    await expect(update(second)).rejects.toMatchObject({ $metadata: { attempts: 3 } });
    const after = await capacity();
    expect(after).toBeLessThan(before);
    for (let times = 0; times < 5; times++) await update(second);
    expect(await capacity()).toBe(after + 5);
  });

  test('is none in Lambda, where each tells of its invocation', async () => {
    const { endpoint, seen } = await listen();
    const update = shortcutOf(iotClient(endpoint));
    for (const trace of ['Root=1-a', 'Root=1-b', 'Root=1-c']) {
      stubEnvironment({
        AWS_REGION: 'eu-west-1',
        AWS_LAMBDA_FUNCTION_NAME: 'revoke',
        _X_AMZN_TRACE_ID: trace,
      });
      await update(first);
    }
    expect(seen.map(({ headers }) => headers['x-amzn-trace-id'])).toEqual([
      'Root=1-a',
      'Root=1-b',
      'Root=1-c',
    ]);
  });
});

describe('a body', () => {
  test('is read to its end, whatever pieces it comes in', async () => {
    const bytes = Buffer.from('{"name":"käse"}');
    const pieces = [...bytes].map((byte) => Buffer.from([byte]));
    expect(await textOf(Readable.from(pieces))).toBe('{"name":"käse"}');
    expect(await textOf(Readable.from([]))).toBe('');
  });

  test('whose connection has broken, or breaks without a word, is an error', async () => {
    const broken = Readable.from([]).destroy();
    await expect(textOf(broken)).rejects.toThrow('the connection broke amid the answer');
    const breaking = new Readable({ read: () => {} });
    breaking.push('{');
    const text = textOf(breaking);
    breaking.once('data', () => breaking.destroy());
    await expect(text).rejects.toThrow('the connection broke amid the answer');
  });
});

describe('an answer that is no success', () => {
  /** The second answer is `response`, all others are successes. */
  const secondly =
    (write: (response: ServerResponse) => void): Answering =>
    (response, count) => {
      if (count === 2) write(response);
      else succeed(response, count);
    };

  test('is told as the SDK tells it, and the call is not made again', async () => {
    const { endpoint, seen } = await listen(
      secondly((response) => {
        response
          .writeHead(400, { 'x-amzn-errortype': 'ThrottlingException', 'x-amzn-requestid': 'r-2' })
          .end('{"message":"Rate exceeded"}');
      }),
    );
    const update = shortcutOf(iotClient(endpoint));
    await update(first);
    await expect(update(second)).rejects.toMatchObject({
      name: 'ThrottlingException',
      message: 'Rate exceeded',
      $metadata: { httpStatusCode: 400, requestId: 'r-2', attempts: 1 },
    });
    expect(seen).toHaveLength(2);
    expect(await update(second)).toBe('{}');
    expect(seen).toHaveLength(3);
  });

  test('is one attempt of those that the SDK makes', async () => {
    const { endpoint, seen } = await listen(
      secondly((response) => void response.writeHead(503).end()),
    );
    const update = shortcutOf(iotClient(endpoint, { maxAttempts: 2 }));
    await update(first);
    await update(second);
    expect(seen.map(({ url }) => url.includes(second.certificateId))).toEqual([false, true, true]);
  });

  test('that never came is one attempt, too', async () => {
    const { endpoint, seen } = await listen(secondly((response) => void response.destroy()));
    const once = shortcutOf(iotClient(endpoint));
    await once(first);
    await expect(once(second)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toHaveLength(2);
  });

  test('that breaks off after its headers is no success', async () => {
    const { endpoint, seen } = await listen(
      secondly((response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy());
      }),
    );
    const update = shortcutOf(iotClient(endpoint));
    await update(first);
    await expect(update(second)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(seen).toHaveLength(2);
  });

  test.each([
    ['whole', (response: ServerResponse) => void response.writeHead(503).end('{}')],
    [
      'in part',
      (response: ServerResponse) => {
        response.writeHead(503, { 'content-length': '100' }).write('{', () => response.destroy());
      },
    ],
  ])(
    'that came %s leaves no connection behind, even if the SDK never takes it',
    async (_, write) => {
      const { endpoint, seen } = await listen(secondly(write));
      let asked = 0;
      const client = iotClient(endpoint, {
        requestHandler: httpHandler({ maxSockets: 1, requestTimeoutMs: 5000 }),
        // They have expired each time, and the third time nobody answers: that is the SDK's second call.
        credentials: async () => {
          if (seen.length === 2 && asked++ === 0) throw new Error('no credentials');
          return { ...credentials, expiration: new Date(0) };
        },
      });
      const update = shortcutOf(client);
      await update(first);
      await expect(update(second)).rejects.toThrow('no credentials');
      expect(await update(second)).toBe('{}');
      expect(seen).toHaveLength(3);
    },
  );

  test('sets the SDK’s clock right: what is sent next is signed at the server’s time', async () => {
    const ahead = 3_600_000;
    const { endpoint, seen } = await listen((response, count) => {
      const date = new Date(new Date().getTime() + (count < 2 ? 0 : ahead)).toUTCString();
      response.writeHead(count === 2 ? 403 : 200, {
        date,
        'x-amzn-errortype': 'InvalidSignatureException',
      });
      response.end('{"message":"Signature expired"}');
    });
    const update = shortcutOf(iotClient(endpoint));
    await update(first);
    await expect(update(second)).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    await update(second);
    const hours = seen.map(({ headers }) => headers['x-amz-date']?.slice(0, 11));
    const now = new Date().toISOString().replaceAll(/[-:]/g, '');
    expect(hours[1]?.slice(0, 8)).toBe(now.slice(0, 8));
    expect(timeOf(seen[2]) - timeOf(seen[1])).toBeGreaterThan(ahead - 60_000);
  });
});

function timeOf(request: Seen | undefined): number {
  const date = request?.headers['x-amz-date'] ?? '';
  return Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
}
