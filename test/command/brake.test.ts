import { describe, expect, test } from 'vitest';
import type { BrakeTable, Versioned } from '../../src/brake-store.ts';
import type { Failure } from '../../src/call.ts';
import { brake, type BrakeOrder } from '../../src/command/brake.ts';
import type { Lane } from '../../src/lane.ts';
import type { Deployment } from '../../src/request.ts';
import { emptyWindow, windowMs, type Window } from '../../src/window.ts';

/** The time of day of these tests, ms. */
const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const home = { LEDGER_TABLE: 'ledger', AWS_ACCOUNT_ID: '111122223333' };
const away: Failure = { kind: 'unreachable', name: 'ECONNREFUSED', message: 'nobody listens' };

/** A table in memory; `between` is done before each replacement, as a worker might. */
function createTable(
  windows: Partial<Record<Lane, Window>>,
  between?: (table: BrakeTable) => void,
) {
  const items = new Map<Lane, Versioned>(
    Object.entries(windows).map(([lane, window]) => [lane as Lane, { window, version: 7 }]),
  );
  const replaceNow = (lane: Lane, { window, version }: Versioned): 'replaced' | 'conflict' => {
    if ((items.get(lane)?.version ?? 0) !== version) return 'conflict';
    items.set(lane, { window, version: version + 1 });
    return 'replaced';
  };
  const table: BrakeTable = {
    read: async (lane) => {
      const value = items.get(lane) ?? { window: emptyWindow, version: 0 };
      return { kind: 'answered', value };
    },
    replace: async (lane, newer) => {
      between?.({
        ...table,
        replace: async (other, changed) => ({
          kind: 'answered',
          value: replaceNow(other, changed),
        }),
      });
      return { kind: 'answered', value: replaceNow(lane, newer) };
    },
  };
  return { table, items };
}

interface Given {
  readonly order?: BrakeOrder;
  readonly given?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly region?: string | undefined;
  readonly table?: BrakeTable;
  readonly askAccountId?: () => Promise<string>;
}

async function run(given: Given = {}) {
  const { order = { kind: 'status' }, environment = home } = given;
  const region = 'region' in given ? given.region : 'eu-west-1';
  const opened: string[] = [];
  const deployments: Deployment[] = [];
  let closed = 0;
  const printed: string[] = [];
  const complained: string[] = [];
  const exitCode = await brake(order, given.given, {
    environment,
    openBrake: async (name) => {
      opened.push(name);
      return {
        region: async () => region,
        windows: (deployment) => {
          deployments.push(deployment);
          return given.table ?? createTable({}).table;
        },
        [Symbol.dispose]: () => void closed++,
      };
    },
    askAccountId: given.askAccountId ?? (async () => '444455556666'),
    wallClock: () => now,
    print: (text) => void printed.push(text),
    complain: (text) => void complained.push(text),
  });
  expect(closed).toBe(opened.length);
  const lines = printed.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return { exitCode, lines, complained, opened, deployments };
}

describe('the status of the brake', () => {
  test('is a line for each lane, the most urgent first', async () => {
    expect(await run()).toMatchObject({
      exitCode: 0,
      lines: [
        { lane: 'incident', admittedInLastHour: 0 },
        { lane: 'alert', admittedInLastHour: 0 },
        { lane: 'rotation', admittedInLastHour: 0 },
      ],
      complained: [],
    });
  });

  test('tells what went in the last hour, when the last did, and until when it is lifted', async () => {
    const { table } = createTable({
      alert: {
        admitted: new Map([
          ['a', now - 1000],
          ['b', now - windowMs + 1],
          ['c', now - windowMs],
        ]),
        liftedUntilMs: now + 60_000,
      },
    });
    const { lines } = await run({ table });
    expect(lines[1]).toEqual({
      lane: 'alert',
      admittedInLastHour: 2,
      lastAdmittedAt: '2026-01-02T03:04:04.000Z',
      liftedUntil: '2026-01-02T03:05:05.000Z',
    });
  });

  test('says nothing of a lift that is over', async () => {
    const { table } = createTable({ alert: { ...emptyWindow, liftedUntilMs: now } });
    const { lines } = await run({ table });
    expect(lines[1]).toEqual({ lane: 'alert', admittedInLastHour: 0 });
  });

  test('is of all lanes, or of none', async () => {
    const { table } = createTable({});
    const half: BrakeTable = {
      ...table,
      read: async (lane) =>
        lane === 'rotation' ? { kind: 'failed', failure: away } : table.read(lane),
    };
    expect(await run({ table: half })).toMatchObject({
      exitCode: 1,
      lines: [],
      complained: [
        'error: LEDGER_TABLE: table ledger in eu-west-1: it could not be used (ECONNREFUSED: nobody listens)',
      ],
    });
  });

  test('is that of the account and region that are meant', async () => {
    expect(await run()).toMatchObject({
      opened: ['ledger'],
      deployments: [{ accountId: '111122223333', region: 'eu-west-1' }],
    });
    expect(
      await run({ given: 'other', environment: { ...home, AWS_ACCOUNT_ID: '' } }),
    ).toMatchObject({ opened: ['other'], deployments: [{ accountId: '444455556666' }] });
  });
});

