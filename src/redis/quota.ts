// One quota among processes, in Redis or Valkey (7 or later): the slots of an account and region come
// one after another at a pace that all have in common, and the most urgent lane goes first.
//
// A script of our own, and not bottleneck's clustering: there the lanes of another process would come
// too late, each client's own clock decides when the next slot is (one that is ahead stops all the
// others), and 2.19.5 never recovers from FLUSHALL or a freeze of ten seconds, because Redis 7
// prefixes the errors that it compares ("ERR SETTINGS_KEY_NOT_FOUND", "ERR UNKNOWN_CLIENT"). Here
// Redis's clock decides, and whatever is lost is made anew by the next question.
//
// The pace is in Redis too: if each process measured its own part, each would probe and be throttled
// by itself. Whoever learns something changes the newest version, or tries again.

import type { Clock } from '../clock.ts';
import type { Log } from '../event.ts';
import { lanes, type Lane } from '../lane.ts';
import { slotOf, type Pace } from '../pace.ts';
import type { Permit, SharedQuota, SlotWish } from '../shared-quota.ts';
import { connect } from './connection.ts';
import { readPace, writePace } from './pace-text.ts';
import { createPresence } from './presence.ts';
import { keyNames } from './script.ts';

export interface RedisQuotaOptions {
  /** redis:// or rediss://, with credentials and a database if need be. */
  readonly url: string;
  /** Whose quota: processes with the same name share it. */
  readonly name: string;
  /** This process among those that share it. */
  readonly processId: string;
  /** As far as we know beforehand, so many share it. */
  readonly processes: number;
  readonly log: Log;
  readonly clock: Clock;
}

export interface RedisQuota extends SharedQuota {
  /** Why it cannot be used, in one sentence; undefined if it can. */
  readonly problem: () => Promise<string | undefined>;
  readonly close: () => void;
}

/** No answer takes longer, ms: the slots do not wait for a network that hangs. */
const patienceMs = 500;

/** At the start, it may. */
const startPatienceMs = 5000;

/** What is learnt is told after this, ms, unless the next question does: several things at once. */
const tellAfterMs = 10;

/** So often is a pace revised again that somebody else has changed in the meantime. */
const mostTries = 5;

/** Until we have seen how many we are, so many share the quota; while we cannot see, two at least. */
const peersUnknown = 4;
const peersUnseen = 2;

/** Redis is back: whoever was there before comes back within this time, ms, or is gone. */
const returnMs = 5000;

interface Known {
  readonly version: string;
  readonly pace: Pace;
  /** Nothing of the kind is in Redis. */
  readonly isNews: boolean;
}

