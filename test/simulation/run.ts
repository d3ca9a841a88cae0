// A seed's run: its plan happens, and the checker judges what came of it.

import { check, type Violation } from './checker.ts';
import type { Plan } from './plan.ts';
import { simulate, type Run } from './world.ts';

export interface Judged extends Run {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
}

export async function judge(plan: Plan): Promise<Judged> {
  const run = await simulate(plan);
  return { ...run, plan, violations: check(run.history) };
}
