// The promises, held against worlds that nobody has thought of. `npm run simulate` runs more of them.

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { storyOf, type History } from './history.ts';
import { planOf, type Plan } from './plan.ts';
import { judge, type Judged } from './run.ts';
import { reportOf, shrink } from './shrink.ts';
import { createTally } from './tally.ts';
import { alertTroubles, troubles } from './trouble.ts';

const slow = { timeout: 120_000 };

/** Runs seeds, and fails with the smallest plan that breaks a promise. */
async function keepAllPromises(first: number, count: number): Promise<readonly Judged[]> {
  const all: Judged[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const judged = await judge(planOf(seed));
    if (judged.violations.length > 0) throw new Error(reportOf(await shrink(judged)));
    all.push({ ...judged, history: { ...judged.history } });
  }
  return all;
}

describe('whatever happens', slow, () => {
  const tally = createTally();

  test.each([0, 500, 1000, 1500, 2000, 2500])(
    'no promise is broken, seeds from %i on',
    async (first) => {
      for (const judged of await keepAllPromises(first, 500)) tally.count(judged);
    },
  );

  test('everything that can go wrong has gone wrong', () => {
    const happened = 'crashed stopped frozen thawed jumped letter invoked member lifted'.split(' ');
    // What has become of messages.
    const ended = 'applied covered unchanged expanded ignored brake dry-run policy protected shared-certificate no-certificate not-found'; // prettier-ignore
    const expected = [
      ...troubles,
      ...alertTroubles,
      ...happened,
      'third party',
      'sent back',
      ...ended.split(' '),
    ];
    expect(expected.filter((name) => !tally.counts.has(name))).toEqual([]);
  });
});

describe('a seed', slow, () => {
  test('determines all that happens', async () => {
    for (let seed = 0; seed < 150; seed++) {
      const [one, same] = [await judge(planOf(seed)), await judge(planOf(seed))];
      expect(hashOf(one.history), `seed ${seed}`).toBe(hashOf(same.history));
    }
  });

  test('is a world of its own', async () => {
    const hashes = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => hashOf((await judge(planOf(seed))).history)),
    );
    expect(new Set(hashes).size).toBe(20);
  });
});

describe('what is not promised', slow, () => {
  test('hosts of SQS that disagree by more than the margin can hide a request', async () => {
    const broken: string[] = [];
    for (let seed = 0; seed < 300; seed++) {
      const plan = planOf(seed);
      const rules = { ...plan.rules, hostSkewMs: 5000 };
      broken.push(...(await judge({ ...plan, rules })).violations.map(({ promise }) => promise));
    }
    expect(broken).toContain('deletedOnlyAfterCoverage');
  });
});

describe('a plan that fails', () => {
  /** As if sending for the third certificate while anything is broken were forbidden. */
  async function judgeOddly(plan: Plan): Promise<Judged> {
    const judged = await judge({ ...plan, steps: [] });
    const [sends, breaks] = [
      plan.steps.some((step) => step.does === 'send' && step.certificate === 2),
      plan.steps.some((step) => step.does === 'trouble'),
    ];
    const violations = sends && breaks ? [{ promise: 'odd', text: 'it is odd', at: 0 }] : [];
    return { ...judged, plan, violations };
  }

  test('shrinks to the steps that matter', async () => {
    let seed = 0;
    let failing = await judgeOddly(planOf(seed));
    while (failing.violations.length === 0) failing = await judgeOddly(planOf(++seed));
    expect(failing.plan.steps.length).toBeGreaterThan(2);
    const { plan } = await shrink(failing, judgeOddly);
    expect(plan.steps.map(({ does }) => does).sort()).toEqual(['send', 'trouble']);
    expect(plan.rules.workers.length).toBeLessThanOrEqual(1);
  });

  test('is told with its seed, its story and the command that shows it again', async () => {
    const judged = await judge(planOf(7));
    const report = reportOf({
      ...judged,
      violations: [{ promise: 'odd', text: 'it is odd', at: 3 }],
    });
    expect(report).toContain('odd: it is odd (#3)');
    expect(report).toContain('npm run simulate -- --seed 7');
    expect(report).toContain('started runtime=');
  });
});

function hashOf(history: History): string {
  return createHash('sha256').update(storyOf(history)).digest('hex');
}