/** Connects by itself, and again whenever the connection is lost; it throws only for a bad URL. */
export function createRedisQuota(options: RedisQuotaOptions): RedisQuota {
  const { url, name, processId, processes, log, clock } = options;
  // One hash slot, should this be a cluster's node.
  const keys = keyNames.map((key) => `iot-revocation-worker:{${name}}:${key}`);
  const redis = connect(url, keys, clock);
  const presence = createPresence(log, clock);
  let last: Promise<unknown> = Promise.resolve();
  let losses = 0;
  let known: Known | undefined;
  let pending: readonly ((pace: Pace) => Pace)[] = [];
  let isTelling = false;
  let isClosed = false;
  let waitsIn: Lane | undefined;
  let peers = Math.max(peersUnknown, processes);
  /** How many we were before Redis was lost; how many it has heard of since it is back, and when, ms. */
  let peersBefore = 1;
  let peersBack = 1;
  let backAtMs = -Infinity;
  /** What Redis's clock is ahead of ours, ms. */
  let offsetMs = 0;

  /** One question at a time: each one builds upon the answer before, and fails with it. */
  function inTurn<T>(question: () => Promise<T>, onFailure = lose): Promise<T> {
    const lossesBefore = losses;
    const mine = last.then(async () => {
      if (losses !== lossesBefore) throw new Error('the question before this one failed');
      return question().catch((error: unknown) => {
        onFailure(error);
        throw error;
      });
    });
    last = mine.catch(() => undefined);
    return mine;
  }

  /** Asks for a slot, or only tells where we wait and what we have learnt. */
  async function exchange(
    wants: 'slot' | 'none',
    withinMs = patienceMs,
  ): Promise<{ readonly isGranted: boolean; readonly ms: number; readonly rested: boolean }> {
    const told = pending;
    const pace = current();
    const hasNews = known !== undefined && pace !== undefined && (known.isNews || told.length > 0);
    const [granted, microseconds, alive, back, rested, accepted, now, version, news] =
      await redis.ask(
        {
          lane: waitsIn === undefined ? 0 : lanes.indexOf(waitsIn) + 1,
          processId,
          slotMicroseconds:
            wants === 'slot' && pace !== undefined ? Math.round(apartMs(pace) * 1000) : 0,
          version: known?.version ?? '',
          pace: hasNews ? writePace(pace, offsetMs) : '',
          quietUntilMicroseconds: hasNews
            ? Math.max(0, Math.round((pace.pausedUntilMs + offsetMs) * 1000))
            : 0,
          sinceMicroseconds: Number.isFinite(backAtMs)
            ? Math.round((backAtMs + offsetMs) * 1000)
            : 0,
        },
        withinMs,
      );
    peers = alive;
    peersBack = Math.max(1, back);
    offsetMs = Number(now) / 1000 - clock.now();
    if (accepted === 1) pending = pending.slice(told.length);
    if (pace !== undefined && known !== undefined && version !== known.version) {
      const read = accepted === 1 ? pace : readPace(news, pace.limits, offsetMs, clock.now());
      known = { version, pace: read ?? known.pace, isNews: read === undefined };
    }
    return { isGranted: granted === 1, ms: Math.ceil(microseconds / 1000), rested: rested === 1 };
  }

  /** What lies between two slots, ms. Who is not back yet goes on alone, and has its part of the rate. */
  function apartMs(pace: Pace): number {
    return slotOf(pace).intervalMs * Math.max(1, awaited() / peersBack);
  }

  /** So many processes there are at least, as long as those who have lost Redis may come back. */
  function awaited(): number {
    return clock.now() < backAtMs + returnMs ? peersBefore : 1;
  }

  /** The common pace as we know it, with what we have learnt since. */
  function current(): Pace | undefined {
    return known && pending.reduce((pace, change) => change(pace), known.pace);
  }

  async function askForSlot(own: Pace): Promise<Permit> {
    if (known === undefined) {
      known = { version: '', pace: own, isNews: false };
      await exchange('none');
    }
    const { isGranted, ms, rested } = await exchange('slot');
    const common = { pace: current() ?? own, part: 1 / Math.max(peers, awaited()) };
    return isGranted
      ? { kind: 'granted', inMs: ms, rested, ...common }
      : { kind: 'yield', forMs: ms, ...common };
  }

  async function slot({ lane, pace }: SlotWish): Promise<Permit> {
    waitsIn = lane;
    if (!presence.isAway()) return inTurn(() => askForSlot(pace)).catch(alone);
    lookAgain();
    return alone();
  }

  function alone(): Permit {
    return { kind: 'unavailable', part: partAlone() };
  }

  /** Somebody may have started while we could not see it. */
  function partAlone(): number {
    return 1 / Math.max(peersUnseen, peers, processes, awaited());
  }

  function lose(error: unknown): void {
    losses++;
    pending = [];
    known = undefined;
    if (isClosed) return;
    const part = partAlone();
    peersBefore = 1 / part;
    backAtMs = Infinity;
    presence.lose(causeOf(error), part);
  }

  /** Nobody waits for this: the slots go on meanwhile. */
  function lookAgain(): void {
    if (presence.isTimeToLook()) inPassing(tellAll().then(isBack));
  }

  function isBack(): void {
    backAtMs = clock.now();
    presence.find(peers);
  }

  function tell(): void {
    if (!presence.isAway()) inPassing(tellAll());
  }

  async function tellSoon(): Promise<void> {
    await clock.sleep(tellAfterMs);
    isTelling = false;
    if (pending.length > 0) tell();
  }

  /** Tells where we wait and what we have learnt; what others' news prevent, the next question tells. */
  function tellAll(): Promise<void> {
    return inTurn(async () => {
      let tries = 0;
      do await exchange('none');
      while (pending.length > 0 && ++tries < mostTries);
    });
  }

  return {
    slot,
    waits: (lane) => {
      if (lane === waitsIn) return;
      waitsIn = lane;
      tell();
    },
    revise: (change) => {
      if (known === undefined) return;
      pending = [...pending, change];
      if (isTelling) return;
      isTelling = true;
      void tellSoon();
    },
    problem: () => inTurn(() => exchange('none', startPatienceMs), nothing).then(nothing, causeOf),
    close: () => {
      isClosed = true;
      redis.close();
    },
  };
}

/** A loss is dealt with where it happens. */
function inPassing(told: Promise<void>): void {
  void told.catch(nothing);
}

function nothing(): undefined {}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
