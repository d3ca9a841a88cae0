// `npm run bench`: this worker and its peers on the same servers, on loopback, bounded in calls and time.
//
//   npm run bench                 everything; writes RESULTS.md and the charts; about 25 minutes
//   npm run bench -- --quick      the core scenarios once, on the terminal; under two minutes
//   npm run bench -- --only=a,b   some scenarios by id, on the terminal
//   npm run bench -- --only=a --peer=squiss   … and for the peers of one file
//   npm run bench -- --redis      processes that share the quota by Redis, with a redis-server of its own;
//                                 writes that section of RESULTS.md; six minutes
//   npm run bench -- --profile    ours with the quota off under Node's CPU profiler

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { barChart, type Bar } from './charts.ts';
import { coldStarts } from './cold-start.ts';
import { bare, ours, type Contestant } from './contestant.ts';
import {
  awsCalls,
  calls,
  cpu,
  othersThrottled,
  perSecond,
  throttled,
  utilisation,
  type Figure,
} from './figures.ts';
import {
  coldStartTable,
  markdown,
  mediansOf,
  plain,
  tables,
  verdicts,
  virtualTable,
  type Table,
} from './report.ts';
import { redisScenarios, runOnce, scenarios, type Result, type Scenario } from './scenario.ts';
import { virtualRows } from './virtual.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    peer: { type: 'string' },
    redis: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});

/** Quiet scenarios that run side by side: each calls some ten times a second and sleeps in between. */
const sideBySide = 12;

const folder = new URL('./', import.meta.url);
const redisHeading = '## Processes that share Redis';

const beganMs = performance.now();
if (flags.redis) await benchRedis();
else if (flags.profile) await profile();
else await bench();

async function bench(): Promise<void> {
  const only = flags.only?.split(',');
  const chosen = scenarios(flags.quick).filter(({ id }) => only === undefined || only.includes(id));
  const seeds = flags.quick ? 20 : 200;
  const virtual = only === undefined ? [virtualTable(virtualRows(seeds), seeds)] : [];
  for (const table of virtual) console.log(plain(table));
  const results = [...(await runQuiet(chosen)), ...(await runLoud(chosen))].filter(isResult);
  const cold = only === undefined ? [coldStartTable(await coldStarts(flags.quick ? 5 : 15))] : [];
  const measured = [...tables(results), ...cold];
  for (const table of measured) console.log(plain(table));
  console.log(`\n${verdicts(results).join('\n')}`);
  if (!flags.quick && only === undefined) await publish(results, virtual, measured);
  console.log(`\n${((performance.now() - beganMs) / 1000).toFixed(0)} s in all`);
}

/** Few at a time: sixteen processes each. */
async function benchRedis(): Promise<void> {
  const results = (await runQuiet(redisScenarios(), 4)).filter(isResult);
  const measured = tables(results);
  for (const table of measured) console.log(plain(table));
  const file = new URL('RESULTS.md', folder);
  const [before = ''] = (await readFile(file, 'utf8')).split(redisHeading);
  const section = measured.map((table) => `${markdown(table)}\n`).join('\n');
  await writeFile(
    file,
    `${before}${redisHeading}\n\n\`npm run bench -- --redis\`, on the machine above.\n\n${section}`,
  );
}

function isResult(result: Result | undefined): result is Result {
  return result !== undefined;
}

/** Every contestant of every quiet scenario, some at the same time; each has servers of its own. */
async function runQuiet(
  chosen: readonly Scenario[],
  atOnce = sideBySide,
): Promise<readonly (Result | undefined)[]> {
  // The longest first, so that none is left for the end.
  const jobs = chosen
    .filter(({ isLoud }) => !isLoud)
    .toSorted((a, b) => b.watch.timeoutMs - a.watch.timeoutMs || b.certificates - a.certificates)
    .flatMap((scenario) =>
      Array.from({ length: scenario.runs }, () =>
        takingPart(scenario).map((contestant) => ({ scenario, contestant })),
      ).flat(),
    );
  const results: (Result | undefined)[] = [];
  const idle = idleSince();
  let next = 0;
  async function workOn(): Promise<void> {
    for (let at = next++; at < jobs.length; at = next++) {
      const job = jobs[at];
      if (job !== undefined) results[at] = await attempt(job.scenario, job.contestant);
    }
  }
  await Promise.all(Array.from({ length: atOnce }, workOn));
  if (jobs.length > 0) console.error(`side by side, the CPUs were idle ${idle()} % of the time`);
  return results;
}

