-- rescue: give back the jobs of a start that is dead, and see to it that it stays so.
--
-- Guarantee: a start that does not show what was seen last is alive, or another's already, and nothing is done. Else it
-- is marked as struck off before anything is moved: from then on no script of its own does anything. Its workers stay
-- listed, since a BLMOVE of a process that wakes again may still claim a job into one of their lists: who finds the
-- mark sweeps once more, and the one that says so forgets the start at last. Called again it does nothing more.
-- Where somebody has deleted the set of workers, or it is another program's key, their lists are found by the names that
-- managers give them.
-- Bounds: 1,000 jobs a call, and 1,024 names tried.
--
-- KEYS[1] all:beats            hash
-- KEYS[2] all:managers         set
-- KEYS[3] <manager>:workers    set   of the dead one
-- KEYS[4] all:jobs             list
-- KEYS[5] all:dead             zset
-- KEYS[6] all:stats            hash
-- ARGV[1] prefix of every key
-- ARGV[2] <manager>.<start> of who asks
-- ARGV[3] <manager>.<start> of the dead one
-- ARGV[4] its manager's name
-- ARGV[5] the beat, or the mark, that was seen last; '' for whatever it is: the process is known to be gone
-- ARGV[6] '1' to forget the start when its lists are empty
-- ARGV[7] how many rescues bury a job
-- ARGV[8] seconds for which the reason of a burial is kept in result:<id>
--
-- Output: {status, rescued, buried, more, mark}
--   status   'ok', 'alive': it is not dead, or another's; 'struck': who asks is struck off itself
--   more     1 when the bound was reached: to be called again with the mark
--   mark     what the start shows now

local beats, managers, workers, all_jobs, dead, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix, me, start, manager, seen, forget = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local most_rescues, ttl = tonumber(ARGV[7]), ARGV[8]
local MOST_JOBS, MOST_WORKERS = 1000, 1024

--@include _beat

if is_struck(redis.call('HGET', beats, me)) then return {'struck', 0, 0, 0, ''} end
local beat = redis.call('HGET', beats, start)
if not beat or seen ~= '' and beat ~= seen then return {'alive', 0, 0, 0, beat or ''} end

-- A full Redis lets a script write that has deleted first, be it a key that is never there.
redis.call('DEL', prefix .. 'qw:nothing')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mark = is_struck(beat) and beat or string.format('struck %.0f', now)
redis.call('HSET', beats, start, mark)

local counts = {rescued = 0, buried = 0}
local function count(what, n)
  counts[what] = counts[what] + n
end

--@include _queue_of
--@include _places

local function move(id, worker)
  local key = prefix .. 'job:' .. id
  local rescues = redis.call('EXISTS', key) == 1 and redis.pcall('HINCRBY', key, 'qw:rescues', 1)
  if type(rescues) ~= 'number' or rescues < most_rescues then return give_back(id, 'rescued') end
  local why = 'it was in the hands of ' .. rescues .. ' managers that died'
  return bury(id, ttl, cjson.encode({error = why, traceback = ''}), {'qw:error', why, 'qw:worker', worker})
end

-- What was taken first goes to the very end of its queue where jobs are taken, so it comes last here.
local left = MOST_JOBS
local function sweep(list, worker)
  local held = redis.pcall('LRANGE', list, 0, left - 1)
  for k = 1, held.err and 0 or #held do
    left = left - 1
    -- What cannot go where it belongs, since another program's key is there, stays and is tried again.
    if move(held[k], worker) then redis.call('LREM', list, 1, held[k]) end
  end
end

local function is_empty(list)
  return redis.pcall('LLEN', list) == 0
end

-- The workers of the dead start; without a manager's name in front, a start's lists might be another's.
local function workers_of_it()
  local found, listed = {}, redis.pcall('SMEMBERS', workers)
  for i = 1, #listed do
    if string.sub(listed[i], 1, #start + 1) == start .. '.' then found[#found + 1] = listed[i] end
  end
  for n = 0, (#found > 0 or manager == '') and -1 or MOST_WORKERS - 1 do
    local name = start .. '.' .. n
    if redis.call('EXISTS', prefix .. name .. ':jobs') == 1 then found[#found + 1] = name end
  end
  return found
end

local names, all_empty = workers_of_it(), true
for i = 1, #names do
  local list = prefix .. names[i] .. ':jobs'
  if left > 0 then sweep(list, names[i]) end
  local empty = is_empty(list)
  if forget == '1' and empty then redis.pcall('SREM', workers, names[i]) end
  all_empty = all_empty and empty
end

if forget == '1' and all_empty then
  redis.call('HDEL', beats, start)
  if redis.pcall('SCARD', workers) == 0 then redis.call('SREM', managers, manager) end
end
for what, n in pairs(counts) do
  if n > 0 then redis.pcall('HINCRBY', stats, what, n) end
end
return {'ok', counts.rescued, counts.buried, left <= 0 and 1 or 0, mark}
