// How a bundle is built, here and where the bench builds one to compare ours with.

import type { BuildOptions } from 'esbuild';

export const bundling: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  mainFields: ['module', 'main'],
  minifySyntax: true,
  minifyWhitespace: true,
  // Names stay: exceptions are told apart by them, and a stack trace is read by people.
  keepNames: true,
  legalComments: 'none',
  // Dependencies in CommonJS call `require` for Node's own modules; an ES module has none.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
};
