import {
  InvalidRequestException,
  ListAuditFindingsCommand,
  paginateListAuditFindings,
  type ListAuditFindingsCommandInput,
} from '@aws-sdk/client-iot';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startIot } from '../../src/sandbox/iot.ts';
import { failureOf, iotClientFor } from '../helpers/iot-client.ts';
import { bareEnvironment, noRecentAwsCli, run } from './command.ts';

const noAws = noRecentAwsCli();
// Starting Python takes a second or more on a busy machine.
const patience = { timeout: 60_000 };

const shared = 'DEVICE_CERTIFICATE_SHARED_CHECK';
const expiring = 'DEVICE_CERTIFICATE_EXPIRING_CHECK';
const idOf = (n: number): string => n.toString(16).padStart(64, '0');

async function setup() {
  const iot = await startIot({ now: () => 1_700_000_000_500 });
  const client = iotClientFor(iot);
  onTestFinished(async () => {
    client.destroy();
    await iot.stop();
  });
  const list = (input: ListAuditFindingsCommandInput) =>
    client.send(new ListAuditFindingsCommand(input));
  return { iot, client, list };
}

describe('ListAuditFindings', () => {
  test('shows what an audit has found, as AWS does', async () => {
    const { iot, list } = await setup();
    const taskId = iot.enterAudit({ findings: [{ checkName: shared, certificateId: idOf(1) }] });
    const { findings, nextToken } = await list({ taskId });
    expect(findings).toEqual([
      {
        findingId: expect.stringMatching(/^[a-zA-Z0-9_-]{1,128}$/),
        taskId,
        checkName: shared,
        taskStartTime: new Date(1_700_000_000_500),
        findingTime: new Date(1_700_000_000_500),
        severity: 'CRITICAL',
        nonCompliantResource: {
          resourceType: 'DEVICE_CERTIFICATE',
          resourceIdentifier: {
            deviceCertificateId: idOf(1),
            deviceCertificateArn: `arn:aws:iot:us-east-1:000000000000:cert/${idOf(1)}`,
          },
        },
        relatedResources: [],
        isSuppressed: false,
      },
    ]);
    expect(nextToken ?? null).toBeNull();
  });

  test('shows those of a check, of a task, suppressed or not', async () => {
    const { iot, list } = await setup();
    const taskId = iot.enterAudit({
      findings: [
        { checkName: shared, certificateId: idOf(1) },
        { checkName: shared, certificateId: idOf(2), isSuppressed: true },
        { checkName: expiring, certificateId: idOf(3) },
        { checkName: shared },
      ],
    });
    iot.enterAudit({ findings: [{ checkName: shared, certificateId: idOf(4) }] });
    const ids = async (input: ListAuditFindingsCommandInput) => {
      const { findings = [] } = await list({ taskId, ...input });
      return findings.map(
        (one) => one.nonCompliantResource?.resourceIdentifier?.deviceCertificateId,
      );
    };
    expect(await ids({})).toEqual([idOf(1), idOf(2), idOf(3), undefined]);
    expect(await ids({ checkName: shared })).toEqual([idOf(1), idOf(2), undefined]);
    expect(await ids({ checkName: shared, listSuppressedFindings: true })).toEqual([idOf(2)]);
    expect(await ids({ listSuppressedFindings: false, checkName: expiring })).toEqual([idOf(3)]);
  });

  test('comes in pages of 25, or as asked, in the order of the findings', async () => {
    const { iot, client, list } = await setup();
    const findings = Array.from({ length: 251 }, (_, n) => ({
      checkName: shared,
      certificateId: idOf(n),
    }));
    const taskId = iot.enterAudit({ findings });
    expect((await list({ taskId })).findings).toHaveLength(25);
    const found: (string | undefined)[] = [];
    for await (const page of paginateListAuditFindings({ client, pageSize: 250 }, { taskId })) {
      found.push(
        ...(page.findings ?? []).map(
          (one) => one.nonCompliantResource?.resourceIdentifier?.deviceCertificateId,
        ),
      );
    }
    expect(found).toEqual(findings.map(({ certificateId }) => certificateId));
  });

  test('of a task that is not there is empty: the model has no exception for it', async () => {
    const { list } = await setup();
    expect(await list({ taskId: 'nobody-knows-it' })).toMatchObject({ findings: [] });
  });

  test.each<[string, ListAuditFindingsCommandInput, RegExp]>([
    ['neither task nor time', {}, /Either taskId or startTime and endTime/],
    ['both', { taskId: 'x', startTime: new Date(0), endTime: new Date(1) }, /Either taskId or/],
    ['a task that is no id', { taskId: 'a b' }, /at 'taskId' failed to satisfy constraint/],
    ['too many a page', { taskId: 'x', maxResults: 251 }, /less than or equal to 250/],
    ['none a page', { taskId: 'x', maxResults: 0 }, /greater than or equal to 1/],
  ])('refuses %s', async (_what, input, reason) => {
    const { list } = await setup();
    const failure = await failureOf(list(input));
    expect(failure).toBeInstanceOf(InvalidRequestException);
    expect(failure.message).toMatch(reason);
  });

  test.skipIf(noAws)('is understood by the AWS CLI, pages and all', patience, async () => {
    const { iot } = await setup();
    const findings = Array.from({ length: 30 }, (_, n) => ({
      checkName: shared,
      certificateId: idOf(n),
    }));
    const taskId = iot.enterAudit({ findings });
    const ids = 'findings[].nonCompliantResource.resourceIdentifier.deviceCertificateId';
    const { exitCode, stdout, stderr } = await run(
      'aws',
      ['iot', 'list-audit-findings', '--task-id', taskId, '--query', ids, '--output', 'json'],
      {
        ...bareEnvironment,
        AWS_ACCESS_KEY_ID: 'sandbox',
        AWS_SECRET_ACCESS_KEY: 'sandbox',
        AWS_DEFAULT_REGION: 'us-east-1',
        AWS_ENDPOINT_URL_IOT: iot.endpoint,
      },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual(findings.map(({ certificateId }) => certificateId));
    expect(iot.calls).toHaveLength(2);
  });

  test('has a quota of its own, faults, and its place in the log', async () => {
    const { iot, list } = await setup();
    iot.setQuota({ rate: 0, burst: 1 }, 'ListAuditFindings');
    iot.inject({ operation: 'ListAuditFindings', kind: 'html' });
    await failureOf(list({ taskId: 'x' }));
    await failureOf(list({ taskId: 'x' }));
    expect(iot.calls).toMatchObject([
      { operation: 'ListAuditFindings', answer: 'html' },
      { operation: 'ListAuditFindings', answer: 'ThrottlingException' },
    ]);
  });
});

describe('the admin surface', () => {
  const ask = async (endpoint: string, body: unknown) => {
    const init = { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${endpoint}/_sandbox/audits`, init);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test('enters audits, and adds to them', async () => {
    const { iot, list } = await setup();
    const first = await ask(iot.endpoint, {
      findings: [{ checkName: shared, certificateId: idOf(1) }],
    });
    expect(first).toEqual({
      status: 200,
      body: { taskId: expect.stringMatching(/^[0-9a-f]{32}$/), findings: 1 },
    });
    const taskId = String(first.body['taskId']);
    const more = { taskId, findings: [{ checkName: shared, isSuppressed: true }] };
    expect(await ask(iot.endpoint, more)).toEqual({ status: 200, body: { taskId, findings: 1 } });
    expect((await list({ taskId })).findings).toHaveLength(2);
  });

  test.each([
    ['no findings', {}, /at findings/],
    ['a task that is no id', { taskId: 'a b', findings: [] }, /at taskId/],
    ['no check', { findings: [{}] }, /at findings\[0\]\.checkName/],
    [
      'no certificate’s id',
      { findings: [{ checkName: 'x', certificateId: 'y' }] },
      /certificateId/,
    ],
    ['a slip of the pen', { findings: [{ checkName: 'x', suppressed: true }] }, /suppressed/],
  ])('refuses %s, and says why', async (_what, body, reason) => {
    const { iot } = await setup();
    const answer = await ask(iot.endpoint, body);
    expect(answer.status).toBe(400);
    expect(answer.body['message']).toMatch(reason);
  });
});