/** One contestant at a time, in turn, so that a change of the machine's mood meets everybody. */
async function runLoud(chosen: readonly Scenario[]): Promise<readonly (Result | undefined)[]> {
  const results: (Result | undefined)[] = [];
  for (const scenario of chosen.filter(({ isLoud }) => isLoud)) {
    for (let made = 0; made < scenario.runs; made++) {
      for (const contestant of takingPart(scenario)) {
        results.push(await attempt(scenario, contestant));
      }
    }
  }
  return results;
}

function takingPart({ contestants }: Scenario): readonly Contestant[] {
  const { peer } = flags;
  return peer === undefined ? contestants : contestants.filter(({ file }) => file.includes(peer));
}

/** One that cannot be run is told, and does not end the others. */
async function attempt(scenario: Scenario, contestant: Contestant): Promise<Result | undefined> {
  const startedMs = performance.now();
  try {
    const result = await runOnce(scenario, contestant);
    const tookMs = performance.now() - startedMs;
    console.error(
      `${scenario.id}: ${contestant.name} (${(tookMs / 1000).toFixed(0)} s${result.measured.timedOut ? ', not finished' : ''})`,
    );
    return result;
  } catch (error) {
    console.error(`${scenario.id}: ${contestant.name} FAILED: ${String(error)}`);
    return undefined;
  }
}

function idleSince(): () => string {
  const read = (): readonly [number, number] => {
    const all = cpus().map(({ times }) => times);
    const idle = all.reduce((sum, times) => sum + times.idle, 0);
    return [idle, all.flatMap((times) => Object.values(times)).reduce((a, b) => a + b, 0)];
  };
  const [idle0, all0] = read();
  return () => {
    const [idle, all] = read();
    return ((100 * (idle - idle0)) / (all - all0)).toFixed(0);
  };
}

async function publish(
  results: readonly Result[],
  virtual: readonly Table[],
  measured: readonly Table[],
): Promise<void> {
  await mkdir(new URL('charts/', folder), { recursive: true });
  const charts = [
    await chart(results, 'quota-known', 'known', 'Quota known: 10 calls a second', [
      [utilisation, 'utilisation, % (more is better)', 1],
      [throttled, 'our calls throttled, % (less is better)', 1],
    ]),
    await chart(results, 'quota-shared', 'others', 'Another client takes 3 of the 10 a second', [
      [utilisation, 'utilisation of what is left, %', 1],
      [throttled, 'our calls throttled, %', 1],
      [othersThrottled, 'the other client’s throttled, %', 1],
    ]),
    await chart(results, 'storm', 'storm', '10,000 alerts over 100 certificates', [
      [calls, 'UpdateCertificate calls (less is better)', 0],
    ]),
    await chart(results, 'overhead', 'overhead', 'Quota off: 10,000 messages', [
      [perSecond, 'messages per second (more is better)', 0],
      [cpu, 'CPU per message, µs (less is better)', 0],
      [awsCalls, 'AWS calls per message', 2],
    ]),
  ];
  const text = [
    '# What the bench measured\n',
    `${await notes()}\n`,
    '## In short\n',
    `${verdicts(results)
      .map((line) => `- ${line}`)
      .join('\n')}\n`,
    ...charts.map((line) => `${line}\n`),
    '## The pace in virtual time\n',
    ...virtual.map((table) => `${markdown(table)}\n`),
    '## In real time\n',
    ...measured.map((table) => `${markdown(table)}\n`),
  ].join('\n');
  await writeFile(new URL('RESULTS.md', folder), text);
}

