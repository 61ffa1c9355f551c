-- requeue: put buried jobs back into their queues, as if they had been queued just now.
--
-- Guarantee: only what stands in all:dead is touched, and it is in its queue before it leaves all:dead. Its fields stay;
-- what it was buried for is forgotten, and so are its tries, crashes and rescues. Called again it does nothing.
-- A full Redis lets it pass.
--
-- KEYS[1] all:dead    zset
-- KEYS[2] all:jobs    list
-- KEYS[3] all:stats   hash
-- ARGV[1] prefix of every key
-- ARGV[2...] ids, at most 1,000
--
-- Output: for each id 1: queued; 0: it is not buried; -1: nothing was left of the job but its id, which is gone now; -2: it
--         stays where it is, since its key, or that of its queue, is of another type

local dead, all_jobs, stats = KEYS[1], KEYS[2], KEYS[3]
local prefix = ARGV[1]

redis.call('DEL', prefix .. 'qw:nothing')
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

--@include _queue_of

local function requeue(id)
  local key = prefix .. 'job:' .. id
  if type(redis.pcall('ZSCORE', dead, id)) ~= 'string' then return 0 end
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then
    redis.call('ZREM', dead, id)
    return -1
  end
  if kind ~= 'hash' or type(redis.pcall('LPUSH', queue_of(id), id)) ~= 'number' then return -2 end
  redis.call('HDEL', key, 'qw:error', 'qw:traceback', 'qw:worker', 'qw:dead_at', 'qw:tries', 'qw:crashes', 'qw:rescues')
  redis.call('HSET', key, 'qw:queued_at', now)
  -- Who waits for the job from now on is to get what comes of it, not the error of last time.
  redis.call('DEL', prefix .. 'result:' .. id)
  redis.call('ZREM', dead, id)
  return 1
end

local said, count = {}, 0
for i = 2, #ARGV do
  said[#said + 1] = requeue(ARGV[i])
  if said[#said] == 1 then count = count + 1 end
end
if count > 0 then redis.pcall('HINCRBY', stats, 'requeued', count) end
return said
