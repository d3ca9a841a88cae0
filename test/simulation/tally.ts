// What has happened in many runs, counted: a simulation in which nothing goes wrong proves nothing.

import type { Judged } from './run.ts';

export interface Tally {
  readonly count: (judged: Judged) => void;
  /** How often each kind of thing has happened, each trouble has struck, and messages have ended so. */
  readonly counts: ReadonlyMap<string, number>;
  /** The counts, for a person. */
  readonly text: () => string;
}

export function createTally(): Tally {
  const happened = new Map<string, number>();
  const struck = new Map<string, number>();
  const ended = new Map<string, number>();
  let virtualMs = 0;

  return {
    count: ({ history, struck: more }) => {
      for (const happening of history.happenings) {
        add(happened, happening.kind, 1);
        if (happening.kind === 'event') add(ended, happening.failureKind ?? happening.outcome, 1);
      }
      for (const [trouble, times] of more) add(struck, trouble, times);
      virtualMs += (history.happenings.at(-1)?.atMs ?? history.startMs) - history.startMs;
    },
    get counts() {
      return new Map([...happened, ...struck, ...ended]);
    },
    text: () =>
      [
        `virtual time: ${(virtualMs / 3_600_000).toFixed(0)} hours`,
        `happened: ${listOf(happened)}`,
        `troubles that struck: ${listOf(struck)}`,
        `messages ended as: ${listOf(ended)}`,
      ].join('\n'),
  };
}

function add(counts: Map<string, number>, name: string, times: number): void {
  counts.set(name, (counts.get(name) ?? 0) + times);
}

function listOf(counts: ReadonlyMap<string, number>): string {
  const byName = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return byName.map(([name, times]) => `${name} ${times}`).join(', ');
}