describe('lifting the brake', () => {
  const order = { kind: 'lift', lane: 'alert', minutes: 90 } as const;
  const full: Window = { admitted: new Map([['a', now - 1000]]) };

  test('lets the lane go for so long, and forgets nothing that has gone', async () => {
    const { table, items } = createTable({ alert: full, rotation: full });
    expect(await run({ order, table })).toMatchObject({
      exitCode: 0,
      lines: [{ lane: 'alert', admittedInLastHour: 1, liftedUntil: '2026-01-02T04:34:05.000Z' }],
      complained: [
        'the alert lane is not held until 2026-01-02T04:34:05.000Z, and what goes meanwhile does not count; workers find out within seconds',
      ],
    });
    expect(items.get('alert')).toEqual({
      window: { ...full, liftedUntilMs: now + 90 * 60_000 },
      version: 8,
    });
    expect(items.get('rotation')).toEqual({ window: full, version: 7 });
  });

  test('goes for a lane that has no window yet', async () => {
    const { table, items } = createTable({});
    expect(await run({ order, table })).toMatchObject({ exitCode: 0 });
    expect(items.get('alert')?.window).toEqual({
      ...emptyWindow,
      liftedUntilMs: now + 90 * 60_000,
    });
  });

  test('keeps what workers let go at the same time', async () => {
    let changes = 0;
    const { table, items } = createTable({ alert: full }, (worker) => {
      if (changes++ >= 3) return;
      const { window, version } = items.get('alert') ?? { window: emptyWindow, version: 0 };
      const admitted = new Map([...window.admitted, [`worker ${changes}`, now]]);
      void worker.replace('alert', { window: { ...window, admitted }, version });
    });
    expect(await run({ order, table })).toMatchObject({
      exitCode: 0,
      lines: [{ admittedInLastHour: 4 }],
    });
    expect([...(items.get('alert')?.window.admitted.keys() ?? [])]).toEqual([
      'a',
      'worker 1',
      'worker 2',
      'worker 3',
    ]);
  });

  test('gives up where others never stop, and says so', async () => {
    const { table } = createTable({});
    const busy: BrakeTable = {
      ...table,
      replace: async () => ({ kind: 'answered', value: 'conflict' }),
    };
    expect(await run({ order, table: busy })).toMatchObject({
      exitCode: 1,
      lines: [],
      complained: [expect.stringMatching(/others changed it 50 times in between; try again/)],
    });
  });

  test.each([
    ['not-found', /there is no such table \(ResourceNotFoundException: no\)$/],
    ['unauthorized', /it may not be used \(.*\); dynamodb:GetItem is needed, and dynamodb:PutItem/],
    ['throttled', /it could not be used \(ResourceNotFoundException: no\)$/],
  ] as const)('says in one sentence what is %s', async (kind, sentence) => {
    const { table } = createTable({});
    const failure: Failure = { kind, name: 'ResourceNotFoundException', message: 'no' };
    const failing: BrakeTable = { ...table, replace: async () => ({ kind: 'failed', failure }) };
    const { exitCode, complained } = await run({ order, table: failing });
    expect([exitCode, complained]).toEqual([1, [expect.stringMatching(sentence)]]);
  });
});

describe('restoring the brake', () => {
  test('ends the lift, and counts what has gone in the last hour', async () => {
    const admitted = new Map([['a', now - 1000]]);
    const { table, items } = createTable({ alert: { admitted, liftedUntilMs: now + 1 } });
    expect(await run({ order: { kind: 'restore', lane: 'alert' }, table })).toMatchObject({
      exitCode: 0,
      lines: [{ lane: 'alert', admittedInLastHour: 1 }],
      complained: ['the ceiling of the alert lane counts again'],
    });
    expect(items.get('alert')?.window).toEqual({ admitted });
  });
});

describe('an order that cannot be carried out', () => {
  test.each<[string, Given, RegExp]>([
    ['no table', { environment: {} }, /^error: LEDGER_TABLE: it is not set; the name or ARN/],
    ['an empty --table', { given: '' }, /^error: --table: it is empty; the name or ARN/],
    ['no name of a table', { given: 'a b' }, /^error: --table: it holds "a b"; the name or ARN/],
    ['no region', { region: undefined }, /^error: AWS_REGION: it is not set, and neither/],
    [
      'no account of 12 digits, where no worker would look',
      {
        order: { kind: 'lift', lane: 'alert', minutes: 60 },
        environment: { ...home, AWS_ACCOUNT_ID: '11112222333' },
      },
      /^error: AWS_ACCOUNT_ID: it holds "11112222333"; an account id of 12 digits is expected$/,
    ],
    [
      'nobody who knows the account',
      {
        environment: { LEDGER_TABLE: 'ledger' },
        askAccountId: async () => Promise.reject(new Error('no answer')),
      },
      /^error: AWS_ACCOUNT_ID: it is not set, and STS could not be asked \(Error: no answer\)/,
    ],
  ])('says in one sentence that there is %s', async (_what, given, sentence) => {
    const { exitCode, lines, complained, deployments } = await run(given);
    expect([exitCode, lines, deployments]).toEqual([1, [], []]);
    expect(complained).toEqual([expect.stringMatching(sentence)]);
  });
});
