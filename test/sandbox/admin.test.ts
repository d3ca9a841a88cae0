import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startIot, type IotSandbox } from '../../src/sandbox/iot.ts';

describe('the admin surface', () => {
  let iot: IotSandbox;
  let id: string;

  beforeAll(async () => {
    iot = await startIot({ now: () => 7 });
  });
  beforeEach(async () => {
    [id = ''] = await iot.seed({ count: 1 });
    await ask('DELETE', 'faults');
    iot.setQuota('unlimited');
  });
  afterAll(() => iot.stop());

  test('shows the calls, from any index on', async () => {
    const before = await ask('GET', 'calls');
    await update('INACTIVE');
    await update('REVOKED');
    const after = await ask('GET', `calls?since=${Number(before.body['next']) + 1}`);
    expect(after.body).toMatchObject({
      next: Number(before.body['next']) + 2,
      calls: [{ operation: 'UpdateCertificate', certificateId: id, newStatus: 'REVOKED' }],
    });
  });

  test('shows the certificates and their status', async () => {
    await update('REVOKED');
    const { body } = await ask('GET', 'certificates');
    expect(body['certificates']).toContainEqual({
      certificateId: id,
      certificateArn: `arn:aws:iot:us-east-1:000000000000:cert/${id}`,
      status: 'REVOKED',
    });
  });

  test('changes the quota, and lifts it', async () => {
    const set = await ask('PUT', 'quota', { rate: 0, burst: 1 });
    expect(set.body).toEqual({ operation: 'UpdateCertificate', rate: 0, burst: 1 });
    expect([await update('INACTIVE'), await update('INACTIVE')]).toEqual([200, 400]);
    await ask('PUT', 'quota', { unlimited: true });
    expect(await update('INACTIVE')).toBe(200);
  });

  test('changes the quota of another operation', async () => {
    await ask('PUT', 'quota', { operation: 'ListCertificates', rate: 0, burst: 0 });
    expect((await fetch(`${iot.endpoint}/certificates`)).status).toBe(400);
    expect(await update('INACTIVE')).toBe(200);
    iot.setQuota('unlimited', 'ListCertificates');
  });

  test('puts faults in force, and clears them', async () => {
    const fault = { operation: 'UpdateCertificate', kind: 'html', times: 'always' };
    expect(await ask('POST', 'faults', fault)).toEqual({ status: 200, body: fault });
    expect(await update('INACTIVE')).toBe(503);
    expect((await ask('DELETE', 'faults')).status).toBe(204);
    expect(await update('INACTIVE')).toBe(200);
  });

  test.each<[string, string, unknown, RegExp]>([
    ['GET', 'calls?since=-1', undefined, /at since/],
    ['GET', 'calls?sinse=1', undefined, /sinse/],
    ['PUT', 'quota', { rate: 'fast', burst: 1 }, /"rate": calls per second/],
    ['PUT', 'quota', { rate: 1 }, /"burst": calls/],
    ['POST', 'faults', { operation: 'UpdateCertificate', kind: 'burp' }, /at kind/],
    ['POST', 'faults', { operation: 'Updatecertificate', kind: 'html' }, /at operation/],
    ['POST', 'faults', { operation: 'UpdateCertificate', kind: 'reset' }, /at when/],
    ['POST', 'faults', { operation: 'UpdateCertificate', kind: 'html', time: 3 }, /time/],
    [
      'POST',
      'faults',
      { operation: 'UpdateCertificate', kind: 'exception', name: 'Teapot' },
      /at status/,
    ],
  ])('refuses %s %s %j and says why', async (method, path, body, reason) => {
    const answer = await ask(method, path, body);
    expect(answer.status).toBe(400);
    expect(answer.body['message']).toMatch(reason);
  });

  test('refuses a body that is no JSON, and says so', async () => {
    const response = await fetch(`${iot.endpoint}/_sandbox/faults`, { method: 'POST', body: '{' });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('The body is no JSON');
  });

  test('is not in the log of calls', async () => {
    const count = iot.calls.length;
    await ask('GET', 'calls');
    expect(iot.calls).toHaveLength(count);
  });

  async function ask(method: string, path: string, body?: unknown) {
    const response = await fetch(`${iot.endpoint}/_sandbox/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }

  async function update(newStatus: string): Promise<number> {
    const url = `${iot.endpoint}/certificates/${id}?newStatus=${newStatus}`;
    return (await fetch(url, { method: 'PUT' })).status;
  }
});
