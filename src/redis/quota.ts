// One quota among processes, in Redis or Valkey (7 or later): a script hands out the slots of an
// account and region one after another, the most urgent lane first.
//
// A script of our own, and not bottleneck's clustering: there the lanes of another process would come
// too late, each client's own clock decides when the next slot is (one that is ahead stops all the
// others), and 2.19.5 never recovers from FLUSHALL or a freeze of ten seconds, because Redis 7
// prefixes the errors that it compares ("ERR SETTINGS_KEY_NOT_FOUND", "ERR UNKNOWN_CLIENT"). Here
// Redis's clock decides, and whatever is lost is made anew by the next call.

import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { Log } from '../event.ts';
import { lanes } from '../lane.ts';
import type { Permit, SharedQuota, SlotWish } from '../shared-quota.ts';

export interface RedisQuotaOptions {
  /** redis:// or rediss://, as ioredis reads it. */
  readonly url: string;
  /** Whose quota: processes with the same name share it. */
  readonly name: string;
  /** This process among those that share it. */
  readonly processId: string;
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

/** At the start a connection may take this long, ms. */
const startPatienceMs = 5000;

/** While Redis is away, it is asked again so often, ms. */
const retryMs = 1000;

/** Whoever has not asked for so long, ms, waits no more, or is gone. */
const waitingMs = 2000;
const aliveMs = 10_000;

/** Of so many slots, rotation gets one while it waits anywhere; as in priority.ts. */
const floorEvery = 10;

/** Until we have seen how many we are, so many share the quota. */
const peersUnknown = 4;

/**
 * KEYS: the state, who is alive, and who waits in each lane. ARGV: lane (1 is the most urgent),
 * process, µs between two calls, attempts. Answers: granted or not, µs to wait, processes alive.
 */
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lane, id, perCall, attempts = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZADD', KEYS[2], now + ${aliveMs * 1000}, id)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local alive = redis.call('ZCARD', KEYS[2])
for other = 1, ${lanes.length} do
  local key = KEYS[2 + other]
  if other == lane then redis.call('ZADD', key, now + ${waitingMs * 1000}, id)
  else redis.call('ZREM', key, id) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
end
local passed = tonumber(redis.call('HGET', KEYS[1], 'passed') or '0')
local moreUrgent = 0
for other = 1, lane - 1 do moreUrgent = moreUrgent + redis.call('ZCARD', KEYS[2 + other]) end
local isFloor = lane == ${lanes.length} and passed >= ${floorEvery - 1}
if moreUrgent > 0 and not isFloor then return { 0, perCall, alive } end
if lane == ${lanes.length} then passed = 0
elseif redis.call('ZCARD', KEYS[2 + ${lanes.length}]) > 0 then passed = passed + attempts
else passed = 0 end
local next = math.max(tonumber(redis.call('HGET', KEYS[1], 'next') or '0'), now)
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', next + perCall * attempts), 'passed', passed)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 3600000) end
return { 1, next - now, alive }
`;

interface Scripted {
  slot(...parameters: readonly (string | number)[]): Promise<readonly [number, number, number]>;
}

/** Connects by itself, and again whenever the connection is lost; it throws only for a bad URL. */
export function createRedisQuota(options: RedisQuotaOptions): RedisQuota {
  const { url, name, processId, log, clock } = options;
  const redis = new Redis(url, {
    commandTimeout: patienceMs,
    connectTimeout: 2000,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => retryMs,
    scripts: { slot: { lua: script, numberOfKeys: 2 + lanes.length } },
  }) as Redis & Scripted;
  let lost: Error | undefined;
  redis.on('error', (error: Error) => (lost = error)); // told by the next slot that is asked for
  // One hash slot, should this be a cluster's node.
  const keys = ['slots', 'alive', ...lanes].map((key) => `iot-revocation-worker:{${name}}:${key}`);
  let peers = peersUnknown;
  let isAway = false;
  let askAgainAtMs = -Infinity;

  async function ask({ lane, attempts, callsPerSecond }: SlotWish): Promise<Permit> {
    const urgency = lanes.indexOf(lane) + 1;
    const perCallMicroseconds = Math.round(1_000_000 / callsPerSecond);
    const [isGranted, microseconds, alive] = await redis.slot(
      ...keys,
      urgency,
      processId,
      perCallMicroseconds,
      attempts,
    );
    peers = alive;
    const ms = microseconds / 1000;
    return isGranted === 1 ? { kind: 'granted', inMs: ms } : { kind: 'yield', forMs: ms };
  }

  async function slot(wish: SlotWish): Promise<Permit> {
    if (clock.now() < askAgainAtMs) return alone();
    try {
      const permit = await ask(wish);
      if (isAway) log.write('info', { event: 'redis-back', peers }, 'the quota is shared again');
      isAway = false;
      return permit;
    } catch (error) {
      askAgainAtMs = clock.now() + retryMs;
      const cause = causeOf(lost ?? error);
      const part = 1 / Math.max(2, peers);
      if (!isAway) {
        log.write(
          'warn',
          { event: 'redis-lost', cause, part },
          'going on alone with a part of the quota, until Redis is back',
        );
      }
      isAway = true;
      return alone();
    }
  }

  /** Two at least: somebody may have started while we could not see it. */
  function alone(): Permit {
    return { kind: 'unavailable', part: 1 / Math.max(2, peers) };
  }

  return {
    slot,
    problem: async () => {
      try {
        const isInTime = await Promise.race([
          connected(redis).then(() => redis.ping()),
          clock.sleep(startPatienceMs),
        ]);
        return isInTime === undefined ? 'it does not answer' : undefined;
      } catch (error) {
        return causeOf(lost ?? error);
      }
    },
    close: () => redis.disconnect(),
  };
}

async function connected(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    redis.once('ready', () => resolve());
    redis.once('error', reject);
    redis.once('end', () => reject(new Error('the connection has ended')));
  });
}

function causeOf(error: unknown): string {
  const { message, code } = error as { readonly message?: string; readonly code?: string };
  return message === undefined || message === '' ? (code ?? String(error)) : message;
}
