// How fast slots may follow one another: a pure policy that learns downwards at once and upwards
// patiently. throttle.ts carries it out.
//
// AWS meters UpdateCertificate with a token bucket, and three facts about it are enough:
//
// - A throttled call says that the bucket was empty just then. Between two such moments, what
//   succeeded is what the bucket gave us: calls ÷ time is our part of the quota, with everybody
//   else's calls already taken off.
// - A short pause after it puts a few tokens back, for us and for the others. Going on at the
//   measured rate keeps them there: nothing is wasted as long as the bucket is not full.
// - A probe spends those few tokens faster than we believe they come. Either it is throttled, which
//   costs about one call and measures anew; or the bucket gives more than we believed, so we believe
//   in more. Probes are so rare that what they cost stays at one or two calls in a hundred.

import type { Random } from './clock.ts';

export interface PaceLimits {
  /** What we were told is ours, calls per second: the pace begins here. */
  readonly share: number;
  /** How far probes may go, calls per second; at least `share`. */
  readonly ceiling: number;
}

export interface Pace {
  readonly limits: PaceLimits;
  /** What we believe the bucket gives us, calls per second. */
  readonly rate: number;
  /** Spending faster than we believe tokens come, to learn whether more come. */
  readonly probing: boolean;
  /** Tokens that we believe the bucket holds for us; below zero, it has given more than we believed. */
  readonly tokens: number;
  /** When `tokens` was true, ms. */
  readonly countedAtMs: number;
  /** When the bucket was last seen empty, ms; undefined if that is no use for measuring any more. */
  readonly emptyAtMs: number | undefined;
  /** Calls that succeeded since then. */
  readonly givenSinceEmpty: number;
  /** Calls that succeeded since the last probe, and when it ended, ms. */
  readonly givenSinceProbe: number;
  readonly probedAtMs: number;
  /** Probes that were refused since we last had nearly our share: they make us less eager. */
  readonly refused: number;
  /** Lengthens or shortens the time to the next probe, so that processes do not probe together. */
  readonly patience: number;
  /** Calls that started before this are part of what we have reacted to already, ms. */
  readonly reactedAtMs: number;
  /** No slot fires before this, ms. */
  readonly pausedUntilMs: number;
}

/** What an attempt tells the pace; a failure of another kind tells it nothing. */
export type Feedback = 'succeeded' | 'throttled' | 'failed';

/** What the pace learns from; times in ms on one and the same clock. */
export type PaceEvent =
  /** A slot fires and serves this many attempts. */
  | { readonly kind: 'taken'; readonly attempts: number }
  /** A slot fires and nobody waits. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'succeeded'; readonly startedAtMs: number }
  | { readonly kind: 'throttled'; readonly startedAtMs: number };

/** Without a measurement, a throttled call takes this off the rate; a measured rate may halve it. */
const blindDecrease = 0.7;
const largestDecrease = 0.5;
/** Above our share we use what others left; once the bucket is empty, they want it back. */
const giveBack = 0.9;
/** A probe is this much faster than what we believe in; so is each step that it wins. */
const boost = 1.75;
/** It wins once it has spent so many tokens more than we believe in, or this part of a second's. */
const wonAfter = { tokens: 2.5, part: 0.25 };
/** A measurement needs this much time, ms, and this many calls. */
const shortestMeasureMs = 1000;
const fewestMeasured = 4;
/** After an empty bucket, ms, or the time of one call if that is longer. */
const pauseMs = 300;
/** Calls and time, ms, between two probes. */
const patient = { calls: 130, ms: 10000 };
/**
 * The same while we know nothing, or are far below our share: if that is an incident, it may end any
 * moment. Each probe that is refused says that it is no incident, and adds calls, but not for ever.
 */
const eager = { calls: 8, ms: 2000, callsPerRefusal: 0.5, mostCalls: 40 };
/** Of our share, what is far below it, and what is nearly all of it. */
const farBelow = 0.6;
const nearly = 0.9;
/** An empty bucket that long ago says nothing about today, ms. */
const forgottenMs = 60_000;
/** A bad hour is no standstill: never slower than this part of our share. */
const slowest = 0.02;
/**
 * About so many slots a second carry any rate: bottleneck would be the limit beyond a few hundred, and
 * what one slot starts at once is still waited for when the next one comes.
 */
const slotsPerSecond = 100;

/** A pace that begins with what we were told. */
export function startPace(limits: PaceLimits, nowMs: number): Pace {
  return {
    limits,
    rate: limits.share,
    probing: false,
    tokens: 0,
    countedAtMs: nowMs,
    emptyAtMs: undefined,
    givenSinceEmpty: 0,
    givenSinceProbe: 0,
    probedAtMs: nowMs,
    refused: 0,
    patience: 1,
    reactedAtMs: -Infinity,
    pausedUntilMs: -Infinity,
  };
}

/** What a slot is worth now: it serves up to `attempts`, and the next one fires `intervalMs` later. */
export function slotOf({ rate, probing, limits }: Pace): {
  readonly attempts: number;
  readonly intervalMs: number;
} {
  const callsPerSecond = probing ? Math.min(rate * boost, limits.ceiling) : rate;
  const attempts = Math.max(1, Math.round(callsPerSecond / slotsPerSecond));
  return { attempts, intervalMs: (attempts * 1000) / callsPerSecond };
}

