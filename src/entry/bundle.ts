// `npm run bundle [directory]`: the Lambda function and the command, each as one file that needs
// nothing beside Node. Default directory: dist.

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const [outdir = 'dist'] = process.argv.slice(2);

const result = await build({
  entryPoints: { lambda: 'src/entry/lambda.ts', cli: 'src/entry/cli.ts' },
  outdir,
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

// Its first line, `#!/usr/bin/env node`, is the source's.
await chmod(join(outdir, 'cli.mjs'), 0o755);

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${file} ${(bytes / 1024).toFixed(0)} KiB`);
}
