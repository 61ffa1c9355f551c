-- exchange: finish what is done and fetch what is wanted, for all workers of one manager at once.
--
-- In this order: outcomes leave their worker's list (with result or burial), released jobs go back to
-- the taking end of their queue in the order they were taken, jobs found in a worker's own list are
-- adopted, and the workers that want some are dealt jobs from the manager's list, then from all:jobs.
--
-- Guarantee: a worker's list is its claim. An outcome or a release whose id is not in the list any
-- more does nothing and is reported as refused; so is one that cannot go where it belongs, since another
-- program's key of another type is there. Every id stays in exactly one place throughout. Outcomes and releases carry
-- a number: sent again after a lost reply, under the same number, they are applied once.
-- Bounds: 1,000 jobs and 1 MiB of hashes a call; 256 KiB for one worker, a larger job alone.
--
-- KEYS[1] all:beats        hash   <manager>.<start> -> its beat, or the mark of one struck off
-- KEYS[2] all:jobs         list
-- KEYS[3] <manager>:jobs   list
-- KEYS[4] all:dead         zset
-- KEYS[5] all:stats        hash
-- KEYS[6] all:scheduled    zset
-- ARGV[1] prefix of every key ('' or '{namespace}:')
-- ARGV[2] <manager>.<start>
-- ARGV[3] <manager>:jobs as it stands in qw:queue, without the prefix
-- ARGV[4] plan, JSON made of ids and names only:
--         {"done": [[worker, [id, ...]], ...], "release": [[worker, [id, ...]], ...],
--          "adopt": [[worker, [id in hand, ...], {knocked id: its queue}, queue of others or null], ...], "want": [[worker, n], ...],
--          "number": of this load of outcomes and releases, 0 without any,
--          "rescued": whether a job that was rescued before is in hand: then no other such job is dealt}
-- ARGV[5] how many crashes of its process bury a job
-- ARGV[6...] outcomes with content, six each: kind, worker, id, seconds to keep the content in result:<id>,
--         the content (JSON), and the fields that a burial or a retry adds, as flat JSON of strings. Kinds: 'result';
--         'bury'; 'crash': count one, then bury, or give back when it was not one too many; 'retry': count a try, and
--         schedule the next one in that many seconds
--
-- Output: {status, now, refused, dropped, more, skipped, worker, ids, lines, worker, ids, lines, ...}
--   status   'ok'; 'missing': not registered (any more), all done nevertheless; 'struck': struck off, nothing done
--   now      Redis's clock, ms
--   refused  JSON list of ids
--   dropped  JSON list of [id, reason]; the reason 'buried: ...' says that it is in all:dead
--   more     1 when a queue still holds jobs that could be dealt, else 0
--   skipped  how many jobs that were rescued before have to wait for the one in hand
--   ids      JSON list; lines: one JSON line a job, in the same order: [field, value, ..., id], only strings

local beats, all_jobs, manager_jobs, dead, stats, scheduled = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix, start, manager_queue, plan = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local most_crashes = tonumber(ARGV[5])
local MOST_JOBS, MOST_BYTES, MOST_BYTES_WORKER, MOST_LOOKED = 1000, 1048576, 262144, 2000

--@include _beat

local beat = redis.call('HGET', beats, start)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if is_struck(beat) then return {'struck', tostring(now), '[]', '[]', 0, 0} end

local counter, applied = parts_of(beat)
local last_word = #ARGV
if plan.number > 0 and plan.number == applied then plan.done, plan.release, last_word = {}, {}, 0 end

-- A full Redis lets a script write that has deleted first, be it a key that is never there.
redis.call('DEL', prefix .. 'qw:nothing')
local refused, dropped, unlinked, counts = {}, {}, {}, {}

local function list_of(worker)
  return prefix .. worker .. ':jobs'
end

local function json(list)
  if #list == 0 then return '[]' end
  return cjson.encode(list)
end

local function count(what, n)
  counts[what] = (counts[what] or 0) + n
end

--@include _hold
--@include _queue_of

--@include _places

local function try_again(id, seconds, fields)
  local key = prefix .. 'job:' .. id
  local delay = math.min(tonumber(seconds) * 1000, 1e15)
  if delay <= 0 then
    if not give_back(id, 'retried') then return false end
  elseif type(redis.pcall('ZADD', scheduled, math.floor(now + delay), id)) == 'number' then
    count('retried', 1)
  else
    return false
  end
  -- A count that a foreign producer spoilt starts again.
  if type(redis.pcall('HINCRBY', key, 'qw:tries', 1)) ~= 'number' then redis.pcall('HSET', key, 'qw:tries', 1) end
  redis.pcall('HSET', key, unpack(fields))
  return true
end

