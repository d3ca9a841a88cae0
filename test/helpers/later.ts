// A wall clock of this process that a test can put on: SQS's in the sandbox, and the brake's. It goes on.

import { beforeEach, vi } from 'vitest';

/** Every test of the file begins at the real time. Tells how to make it so many ms later. */
export function useLaterClock(): (ms: number) => void {
  const realNow = Date.now.bind(Date);
  let laterMs = 0;
  beforeEach(() => {
    laterMs = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => realNow() + laterMs);
    return () => vi.restoreAllMocks();
  });
  return (ms) => {
    laterMs += ms;
  };
}
