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

local beat = redis.call('HGET', beats, start)
if beat and string.sub(beat, 1, 6) == 'struck' then return -1 end

redis.call('HDEL', beats, start)

--@include _queue_of

local released = 0
for i = 4, #ARGV do
  redis.call('SREM', workers, ARGV[i])
  local list = prefix .. ARGV[i] .. ':jobs'
  local held = redis.pcall('LRANGE', list, 0, -1)
  if not held.err then
    redis.call('DEL', list)
    for k = 1, #held do
      redis.call('RPUSH', queue_of(held[k]), held[k])
    end
    released = released + #held
  end
end

if redis.call('SCARD', workers) == 0 then redis.call('SREM', managers, manager) end
if released > 0 then redis.pcall('HINCRBY', stats, 'released', released) end
return released
