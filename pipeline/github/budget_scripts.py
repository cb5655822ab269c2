"""The budgets' arithmetic, as scripts that Redis runs one after the other for all processes.

The clock is Redis' own, so that machines whose clocks differ count alike.
"""

ADMIT = """
-- KEYS: state, points, content, content_hourly, running, held
-- Answers {} when the request may be sent, else {limit, seconds to wait}.
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

-- The time until `weight` more fits into a window. What is counted is kept in buckets, and leaves
-- the window with the end of its bucket.
local function window(key, bucket, length, limit, weight)
  if weight == 0 then return 0 end
  local sum, kept = 0, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local leaves = tonumber(fields[i]) + bucket + length
    local counted = tonumber(fields[i + 1])
    if leaves <= now then
      redis.call('HDEL', key, fields[i])
    else
      sum = sum + counted
      kept[#kept + 1] = {leaves, counted}
    end
  end
  if sum + weight <= limit then return 0 end
  table.sort(kept, function(a, b) return a[1] < b[1] end)
  for _, one in ipairs(kept) do
    sum = sum - one[2]
    if sum + weight <= limit then return one[1] - now end
  end
  return bucket + length
end

local state = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do state[flat[i]] = tonumber(flat[i + 1]) end

local wait, limit = 0, nil
local function needs(seconds, name)
  if seconds > wait then wait, limit = seconds, name end
end

needs((state.told_until or 0) - now, 'told')

local known = state.reset ~= nil and state.reset > now
if known and state.remaining - 1 < math.floor(state.limit * (1 - ask.share) + 0.5) then
  needs(state.reset - now, 'hourly')
end

local minute, hour = 60 + ask.slack, 3600 + ask.slack
needs(window(KEYS[2], 1, minute, ask.points_per_minute * ask.share, ask.points), 'points')
needs(window(KEYS[3], 1, minute, ask.content_per_minute * ask.share, ask.content), 'content')
needs(window(KEYS[4], 60, hour, ask.content_per_hour * ask.share, ask.content), 'content_hourly')

redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
if redis.call('ZCARD', KEYS[5]) + 1 > ask.concurrent * ask.share then needs(1, 'concurrent') end

local tokens
if ask.writes == 1 and ask.spacing > 0 then
  local passed = math.max(0, now - (state.tokens_at or now))
  tokens = math.min(ask.burst, (state.tokens or ask.burst) + passed / ask.spacing)
  local needed = 1 + ask.burst * (ask.reports - ask.share)
  if tokens < needed then needs((needed - tokens) * ask.spacing, 'pace') end
end

if wait > 0 then
  -- Those who wait come back one after the other: all at once, most would come in vain.
  local name = 'queue:' .. ask.priority .. ':' .. limit
  local turn = math.min(math.max(state[name] or 0, now + wait), now + wait + ask.queue)
  redis.call('HSET', KEYS[1], name, turn + ask.step)
  redis.call('EXPIRE', KEYS[1], 7200)
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
  local member = ask.who .. '|' .. ask.priority .. '|' .. limit
  local before = tonumber(redis.call('ZSCORE', KEYS[6], member) or 0)
  redis.call('ZADD', KEYS[6], math.max(before, turn), member)
  redis.call('EXPIRE', KEYS[6], 7200)
  return {limit, string.format('%.6f', turn)}
end

local second, sixty = math.floor(now), math.floor(now / 60) * 60
redis.call('HINCRBY', KEYS[2], second, ask.points)
redis.call('EXPIRE', KEYS[2], 120)
if ask.content > 0 then
  redis.call('HINCRBY', KEYS[3], second, ask.content)
  redis.call('EXPIRE', KEYS[3], 120)
  redis.call('HINCRBY', KEYS[4], sixty, ask.content)
  redis.call('EXPIRE', KEYS[4], 7200)
end
redis.call('ZADD', KEYS[5], now + ask.lease, ask.id)
redis.call('EXPIRE', KEYS[5], 120)
if known then redis.call('HINCRBY', KEYS[1], 'remaining', -1) end
if tokens then redis.call('HSET', KEYS[1], 'tokens', tokens - 1, 'tokens_at', now) end
redis.call('EXPIRE', KEYS[1], 7200)
return {}
"""
"""Decides about one request, and counts it when it may be sent."""

LEARN = """
-- KEYS: state, running
local heard = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZREM', KEYS[2], heard.id)

if heard.wait then
  local until_then = tonumber(redis.call('HGET', KEYS[1], 'told_until') or 0)
  redis.call('HSET', KEYS[1], 'told_until', math.max(until_then, now + heard.wait))
end
if heard.limit then
  local reset = now + heard.resets_in
  local known = tonumber(redis.call('HGET', KEYS[1], 'reset') or 0)
  local remaining = heard.remaining
  -- Answers overtake each other: within one hour of GitHub's the smallest rest is the newest. Its
  -- end is known to a second or so only.
  if known > now and math.abs(known - reset) < 60 then
    remaining = math.min(remaining, tonumber(redis.call('HGET', KEYS[1], 'remaining')))
    reset = known
  elseif known > reset then
    return
  end
  redis.call('HSET', KEYS[1], 'limit', heard.limit, 'remaining', remaining, 'reset', reset)
end
redis.call('EXPIRE', KEYS[1], 7200)
"""
"""Takes in what the headers of an answer say."""
