// `npm run sandbox` as a person meets it: a process of its own, a shell, and the AWS CLI.

import { ReceiveMessageCommand, SQSClient, type Message } from '@aws-sdk/client-sqs';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { read } from '../../src/reading.ts';
import { startQueues } from '../../src/sandbox/queues.ts';
import { bareEnvironment, noRecentAwsCli, run } from './command.ts';

type Child = ChildProcessByStdio<null, Readable, Readable>;

const freePorts = { SANDBOX_SQS_PORT: '0', SANDBOX_IOT_PORT: '0', SANDBOX_DYNAMODB_PORT: '0' };
// Starting Python, or Node with type stripping, takes a second or more on a busy machine.
const patience = { timeout: 60_000 };
const exampleId = /"certificateId":"([0-9a-f]{64})"/;
const noAws = noRecentAwsCli();

const children: Child[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('npm run sandbox', () => {
  let child: Child;
  let announcement: string;
  let environment: Readonly<Record<string, string | undefined>>;
  let sqs: SQSClient;

  beforeEach(async () => {
    child = spawnSandbox(freePorts);
    announcement = await announcementOf(child);
    // As a person takes it over: a shell evaluates all of it.
    const script = `${announcement}\nexec "${execPath}" -p 'JSON.stringify(process.env)'`;
    const { stdout } = await run('sh', ['-c', script], bareEnvironment);
    environment = JSON.parse(stdout) as typeof environment;
    sqs = new SQSClient({
      endpoint: environment['AWS_ENDPOINT_URL_SQS'] ?? '',
      region: environment['AWS_REGION'] ?? '',
      credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
    });
  }, patience.timeout);
  afterEach(() => sqs.destroy());

  test('says nothing but exports and comments', patience, () => {
    for (const line of announcement.trimEnd().split('\n')) {
      expect(line).toMatch(/^(?:# .*|#|export [A-Z_]+=[\w./:-]+)$/);
    }
  });

  test(
    'has forty certificates, ACTIVE, and shows an example with a real one',
    patience,
    async () => {
      const { certificates } = (await ask('certificates')) as {
        readonly certificates: readonly {
          readonly certificateId: string;
          readonly status: string;
        }[];
      };
      expect(certificates).toHaveLength(40);
      expect(new Set(certificates.map(({ status }) => status))).toEqual(new Set(['ACTIVE']));
      const [, id] = exampleId.exec(exampleIn(announcement)) ?? [];
      expect(certificates.map(({ certificateId }) => certificateId)).toContain(id);
    },
  );

  test.skipIf(noAws)('takes its example from the AWS CLI, pasted as it is', patience, async () => {
    const sent = await run('sh', ['-c', exampleIn(announcement)], environment);
    expect(sent).toMatchObject({ exitCode: 0, stderr: '' });
    const { MessageId } = JSON.parse(sent.stdout) as { readonly MessageId: string };
    const [message] = await receive(environment['INCIDENT_QUEUE_URL']);
    expect(message?.MessageId).toBe(MessageId);
    expect(JSON.parse(message?.Body ?? '')).toMatchObject({
      certificateId: expect.stringMatching(/^[0-9a-f]{64}$/),
      newStatus: 'REVOKED',
    });
  });

  test.skipIf(noAws)(
    'takes its example of an alert, about a thing that it has',
    patience,
    async () => {
      const [, example = ''] = /^# (aws sns publish .*)$/m.exec(announcement) ?? [];
      const published = await run('sh', ['-c', example], environment);
      expect(published).toMatchObject({ exitCode: 0, stderr: '' });
      const [message] = await receive(environment['ALERT_QUEUE_URL']);
      const reading = read(message?.Body ?? '', 'alert', {
        accountId: environment['AWS_ACCOUNT_ID'] ?? '',
        region: environment['AWS_REGION'] ?? '',
      });
      expect(reading).toMatchObject({
        kind: 'intents',
        intents: [{ target: { kind: 'thing', thingName: 'pump-7' } }],
      });
      const script = 'aws iot list-thing-principals --thing-name pump-7';
      const { stdout } = await run('sh', ['-c', script], environment);
      expect((JSON.parse(stdout) as { readonly principals: unknown }).principals).toHaveLength(3);
    },
  );

  test('shows how its brake stands, and lifts it', patience, async () => {
    const [status = '', lift = ''] = [...announcement.matchAll(/^# (node \S+ brake .*)$/gm)].map(
      ([, command = '']) => command.replace('node', `"${execPath}"`),
    );
    const { stdout } = await run('sh', ['-c', `${lift} && ${status}`], environment);
    expect(stdout.split('\n').map((line) => line.replace(/20\d\d-.*Z/, '…'))).toEqual([
      '{"lane":"alert","admittedInLastHour":0,"liftedUntil":"…"}',
      '{"lane":"incident","admittedInLastHour":0}',
      '{"lane":"alert","admittedInLastHour":0,"liftedUntil":"…"}',
      '{"lane":"rotation","admittedInLastHour":0}',
      '',
    ]);
  });

  test.skipIf(noAws)('hands messages and certificates to the AWS CLI', patience, async () => {
    const [, id = ''] = exampleId.exec(announcement) ?? [];
    const script = `aws iot update-certificate --certificate-id ${id} --new-status REVOKED &&
      rotation="--endpoint-url $AWS_ENDPOINT_URL_SQS --queue-url $ROTATION_QUEUE_URL"
      aws sqs send-message $rotation --message-body ${id} >&2 &&
      aws sqs receive-message $rotation --query 'Messages[].Body'`;
    const { exitCode, stdout } = await run('sh', ['-c', script], environment);
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, [id]]);
    expect(await ask('calls')).toMatchObject({
      calls: [{ operation: 'UpdateCertificate', certificateId: id, newStatus: 'REVOKED' }],
    });
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('exits 0 on %s, quietly', patience, async (signal) => {
    const poll = Promise.allSettled([receive(environment['ALERT_QUEUE_URL'], 20)]);
    await receive(environment['ALERT_QUEUE_URL']); // the poll before this has arrived
    const left = Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]);
    child.kill(signal);
    expect(await left).toEqual([[0, null], '', '']);
    await poll;
  });

  async function receive(
    QueueUrl: string | undefined,
    WaitTimeSeconds = 0,
  ): Promise<readonly Message[]> {
    const command = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds });
    return (await sqs.send(command)).Messages ?? [];
  }

  async function ask(path: string): Promise<unknown> {
    const response = await fetch(`${environment['AWS_ENDPOINT_URL_IOT']}/_sandbox/${path}`);
    return response.json();
  }
});

