// The environment that the AWS SDK reads, for tests of the real clients in this process.

import { onTestFinished, vi } from 'vitest';
import { bareEnvironment } from '../sandbox/command.ts';

/** Lets the test that runs have this environment and nothing of AWS from its user's. */
export function stubEnvironment(environment: Readonly<Record<string, string>>): void {
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const { AWS_MAX_ATTEMPTS: _oneAttempt, ...bare } = bareEnvironment;
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  }
  for (const [name, value] of Object.entries({ ...bare, ...environment })) vi.stubEnv(name, value);
}
