// `npm run chaos -- --rounds 200 --seed 1 --only kill,sigterm`: the long form. One line for each
// scenario; violations with the seed that shows them again. Exits with 1 if there is one.

import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { missing } from '../sandbox/command.ts';
import { play, type Report, type Scenario, type Size } from './scenario.ts';
import { scenarios } from './scenarios.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    'at-once': { type: 'string', default: '3' },
    bodies: { type: 'string', default: '10000' },
    messages: { type: 'string', default: '20000' },
  },
});

const rounds = numberOf('rounds', flags.rounds);
const firstSeed = numberOf('seed', flags.seed);
const size: Size = {
  kills: 10,
  bodies: numberOf('bodies', flags.bodies),
  messages: numberOf('messages', flags.messages),
  limitMs: 600_000,
};
const atOnce = pLimit(Math.max(1, numberOf('at-once', flags['at-once'])));
const wanted = chosen(flags.only === '' ? [] : flags.only.split(','));

let hasFailed = false;
const beganMs = performance.now();
await Promise.all(wanted.map(playAll));
const minutes = ((performance.now() - beganMs) / 60_000).toFixed(1);
console.log(`${hasFailed ? 'FAILED' : 'no promise broken'}, in ${minutes} minutes`);
process.exit(hasFailed ? 1 : 0); // a scenario that did not end in time must not keep us

async function playAll(scenario: Scenario): Promise<void> {
  const { name, what, needs } = scenario;
  if (needs !== undefined && missing(needs, ['--version'])) {
    console.log(`${name.padEnd(14)} SKIPPED: there is no ${needs}`);
    return;
  }
  const seeds = Array.from({ length: timesOf(name) }, (_, at) => firstSeed + at);
  const reports = await Promise.all(
    seeds.map((seed) =>
      atOnce(async () => {
        const report = await play(scenario, seed, size);
        tell(report);
        return report;
      }),
    ),
  );
  const sums = new Map<string, number>();
  for (const [figure, value] of reports.flatMap(({ figures }) => Object.entries(figures))) {
    sums.set(figure, (sums.get(figure) ?? 0) + value);
  }
  const figures = [...sums].map(([figure, sum]) => `${figure} ${sum}`).join(', ');
  const violations = reports.reduce((sum, report) => sum + report.violations.length, 0);
  console.log(`${name.padEnd(14)} ${reports.length} × ${what}\n${' '.repeat(15)}${figures}; ${violations} violations`); // prettier-ignore
}

function tell({ name, seed, violations }: Report): void {
  if (violations.length === 0) return;
  hasFailed = true;
  for (const violation of violations.slice(0, 10)) {
    console.error(`VIOLATION --only ${name} --seed ${seed} --rounds 1: ${violation}`);
  }
  if (violations.length > 10) console.error(`… and ${violations.length - 10} more`);
}

/** Those that kill share the rounds; what is large is played once, the rest now and then. */
function timesOf(name: string): number {
  if (name === 'flat' || name === 'fuzz') return 1;
  if (name === 'kill' || name === 'kill-alone') return Math.ceil(rounds / (2 * size.kills));
  return Math.ceil(rounds / 40);
}

function chosen(names: readonly string[]): readonly Scenario[] {
  const unknown = names.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    console.error(`no such scenario: ${unknown.join(', ')}; there are`);
    for (const { name, what } of scenarios) console.error(`  ${name.padEnd(14)} ${what}`);
    process.exit(2);
  }
  return names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name));
}

function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${flag}: a whole number is expected, not ${text}`);
  return process.exit(2);
}
