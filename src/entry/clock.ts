// The system's clock.

import type { Clock } from '../clock.ts';

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const timer = setTimeout(end, Math.max(0, ms));
      function end(): void {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      }
      signal?.addEventListener('abort', end);
    }),
};
