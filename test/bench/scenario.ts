// What is measured: each scenario, who takes part, and what the quota would allow at best.

import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Lane } from '../../src/lane.ts';
import {
  bare,
  ours,
  pacedPeers,
  peers,
  start,
  tunedPeers,
  type Contestant,
  type Running,
} from './contestant.ts';
import type { Measured, Order, Watch } from './protocol.ts';
import { startRedis } from './redis.ts';
import { startWorld, type World } from './world.ts';

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly contestants: readonly Contestant[];
  readonly runs: number;
  /** Whether it keeps the machine busy, and so runs alone; the others run side by side. */
  readonly isLoud: boolean;
  readonly lanes: readonly Lane[];
  /** Processes of the contestant; default 1. */
  readonly processes?: number;
  /** The quota that it is told, calls per second. */
  readonly told: number;
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether the processes share the quota by a Redis. */
  readonly sharesRedis?: boolean;
  /** Further processes, which have nothing to do. */
  readonly idleProcesses?: number;
  readonly pollers: number;
  readonly certificates: number;
  /** The messages, of the certificates registered. */
  readonly orders: (ids: readonly string[]) => readonly Order[];
  readonly watch: Omit<Watch, 'pids' | 'urgent'>;
  /** Urgent requests while it runs: how many, and how often, ms. */
  readonly urgent?: { readonly count: number; readonly everyMs: number };
}

export interface Result {
  readonly scenario: Scenario;
  readonly contestant: Contestant;
  readonly measured: Measured;
  readonly messages: number;
}

const all = [ours, ...peers, ...pacedPeers];

/** AWS's own: 10 calls per second, 10 at once. */
const ten = { rate: 10, burst: 10 };

/** What UpdateCertificate takes, ms. */
const latencyMs = 60;

const rotation = (ids: readonly string[]): readonly Order[] =>
  ids.map((certificateId) => ({ lane: 'rotation', certificateId }));

/** Each certificate `times` times, spread over the whole. */
const repeated =
  (lane: Lane, times: number) =>
  (ids: readonly string[]): readonly Order[] =>
    Array.from({ length: times }, () =>
      ids.map((certificateId) => ({ lane, certificateId })),
    ).flat();

const common = {
  lanes: ['rotation'],
  told: 10,
  pollers: 1,
  orders: rotation,
  isLoud: false,
} as const;

export function scenarios(isQuick: boolean): readonly Scenario[] {
  const size = <T>(quick: T, full: T): T => (isQuick ? quick : full);
  const some = size([ours, ...peers.slice(0, 2), ...pacedPeers.slice(0, 1)], all);
  const few = size([ours, ...peers.slice(0, 1)], [ours, ...peers]);
  const core: readonly Scenario[] = [
    {
      ...common,
      id: 'known',
      title: `quota known: ${size(300, 600)} certificates at 10/s`,
      contestants: size([ours, ...peers, ...pacedPeers.slice(0, 1)], all),
      runs: size(1, 3),
      certificates: size(300, 600),
      watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 200_000 },
    },
    {
      ...common,
      id: 'seven',
      title: `quota really 7 where 10 is told: ${size(200, 400)} certificates`,
      contestants: some,
      runs: size(1, 2),
      certificates: size(200, 400),
      watch: {
        quotas: [{ fromMs: 0, quota: { rate: 7, burst: 7 } }],
        latencyMs,
        timeoutMs: 200_000,
      },
    },
    {
      ...common,
      id: 'others',
      title: `another client takes 3/s of 10: ${size(200, 400)} certificates`,
      contestants: some,
      runs: size(1, 2),
      certificates: size(200, 400),
      watch: {
        quotas: [{ fromMs: 0, quota: ten }],
        othersPerSecond: 3,
        latencyMs,
        timeoutMs: 200_000,
      },
    },
    {
      ...common,
      id: 'duplicates',
      title: `${size(300, 1000)} messages, half of them duplicates, at 10/s`,
      contestants: size(
        [ours, ...peers.filter(({ file }) => /standard|powertools/.test(file))],
        all,
      ),
      runs: 1,
      certificates: size(150, 500),
      orders: repeated('rotation', 2),
      watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 200_000 },
    },
    {
      ...common,
      id: 'storm',
      title: 'storm of 10,000 alerts over 100 certificates, nothing throttled',
      contestants: few,
      runs: size(1, 2),
      isLoud: true,
      lanes: ['alert'],
      pollers: 8,
      certificates: 100,
      orders: repeated('alert', 100),
      watch: { quotas: [{ fromMs: 0, quota: 'unlimited' }], latencyMs, timeoutMs: 100_000 },
    },
    {
      ...common,
      id: 'overhead',
      title: `overhead, quota off: ${size('3,000', '10,000')} messages`,
      contestants: [ours, ...peers, ...tunedPeers, bare],
      runs: size(1, 5),
      isLoud: true,
      told: 10_000,
      pollers: 8,
      certificates: size(3000, 10_000),
      watch: { quotas: [{ fromMs: 0, quota: 'unlimited' }], latencyMs: 0, timeoutMs: 100_000 },
    },
  ];
  return isQuick ? core : [...core, ...long()];
}