describe('npm run sandbox, when it cannot have a port', () => {
  test.each(Object.keys(freePorts))(
    'says which, how %s helps, and exits 1',
    patience,
    async (variable) => {
      await using other = await startQueues();
      const child = spawnSandbox({ ...freePorts, [variable]: String(other.port) });
      const [stdout, stderr, [exitCode]] = await endOf(child);
      expect(stderr).toBe(
        `Port ${other.port} on 127.0.0.1 is taken, maybe by another sandbox. Stop that one, or ` +
          `choose another: ${variable}=0 npm run sandbox (0 takes any free port).\n`,
      );
      expect([exitCode, stdout]).toEqual([1, '']);
    },
  );

  test('names every variable that holds no port, and exits 1', patience, async () => {
    const [SANDBOX_SQS_PORT, SANDBOX_IOT_PORT, SANDBOX_DYNAMODB_PORT] = ['many', '65536', '-1'];
    const child = spawnSandbox({ SANDBOX_SQS_PORT, SANDBOX_IOT_PORT, SANDBOX_DYNAMODB_PORT });
    const [stdout, stderr, [exitCode]] = await endOf(child);
    expect(stderr).toMatch(
      /^SANDBOX_SQS_PORT is no port: many\. .*SANDBOX_IOT_PORT.*65536\. .*SANDBOX_DYNAMODB_PORT.*-1\. .*\n$/,
    );
    expect([exitCode, stdout]).toEqual([1, '']);
  });
});

function spawnSandbox(variables: Readonly<Record<string, string>>): Child {
  const child = spawn(execPath, ['src/entry/sandbox.ts'], {
    env: { ...bareEnvironment, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

async function announcementOf(child: Child): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith('# Ready')) return `${lines.join('\n')}\n`;
  }
  throw new Error(`The sandbox ended early: ${await text(child.stderr)}`);
}

function endOf(child: Child): Promise<[string, string, unknown[]]> {
  return Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
}

/** The command in the announcement, without its comment sign. */
function exampleIn(announcement: string): string {
  return /^# (aws sqs send-message .*)$/m.exec(announcement)?.[1] ?? '';
}
