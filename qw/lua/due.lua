-- due: move jobs whose time has come to their queues.
--
-- Each goes to the end of its queue where jobs are taken, since it has waited already; the one that was due first is
-- taken first. A job for one worker goes to that worker's own list, or to its manager's when the worker is gone.
--
-- Guarantee: every id stays in exactly one place throughout: it is written to where it goes before it leaves, and one
-- that cannot go there, since another program's key of another type is there, stays. An id without a hash is dropped,
-- one whose key is no hash is buried, both are counted. Called again it goes on with what is due then.
-- Bounds: 500 jobs a call; when more are due the latest of them go first, so that in the end all are in their order.
--
-- KEYS[1] all:beats       hash
-- KEYS[2] all:scheduled   zset
-- KEYS[3] all:jobs        list
-- KEYS[4] all:dead        zset
-- KEYS[5] all:stats       hash
-- ARGV[1] prefix of every key
-- ARGV[2] <manager>.<start> of who asks
-- ARGV[3] channel that is rung for a job of one worker
--
-- Output: {status, moved, wait, dropped}
--   status   'ok'; 'missing': not registered (any more), all done nevertheless; 'struck': struck off, nothing done
--   wait     ms until the next job is due, at most 1e12; 0: more are due already; -1: there is none
--   dropped  JSON list of [id, reason], as in exchange

local beats, scheduled, all_jobs, dead, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, start, bell = ARGV[1], ARGV[2], ARGV[3]
local MOST_JOBS = 500
-- How long to leave alone what is due and cannot go anywhere, ms.
local PAUSE = 1000

--@include _beat

local beat = redis.call('HGET', beats, start)
if is_struck(beat) then return {'struck', 0, -1, '[]'} end

local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local ids = redis.pcall('ZREVRANGEBYSCORE', scheduled, now, '-inf', 'LIMIT', 0, MOST_JOBS)
if ids.err then
  if string.sub(ids.err, 1, 9) ~= 'WRONGTYPE' then return ids end
  return redis.error_reply('WRONGTYPE ' .. scheduled .. ' is not a sorted set: no delayed job can become due')
end

-- A full Redis lets a script write that has deleted first, be it a key that is never there.
if #ids > 0 then redis.call('DEL', prefix .. 'qw:nothing') end

--@include _queue_of

-- The list of the worker that a job is for, and that worker; nil when it is for anyone, or that worker is gone.
local function list_of_one(id)
  local words = redis.call('HMGET', prefix .. 'job:' .. id, 'qw:for', 'qw:queue')
  local worker, manager = words[1], string.match(words[2] or '', '^(.+):jobs$')
  if not worker or not manager then return nil end
  if redis.pcall('SISMEMBER', prefix .. manager .. ':workers', worker) ~= 1 then return nil end
  local list = prefix .. worker .. ':jobs'
  local kind = redis.call('TYPE', list).ok
  if kind == 'list' or kind == 'none' then return list, worker end
end

local moved, dropped, counts, rung = 0, {}, {dropped = 0, buried = 0}, {}

local function move(id)
  local list, worker = list_of_one(id)
  if type(redis.pcall('RPUSH', list or queue_of(id), id)) ~= 'number' then return false end
  if worker then rung[worker] = true end
  moved = moved + 1
  return true
end

local function drop(id, why, what)
  dropped[#dropped + 1] = {id, why}
  counts[what] = counts[what] + 1
  return true
end

local function bury(id)
  local why = 'job:' .. id .. ' is not a hash'
  if type(redis.pcall('ZADD', dead, math.floor(now), id)) ~= 'number' then return drop(id, why, 'dropped') end
  return drop(id, 'buried: ' .. why, 'buried')
end

local function settle(id)
  local kind = redis.call('TYPE', prefix .. 'job:' .. id).ok
  if kind == 'none' then return drop(id, 'job:' .. id .. ' is not there', 'dropped') end
  if kind ~= 'hash' then return bury(id) end
  return move(id)
end

-- What was due first comes last, to the very end.
local stuck = 0
for i = 1, #ids do
  if settle(ids[i]) then redis.call('ZREM', scheduled, ids[i]) else stuck = stuck + 1 end
end

for worker in pairs(rung) do redis.pcall('PUBLISH', bell, worker) end
for what, n in pairs(counts) do
  if n > 0 then redis.pcall('HINCRBY', stats, what, n) end
end

--@include _wait

local wait = wait_of(redis.call('ZRANGE', scheduled, 0, 0, 'WITHSCORES'))
if #ids > 0 and stuck == #ids and wait >= 0 then wait = math.max(wait, PAUSE) end
return {beat and 'ok' or 'missing', moved, wait, #dropped > 0 and cjson.encode(dropped) or '[]'}
