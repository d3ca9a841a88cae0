// `iot-revoke` as a person meets it: a process of its own, and the sandbox's queues.

import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { execPath } from 'node:process';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { bareEnvironment } from '../sandbox/command.ts';

type Environment = Readonly<Record<string, string | undefined>>;

// Starting Node with type stripping takes a second or more on a busy machine.
const patience = { timeout: 60_000 };
const cli = resolve('src/entry/cli.ts');
const user = userInfo().username;
const idOf = (n: number): string => n.toString(16).padStart(64, '0');
const idsTo = (n: number): string[] => Array.from({ length: n }, (_, at) => idOf(at + 1));

let sandbox: Sandbox;
let sqs: SQSClient;
let environment: Environment;
let directory: string;

beforeEach(async () => {
  sandbox = await startSandbox();
  environment = { ...bareEnvironment, ...sandbox.environment };
  sqs = new SQSClient({
    endpoint: sandbox.queues.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
  directory = await mkdtemp(join(tmpdir(), 'iot-revoke-'));
});

afterEach(async () => {
  sqs.destroy();
  await sandbox.stop();
  await rm(directory, { recursive: true });
});

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function start(
  command: string,
  parameters: readonly string[],
  { env = environment, stdin = '' }: { readonly env?: Environment; readonly stdin?: string } = {},
): Promise<Ended> {
  const child = spawn(command, parameters, { env, cwd: directory });
  child.stdin.on('error', () => undefined); // it need not read what it gets
  child.stdin.end(stdin);
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { exitCode, stdout, stderr };
}

const iotRevoke = (parameters: readonly string[], options?: Parameters<typeof start>[2]) =>
  start(execPath, [cli, ...parameters], options);

/** What the messages of a lane say, by certificate. */
async function bodiesIn(lane: 'incident' | 'alert' | 'rotation'): Promise<readonly object[]> {
  const bodies: string[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: sandbox.queues.urls[lane], MaxNumberOfMessages: 10 }),
    );
    if (Messages.length === 0) return bodies.toSorted().map((body) => JSON.parse(body) as object);
    bodies.push(...Messages.map(({ Body = '' }) => Body));
  }
}

