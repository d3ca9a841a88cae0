// Makes a plan that breaks a promise smaller while it still breaks the same one, and tells it.

import { storyOf } from './history.ts';
import type { Plan, Rules } from './plan.ts';
import { judge, type Judged } from './run.ts';

type Judge = (plan: Plan) => Promise<Judged>;

/** The smallest plan that we find, as judged; the same world with simpler rules and fewer steps. */
export async function shrink(failing: Judged, judgeIt: Judge = judge): Promise<Judged> {
  const promise = failing.violations[0]?.promise;
  let best = failing;

  async function isBetter(plan: Plan): Promise<boolean> {
    const judged = await judgeIt(plan);
    const same = judged.violations.filter((violation) => violation.promise === promise);
    if (same.length === 0) return false;
    best = { ...judged, violations: same };
    return true;
  }

  for (let before = Infinity; sizeOf(best.plan) < before;) {
    before = sizeOf(best.plan);
    await shrinkSteps(isBetter, () => best.plan);
    for (const simplify of simpler) {
      const { rules } = best.plan;
      await isBetter({ ...best.plan, rules: { ...rules, ...simplify(rules) } });
    }
  }
  return best;
}

function sizeOf({ steps, rules }: Plan): number {
  return steps.length + rules.workers.length + rules.mappings.length;
}

/** Leaves out ever smaller stretches of steps. */
async function shrinkSteps(
  isBetter: (plan: Plan) => Promise<boolean>,
  plan: () => Plan,
): Promise<void> {
  for (
    let size = Math.ceil(plan().steps.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < plan().steps.length;) {
      const steps = plan().steps.toSpliced(at, size);
      if (!(await isBetter({ ...plan(), steps }))) at += size;
    }
  }
}

const simpler: readonly ((rules: Rules) => Partial<Rules>)[] = [
  ({ workers, mappings }) => ({ mappings: workers.length > 0 ? [] : mappings.slice(0, 1) }),
  ({ workers }) => ({ workers: workers.slice(0, 1) }),
  ({ workers }) => ({ workers: workers.map((one) => ({ ...one, aheadMs: 0, throttle: 'even' })) }),
  () => ({ sharesLedger: false, ledgerCapacity: 100 }),
  () => ({ hostSkewMs: 0 }),
  () => ({ strict: false }),
  ({ alerts }) => (alerts ? { alerts: { ...alerts, ceilings: {}, dryRun: [] } } : {}),
  ({ alerts }) =>
    alerts ? { alerts: { ...alerts, protectedCertificates: [], protectedThings: [] } } : {},
  ({ alerts }) => (alerts ? { alerts: { ...alerts, mostThings: {} } } : {}),
];

/** What a person needs to see of a broken promise: what, the smallest plan, what happened, and how to see it again. */
export function reportOf({ plan, history, violations }: Judged): string {
  const { seed, rules, steps } = plan;
  return [
    violations.length === 0 ? `seed ${seed} breaks no promise` : `seed ${seed} breaks a promise:`,
    ...violations.slice(0, 10).map(({ promise, text, at }) => `  ${promise}: ${text} (#${at})`),
    '',
    `the smallest plan: ${JSON.stringify(rules)}`,
    ...steps.map((step) => `  ${JSON.stringify(step)}`),
    '',
    'what happened (seconds, true time):',
    ...storyOf(history)
      .split('\n')
      .map((line, at) => `${String(at).padStart(5)} ${line}`),
    '',
    `again: npm run simulate -- --seed ${seed}`,
  ].join('\n');
}
