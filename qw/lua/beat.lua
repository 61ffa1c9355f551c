-- beat: say that a start of a manager is alive; tell it what all starts show, how long its workers' lists are, and when
-- the next delayed job is due.
--
-- Guarantee: a start that is not registered, or struck off, is not brought back by this. One that somebody has taken out
-- of the lists of managers or workers is told 'missing', so that it registers again: else nobody would rescue its jobs.
--
-- KEYS[1] all:beats            hash
-- KEYS[2] all:managers         set
-- KEYS[3] <manager>:workers    set
-- KEYS[4] all:scheduled        zset
-- ARGV[1] manager
-- ARGV[2] <manager>.<start>
-- ARGV[3] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[4] prefix of every key
-- ARGV[5...] names of the workers
--
-- Output: {status, beats, wait, length, length, ...}
--   status  as in exchange
--   beats   [start, what it shows, ...]
--   wait    ms until the next delayed job is due, as `due` would say it; 0 too where only `due` can tell what is wrong
--   length  of each worker's list, in the order of the names

local beats, managers, workers, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local manager, start, nothing, prefix = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

--@include _beat

-- Where a set is a key of another type, registering again would mend nothing: that is no lack.
local function is_lacking(listed)
  for i = 1, #listed do
    if listed[i] == 0 then return true end
  end
  return false
end

--@include _wait

local beat = redis.call('HGET', beats, start)
if not beat then return {'missing', {}, -1} end
if is_struck(beat) then return {'struck', {}, -1} end
if is_lacking(redis.pcall('SMISMEMBER', managers, manager)) then return {'missing', {}, -1} end
if is_lacking(redis.pcall('SMISMEMBER', workers, unpack(ARGV, 5))) then return {'missing', {}, -1} end

redis.call('DEL', nothing)
redis.call('HSET', beats, start, raised(beat))
local out = {'ok', redis.call('HGETALL', beats), wait_of(redis.pcall('ZRANGE', scheduled, 0, 0, 'WITHSCORES'))}
for i = 5, #ARGV do
  local length = redis.pcall('LLEN', prefix .. ARGV[i] .. ':jobs')
  out[#out + 1] = type(length) == 'number' and length or 0
end
return out