describe('iot-revoke send', patience, () => {
  test('puts a request for each certificate of a file into the incident queue', async () => {
    const list = `# from forensics\r\n\r\n${idsTo(40).join('\r\n')}\r\n${idOf(7)} # again`;
    await writeFile(join(directory, 'list.txt'), list);
    const order = ['--status', 'REVOKED', '--reason', 'keyCompromise', '--incident-id', 'INC-7'];
    expect(await iotRevoke(['send', ...order, '--file', 'list.txt'])).toEqual({
      exitCode: 0,
      stdout: '40 requests sent to the incident lane (incidentId INC-7)\n',
      stderr: '1 duplicate left out: line 43 (line 9)\n',
    });
    expect(await bodiesIn('incident')).toEqual(
      idsTo(40).map((certificateId) => ({
        certificateId,
        newStatus: 'REVOKED',
        requestedBy: user,
        reason: 'keyCompromise',
        incidentId: 'INC-7',
      })),
    );
  });

  test('takes ids and ARNs as arguments, for another lane', async () => {
    const arn = `arn:aws:iot:us-east-1:${sandbox.iot.accountId}:cert/${idOf(2)}`;
    const order = ['--lane', 'rotation', '--status', 'INACTIVE', '--requested-by', 'rotation job'];
    const { exitCode, stdout } = await iotRevoke(['send', ...order, idOf(1).toUpperCase(), arn]);
    expect([exitCode, stdout]).toEqual([0, '2 requests sent to the rotation lane\n']);
    const common = { newStatus: 'INACTIVE', requestedBy: 'rotation job' };
    expect(await bodiesIn('rotation')).toEqual([
      { certificateArn: arn, ...common },
      { certificateId: idOf(1), ...common },
    ]);
    expect(await bodiesIn('incident')).toEqual([]);
  });

  test('reads standard input', async () => {
    const stdin = idsTo(2).join('\n');
    const { exitCode, stdout } = await iotRevoke(['send', '--status', 'REVOKED'], { stdin });
    expect([exitCode, stdout]).toEqual([0, '2 requests sent to the incident lane\n']);
    expect(await bodiesIn('incident')).toHaveLength(2);
  });

  test('shows in a dry run the very bodies that it would send', async () => {
    const order = ['send', '--status', 'REVOKED', '--comment', 'a “clone”?', ...idsTo(2)];
    const dry = await iotRevoke([...order, '--dry-run']);
    expect(dry.stderr).toBe('dry run: 2 requests for the incident lane; nothing was sent\n');
    expect(await bodiesIn('incident')).toEqual([]);
    await iotRevoke(order);
    const lines = dry.stdout.trimEnd().split('\n');
    expect(await bodiesIn('incident')).toEqual(lines.map((line) => JSON.parse(line) as object));
  });

  test('sends nothing of a list with a wrong line, and tells each by its number', async () => {
    const stdin = [idOf(1), '', 'abc', `${idOf(2)},gateway-2`, idOf(3)].join('\n');
    const { exitCode, stdout, stderr } = await iotRevoke(['send', '--status', 'REVOKED'], {
      stdin,
    });
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')).toEqual([
      'Nothing was sent, because of 2 problems:',
      expect.stringMatching(/^ {2}line 3: certificateId: it holds "abc"; that is 3 hexadecimal/),
      expect.stringMatching(/^ {2}line 4: .*; one certificate and nothing else is expected/),
      '',
    ]);
    expect(await bodiesIn('incident')).toEqual([]);
  });

  test('sends nothing of an empty list', async () => {
    const { exitCode, stderr } = await iotRevoke(['send', '--status', 'REVOKED']);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('the list has no certificate')]);
  });

  test.each([
    ['list.txt', 'Nothing was sent: list.txt: there is no such file\n'],
    ['.', expect.stringMatching(/^Nothing was sent: \.: it is a directory; /)],
  ])('says that it cannot read %s', async (file, stderr) => {
    const ended = await iotRevoke(['send', '--status', 'REVOKED', '--file', file]);
    expect(ended).toEqual({ exitCode: 1, stdout: '', stderr });
  });

  test('names the variable of a queue that it is not given', async () => {
    const { ALERT_QUEUE_URL, ...env } = environment;
    expect(ALERT_QUEUE_URL).toBeDefined();
    const order = ['send', '--lane', 'alert', '--status', 'REVOKED', idOf(1)];
    const { exitCode, stdout, stderr } = await iotRevoke(order, { env });
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^ {2}ALERT_QUEUE_URL: it is not set; .*\n$/m);
  });

  test('names AWS_REGION if nothing says where the queue is', async () => {
    const env = { ...environment, AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined };
    const { exitCode, stderr } = await iotRevoke(['send', '--status', 'REVOKED', idOf(1)], { env });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^ {2}AWS_REGION: it is not set, .*\n$/m);
  });

  test('names the queue that does not exist, and every certificate that was not sent', async () => {
    const queueUrl = `${sandbox.queues.endpoint}/000000000000/nobody`;
    const env = { ...environment, INCIDENT_QUEUE_URL: queueUrl };
    const order = ['send', '--status', 'REVOKED', ...idsTo(12)];
    const { exitCode, stdout, stderr } = await iotRevoke(order, { env });
    expect(stdout).toBe('0 requests sent to the incident lane; 12 NOT sent, see above\n');
    expect(stderr.trimEnd().split('\n')).toEqual([
      `12 requests could not be sent to ${queueUrl} (INCIDENT_QUEUE_URL); to send the whole list again does no harm:`,
      expect.stringMatching(/^ {2}# QueueDoesNotExist: /),
      ...idsTo(12).map((id) => `  ${id}`),
    ]);
    expect(exitCode).toBe(1);
  });

  test('stops on Ctrl-C when the calls under way are answered, and says what was not sent', async () => {
    // A queue that answers, with a refusal, only when it is told to.
    const { promise: told, resolve: tell } = Promise.withResolvers<void>();
    const { promise: called, resolve: call } = Promise.withResolvers<void>();
    await using slow = createServer((_request, response) => {
      call();
      void told.then(() => response.writeHead(400).end('{"__type":"AccessDenied"}'));
    }).listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const { port } = slow.address() as AddressInfo;
    const child = spawn(execPath, [cli, 'send', '--status', 'REVOKED', ...idsTo(101)], {
      env: { ...environment, AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${port}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = Promise.all([text(child.stdout), once(child, 'close')]);
    await called;
    child.kill('SIGINT');
    let stderr = '';
    for await (const chunk of child.stderr.setEncoding('utf8')) {
      stderr += chunk;
      if (stderr.startsWith('Stopping;')) tell();
    }
    const [stdout, [exitCode]] = await ended;
    expect(stderr).toContain(`  # not tried, because you interrupted\n  ${idOf(101)}\n`);
    expect(stdout).toBe('0 requests sent to the incident lane; 101 NOT sent, see above\n');
    expect(exitCode).toBe(1);
  });

  test('ends quietly when nobody reads on', async () => {
    await writeFile(join(directory, 'list.txt'), idsTo(20_000).join('\n'));
    const order = `send --status REVOKED --file list.txt --dry-run`;
    const script = `{ "${execPath}" "${cli}" ${order}; echo "exit $?" >&2; } | head -n 1`;
    const { stdout, stderr } = await start('sh', ['-c', script]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^dry run: 20000 requests .*\nexit 0\n$/);
  });

  test('exits 2 with one plain line, and no stack trace, for a typo', async () => {
    const { exitCode, stdout, stderr } = await iotRevoke(['send', '--status', 'REVOKE', idOf(1)]);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: option '--status <status>' .*\n$/);
    expect(await bodiesIn('incident')).toEqual([]);
  });
});

describe('iot-revoke audit', patience, () => {
  test('tells who had what revoked, and why, after a worker has done it', async () => {
    const ids = await sandbox.iot.seed({ count: 2 });
    const why = ['--reason', 'keyCompromise', '--comment', 'on a public bucket'];
    const order = ['--status', 'REVOKED', '--incident-id', 'INC-7', '--requested-by', 'alice'];
    await iotRevoke(['send', ...order, ...why, ...ids]);
    const child = spawn(execPath, [cli, 'worker'], {
      env: { ...environment, STOP_TIMEOUT_SECONDS: '3' }, // its polls are the shorter
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    let log = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      log += chunk;
      if (log.split('"outcome":"applied"').length > 2) child.kill('SIGTERM');
    }
    await ended;

    const incident = await iotRevoke(['audit', 'incident', 'INC-7']);
    const lines = incident.stdout.trimEnd().split('\n').map(parsed);
    expect(lines.map(({ certificateId }) => certificateId).toSorted()).toEqual(ids.toSorted());
    const [id = ''] = ids;
    const arn = `arn:aws:iot:us-east-1:${sandbox.iot.accountId}:cert/${id}`;
    const certificate = await iotRevoke(['audit', 'certificate', arn]);
    expect(parsed(certificate.stdout)).toMatchObject({
      certificateId: id,
      status: 'REVOKED',
      outcome: 'applied',
      asked: [
        {
          requestedBy: 'alice',
          reason: 'keyCompromise',
          comment: 'on a public bucket',
          incidentId: 'INC-7',
        },
      ],
    });
    expect([incident.exitCode, certificate.exitCode]).toEqual([0, 0]);
    expect([incident.stderr, certificate.stderr]).toEqual([
      '2 entries, 2 certificates\n',
      '1 entry, 1 certificate\n',
    ]);
  });

  test('exits 1 if nothing is known', async () => {
    expect(await iotRevoke(['audit', 'incident', 'INC-7'])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `nothing is known of incident INC-7 in table ${sandbox.ledger.table} (account 000000000000, us-east-1)\n`,
    });
  });

  test.each([
    ['a table that is not there', { LEDGER_TABLE: 'nobody' }, /^error: LEDGER_TABLE: .*\n$/],
    ['no table', { LEDGER_TABLE: undefined }, /^error: LEDGER_TABLE: it is not set; .*\n$/],
    ['no credentials', { AWS_ACCESS_KEY_ID: undefined }, /^error: LEDGER_TABLE: .*\n$/],
  ])('exits 2 with one plain line, and no stack trace, for %s', async (_what, wrong, line) => {
    const env = { ...environment, ...wrong };
    const { exitCode, stdout, stderr } = await iotRevoke(['audit', 'incident', 'INC-7'], { env });
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
  });

  function parsed(line: string): Readonly<Record<string, unknown>> {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  }
});

describe('iot-revoke brake', patience, () => {
  test('lifts, shows and restores', async () => {
    const lifted = await iotRevoke(['brake', 'lift', 'alert', '--minutes', '30']);
    expect(lifted).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/^the alert lane /),
    });
    const status = await iotRevoke(['brake', 'status']);
    const [, alert] = status.stdout.split('\n');
    expect(alert).toBe(lifted.stdout.trimEnd());
    expect(alert).toContain('"liftedUntil"');
    const restored = await iotRevoke(['brake', 'restore', 'alert']);
    expect(restored).toEqual({
      exitCode: 0,
      stdout: '{"lane":"alert","admittedInLastHour":0}\n',
      stderr: 'the ceiling of the alert lane counts again\n',
    });
  });

  test.each([
    ['a table that is not there', { LEDGER_TABLE: 'nobody' }, /: there is no such table .*\n$/],
    ['no table', { LEDGER_TABLE: undefined }, /^error: LEDGER_TABLE: it is not set; .*\n$/],
    ['no credentials', { AWS_ACCESS_KEY_ID: undefined }, /^error: LEDGER_TABLE: .*\n$/],
  ])('exits 1 with one plain line, and no stack trace, for %s', async (_what, wrong, line) => {
    const env = { ...environment, ...wrong };
    const { exitCode, stdout, stderr } = await iotRevoke(['brake', 'status'], { env });
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(line);
    expect(stderr.split('\n')).toHaveLength(2);
  });
});