/** The pace after an event at `nowMs`. */
export function adapt(pace: Pace, event: PaceEvent, nowMs: number, random: Random): Pace {
  switch (event.kind) {
    case 'taken':
      return probe(spend(pace, event.attempts, nowMs), nowMs);
    case 'idle':
      return rest(pace, nowMs);
    case 'succeeded':
      return {
        ...pace,
        givenSinceEmpty: pace.givenSinceEmpty + Number(event.startedAtMs > (pace.emptyAtMs ?? 0)),
        givenSinceProbe: pace.givenSinceProbe + 1,
      };
    case 'throttled':
      // What was under way already when we reacted says nothing new.
      return event.startedAtMs <= pace.reactedAtMs ? pace : yieldTo(pace, event, nowMs, random);
  }
}

/** Takes tokens out of the bucket as we believe it to be. */
function spend(pace: Pace, attempts: number, nowMs: number): Pace {
  const come = (pace.rate * Math.max(0, nowMs - pace.countedAtMs)) / 1000;
  const tokens = Math.min(pace.tokens + come, kept(pace)) - attempts;
  return { ...pace, tokens, countedAtMs: nowMs };
}

/** Tokens that we count on at most; the bucket may well hold more. */
function kept({ rate }: Pace): number {
  return Math.max(2, 0.2 * rate);
}

/** Begins a probe when it is time, and believes in more when one is not throttled. */
function probe(pace: Pace, nowMs: number): Pace {
  const { rate, limits } = pace;
  if (rate >= limits.ceiling) {
    return { ...pace, probing: false, givenSinceProbe: 0, probedAtMs: nowMs };
  }
  if (!pace.probing) return isTimeToProbe(pace, nowMs) ? { ...pace, probing: true } : pace;
  if (pace.tokens > -Math.max(wonAfter.tokens, wonAfter.part * rate)) return pace;
  const won = Math.min(rate * boost, limits.ceiling);
  return {
    ...pace,
    rate: won,
    refused: won >= limits.share * nearly ? 0 : pace.refused,
    tokens: 0,
    emptyAtMs: undefined,
    givenSinceEmpty: 0,
  };
}

function isTimeToProbe(pace: Pace, nowMs: number): boolean {
  const { calls, ms } =
    isFarBelow(pace) || pace.emptyAtMs === undefined ? eagerness(pace) : patient;
  return (
    pace.givenSinceProbe >= calls * pace.patience && nowMs - pace.probedAtMs >= ms * pace.patience
  );
}

function isFarBelow({ rate, limits }: Pace): boolean {
  return rate <= limits.share * farBelow;
}

function eagerness({ refused }: Pace): { readonly calls: number; readonly ms: number } {
  const { calls, ms, callsPerRefusal, mostCalls } = eager;
  return { calls: Math.min(calls + callsPerRefusal * refused, mostCalls), ms };
}

/** The bucket is empty: slow down to what it was seen to give, and leave it alone for a moment. */
function yieldTo(
  pace: Pace,
  { startedAtMs }: { readonly startedAtMs: number },
  nowMs: number,
  random: Random,
): Pace {
  const rate = Math.max(rateAfter(pace, startedAtMs), pace.limits.share * slowest);
  const forMs = Math.max(pauseMs, 1000 / rate);
  return {
    ...pace,
    rate,
    probing: false,
    tokens: (forMs / 1000) * rate,
    countedAtMs: nowMs + forMs,
    emptyAtMs: startedAtMs,
    givenSinceEmpty: 0,
    givenSinceProbe: 0,
    probedAtMs: nowMs,
    refused: pace.refused + Number(pace.probing && isFarBelow(pace)),
    patience: 0.8 + 0.4 * random(),
    reactedAtMs: nowMs,
    pausedUntilMs: nowMs + forMs,
  };
}

function rateAfter(pace: Pace, nowMs: number): number {
  const { rate, probing, emptyAtMs, givenSinceEmpty, limits } = pace;
  const measuredMs = emptyAtMs === undefined ? 0 : nowMs - emptyAtMs;
  if (measuredMs < shortestMeasureMs || givenSinceEmpty < fewestMeasured) {
    return rate * blindDecrease;
  }
  const measured = (givenSinceEmpty * 1000) / measuredMs;
  const seen = Math.min(Math.max(measured, rate * largestDecrease), probing ? rate : rate * 0.99);
  return seen > limits.share ? Math.max(seen * giveBack, limits.share) : seen;
}

/** While nobody calls, the bucket fills: what we counted no longer measures anything. */
function rest(pace: Pace, nowMs: number): Pace {
  const isForgotten = nowMs - pace.reactedAtMs >= forgottenMs;
  return {
    ...pace,
    rate: isForgotten ? Math.max(pace.rate, pace.limits.share) : pace.rate,
    refused: isForgotten ? 0 : pace.refused,
    probing: false,
    tokens: kept(pace),
    countedAtMs: nowMs,
    emptyAtMs: undefined,
    givenSinceEmpty: 0,
  };
}
