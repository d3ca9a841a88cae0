// What the mutation run tests with: the fast tests of the pure core, which start no process.

import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/*.test.ts', 'test/alerts/*.test.ts'],
    exclude: ['test/*.e2e.test.ts'],
    // Workers that are used again start a third faster; what they know of the sources they load anew.
    isolate: false,
    // Instrumented code on a busy machine: a test that is merely slow must not pass for a mutant killed.
    testTimeout: 20_000,
  },
});

export default config;
