// The common pace as it lies in Redis: JSON, with its times by Redis's clock.

import * as z from 'zod';
import type { Pace, PaceLimits } from '../pace.ts';

/** JSON knows no infinity. */
const time = z.number().nullable().transform((ms) => ms ?? -Infinity); // prettier-ignore

const schema = z.object({
  rate: z.number().positive(),
  probing: z.boolean(),
  tokens: z.number(),
  countedAtMs: z.number(),
  emptyAtMs: z.number().optional(),
  givenSinceEmpty: z.number().nonnegative(),
  givenSinceProbe: z.number().nonnegative(),
  probedAtMs: z.number(),
  refused: z.number().nonnegative().default(0), // a version before this field wrote none
  patience: z.number().positive().max(10),
  reactedAtMs: time,
  pausedUntilMs: time,
});

/** What was learnt later than now, ms, was learnt before the clock was set back. */
const toleratedMs = 1000;

/** A pace is never slower than a fiftieth of its share; nobody who shares ours has a much smaller one. */
const slowest = 0.001;

/** @param offsetMs what Redis's clock is ahead of ours */
export function writePace(pace: Pace, offsetMs: number): string {
  const { limits: _own, ...common } = shift(pace, offsetMs);
  return JSON.stringify(common);
}

/** Undefined for a text that is none of ours, or of another time. */
export function readPace(
  text: string,
  limits: PaceLimits,
  offsetMs: number,
  nowMs: number,
): Pace | undefined {
  const parsed = schema.safeParse(jsonOf(text));
  if (!parsed.success) return undefined;
  const { emptyAtMs, ...common } = parsed.data;
  const rate = Math.min(common.rate, limits.ceiling);
  const pace = shift({ ...common, rate, emptyAtMs, limits }, -offsetMs);
  const learntAtMs = Math.max(pace.reactedAtMs, pace.probedAtMs, pace.emptyAtMs ?? -Infinity);
  const isSound =
    rate >= limits.share * slowest &&
    learntAtMs <= nowMs + toleratedMs &&
    pace.pausedUntilMs <= nowMs + toleratedMs + 1000 / rate;
  return isSound ? pace : undefined;
}

function shift(pace: Pace, byMs: number): Pace {
  return {
    ...pace,
    countedAtMs: pace.countedAtMs + byMs,
    emptyAtMs: pace.emptyAtMs === undefined ? undefined : pace.emptyAtMs + byMs,
    probedAtMs: pace.probedAtMs + byMs,
    reactedAtMs: pace.reactedAtMs + byMs,
    pausedUntilMs: pace.pausedUntilMs + byMs,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
