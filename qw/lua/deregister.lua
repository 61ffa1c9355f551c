-- deregister: take workers out of their manager's set, and give back what is in their lists.
--
-- Guarantee: no job stays in a list that nobody would look at again: it goes to the taking end of its queue, in the
-- order it was queued. A worker that is not in the set is left alone with its list. Called again it does nothing.
--
-- KEYS[1] <manager>:workers   set
-- KEYS[2] all:jobs            list
-- KEYS[3] all:stats           hash
-- ARGV[1] prefix of every key
-- ARGV[2] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[3...] names of the workers
--
-- Output: how many jobs were given back

local workers, all_jobs, stats = KEYS[1], KEYS[2], KEYS[3]
local prefix, nothing = ARGV[1], ARGV[2]

--@include _queue_of

local released = 0
for i = 3, #ARGV do
  if redis.call('SISMEMBER', workers, ARGV[i]) == 1 then
    local list = prefix .. ARGV[i] .. ':jobs'
    local held = redis.pcall('LRANGE', list, 0, -1)
    redis.call('DEL', nothing)
    for k = 1, held.err and 0 or #held do
      -- In this order: should a queue be no list, the job stays where it is, and the worker in its set.
      redis.call('RPUSH', queue_of(held[k]), held[k])
      redis.call('LREM', list, 1, held[k])
      released = released + 1
    end
    redis.call('SREM', workers, ARGV[i])
  end
end
if released > 0 then redis.pcall('HINCRBY', stats, 'released', released) end
return released
