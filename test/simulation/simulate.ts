// `npm run simulate`: worlds that nobody has thought of, each from one seed, until a promise breaks or
// Ctrl-C.
//
//   npm run simulate -- --seeds 1000000     so many seeds, from 0 (or --from N) on
//   npm run simulate -- --seed 4711         one seed, with its story
//
// A run: plan.ts makes a plan from the seed; world.ts lets it happen to the real `work` and
// `handleInvocation`, in virtual time (time.ts), on luck from the same seed (chance.ts); checker.ts
// (facts.ts, alert-checker.ts) holds the history (history.ts) against the promises; shrink.ts makes what
// fails small.
//
//   process.ts   clocks that jump, freezes, a crash at any await    pacer.ts  throttles in virtual time
//   sqs.ts  iot.ts  table.ts  lambda.ts   the world around          trouble.ts  all that can be wrong
//   alerts.ts  directory.ts  windows.ts   alerts, what they name, and the brake's table
//   faults.ts    planted into the sources by mutant.ts, to prove that the checker can fail
//
// PROMISES.md tells which function holds which promise, and what is not promised.

import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { planOf } from './plan.ts';
import { judge, type Judged } from './run.ts';
import { reportOf, shrink } from './shrink.ts';
import { createTally } from './tally.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
  },
});

const first = numberOf('seed', flags.seed ?? flags.from);
const count = flags.seed === undefined ? numberOf('seeds', flags.seeds) : 1;
let seed = first;
process.on('unhandledRejection', (bug) => {
  console.error(`seed ${seed}: nobody handles`, bug);
  process.exit(1);
});

const asked = new AbortController();
process.once('SIGINT', () => asked.abort('SIGINT'));
process.once('SIGTERM', () => asked.abort('SIGTERM'));

const tally = createTally();
const beganMs = performance.now();
let toldMs = beganMs;
for (; seed < first + count && !asked.signal.aborted; seed++) {
  const judged = await judge(planOf(seed));
  if (judged.violations.length > 0) await fail(judged);
  tally.count(judged);
  await tell();
}
if (flags.seed !== undefined) console.log(reportOf(await judge(planOf(first))));
console.log(`${done()} from ${first} on, no promise broken\n${tally.text()}`);

async function fail(judged: Judged): Promise<never> {
  console.error(`\nseed ${seed} fails; making it smaller …`);
  console.error(reportOf(await shrink(judged)));
  return process.exit(1);
}

/** Tells now and then how far we are; signals are heard then, too. */
async function tell(): Promise<void> {
  if (performance.now() - toldMs < (process.stderr.isTTY ? 500 : 10_000)) return;
  toldMs = performance.now();
  process.stderr.write(process.stderr.isTTY ? `\r${done()} ` : `${done()}\n`);
  await turn();
}

function done(): string {
  const runs = seed - first;
  const perSecond = (runs * 1000) / (performance.now() - beganMs);
  return `${runs} of ${count} seeds at ${perSecond.toFixed(0)} runs/s`;
}

function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${flag}: a whole number is expected, not ${text}`);
  return process.exit(2);
}
