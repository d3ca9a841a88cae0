// `npm run bundle [directory]`: the Lambda function and the command, each as one file that needs
// nothing beside Node. Default directory: dist.

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { bundling } from './bundling.ts';

const [outdir = 'dist'] = process.argv.slice(2);

const result = await build({
  ...bundling,
  entryPoints: { lambda: 'src/entry/lambda.ts', cli: 'src/entry/cli.ts' },
  outdir,
  outExtension: { '.js': '.mjs' },
  metafile: true,
});

// Its first line, `#!/usr/bin/env node`, is the source's.
await chmod(join(outdir, 'cli.mjs'), 0o755);

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${file} ${(bytes / 1024).toFixed(0)} KiB`);
}
