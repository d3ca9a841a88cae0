// The processes that the bench starts end with it, also if it is interrupted.

import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

const alive = new Set<ChildProcess>();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Ends this child with us, unless it has ended before. */
export function endWithUs<Child extends ChildProcess>(child: Child): Child {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}
