-- release: give jobs that a worker has claimed and not begun back to the end of their queue where they are taken.
--
-- Guarantee: an id that is not in the worker's list any more is another's, and left alone. Called again it does
-- nothing.
--
-- KEYS[1] <worker>:jobs                 list
-- KEYS[2] all:jobs or <manager>:jobs    list
-- ARGV[1] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[2...] ids, in the order they were queued
--
-- Output: how many were given back

local list, queue = KEYS[1], KEYS[2]
local nothing = ARGV[1]

local released = 0
for i = #ARGV, 2, -1 do
  if redis.call('LPOS', list, ARGV[i]) then
    redis.call('DEL', nothing)
    -- In this order: should the queue be no list (any more), the job stays where it is.
    redis.call('RPUSH', queue, ARGV[i])
    redis.call('LREM', list, -1, ARGV[i])
    released = released + 1
  end
end
return released
