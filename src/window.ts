// What a lane has let go in the last hour, for the brake. Values: nothing here knows a clock.

export interface Window {
  /** Certificates, by the keys that the brake has for them: when they were let go last, ms since the epoch. */
  readonly admitted: ReadonlyMap<string, number>;
  /** Until then nothing is held, nor counted: a person has lifted the brake. ms since the epoch. */
  readonly liftedUntilMs?: number;
}

export const emptyWindow: Window = { admitted: new Map() };

/**
 * The rolling time that a ceiling is for, ms: an hour; how much later than it was let go a call may reach
 * AWS; and five minutes by which the clocks of hosts that share a window may differ.
 */
export const windowMs = 3_900_000;

/** A person lifts the brake for so long at most, ms: what is lifted for ever is forgotten. */
export const longestLiftMs = 86_400_000;

/**
 * The window once one more certificate has gone; undefined where the ceiling is reached. In no hour
 * does it let more than `ceiling` distinct certificates go.
 */
export function admit(
  window: Window,
  certificateId: string,
  ceiling: number,
  nowMs: number,
): Window | undefined {
  if (isLifted(window, nowMs)) return window;
  const recent = recentOf(window, nowMs);
  if (!recent.has(certificateId) && recent.size >= ceiling) return undefined;
  return { ...window, admitted: recent.set(certificateId, newestOf(recent, nowMs)) };
}

/** From when on there is room for one more, ms: `nowMs`, if there is; Infinity, if there never is. */
export function roomFromMs(window: Window, ceiling: number, nowMs: number): number {
  if (isLifted(window, nowMs)) return nowMs;
  if (ceiling < 1) return Infinity;
  const times = [...recentOf(window, nowMs).values()].toSorted((a, b) => a - b);
  const leaving = times[times.length - ceiling];
  return leaving === undefined ? nowMs : leaving + windowMs;
}

/** Distinct certificates that count at this time. */
export function countOf(window: Window, nowMs: number): number {
  return recentOf(window, nowMs).size;
}

function isLifted({ liftedUntilMs = -Infinity }: Window, nowMs: number): boolean {
  return nowMs < liftedUntilMs;
}

function recentOf({ admitted }: Window, nowMs: number): Map<string, number> {
  return new Map([...admitted].filter(([, atMs]) => nowMs < atMs + windowMs));
}

/**
 * Time does not go back in a window: where a clock was set back, or another's is behind, what goes now
 * counts from the newest time that is known, or it would be forgotten before it is an hour old.
 */
function newestOf(recent: ReadonlyMap<string, number>, nowMs: number): number {
  let newest = nowMs;
  for (const atMs of recent.values()) newest = Math.max(newest, atMs);
  return newest;
}
