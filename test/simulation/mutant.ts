// A worker thread that loads the sources with one planted fault in them, and looks for the first seed
// whose history the checker refuses.

import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { plantedFaults } from './faults.ts';

/** What the thread answers: a seed and what was found, or what is wrong with the planted fault. */
export type Caught =
  | {
      readonly kind: 'caught';
      readonly seed: number;
      /** All that this seed's run breaks, … */
      readonly promises: readonly string[];
      /** … and one of them, in words. */
      readonly text: string;
    }
  | { readonly kind: 'missed' }
  | { readonly kind: 'no such text' };

const { name } = workerData as { readonly name: string };
const fault = plantedFaults.find((one) => one.name === name);
if (fault === undefined) throw new Error(`no fault is called ${name}`);

const { file, replace, by, breaks, within } = fault;
const url = new URL(`../../src/${file}`, import.meta.url).href;
let replaced = 0;

registerHooks({
  load: (asked, context, next) => {
    const loaded = next(asked, context);
    if (asked !== url) return loaded;
    const source = new TextDecoder().decode(loaded.source as Uint8Array);
    replaced = source.split(replace).length - 1;
    return { ...loaded, source: source.replace(replace, () => by) };
  },
});

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
parentPort?.postMessage(await look());

async function look(): Promise<Caught> {
  const { judge } = await import('./run.ts');
  const { planOf } = await import('./plan.ts');
  if (replaced !== 1) return { kind: 'no such text' };
  for (let seed = 0; seed < within; seed++) {
    const { violations } = await judge(planOf(seed));
    const first = violations.find(({ promise }) => breaks === undefined || promise === breaks);
    if (first === undefined) continue;
    const broken = new Set(violations.map(({ promise }) => promise));
    return { kind: 'caught', seed, promises: [...broken], text: first.text };
  }
  return { kind: 'missed' };
}
