-- register: make a start of a manager known, with its workers and its first beat, all at once.
--
-- Guarantee: no moment at which a worker is listed without a beat that says it is alive.
-- Called again (after a FLUSHALL, say) it changes nothing that is still there, and the counter goes on.
--
-- KEYS[1] all:managers         set
-- KEYS[2] all:beats            hash
-- KEYS[3] <manager>:workers    set
-- ARGV[1] manager
-- ARGV[2] <manager>.<start>
-- ARGV[3] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[4...] names of the workers
--
-- Output: 'ok', or 'struck' when this start was struck off: it must come back under another one

local managers, beats, workers = KEYS[1], KEYS[2], KEYS[3]
local manager, start, nothing = ARGV[1], ARGV[2], ARGV[3]

--@include _beat

local beat = redis.call('HGET', beats, start)
if is_struck(beat) then return 'struck' end

redis.call('DEL', nothing)
redis.call('HSET', beats, start, raised(beat))
redis.call('SADD', managers, manager)
redis.call('SADD', workers, unpack(ARGV, 4))
return 'ok'