function long(): readonly Scenario[] {
  const solo = { ...common, contestants: [ours], runs: 3 };
  return [
    {
      ...common,
      id: 'urgent',
      title: 'an urgent request every 5 s into a rotation backlog of 10,000, at 10/s',
      contestants: all,
      runs: 1,
      lanes: ['incident', 'rotation'],
      certificates: 10_020,
      orders: (ids) => rotation(ids.slice(20)),
      watch: {
        quotas: [{ fromMs: 0, quota: ten }],
        latencyMs,
        untilMs: 104_000,
        timeoutMs: 160_000,
      },
      urgent: { count: 20, everyMs: 5000 },
    },
    {
      ...solo,
      id: 'known-long',
      title: 'quota known: 1,500 certificates at 10/s',
      certificates: 1500,
      watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 220_000 },
    },
    {
      ...solo,
      id: 'four',
      title: 'four processes without Redis, QUOTA_SHARE=0.25, started together: 1,000 certificates',
      processes: 4,
      settings: { QUOTA_SHARE: '0.25' },
      certificates: 1000,
      watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 200_000 },
    },
    {
      ...solo,
      id: 'one-of-four',
      title: 'one of four busy: QUOTA_SHARE=0.25, PROBE_UP_TO_TPS=10: 1,200 certificates',
      settings: { QUOTA_SHARE: '0.25', PROBE_UP_TO_TPS: '10' },
      certificates: 1200,
      watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 240_000 },
    },
    {
      ...solo,
      id: 'raised',
      title: 'quota raised to 50 where 10 is told, PROBE_UP_TO_TPS=100: 4,000 certificates',
      settings: { PROBE_UP_TO_TPS: '100' },
      certificates: 4000,
      watch: {
        quotas: [{ fromMs: 0, quota: { rate: 50, burst: 50 } }],
        latencyMs,
        timeoutMs: 240_000,
      },
    },
    {
      ...solo,
      runs: 9, // how soon the end of the five is noticed is up to chance
      id: 'drop',
      title: 'quota 50, then 5 from 20 s to 50 s, then 50: 2,000 certificates',
      told: 50,
      certificates: 2000,
      watch: {
        quotas: [
          { fromMs: 0, quota: { rate: 50, burst: 50 } },
          { fromMs: 20_000, quota: { rate: 5, burst: 5 } },
          { fromMs: 50_000, quota: { rate: 50, burst: 50 } },
        ],
        latencyMs,
        timeoutMs: 200_000,
      },
    },
    {
      ...solo,
      id: 'thousand',
      title: 'quota of 1,000/s with a burst of 100: 20,000 certificates',
      isLoud: true,
      told: 1000,
      certificates: 20_000,
      watch: {
        quotas: [{ fromMs: 0, quota: { rate: 1000, burst: 100 } }],
        latencyMs,
        timeoutMs: 120_000,
      },
    },
    {
      ...common,
      id: 'overhead-200k',
      title: 'overhead, quota off: 200,000 messages',
      contestants: [ours, ...peers.slice(0, 1), ...tunedPeers.slice(0, 1)],
      runs: 1,
      isLoud: true,
      told: 10_000,
      pollers: 8,
      certificates: 200_000,
      watch: { quotas: [{ fromMs: 0, quota: 'unlimited' }], latencyMs: 0, timeoutMs: 300_000 },
    },
  ];
}

