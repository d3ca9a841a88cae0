// A log that a test can read.

import type { Level, Log } from '../../src/event.ts';

export interface Line {
  readonly level: Level;
  readonly text: string;
  readonly [field: string]: unknown;
}

export interface FakeLog extends Log {
  readonly lines: readonly Line[];
  /** The lines of one event, in order. */
  readonly of: (event: string) => readonly Line[];
  /** Resolves once the predicate holds of the lines; looked at now and upon each new one. */
  readonly waitFor: (predicate: (lines: readonly Line[]) => boolean) => Promise<void>;
}

export function createFakeLog(): FakeLog {
  const lines: Line[] = [];
  const waiters = new Set<() => void>();
  return {
    lines,
    of: (event) => lines.filter((line) => line['event'] === event),
    write: (level, fields, text) => {
      lines.push({ level, text, ...fields });
      for (const look of waiters) look();
    },
    waitFor: (predicate) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!predicate(lines)) return;
          waiters.delete(look);
          resolve();
        };
        waiters.add(look);
        look();
      }),
  };
}
