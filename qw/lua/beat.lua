-- beat: say that a start of a manager is alive, and tell it how long the lists of its workers are.
--
-- Guarantee: a start that is not registered, or struck off, is not brought back by this.
--
-- KEYS[1] all:beats   hash
-- ARGV[1] <manager>.<start>
-- ARGV[2] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[3] prefix of every key
-- ARGV[4...] names of the workers
--
-- Output: {status, length, length, ...}; status as in exchange; the lengths in the order of the names

local beats = KEYS[1]
local start, nothing, prefix = ARGV[1], ARGV[2], ARGV[3]

local beat = redis.call('HGET', beats, start)
if not beat then return {'missing'} end
if string.sub(beat, 1, 6) == 'struck' then return {'struck'} end

redis.call('DEL', nothing)
redis.call('HINCRBY', beats, start, 1)
local out = {'ok'}
for i = 4, #ARGV do
  local length = redis.pcall('LLEN', prefix .. ARGV[i] .. ':jobs')
  out[#out + 1] = type(length) == 'number' and length or 0
end
return out
