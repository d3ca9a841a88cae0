// Real processes, real faults, in the short form: every scenario once, with a seed that is always the
// same. `npm run chaos` plays them at length.

import { describe, expect, test, vi } from 'vitest';
import { missing } from '../sandbox/command.ts';
import { play } from './scenario.ts';
import { scenarios } from './scenarios.ts';

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 4 }); // processes have to start, and to die

const size = { kills: 6, bodies: 600, messages: 2400, limitMs: 100_000 };

describe.concurrent('the worker keeps its promises when', () => {
  for (const scenario of scenarios) {
    const { name, what, needs } = scenario;
    const isMissing = needs !== undefined && missing(needs, ['--version']);
    test.skipIf(isMissing)(`${what} (${name})`, async () => {
      const { violations } = await play(scenario, 1, size);
      expect(violations).toEqual([]);
    });
  }
});
