-- beat: say that a start of a manager is alive; tell it what all starts show, and how long its workers' lists are.
--
-- Guarantee: a start that is not registered, or struck off, is not brought back by this.
--
-- KEYS[1] all:beats   hash
-- ARGV[1] <manager>.<start>
-- ARGV[2] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[3] prefix of every key
-- ARGV[4...] names of the workers
--
-- Output: {status, beats, length, length, ...}; status as in exchange; beats: [start, what it shows, ...]; the lengths
-- in the order of the names

local beats = KEYS[1]
local start, nothing, prefix = ARGV[1], ARGV[2], ARGV[3]

--@include _beat

local beat = redis.call('HGET', beats, start)
if not beat then return {'missing', {}} end
if is_struck(beat) then return {'struck', {}} end

redis.call('DEL', nothing)
redis.call('HSET', beats, start, raised(beat))
local out = {'ok', redis.call('HGETALL', beats)}
for i = 4, #ARGV do
  local length = redis.pcall('LLEN', prefix .. ARGV[i] .. ':jobs')
  out[#out + 1] = type(length) == 'number' and length or 0
end
return out
