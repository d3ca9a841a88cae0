// The two statuses that we set, and which of them is the stronger.

/** The statuses a request may ask for, the weaker first: INACTIVE is reversible, REVOKED is terminal. */
export const statuses = ['INACTIVE', 'REVOKED'] as const;

export type Status = (typeof statuses)[number];

/** Whether `a` takes a certificate out of service at least as firmly as `b`. */
export function atLeast(a: Status, b: Status): boolean {
  return statuses.indexOf(a) >= statuses.indexOf(b);
}

/** The strongest of one or more statuses (INACTIVE < REVOKED). */
export function strongest(asked: readonly Status[]): Status {
  return asked.includes('REVOKED') ? 'REVOKED' : 'INACTIVE';
}
