// What a process loads at its start: each module costs a cold start its time, and the process its memory.

import { execFile } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { startChild } from '../helpers/child.ts';
import { freePort } from '../helpers/redis.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes have to start, on machines that do other things

type Environment = Readonly<Record<string, string>>;

const queues = 'https://sqs.us-east-1.amazonaws.com/123456789012';

/** The least that is needed. Nobody is asked but whom a test adds. */
const least = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_ACCOUNT_ID: '123456789012',
  INCIDENT_QUEUE_URL: `${queues}/incident`,
  DEAD_LETTER_QUEUE_URL: `${queues}/dead-letter`,
};

/** The packages that only some deployments need, and the modules of ours that need them. */
const optional = {
  ioredis: /node_modules\/ioredis\/|src\/redis\//,
  DynamoDB: /node_modules\/@aws-sdk\/(client|util)-dynamodb\/|src\/aws\/(ledger|brake)-/,
  STS: /node_modules\/@aws-sdk\/client-sts\/|src\/aws\/account/,
};

async function withRedis(): Promise<Environment> {
  return { REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
}

async function withTable(): Promise<Environment> {
  const AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${await freePort()}`;
  return { LEDGER_TABLE: 'ledger', AWS_ENDPOINT_URL_DYNAMODB };
}

async function withoutAccount(): Promise<Environment> {
  const sandbox = await startSandbox();
  onTestFinished(() => sandbox.stop());
  return { AWS_ACCOUNT_ID: '', AWS_ENDPOINT_URL_STS: sandbox.queues.endpoint };
}

/** The modules that are evaluated when an entry is loaded in an environment. */
async function evaluated(entry: string, environment: Environment): Promise<readonly string[]> {
  const child = startChild('test/helpers/evaluated.ts', { ...environment, ENTRY: entry });
  await child.waitFor(() => child.of('evaluated').length > 0);
  return child.of('evaluated')[0]?.['modules'] as readonly string[];
}

function optionalIn(modules: readonly string[]): readonly string[] {
  return Object.entries(optional).flatMap(([name, path]) =>
    modules.some((module) => path.test(module)) ? [name] : [],
  );
}

let directory: Awaited<ReturnType<typeof mkdtempDisposable>>;

beforeAll(async () => {
  directory = await mkdtempDisposable(join(tmpdir(), 'iot-revocation-bundle-'));
  await promisify(execFile)(execPath, ['src/entry/bundle.ts', directory.path]);
});

afterAll(async () => directory.remove());

describe.each([
  ['the wire, from its source', () => resolve('src/entry/wire.ts')],
  ['the Lambda bundle', () => join(directory.path, 'lambda.mjs')],
])('%s', (_, entry) => {
  test('evaluates nothing that its environment does not ask for', async () => {
    const modules = await evaluated(entry(), least);
    expect(optionalIn(modules)).toEqual([]);
    // It is Node's own, and comes with any import of node:http.
    expect(modules).not.toContain('node:internal/deps/undici/undici');
  });

  test.each([
    ['REDIS_URL', 'ioredis', withRedis],
    ['LEDGER_TABLE', 'DynamoDB', withTable],
    ['no AWS_ACCOUNT_ID', 'STS', withoutAccount],
  ] as const)('with %s evaluates %s, and no other of these', async (_variable, name, asking) => {
    const modules = await evaluated(entry(), { ...least, ...(await asking()) });
    expect(optionalIn(modules)).toEqual([name]);
  });
});
