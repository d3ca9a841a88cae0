// The checker can fail: faults planted into the sources are caught, each within its number of seeds.

import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { promises } from './checker.ts';
import { plantedFaults } from './faults.ts';
import type { Caught } from './mutant.ts';

/** Looks for the fault in a thread of its own, which loads the sources anew. */
async function lookFor(name: string): Promise<Caught> {
  const thread = new Worker(new URL('./mutant.ts', import.meta.url), { workerData: { name } });
  try {
    return await new Promise<Caught>((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
    });
  } finally {
    await thread.terminate();
  }
}

/** The promises that a planted fault has broken. */
const broken = new Set<string>();

describe.concurrent('a planted fault is caught', { timeout: 120_000 }, () => {
  test.each(plantedFaults)('$file: $name', async ({ name, within }) => {
    const caught = await lookFor(name);
    expect(caught.kind, `within ${within} seeds`).toBe('caught');
    if (caught.kind === 'caught') for (const promise of caught.promises) broken.add(promise);
  });
});

test('no promise is held by a function that never fails', () => {
  expect(Object.keys(promises).filter((promise) => !broken.has(promise))).toEqual([]);
});
