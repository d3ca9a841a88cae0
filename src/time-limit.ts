// Waits for an answer, but not for ever.

import type { Failure } from './call.ts';
import type { Clock } from './clock.ts';

/** What `asking` comes to; or what `late` says, which is asked only once `limitMs` are over. */
export async function within<T>(
  limitMs: number,
  clock: Clock,
  asking: Promise<T>,
  late: () => T,
): Promise<T> {
  const answered = new AbortController();
  const over = clock
    .sleep(limitMs, answered.signal)
    .then(() => (answered.signal.aborted ? asking : late()));
  try {
    return await Promise.race([asking, over]);
  } finally {
    answered.abort('answered');
  }
}

/** What it means that nothing was heard in time: it may have happened. */
export function noAnswerWithin(limitMs: number): Failure {
  const message = `no answer within ${Math.round(limitMs)} ms`;
  return { kind: 'unknown-result', name: 'TimeoutError', message };
}
