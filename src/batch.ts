// Gathers single entries into SQS's batches of ten, and looks at what became of each: an entry that
// failed goes again, by itself, while its neighbours are done.

import type { Clock, Random } from './clock.ts';
import { mostPerBatch, type Taken } from './queue.ts';
import { backoffMs, type RetryPolicy } from './retry.ts';

export interface BatchPorts<Entry> {
  /** Carries out up to ten entries; an answer for each, in order. It does not reject. */
  readonly send: (entries: readonly Entry[]) => Promise<readonly Taken[]>;
  readonly clock: Clock;
  readonly random: Random;
  /** Once aborted, nothing waits for company or for a backoff. */
  readonly hurry: AbortSignal;
}

interface Waiting<Entry> {
  readonly entry: Entry;
  readonly tries: number;
  readonly settle: (taken: Taken) => void;
}

/** How long an entry waits for company, ms. */
const lingerMs = 100;

/** SQS loses a call now and then; what fails for longer comes back by itself. */
const tries: RetryPolicy = { attempts: 4, baseMs: 200, capMs: 2000 };

/** A function that sends entries in batches. It answers for each entry, and does not reject. */
export function createBatch<Entry>(ports: BatchPorts<Entry>): (entry: Entry) => Promise<Taken> {
  const { send, clock, random, hurry } = ports;
  let waiting: Waiting<Entry>[] = [];
  /** Cuts the wait of the batch that is being gathered. */
  let cut = new AbortController();

  hurry.addEventListener('abort', () => cut.abort());

  function add(one: Waiting<Entry>): void {
    waiting.push(one);
    if (waiting.length === mostPerBatch) void flush();
    else if (waiting.length === 1) void linger(cut);
  }

  async function linger(mine: AbortController): Promise<void> {
    await clock.sleep(hurry.aborted ? 0 : lingerMs, mine.signal);
    if (mine === cut) await flush();
  }

  async function flush(): Promise<void> {
    const batch = waiting;
    waiting = [];
    cut.abort('it goes out'); // a reason of its own: without one, Node makes an exception, stack and all
    cut = new AbortController();
    await carryOut(batch);
  }

  async function carryOut(batch: readonly Waiting<Entry>[]): Promise<void> {
    const answers = await send(batch.map(({ entry }) => entry));
    for (const [at, one] of batch.entries()) {
      const taken = answers[at] ?? { done: false, final: false, cause: 'no answer' };
      if (taken.done || taken.final || one.tries === tries.attempts) one.settle(taken);
      else void again(one);
    }
  }

  async function again(one: Waiting<Entry>): Promise<void> {
    await clock.sleep(backoffMs(one.tries, tries, random), hurry);
    add({ ...one, tries: one.tries + 1 });
  }

  return async (entry) => new Promise((settle) => add({ entry, tries: 1, settle }));
}
