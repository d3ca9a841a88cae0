// The script that Redis runs for each question: whose turn it is, by Redis's own clock.
//
// A slot is given away half its length before its time, so that the way to Redis and back costs
// nothing; no earlier, so that an incident has to wait for one slot, not for everybody's. Until its
// time it is kept for whoever has waited longest in the most urgent lane; then others take it.

import { lanes } from '../lane.ts';

/** Whoever has not asked for so long, µs, waits no more. */
const waitingMicroseconds = 2_000_000;

/** Nobody who waits is told to ask again later than after this, µs. */
const askAgainMicroseconds = 1_000_000;

/** Whoever has been heard of in this time, µs, shares the quota. */
const aliveMicroseconds = 10_000_000;

/** Of so many slots, rotation gets one while it waits anywhere; as in priority.ts. */
const floorEvery = 10;

/** No slot and no pause is longer, µs. */
const longestMicroseconds = 100_000_000_000;

const keysKeptMs = 3_600_000;

/** The state, who is alive, and who waits in each lane since when. */
export const keyNames: readonly string[] = ['slots', 'alive', ...lanes];

export interface Question {
  /** Where the process waits: 1 is the most urgent lane, 0 nowhere. */
  readonly lane: number;
  readonly processId: string;
  /** How long the slot lasts that it wants, µs; 0 if it wants none. */
  readonly slotMicroseconds: number;
  /** The version of the common pace that it knows. */
  readonly version: string;
  /** What that pace becomes by what this process has learnt; empty if nothing. */
  readonly pace: string;
  /** No slot before this, µs of Redis's clock. */
  readonly quietUntilMicroseconds: number;
  /** Who was heard of since then, µs of Redis's clock, is counted. */
  readonly sinceMicroseconds: number;
}

/**
 * Granted or not, µs to wait, processes alive, those of them heard of since then, rested, pace accepted,
 * Redis's time in µs, version, pace.
 */
export type Answer = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  string,
  string,
  string,
];

/** The script's ARGV. */
export function parametersOf(question: Question): readonly (string | number)[] {
  const { lane, processId, slotMicroseconds, version, pace } = question;
  const { quietUntilMicroseconds, sinceMicroseconds } = question;
  return [
    lane,
    processId,
    slotMicroseconds,
    version,
    pace,
    quietUntilMicroseconds,
    sinceMicroseconds,
  ];
}

export const script: string = `
local lane, id, slot = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local version, pace, quietUntil, since = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local state, alive, rotation = KEYS[1], KEYS[2], ${lanes.length}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function whole(number) return string.format('%.0f', number) end

-- What others have left under our names is no use.
for n, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= (n == 1 and 'hash' or 'zset') then redis.call('DEL', key) end
end

-- Who is there. Nobody was heard of in the future, unless this clock was set back.
redis.call('ZADD', alive, whole(now), id)
redis.call('ZREMRANGEBYSCORE', alive, '-inf', whole(now - ${aliveMicroseconds}))
redis.call('ZREMRANGEBYSCORE', alive, '(' .. whole(now), '+inf')

-- Who waits, longest first; LT, so that nobody waits since the future.
local function firstIn(other)
  while true do
    local first = redis.call('ZRANGE', KEYS[2 + other], 0, 0)[1]
    if not first then return nil end
    local heard = tonumber(redis.call('ZSCORE', alive, first) or '0')
    if heard > now - ${waitingMicroseconds} then return first end
    redis.call('ZREM', KEYS[2 + other], first)
  end
end
local urgent
local first = {}
for other = 1, rotation do
  if other == lane then redis.call('ZADD', KEYS[2 + other], 'LT', whole(now), id)
  else redis.call('ZREM', KEYS[2 + other], id) end
  first[other] = firstIn(other)
  if first[other] and not urgent then urgent = other end
end

local held = redis.call('HMGET', state, 'next', 'length', 'passed', 'version', 'pace', 'rested')
local next, length = tonumber(held[1]) or 0, tonumber(held[2]) or 0
local passed, current, rested = tonumber(held[3]) or 0, held[4] or '0', 0
if not (length >= 0 and length <= ${longestMicroseconds}) then length = 0 end
-- Further in the future than the last slot explains: the clock was set back. (Not so for NaN either.)
if not (next <= now + 1.5 * length + 1) then next = now end

local accepted, news = 0, ''
if version ~= current then news = held[5] or ''
elseif pace ~= '' then
  accepted, current = 1, whole((tonumber(current) or 0) + 1)
  redis.call('HSET', state, 'version', current, 'pace', pace)
  if quietUntil > next then
    next, length = quietUntil, math.max(length, quietUntil - now)
    redis.call('HSET', state, 'next', whole(next), 'length', whole(length))
  end
end

local granted, wait = 0, 0
if slot > 0 then
  local turn = urgent
  if first[rotation] and passed >= ${floorEvery - 1} then turn = rotation end
  local opens = next - slot / 2
  if now < opens then wait = opens - now
  elseif id == first[turn] or (now >= next and lane <= urgent) or now >= next + slot then granted = 1
  elseif now < next then wait = next - now
  else wait = next + slot - now end
  wait = math.min(wait, ${askAgainMicroseconds})
elseif not urgent then
  redis.call('HSET', state, 'rested', 1)
end
if granted == 1 then
  if held[6] and now > next then rested = 1 end
  -- Who asks a little late loses nothing; an idle hour is not made up for.
  local at = math.max(next, now - slot / 2)
  wait = math.max(0, at - now)
  if lane == rotation or not first[rotation] then passed = 0 else passed = passed + 1 end
  redis.call('HSET', state, 'next', whole(at + slot), 'length', whole(slot), 'passed', passed)
  redis.call('HDEL', state, 'rested')
  redis.call('ZADD', KEYS[2 + lane], whole(now), id)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ${keysKeptMs}) end
local heard = redis.call('ZCOUNT', alive, since, '+inf')
return {
  granted, math.ceil(wait), redis.call('ZCARD', alive), heard, rested, accepted, whole(now), current, news
}
`;
