// The Lambda bundle beside a minimal one that imports the two clients alone: size, and the time that a
// fresh process takes to import it.

import { build } from 'esbuild';
import { bundling } from '../../src/entry/bundling.ts';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface ColdStart {
  readonly name: string;
  readonly bytes: number;
  /** Each run, ms. */
  readonly importMs: readonly number[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

const minimal = `
import { IoTClient, UpdateCertificateCommand } from '@aws-sdk/client-iot';
import { DeleteMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
const iot = new IoTClient({});
const sqs = new SQSClient({});
export const handler = async () => [
  await iot.send(new UpdateCertificateCommand({})),
  await sqs.send(new DeleteMessageBatchCommand({})),
];
`;

export async function coldStarts(runs: number): Promise<readonly ColdStart[]> {
  // Under the project, so that esbuild finds its packages.
  const folder = await mkdtemp(join(tmpdir(), 'iot-revocation-bench-'));
  try {
    await run(process.execPath, ['src/entry/bundle.ts', folder], { cwd: root });
    await build({
      ...bundling,
      stdin: { contents: minimal, resolveDir: root },
      outfile: join(folder, 'minimal.mjs'),
    });
    await writeFile(
      join(folder, 'time.mjs'),
      'const from = performance.now(); await import(process.argv[2]); console.log(performance.now() - from); process.exit(0);',
    );
    const files = [
      ['lambda.mjs, this worker', join(folder, 'lambda.mjs')],
      ['minimal handler, the two clients alone', join(folder, 'minimal.mjs')],
    ] as const;
    const times = files.map((): number[] => []);
    // In turn, so that both meet the same machine; the first round warms the file cache.
    for (let made = 0; made <= runs; made++) {
      for (const [at, [, file]] of files.entries()) {
        const ms = await importMs(join(folder, 'time.mjs'), file);
        if (made > 0) times[at]?.push(ms);
      }
    }
    return await Promise.all(
      files.map(async ([name, file], at) => ({
        name,
        bytes: (await stat(file)).size,
        importMs: times[at] ?? [],
      })),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function importMs(script: string, file: string): Promise<number> {
  const { stdout } = await run(process.execPath, [script, file], {
    env: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
      AWS_ACCOUNT_ID: '000000000000',
      ROTATION_QUEUE_URL: 'http://127.0.0.1:9/000000000000/rotation',
      DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:9/000000000000/dead-letter',
    },
  });
  return Number(stdout);
}
