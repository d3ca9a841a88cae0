// The goals in virtual time: the pace alone against a simulated bucket, many seeds, seconds of CPU.

import { randomFrom, simulate, type Figures, type Scenario } from '../helpers/metered.ts';
import { median } from './figures.ts';

export interface VirtualRow {
  readonly title: string;
  readonly goal: string;
  /** Median, worst; percent. */
  readonly utilisation: readonly [number, number];
  readonly throttled: readonly [number, number];
  readonly others: readonly [number, number] | undefined;
}

interface Case {
  readonly title: string;
  readonly goal: string;
  readonly scenario: Scenario;
  /** The goal is the rate after a minute, as a share of this many calls per second. */
  readonly lateOf?: number;
}

const ten = { share: 10, ceiling: 10 };
const part = (n: number): Scenario['workers'] =>
  Array.from({ length: n }, () => ({ share: 10 / n, ceiling: 10 / n }));
const always =
  (rate: number): Scenario['quota'] =>
  () =>
    rate;

const cases: readonly Case[] = [
  {
    title: 'N = 1, quota known',
    goal: '≥ 99 / ≤ 0.5',
    scenario: { calls: 3000, workers: [ten], quota: always(10) },
  },
  {
    title: 'N = 4 without Redis, a quarter each, aligned starts',
    goal: '≥ 95 / ≤ 3',
    scenario: { calls: 3000, workers: part(4), quota: always(10) },
  },
  {
    title: 'N = 16 without Redis, a sixteenth each, aligned starts',
    goal: 'none set',
    scenario: { calls: 3000, workers: part(16), quota: always(10) },
  },
  {
    title: 'one of four busy, probing up to 10; rate after 60 s',
    goal: '≥ 85 / ≤ 2',
    scenario: {
      calls: 3000,
      workers: [{ share: 2.5, ceiling: 10 }],
      quota: always(10),
      countFromMs: 60_000,
    },
    lateOf: 10,
  },
  {
    title: 'quota really 7 where 10 is told',
    goal: '≥ 98 / ≤ 4',
    scenario: { calls: 3000, workers: [ten], quota: always(7) },
  },
  {
    title: 'quota raised to 50 where 10 is told, probing up to 100; rate after 60 s',
    goal: '≥ 80 / ≤ 2',
    scenario: {
      calls: 6000,
      workers: [{ share: 10, ceiling: 100 }],
      quota: always(50),
      countFromMs: 60_000,
    },
    lateOf: 50,
  },
  {
    title: 'another client takes 3/s of 10',
    goal: '≥ 97 / ≤ 3 / ≤ 3',
    scenario: { calls: 3000, workers: [ten], quota: always(10), others: 3 },
  },
  {
    title: 'quota really 3 where 10 is told',
    goal: 'none set',
    scenario: { calls: 3000, workers: [ten], quota: always(3) },
  },
  {
    title: 'quota 50 → 5 for 60 s → 50',
    goal: '≥ 93 / ≤ 4',
    scenario: {
      calls: 3000,
      workers: [{ share: 50, ceiling: 50 }],
      quota: (atMs) => (atMs >= 20_000 && atMs < 80_000 ? 5 : 50),
    },
  },
  {
    title: 'quota 50 → 5 for 30 s → 50, as in real time',
    goal: '≥ 93 / ≤ 4',
    scenario: {
      calls: 2000,
      workers: [{ share: 50, ceiling: 50 }],
      quota: (atMs) => (atMs >= 20_000 && atMs < 50_000 ? 5 : 50),
    },
  },
  {
    title: 'R = 1,000/s',
    goal: '≥ 99',
    scenario: {
      calls: 120_000,
      workers: [{ share: 1000, ceiling: 1000 }],
      quota: always(1000),
    },
  },
];

export function virtualRows(seeds: number): readonly VirtualRow[] {
  return cases.map(({ title, goal, scenario, lateOf }) => {
    const many = scenario.calls > 10_000 ? Math.ceil(seeds / 10) : seeds;
    const runs = Array.from({ length: many }, (_, seed) => simulate(scenario, randomFrom(seed)));
    const used = (run: Figures): number =>
      100 * (lateOf === undefined ? run.utilisation : run.ratePerSecond / lateOf);
    const least = (of: (run: Figures) => number): readonly [number, number] => [
      median(runs.map(of)),
      Math.min(...runs.map(of)),
    ];
    const most = (of: (run: Figures) => number): readonly [number, number] => [
      median(runs.map(of)),
      Math.max(...runs.map(of)),
    ];
    return {
      title: many === seeds ? title : `${title} (${many} seeds)`,
      goal,
      utilisation: least(used),
      throttled: most((run) => 100 * run.throttled),
      others: scenario.others === undefined ? undefined : most((run) => 100 * run.othersThrottled),
    };
  });
}
