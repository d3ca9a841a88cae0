// Alerts in processes of their own, as they are started: POLICY_FILE, DRY_RUN, the ceilings, a brake that
// workers share, and the command that lifts it.

import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { alertOf } from '../helpers/alerts.ts';
import { startChild, type Child } from '../helpers/child.ts';
import { recordOf } from '../helpers/runtimes.ts';
import { useLaterClock } from '../helpers/later.ts';
import { publish } from '../helpers/sns.ts';
import { queueUserOf, type QueueUser } from '../helpers/sqs.ts';
import { bareEnvironment, run } from '../sandbox/command.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes have to start, on machines that do other things

/** SQS's clock is this process's, and so is the brake's of workers that run here. */
const wait = useLaterClock();

interface World {
  readonly sandbox: Sandbox;
  readonly user: QueueUser;
  /** The environment of the sandbox, and what goes before it. */
  readonly start: (environment?: Readonly<Record<string, string>>) => Promise<Child>;
  readonly container: (environment?: Readonly<Record<string, string>>) => Child;
  /** Runs `iot-revoke`; answers what it prints. */
  readonly command: (...words: readonly string[]) => Promise<string>;
  /** Writes a policy; answers its path. */
  readonly policyFile: (policy: object) => Promise<string>;
  /** Messages in a queue, hidden ones too. */
  readonly left: (queue: 'incident' | 'alert' | 'rotation' | 'deadLetter') => Promise<number>;
}

async function setup(): Promise<World> {
  const sandbox = await startSandbox({ quota: 'unlimited' });
  onTestFinished(() => sandbox.stop());
  const user = queueUserOf(sandbox.queues);
  // Only where it is asked for.
  const { LEDGER_TABLE: _table, ...own } = sandbox.environment;
  const fast = { ...own, UPDATE_CERTIFICATE_TPS: '200', STOP_TIMEOUT_SECONDS: '4' };
  return {
    sandbox,
    user,
    start: async (environment) => {
      const child = startChild('src/entry/worker.ts', { ...fast, ...environment });
      await child.waitFor(() => child.of('started').length > 0);
      return child;
    },
    container: (environment) =>
      startChild('test/helpers/container.ts', { ...fast, ...environment }),
    command: async (...words) => {
      const { exitCode, stdout, stderr } = await run(execPath, ['src/entry/cli.ts', ...words], {
        ...bareEnvironment,
        ...sandbox.environment,
      });
      if (exitCode !== 0) throw new Error(stderr);
      return stdout;
    },
    policyFile: async (policy) => {
      const folder = await mkdtempDisposable(join(tmpdir(), 'policy-'));
      onTestFinished(async () => folder.remove());
      const path = join(folder.path, 'policy.json');
      await writeFile(path, JSON.stringify(policy));
      return path;
    },
    left: async (queue) => {
      const { visible, hidden } = await user.counts(sandbox.queues.urls[queue]);
      return visible + hidden;
    },
  };
}

/** What an IoT rule tells of each certificate. */
const alarmsOf = (ids: readonly string[]): readonly string[] =>
  ids.map((certificateId) => JSON.stringify({ certificateId, tamper: true }));

const revoke = (certificateId: string): string =>
  JSON.stringify({ certificateId, newStatus: 'REVOKED' });

const violationOf = (thingName: string): object => ({ ...alertOf('detect-in-alarm'), thingName });

/** Certificates in a status. */
const countIn = ({ iot }: Sandbox, ids: readonly string[], status: string): number =>
  ids.filter((id) => iot.status(id) === status).length;

/** No list of things is asked for: those have a pace of their own, which is AWS's. */
const unshared = { mostThings: { alert: 'any' } };

