// What the queue is told of each outcome, for those who check what a worker said. Not taken from src/: they
// are to notice if that changes.

export const acknowledgementOf: Readonly<Record<string, string>> = {
  applied: 'delete',
  covered: 'delete',
  unchanged: 'delete',
  expanded: 'delete',
  ignored: 'delete',
  rejected: 'dead-letter',
  deferred: 'retry',
};