/** Processes that share one quota by REDIS_URL, all of them busy or one alone. */
export function redisScenarios(): readonly Scenario[] {
  return [
    redisScenario(4, 'all'),
    redisScenario(4, 'one'),
    redisScenario(16, 'all'),
    redisScenario(16, 'one'),
  ];
}

function redisScenario(processes: number, busy: 'all' | 'one'): Scenario {
  return {
    ...common,
    id: `redis-${processes}-${busy}`,
    title: `${processes} processes share Redis, ${busy} busy: 1,200 certificates at 10/s`,
    contestants: [ours],
    runs: 1,
    processes: busy === 'all' ? processes : 1,
    idleProcesses: busy === 'all' ? 0 : processes - 1,
    sharesRedis: true,
    certificates: 1200,
    watch: { quotas: [{ fromMs: 0, quota: ten }], latencyMs, timeoutMs: 250_000 },
  };
}

/** One contestant through one scenario, once, with servers of its own: nobody inherits messages that
 * an earlier one's open poll has hidden. */
export async function runOnce(
  scenario: Scenario,
  contestant: Contestant,
  nodeOptions: readonly string[] = [],
): Promise<Result> {
  using starting = await oneAtATime();
  await using world = await startWorld();
  const ids = await world.enrol(scenario.certificates);
  const orders = scenario.orders(ids);
  await world.send(orders);
  await using started = new AsyncDisposableStack();
  const redis = scenario.sharesRedis === true ? started.use(await startRedis()) : undefined;
  const environment = { ...world.environment, ...(redis && { REDIS_URL: redis.url }) };
  const begin = (lanes: readonly Lane[]): Running =>
    started.use(startIn(environment, { ...scenario, lanes }, contestant, nodeOptions));
  // Nobody sends alerts here: who reads that lane alone has nothing to do.
  for (let made = 0; made < (scenario.idleProcesses ?? 0); made++) begin(['alert']);
  const running = Array.from({ length: scenario.processes ?? 1 }, () => begin(scenario.lanes));
  const { urgent } = scenario;
  const measuring = world.measure({
    ...scenario.watch,
    pids: running.map(({ pid }) => pid),
    ...(urgent && {
      urgent: { everyMs: urgent.everyMs, certificateIds: ids.slice(0, urgent.count) },
    }),
  });
  if (!scenario.isLoud) await sleepFor(startMs * (running.length + (scenario.idleProcesses ?? 0)));
  starting[Symbol.dispose]();
  const measured = await measuring;
  if (measured.calls === 0) {
    const said = running.map(({ complaints }) => complaints().slice(0, 2000)).join('\n');
    throw new Error(`${contestant.name} made no call in "${scenario.title}":\n${said}`);
  }
  return { scenario, contestant, measured, messages: orders.length };
}

/** A process needs so much CPU until it makes its first call, ms. */
const startMs = 1000;

/** Whoever starts has a CPU for itself, and those who are being measured have the other. */
let starting: Promise<void> = Promise.resolve();

async function oneAtATime(): Promise<Disposable> {
  const before = starting;
  const mine = Promise.withResolvers<void>();
  starting = mine.promise;
  await before;
  return { [Symbol.dispose]: () => mine.resolve() };
}

function startIn(
  environment: World['environment'],
  { lanes, told, pollers, settings }: Scenario,
  contestant: Contestant,
  nodeOptions: readonly string[],
): Running {
  return start(
    contestant,
    environment,
    { lanes, tps: told, pollers, ...(settings && { settings }) },
    nodeOptions,
  );
}

/** The least time that the bucket allows for so many calls, ms: (U − B) ÷ R, for a quota that may
 * change (a change fills the bucket), less what the other client asks of it. */
export function idealMs({ watch }: Pick<Scenario, 'watch'>, calls: number): number {
  const stepMs = 5;
  let given = 0;
  let planned = -1;
  for (let atMs = 0; ; atMs += stepMs) {
    const now = watch.quotas.findLastIndex(({ fromMs }) => fromMs <= atMs);
    const quota = watch.quotas[now]?.quota;
    if (quota === undefined || quota === 'unlimited') return 0;
    if (now !== planned) given += quota.burst;
    planned = now;
    if (given >= calls) return atMs;
    given += ((quota.rate - (watch.othersPerSecond ?? 0)) * stepMs) / 1000;
  }
}