async function chart(
  results: readonly Result[],
  name: string,
  scenarioId: string,
  title: string,
  panels: readonly (readonly [Figure, string, number])[],
): Promise<string> {
  const svg = await barChart(
    title,
    panels.map(([figure, subject, digits]) => ({
      title: subject,
      digits,
      bars: mediansOf(results, scenarioId, figure).map(({ contestant, value }): Bar => {
        const { name, isOurs } = contestant;
        return { name, value, isOurs };
      }),
    })),
  );
  await writeFile(new URL(`charts/${name}.svg`, folder), `${svg}\n`);
  return `![${title}](charts/${name}.svg)`;
}

async function notes(): Promise<string> {
  const { devDependencies: dev, dependencies } = manifest;
  const template = await readFile(new URL('notes.md', folder), 'utf8');
  const facts: Readonly<Record<string, string>> = {
    machine: `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Linux ${release()}; Node ${process.version}`,
    versions: [
      ['@aws-sdk/client-iot', dependencies['@aws-sdk/client-iot']],
      ['sqs-consumer', dev['sqs-consumer']],
      ['p-limit', dev['p-limit']],
      ['squiss-ts', dev['squiss-ts']],
      ['@aws-lambda-powertools/batch', dev['@aws-lambda-powertools/batch']],
      ['@aws-lambda-powertools/idempotency', dev['@aws-lambda-powertools/idempotency']],
      ['bottleneck', dependencies.bottleneck],
      ['fauxqs', dev.fauxqs],
    ]
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    sideBySide: String(sideBySide),
    minutes: ((performance.now() - beganMs) / 60_000).toFixed(0),
  };
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => facts[name] ?? whole).trim();
}

/** Where ours spends its time with the quota off: the functions with most time of their own. */
async function profile(): Promise<void> {
  const scenario = scenarios(false).find(({ id }) => id === 'overhead');
  if (scenario === undefined) throw new Error('no such scenario');
  for (const contestant of [ours, bare]) {
    const into = new URL(`profile-${process.pid}/`, folder);
    await mkdir(into);
    try {
      const result = await runOnce(scenario, contestant, [
        '--cpu-prof',
        `--cpu-prof-name=${contestant.isOurs ? 'ours' : 'bare'}.cpuprofile`,
        `--cpu-prof-dir=${into.pathname}`,
      ]);
      console.log(`${contestant.name}: ${cpu.of(result).toFixed(0)} µs a message, profiled`);
      if (contestant.isOurs) {
        const text = await readFile(new URL('ours.cpuprofile', into), 'utf8');
        console.log(hottest(JSON.parse(text) as CpuProfile));
      }
    } finally {
      await rm(into, { recursive: true });
    }
  }
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function hottest({ nodes, samples, timeDeltas }: CpuProfile): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, number>();
  const byPackage = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const micros = timeDeltas[at] ?? 0;
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const file = frame.url.replace(/^.*\/(?=(node_modules|src)\/)/, '');
    const where = /node_modules\/(?:@[^/]+\/)?[^/]+|^node:[^/]+|^src\/.*/.exec(file)?.[0] ?? file;
    add(byPackage, where || frame.functionName, micros);
    add(
      byFunction,
      `${frame.functionName || '(anonymous)'} ${file}:${frame.lineNumber + 1}`,
      micros,
    );
  }
  byPackage.delete('(idle)');
  const total = [...byPackage.values()].reduce((sum, micros) => sum + micros, 0);
  const top = (times: ReadonlyMap<string, number>, count: number): string =>
    [...times]
      .filter(([name]) => !name.startsWith('(idle)'))
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, micros]) => `${((100 * micros) / total).toFixed(1).padStart(5)} %  ${name}`)
      .join('\n');
  return `\nby file or package\n${top(byPackage, 40)}\n\nby function\n${top(byFunction, 40)}`;
}

function add(times: Map<string, number>, name: string, micros: number): void {
  times.set(name, (times.get(name) ?? 0) + micros);
}