describe('a worker', () => {
  test('does what POLICY_FILE says, and no more', async () => {
    const { sandbox, start, policyFile, left } = await setup();
    const { iot } = sandbox;
    const [pump = '', gateway = ''] = await iot.seed({ count: 2 });
    iot.enterThing({ thingName: 'pump-7', certificateIds: [pump] });
    iot.enterThing({ thingName: 'gateway-1', certificateIds: [gateway] });
    const POLICY_FILE = await policyFile({
      alerts: [{ format: 'device-defender-detect', name: 'Sensors/*', newStatus: 'REVOKED' }],
      protected: { things: ['gateway-*'] },
    });
    const child = await start({ POLICY_FILE });
    await publish(sandbox, violationOf('pump-7'), violationOf('gateway-1'));
    await child.waitFor(() => child.of('message').length === 2);
    expect([iot.status(pump), iot.status(gateway)]).toEqual(['REVOKED', 'ACTIVE']);
    expect(child.of('message').map(({ outcome, failureKind }) => [outcome, failureKind]).toSorted()).toEqual(
      [
        ['applied', undefined],
        ['rejected', 'protected'],
      ],
    ); // prettier-ignore
    expect([await left('alert'), await left('deadLetter')]).toEqual([0, 1]);
  });

  test('makes no call with DRY_RUN=alert, and carries out what has waited without it', async () => {
    const { sandbox, user, start, left } = await setup();
    const { iot, queues } = sandbox;
    const [pump = '', stolen = ''] = await iot.seed({ count: 2 });
    iot.enterThing({ thingName: 'pump-7', certificateIds: [pump] });
    await publish(sandbox, violationOf('pump-7'));
    await user.send(queues.urls.incident, revoke(stolen));
    const dry = await start({ DRY_RUN: 'alert' });
    await dry.waitFor(() => dry.of('message').length === 2);
    const told = dry.of('message').find(({ lane }) => lane === 'alert');
    expect(told).toMatchObject({
      msg: 'would apply',
      failureKind: 'dry-run',
      certificateId: pump,
      thingName: 'pump-7',
      newStatus: 'INACTIVE',
    });
    expect([iot.status(pump), iot.status(stolen)]).toEqual(['ACTIVE', 'REVOKED']);
    dry.kill('SIGTERM');
    expect(await dry.ended).toBe(0);
    expect(await left('alert')).toBe(1);
    wait(3_700_000);
    const live = await start();
    await live.waitFor(() => live.of('message').length === 1);
    expect(iot.status(pump)).toBe('INACTIVE');
    expect(await left('alert')).toBe(0);
  });

  test('has its other lanes while AWS throttles the lists of things, and the alert after', async () => {
    const { sandbox, user, start, left } = await setup();
    const { iot, queues } = sandbox;
    const [pump = '', ...stolen] = await iot.seed({ count: 31 });
    iot.enterThing({ thingName: 'pump-7', certificateIds: [pump] });
    iot.setQuota({ rate: 0, burst: 0 }, 'ListThingPrincipals');
    const child = await start();
    await publish(sandbox, ...Array.from({ length: 60 }, () => violationOf('pump-7')));
    await iot.waitFor((calls) => calls.filter(isThrottled).length >= 3);
    await user.sendAll(queues.urls.incident, stolen.map(revoke));
    await child.waitFor(() => child.of('message').length >= 30);
    expect(child.of('message')).toMatchObject(
      stolen.map(() => ({ lane: 'incident', outcome: 'applied' })),
    );
    expect([await left('alert'), iot.status(pump)]).toEqual([60, 'ACTIVE']);
    iot.setQuota('unlimited', 'ListThingPrincipals');
    await child.waitFor(() => child.of('message').length >= 90);
    expect([await left('alert'), await left('deadLetter')]).toEqual([0, 0]);
    expect(iot.status(pump)).toBe('INACTIVE');
  });

  test('says what is wrong with its policy, beside all else, and does not start', async () => {
    const { sandbox, policyFile } = await setup();
    const POLICY_FILE = await policyFile({ protect: { things: ['gateway-*'] } });
    const environment = { ...sandbox.environment, POLICY_FILE, QUOTA_SHARE: '2' };
    const child = startChild('src/entry/worker.ts', environment);
    expect(await child.ended).toBe(1);
    expect(child.stderr()).toMatch(/^ {2}QUOTA_SHARE: it holds "2"; /m);
    expect(child.stderr()).toMatch(/^ {2}POLICY_FILE: .*policy\.json: protect: /m);
  });
});

const isThrottled = ({ answer }: { readonly answer: string }): boolean =>
  answer === 'ThrottlingException';

