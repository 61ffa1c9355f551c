-- trim: remove the buried jobs that are too many, the oldest first, and those that are too old.
--
-- Guarantee: at most 1,000 a call. A full Redis lets it pass.
--
-- KEYS[1] all:dead    zset   id -> when it was buried, ms
-- KEYS[2] all:stats   hash
-- ARGV[1] prefix of every key
-- ARGV[2] how many are kept
-- ARGV[3] ms for which they are kept
--
-- Output: {how many were too old, how many were too many, 1 when there is more to remove else 0}

local dead, stats, prefix, most, age = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local AT_ONCE = 1000

local held = redis.pcall('ZCARD', dead)
if type(held) ~= 'number' or held == 0 then return {0, 0, 0} end

local time = redis.call('TIME')
local since = time[1] * 1000 + math.floor(time[2] / 1000) - age

local function remove(ids)
  if #ids == 0 then return 0 end
  redis.call('ZREM', dead, unpack(ids))
  local keys = {}
  for i = 1, #ids do
    keys[2 * i - 1] = prefix .. 'job:' .. ids[i]
    keys[2 * i] = prefix .. 'result:' .. ids[i]
  end
  redis.call('UNLINK', unpack(keys))
  return #ids
end

local too_old = remove(redis.call('ZRANGEBYSCORE', dead, '-inf', string.format('(%.0f', since), 'LIMIT', 0, AT_ONCE))
local surplus = math.min(held - too_old - most, AT_ONCE - too_old)
local too_many = surplus > 0 and remove(redis.call('ZRANGE', dead, 0, surplus - 1)) or 0
local removed = too_old + too_many
if removed > 0 then redis.pcall('HINCRBY', stats, 'trimmed', removed) end
return {too_old, too_many, removed == AT_ONCE and 1 or 0}
