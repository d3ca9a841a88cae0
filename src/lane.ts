// Where a message came from, and how urgent that makes it. A lane is an SQS queue.

/** The lanes, the most urgent first. */
export const lanes = ['incident', 'alert', 'rotation'] as const;

export type Lane = (typeof lanes)[number];

/** The more urgent of two lanes. */
export function moreUrgent(a: Lane, b: Lane): Lane {
  return lanes.indexOf(a) <= lanes.indexOf(b) ? a : b;
}