describe('iot-revoke worker', patience, () => {
  test('is the worker: it revokes what was sent, and stops when told to', async () => {
    const [id = ''] = await sandbox.iot.seed({ count: 1 });
    await iotRevoke(['send', '--status', 'REVOKED', id]);
    const child = spawn(execPath, [cli, 'worker'], {
      env: { ...environment, STOP_TIMEOUT_SECONDS: '3' }, // its polls are the shorter
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    let log = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      log += chunk;
      if (log.includes('"outcome":"applied"')) child.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
    expect(sandbox.iot.status(id)).toBe('REVOKED');
  });

  test('says what is wrong with its environment, and exits 1', async () => {
    const ended = await iotRevoke(['worker'], { env: bareEnvironment });
    expect(ended).toMatchObject({ exitCode: 1, stdout: '' });
    expect(ended.stderr).toMatch(/cannot start:\n(?: {2}.*\n)*? {2}DEAD_LETTER_QUEUE_URL: /);
  });
});

describe('the bundled command', patience, () => {
  let bundle: string;
  let env: Environment;

  beforeAll(async () => {
    bundle = await mkdtemp(join(tmpdir(), 'iot-revoke-bundle-'));
    await promisify(execFile)(execPath, ['src/entry/bundle.ts', bundle]);
    await symlink('cli.mjs', join(bundle, 'iot-revoke'));
  }, patience.timeout);
  beforeEach(() => {
    env = { ...environment, PATH: `${bundle}:${dirname(execPath)}:${environment['PATH']}` };
  });
  afterAll(async () => {
    await rm(bundle, { recursive: true });
  });

  test('is executable by its name, and knows its version', async () => {
    const [firstLine] = (await readFile(join(bundle, 'cli.mjs'), 'utf8')).split('\n', 1);
    expect(firstLine).toBe('#!/usr/bin/env node');
    const ended = await start('iot-revoke', ['--version'], { env });
    expect(ended).toEqual({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('does what the examples of its help say', async () => {
    await writeFile(join(directory, 'compromised.txt'), idsTo(12).join('\n'));
    await writeFile(join(directory, 'report.txt'), `gateway 20: ${idOf(20)}, seen\nnothing\n`);
    const { stdout: help } = await start('iot-revoke', ['send', '--help'], { env });
    const [, examples = ''] = /^Examples:\n(.*?)^Exit codes:/ms.exec(help) ?? [];
    const ended = await start('sh', ['-ec', examples], { env });
    expect(ended).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(
        /^1 request sent to the incident lane \(incidentId INC-7\)\n(?:\{.*\}\n){12}12 requests sent to the incident lane \(incidentId INC-7\)\n1 request sent to the incident lane\n$/,
      ),
      stderr: 'dry run: 12 requests for the incident lane (incidentId INC-7); nothing was sent\n',
    });
    expect(await bodiesIn('incident')).toHaveLength(14);
  });

  test('is the worker, too', async () => {
    const ended = await start('iot-revoke', ['worker'], {
      env: { ...bareEnvironment, PATH: env['PATH'] },
    });
    expect(ended).toMatchObject({ exitCode: 1, stdout: '' });
    expect(ended.stderr).toMatch(/cannot start:\n/);
  });
});