local function settle(kind, id, seconds, content, fields)
  local key = prefix .. 'job:' .. id
  if kind == 'result' then
    publish_result(id, seconds, content)
    unlinked[#unlinked + 1] = key
    return true
  end
  if redis.call('EXISTS', key) == 0 then return true end
  if kind == 'retry' then return try_again(id, seconds, cjson.decode(fields)) end
  local crashes = kind == 'crash' and redis.pcall('HINCRBY', key, 'qw:crashes', 1)
  if type(crashes) == 'number' and crashes < most_crashes then return give_back(id, 'crashed') end
  return bury(id, seconds, content, cjson.decode(fields))
end

for i = 1, #plan.done do
  local list = list_of(plan.done[i][1])
  local held, at_the_end = held_of(list, plan.done[i][2])
  strike(list, held, at_the_end)
  for k = 1, #held do unlinked[#unlinked + 1] = prefix .. 'job:' .. held[k] end
end

for i = 6, last_word, 6 do
  local kind, worker, id, seconds, content, fields = unpack(ARGV, i, i + 5)
  local list = list_of(worker)
  if #held_of(list, {id}) == 1 then
    if settle(kind, id, seconds, content, fields) then redis.call('LREM', list, -1, id)
    else refused[#refused + 1] = id end
  end
end

for i = 1, #unlinked, 1000 do
  redis.call('UNLINK', unpack(unlinked, i, math.min(i + 999, #unlinked)))
end
if #unlinked > 0 then count('finished', #unlinked) end

for i = 1, #plan.release do
  local list = list_of(plan.release[i][1])
  local held, at_the_end = held_of(list, plan.release[i][2])
  local given = {}
  for k = #held, 1, -1 do
    if give_back(held[k], 'released') then given[#given + 1] = held[k] else refused[#refused + 1] = held[k] end
  end
  strike(list, given, at_the_end and #given == #held)
end

if plan.number > 0 and beat then
  redis.call('HSET', beats, start, beat_of(counter, plan.number))
end

--@include _has

-- Read a job for a slot: its line; or nil and why there is none. `queue` is where it returns to, unless that is
-- noted already; `unsure`: what a client of qw has queued says so itself, only of a foreign job nobody knows.
local function read(id, queue, unsure)
  local key = prefix .. 'job:' .. id
  local hash = redis.pcall('HGETALL', key)
  if hash.err then
    local buried = type(redis.pcall('ZADD', dead, now, id)) == 'number'
    return nil, (buried and 'buried: job:' or 'job:') .. id .. ' is not a hash'
  end
  if #hash == 0 then return nil, 'job:' .. id .. ' is not there' end
  if unsure and has(hash, 'qw:queued_at') then queue = '' end
  if queue and queue ~= '' and not has(hash, 'qw:queue') then
    redis.call('HSET', key, 'qw:queue', queue)
    hash[#hash + 1] = 'qw:queue'
    hash[#hash + 1] = queue
  end
  hash[#hash + 1] = id
  return cjson.encode(hash)
end

local function drop(id, why)
  dropped[#dropped + 1] = {id, why}
  if string.sub(why, 1, 6) == 'buried' then count('buried', 1) else count('dropped', 1) end
end

local out, share, order, bytes, jobs = {}, {}, {}, 0, 0

local function share_of(worker)
  local mine = share[worker]
  if not mine then
    mine = {worker = worker, ids = {}, lines = {}, bytes = 0, room = 0}
    share[worker] = mine
    order[#order + 1] = mine
  end
  return mine
end

local function give(mine, id, line)
  mine.ids[#mine.ids + 1] = id
  mine.lines[#mine.lines + 1] = line
  mine.bytes = mine.bytes + #line
  mine.room = mine.room - 1
  bytes = bytes + #line
  jobs = jobs + 1
end

-- At most one job that was rescued before is in hand: should it take this manager along as well, it took no other such
-- job, and each of those that are innocent has been there once at most.
local rescued_in_hand, skipped = plan.rescued, 0
local function must_wait(line)
  local rescued = string.find(line, '"qw:rescues"', 1, true)
  if rescued and rescued_in_hand then
    skipped = skipped + 1
    return true
  end
  rescued_in_hand = rescued_in_hand or rescued ~= nil
  return false
end

local function adopt(worker, list, id, queue, unsure)
  local line, why = read(id, queue, unsure)
  if not line then
    redis.call('LREM', list, -1, id)
    drop(id, why)
  elseif not must_wait(line) then
    give(share_of(worker), id, line)
  elseif give_back(id, 'released') then
    redis.call('LREM', list, -1, id)
  end
end

for i = 1, #plan.adopt do
  local worker, held, knocked, others = unpack(plan.adopt[i])
  local list, in_hand = list_of(worker), {}
  for k = 1, #held do in_hand[held[k]] = true end
  -- What stays is found again, since the list is longer than what is in hand.
  local found = redis.pcall('LRANGE', list, -MOST_LOOKED, -1)
  for k = #found, 1, -1 do
    local id, full = found[k], bytes >= MOST_BYTES or jobs + #dropped >= MOST_JOBS
    if (knocked[id] or others ~= cjson.null) and not in_hand[id] and not full then
      in_hand[id] = true
      adopt(worker, list, id, knocked[id] or others, not knocked[id])
    end
  end
end

local wanting = {}
for i = 1, #plan.want do
  local kind = redis.call('TYPE', list_of(plan.want[i][1])).ok
  local mine = share_of(plan.want[i][1])
  mine.room = plan.want[i][2] - #mine.ids
  mine.old = #mine.ids
  if mine.room > 0 and (kind == 'list' or kind == 'none') then wanting[#wanting + 1] = mine end
end

--@include _deal

local more = 0
if #plan.want > 0 then
  more = deal(manager_jobs, manager_queue) + deal(all_jobs, nil)
end

for i = 1, #order do
  local mine = order[i]
  local list, old = list_of(mine.worker), mine.old or #mine.ids
  for k = old + 1, #mine.ids, 1000 do
    redis.call('LPUSH', list, unpack(mine.ids, k, math.min(k + 999, #mine.ids)))
  end
  if #mine.ids > 0 then
    out[#out + 1] = mine.worker
    out[#out + 1] = cjson.encode(mine.ids)
    out[#out + 1] = table.concat(mine.lines, '\n')
  end
end

-- Last of all, so that nothing is lost should Redis refuse one of the pushes.
for i = 1, #trims do trim(unpack(trims[i])) end

for what, n in pairs(counts) do
  redis.pcall('HINCRBY', stats, what, n)
end

return {beat and 'ok' or 'missing', tostring(now), json(refused), json(dropped), more > 0 and 1 or 0, skipped, unpack(out)}
