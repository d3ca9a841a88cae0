// What a lane has let go in the last hour, for the brake. Values: nothing here knows a clock.

export interface Window {
  /** Certificates, and when they were let go last, ms since the epoch. */
  readonly admitted: ReadonlyMap<string, number>;
  /** Until then nothing is held, nor counted: a person has lifted the brake. ms since the epoch. */
  readonly liftedUntilMs?: number;
}

export const emptyWindow: Window = { admitted: new Map() };

/** The rolling time that a ceiling is for, ms. */
export const windowMs = 3_600_000;

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
  return { ...window, admitted: recent.set(certificateId, nowMs) };
}

/** From when on there is room for one more, ms; `nowMs`, if there is. */
export function roomFromMs(window: Window, ceiling: number, nowMs: number): number {
  if (isLifted(window, nowMs)) return nowMs;
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
