// `npm run bundle`: each entry point as one file that needs nothing beside Node.

import { build } from 'esbuild';

const result = await build({
  entryPoints: { lambda: 'src/entry/lambda.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
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
  sourcemap: false,
  metafile: true,
  // Dependencies in CommonJS call `require` for Node's own modules; an ES module has none.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${file} ${(bytes / 1024).toFixed(0)} KiB`);
}
