-- peek: read the job that a BLMOVE has just moved to a worker, so that it starts without another round trip.
--
-- It waits behind that BLMOVE on the same connection, and runs when it is served, be it by nothing. What was moved is
-- at the left end of the worker's list, unless something was sent to that worker meanwhile: who asks compares the id.
--
-- Guarantee: nothing is written. No job is told of that takes more than to be started (no hash, the queue it came from
-- is not noted, a process or a manager has died of it): exchange adopts those.
-- Bounds: one job.
--
-- KEYS[1] all:beats        hash
-- KEYS[2] <worker>:jobs    list
-- KEYS[3] all:jobs         list
-- KEYS[4] <manager>:jobs   list
-- ARGV[1] prefix of every key
-- ARGV[2] <manager>.<start>
-- ARGV[3] what qw:queue has to say of the job; '' for one from all:jobs
--
-- Output: {status, now, more, id, line} or, without such a job, {status, now, more}
--   status   'ok'; 'missing': not registered (any more); 'struck': struck off, nothing is told
--   now      Redis's clock, ms
--   more     1 when a queue holds jobs, else 0
--   line     as exchange makes it

local beats, list, all_jobs, manager_jobs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, start, queue = ARGV[1], ARGV[2], ARGV[3]

--@include _beat

local beat = redis.call('HGET', beats, start)
local time = redis.call('TIME')
local now = tostring(time[1] * 1000 + math.floor(time[2] / 1000))
if is_struck(beat) then return {'struck', now, 0} end

--@include _has

local function waiting(source)
  local length = redis.pcall('LLEN', source)
  return type(length) == 'number' and length > 0
end

local function job()
  local id = redis.pcall('LINDEX', list, 0)
  if type(id) ~= 'string' then return end
  local hash = redis.pcall('HGETALL', prefix .. 'job:' .. id)
  if hash.err or #hash == 0 or has(hash, 'qw:crashes') or has(hash, 'qw:rescues') then return end
  if queue ~= '' and not has(hash, 'qw:queue') then return end
  hash[#hash + 1] = id
  return id, cjson.encode(hash)
end

local id, line = job()
local more = id and (waiting(manager_jobs) or waiting(all_jobs)) and 1 or 0
return {beat and 'ok' or 'missing', now, more, id, line}
