// Other people's programs, run against the sandbox: the AWS CLI, boto3, a shell.

import { execFile, spawnSync } from 'node:child_process';
import { devNull } from 'node:os';
import { env } from 'node:process';
import { promisify } from 'node:util';

/** The environment of the tests, without any AWS setting of the person who runs them. */
export const bareEnvironment: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('AWS_'))),
  AWS_MAX_ATTEMPTS: '1', // so that each failure is seen
  AWS_CONFIG_FILE: devNull,
  AWS_SHARED_CREDENTIALS_FILE: devNull,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_PAGER: '',
  NO_PROXY: '127.0.0.1',
};

/** What a program that ended left behind. */
interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export async function run(
  command: string,
  parameters: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Ended> {
  try {
    const options = { env: environment };
    return { exitCode: 0, ...(await promisify(execFile)(command, parameters, options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Omit<Ended, 'exitCode'> & { readonly code: number };
    return { exitCode: code, stdout, stderr };
  }
}

/** Whether a program is missing. Says so aloud: a silent skip reads like a pass. */
export function missing(command: string, parameters: readonly string[]): boolean {
  const { status, error, stderr } = spawnSync(command, parameters, { encoding: 'utf8' });
  if (status === 0) return false;
  const cause = error?.message ?? stderr.trim().split('\n').at(-1);
  console.warn(`SKIPPED ${command}: \`${[command, ...parameters].join(' ')}\` failed: ${cause}`);
  return true;
}

/**
 * Whether the AWS CLI is missing, or too old: before versions 1.30 and 2.14 it neither speaks SQS's JSON
 * protocol, which is all that the embedded SQS knows, nor looks at AWS_ENDPOINT_URL_<SERVICE>. Says so
 * aloud.
 */
export function noRecentAwsCli(): boolean {
  if (missing('aws', ['--version'])) return true;
  const { stdout } = spawnSync('aws', ['--version'], { encoding: 'utf8' });
  const [, major = 0, minor = 0] = (/^aws-cli\/(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  if (minor >= (major === 1 ? 30 : 14)) return false;
  console.warn(`SKIPPED aws: ${stdout.trim()} is older than 1.30 or 2.14`);
  return true;
}
