-- leave: take a start of a manager out of Redis, and give back whatever its workers still hold.
--
-- Guarantee: what is in a worker's list goes to the taking end of the queue it came from, in the order it
-- was taken, and without a mark against it. Other starts under the same name, and workers of qw 0.1.1, stay.
-- Called again it does nothing.
--
-- KEYS[1] all:managers         set
-- KEYS[2] all:beats            hash
-- KEYS[3] <manager>:workers    set
-- KEYS[4] all:jobs             list
-- KEYS[5] all:stats            hash
-- ARGV[1] prefix of every key
-- ARGV[2] manager
-- ARGV[3] <manager>.<start>
-- ARGV[4...] names of the workers
--
-- Output: how many jobs were given back, or -1 for a start that was struck off: its lists are another's to sweep

local managers, beats, workers, all_jobs, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, manager, start = ARGV[1], ARGV[2], ARGV[3]

--@include _beat

if is_struck(redis.call('HGET', beats, start)) then return -1 end

-- A full Redis lets a script write that has deleted first, be it a key that is never there.
redis.call('DEL', prefix .. 'qw:nothing')

--@include _queue_of

local released = 0
for i = 4, #ARGV do
  local list = prefix .. ARGV[i] .. ':jobs'
  local held = redis.pcall('LRANGE', list, 0, -1)
  for k = 1, held.err and 0 or #held do
    -- In this order: should a queue be no list, the job stays where it is, and the start known, for others to sweep.
    redis.call('RPUSH', queue_of(held[k]), held[k])
    redis.call('LREM', list, 1, held[k])
  end
  released = released + #held
end

redis.call('HDEL', beats, start)
for i = 4, #ARGV do redis.pcall('SREM', workers, ARGV[i]) end
if redis.pcall('SCARD', workers) == 0 then redis.pcall('SREM', managers, manager) end
if released > 0 then redis.pcall('HINCRBY', stats, 'released', released) end
return released