describe('workers that share a ledger', () => {
  test('let the ceiling through together, also after a crash; lifted, all of it drains', async () => {
    const { sandbox, user, start, command, policyFile, left } = await setup();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 400 });
    const stolen = await iot.seed({ count: 30 });
    await user.sendAll(queues.urls.alert, alarmsOf(ids));
    const environment = {
      LEDGER_TABLE: sandbox.ledger.table,
      POLICY_FILE: await policyFile(unshared),
    };
    const [one, two] = await Promise.all([start(environment), start(environment)]);
    const isHeld = (child: Child) => (): boolean => child.of('brake').length > 0;
    await Promise.all([one.waitFor(isHeld(one)), two.waitFor(isHeld(two))]);
    await iot.waitFor(() => countIn(sandbox, ids, 'INACTIVE') >= 100);
    one.kill('SIGKILL');
    await one.ended;
    wait(60_000); // what it held is visible again, and what was given back, too
    const three = await start(environment);
    await three.waitFor(isHeld(three));
    await user.sendAll(queues.urls.incident, stolen.map(revoke));
    await iot.waitFor(() => countIn(sandbox, stolen, 'REVOKED') === 30);
    expect(countIn(sandbox, ids, 'INACTIVE')).toBe(100);
    expect(await command('brake', 'status')).toMatch(
      /^\{"lane":"alert","admittedInLastHour":100,/m,
    );
    expect(await left('deadLetter')).toBe(0);
    for (const child of [two, three]) {
      expect(child.of('brake')).toMatchObject([{ level: 'error', certificates: 100 }]);
    }

    expect(await command('brake', 'lift', 'alert')).toMatch(/"lane":"alert".*"liftedUntil":"/);
    const isReleased = (child: Child) => (): boolean => child.of('brake-released').length > 0;
    await Promise.all([two.waitFor(isReleased(two)), three.waitFor(isReleased(three))]);
    wait(60_000);
    await iot.waitFor(() => countIn(sandbox, ids, 'INACTIVE') === 400);
    while ((await left('alert')) > 0); // each of these is asked over HTTP
    expect(await left('deadLetter')).toBe(0);
    for (const child of [two, three]) child.kill('SIGTERM');
    expect(await Promise.all([two.ended, three.ended])).toEqual([0, 0]);
  });
});

describe('a container', () => {
  test('gives a flood back with a delay, and takes an incident meanwhile', async () => {
    const { sandbox, user, container, policyFile, left } = await setup();
    const { iot, queues } = sandbox;
    const ids = await iot.seed({ count: 60 });
    const [stolen = ''] = await iot.seed({ count: 1 });
    const lambda = container({
      ALERT_CEILING_PER_HOUR: '20',
      POLICY_FILE: await policyFile(unshared),
    });
    await user.sendAll(queues.urls.alert, alarmsOf(ids));
    const invoke = async (url: string): Promise<readonly string[]> => {
      const messages = await user.receive(url, 10);
      const event = { Records: messages.map((message) => recordOf(message, url)) };
      const answer = (await lambda.ask({ event, remainingMs: 30_000 })) as Answer;
      const kept = answer.response.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
      await user.remove(
        url,
        messages.filter(({ MessageId = '' }) => !kept.includes(MessageId)),
      );
      return kept;
    };
    const kept = [];
    for (let batch = 0; batch < 6; batch++) kept.push(...(await invoke(queues.urls.alert)));
    expect(kept).toHaveLength(40);
    expect(countIn(sandbox, ids, 'INACTIVE')).toBe(20);
    await user.send(queues.urls.incident, revoke(stolen));
    expect(await invoke(queues.urls.incident)).toEqual([]);
    expect(iot.status(stolen)).toBe('REVOKED');
    // All of them are hidden for a while, and each time for longer.
    expect(await user.counts(queues.urls.alert)).toEqual({ visible: 0, hidden: 40 });
    let deliveries = 0;
    for (let minute = 0; minute < 50; minute++) {
      wait(60_000);
      while ((await user.counts(queues.urls.alert)).visible > 0) {
        deliveries += (await invoke(queues.urls.alert)).length;
      }
    }
    expect(deliveries / 40).toBeLessThan(20);
    expect(lambda.of('brake')).toHaveLength(1);
    expect([await left('alert'), await left('deadLetter')]).toEqual([40, 0]);
    expect(countIn(sandbox, ids, 'INACTIVE')).toBe(20);
  });
});

interface Answer {
  readonly response: {
    readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
  };
}
