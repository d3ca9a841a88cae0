// How a bundle is built, here and where the bench builds one to compare ours with.

import type { BuildOptions, Plugin } from 'esbuild';

/**
 * Node's own modules are loaded by whatever part needs them, when it does: an `import` would stand at the
 * top of the bundle. With `node:http`, which the SDK wants only for a URL without TLS, it would also make
 * Node load all of its `fetch`, for the `WebSocket` that the module exports; `require` does not.
 */
const requireBuiltins: Plugin = {
  name: 'require-builtins',
  setup: (build) => {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' ? undefined : { path, namespace: 'builtin' },
    );
    build.onLoad({ filter: /^/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }));
  },
};

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
  plugins: [requireBuiltins],
  // What calls `require` for Node's own modules; an ES module has none.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
};
