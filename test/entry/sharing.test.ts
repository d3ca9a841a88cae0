// Two workers, processes of their own, that share one quota by a real redis-server.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { startChild, type Child } from '../helpers/child.ts';
import { freePort, startRedis, type RedisServer } from '../helpers/redis.ts';
import { queueUserOf, type QueueUser } from '../helpers/sqs.ts';
import { missing } from '../sandbox/command.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes have to start, on machines that do other things

const hasNoRedis = missing('redis-server', ['--version']);

interface World {
  readonly sandbox: Sandbox;
  readonly user: QueueUser;
  readonly redis: RedisServer;
  /** Starts a worker that shares the quota. */
  readonly start: (environment: Readonly<Record<string, string>>) => Promise<Child>;
}

async function setup(quota: SandboxOptions['quota'] = 'unlimited'): Promise<World> {
  const sandbox = await startSandbox({ quota: quota ?? 'unlimited' });
  onTestFinished(() => sandbox.stop());
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return {
    sandbox,
    user: queueUserOf(sandbox.queues),
    redis,
    start: async (environment) => {
      const child = startWorker(sandbox, { REDIS_URL: redis.url, ...environment });
      await child.waitFor(() => child.of('started').length > 0);
      return child;
    },
  };
}

function startWorker(sandbox: Sandbox, environment: Readonly<Record<string, string>>): Child {
  return startChild('src/entry/worker.ts', {
    ...sandbox.environment,
    STOP_TIMEOUT_SECONDS: '4',
    ...environment,
  });
}

const revoke = (certificateId: string): string =>
  JSON.stringify({ certificateId, newStatus: 'REVOKED' });

describe.skipIf(hasNoRedis)('two workers on one Redis', () => {
  test('call at the rate of one', async () => {
    // A bucket that would throttle them at once if each went at its own pace.
    const { sandbox, user, start } = await setup({ rate: 20, burst: 6 });
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 100 });
    const workers = [
      await start({ UPDATE_CERTIFICATE_TPS: '20' }),
      await start({ UPDATE_CERTIFICATE_TPS: '20' }),
    ];
    await user.sendAll(queues.urls.rotation, ids.map(revoke));
    await iot.waitFor((calls) => calls.filter(({ applied }) => applied).length === ids.length);
    const atMs = iot.calls.map(({ receivedAtMs }) => receivedAtMs);
    const latenessMs = 100; // of a busy machine; as much closer is the next call
    for (const [first, from] of atMs.entries()) {
      for (const [more, to] of atMs.slice(first).entries()) {
        expect(more + 1).toBeLessThanOrEqual(2 * 1.5 + (20 * (to - from + latenessMs)) / 1000);
      }
    }
    expect(iot.calls.filter(({ answer }) => answer !== 'ok')).toEqual([]);
    for (const worker of workers) {
      await worker.waitFor(() => worker.of('message').length > 20);
      expect(worker.of('redis-lost')).toEqual([]);
    }
  });

  test('serve an incident that the one has before the rotation that the other has', async () => {
    const { sandbox, user, start } = await setup();
    const { iot, queues } = sandbox;
    const [incidents, rotation] = [await iot.seed({ count: 5 }), await iot.seed({ count: 60 })];
    const common = { UPDATE_CERTIFICATE_TPS: '5', ALERT_QUEUE_URL: '' };
    await start({ ...common, ROTATION_QUEUE_URL: '' });
    await start({ ...common, INCIDENT_QUEUE_URL: '' });
    await user.sendAll(queues.urls.rotation, rotation.map(revoke));
    await iot.waitFor((calls) => calls.length >= 5);
    const before = iot.calls.length;
    await user.sendAll(queues.urls.incident, incidents.map(revoke));
    await iot.waitFor((calls) => calls.length >= before + incidents.length + 4);
    const lanes = iot.calls
      .slice(before)
      .map(({ certificateId = '' }) =>
        incidents.includes(certificateId) ? 'incident' : 'rotation',
      );
    const first = lanes.indexOf('incident');
    expect(first).toBeGreaterThanOrEqual(0);
    expect(first).toBeLessThanOrEqual(3); // slots that were taken, or came while it was received
    // Rotation has one slot in ten.
    const last = lanes.lastIndexOf('incident');
    expect(last - first).toBeLessThanOrEqual(incidents.length);
    expect(lanes.slice(last + 1)).not.toContain('incident');
  });

  test('go on when Redis dies, each says so once, and share again when it is back', async () => {
    const { sandbox, user, redis, start } = await setup();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 300 });
    const workers = [
      await start({ UPDATE_CERTIFICATE_TPS: '20' }),
      await start({ UPDATE_CERTIFICATE_TPS: '20' }),
    ];
    await user.sendAll(queues.urls.rotation, ids.map(revoke));
    await Promise.all(workers.map((one) => one.waitFor(() => one.of('message').length > 5)));
    await redis.kill();
    await Promise.all(workers.map((one) => one.waitFor(() => one.of('redis-lost').length > 0)));
    const calls = iot.calls.length;
    await iot.waitFor((now) => now.length >= calls + 20);
    await redis.restart();
    await Promise.all(workers.map((one) => one.waitFor(() => one.of('redis-back').length > 0)));
    for (const worker of workers) worker.kill('SIGTERM');
    for (const worker of workers) {
      expect(await worker.ended).toBe(0);
      expect(worker.stderr()).toBe('');
      expect(worker.of('redis-lost')).toMatchObject([{ level: 'warn', part: 0.5 }]);
      expect(worker.of('redis-back')).toMatchObject([{ level: 'info' }]);
    }
    const revoked = ids.filter((id) => iot.status(id) === 'REVOKED');
    expect(iot.calls).toHaveLength(revoked.length);
    expect(await user.counts(queues.urls.rotation)).toEqual({
      visible: ids.length - revoked.length,
      hidden: 0,
    });
    expect(await user.drain(queues.urls.deadLetter)).toEqual([]);
  });
});

describe('a worker that cannot reach its Redis', () => {
  async function refused(redisUrl: string): Promise<string> {
    const sandbox = await startSandbox({ quota: 'unlimited' });
    onTestFinished(() => sandbox.stop());
    const child = startWorker(sandbox, { REDIS_URL: redisUrl });
    expect(await child.ended).toBe(1);
    expect(child.lines).toEqual([]);
    expect(child.stderr()).not.toContain('hunter2');
    const [first, ...problems] = child.stderr().trimEnd().split('\n');
    expect(first).toBe('iot-revocation-worker cannot start:');
    expect(problems).toHaveLength(1);
    return problems[0] ?? '';
  }

  test('does not start, and says why', async () => {
    const port = await freePort();
    expect(await refused(`redis://:hunter2@127.0.0.1:${port}`)).toBe(
      `  REDIS_URL: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test.skipIf(hasNoRedis)('for want of the right password does not start', async () => {
    const redis = await startRedis('--requirepass', 'secret');
    onTestFinished(() => redis.stop());
    const at = `127.0.0.1:${redis.port}`;
    expect(await refused(`redis://:hunter2@${at}`)).toMatch(/^ {2}REDIS_URL: WRONGPASS /);
    expect(await refused(`redis://${at}`)).toMatch(/^ {2}REDIS_URL: .*NOAUTH /);
  });
});
