-- exchange: finish what is done and fetch what is wanted, for all workers of one manager at once.
--
-- In this order: outcomes leave their worker's list (with result or burial), released jobs go back to
-- the taking end of their queue in the order they were taken, jobs found in a worker's own list are
-- adopted, and the workers that want some are dealt jobs from the manager's list, then from all:jobs.
--
-- Guarantee: a worker's list is its claim. An outcome or a release whose id is not in the list any
-- more does nothing and is reported as refused; so is one that cannot go where it belongs, since another
-- program's key of another type is there. Every id stays in exactly one place throughout.
-- Bounds: 1,000 jobs and 1 MiB of hashes a call; 256 KiB for one worker, a larger job alone.
--
-- KEYS[1] all:beats        hash   <manager>.<start> -> counter, or the mark of one struck off
-- KEYS[2] all:jobs         list
-- KEYS[3] <manager>:jobs   list
-- KEYS[4] all:dead         zset
-- KEYS[5] all:stats        hash
-- ARGV[1] prefix of every key ('' or '{namespace}:')
-- ARGV[2] <manager>.<start>
-- ARGV[3] <manager>:jobs as it stands in qw:queue, without the prefix
-- ARGV[4] plan, JSON made of ids and names only:
--         {"done": [[worker, [id, ...]], ...], "release": [[worker, [id, ...]], ...],
--          "adopt": [[worker, [id in hand, ...], {knocked id: its queue}, queue of others or null], ...], "want": [[worker, n], ...]}
-- ARGV[5] how many crashes of its process bury a job
-- ARGV[6...] outcomes with content, six each: kind, worker, id, seconds to keep the content in result:<id>,
--         the content (JSON), and the fields that a burial adds, as flat JSON of strings. Kinds: 'result';
--         'bury'; 'crash': count one, then bury, or give back when it was not one too many
--
-- Output: {status, now, refused, dropped, more, worker, ids, lines, worker, ids, lines, ...}
--   status   'ok'; 'missing': not registered (any more), all done nevertheless; 'struck': struck off, nothing done
--   now      Redis's clock, ms
--   refused  JSON list of ids
--   dropped  JSON list of [id, reason]; the reason 'buried: ...' says that it is in all:dead
--   more     1 when a queue still holds jobs, else 0
--   ids      JSON list; lines: one JSON line a job, in the same order: [field, value, ..., id], only strings

local beats, all_jobs, manager_jobs, dead, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, start, manager_queue, plan = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local most_crashes = tonumber(ARGV[5])
local MOST_JOBS, MOST_BYTES, MOST_BYTES_WORKER = 1000, 1048576, 262144

local beat = redis.call('HGET', beats, start)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if beat and string.sub(beat, 1, 6) == 'struck' then
  return {'struck', tostring(now), '[]', '[]', 0}
end

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

local function publish_result(id, seconds, content)
  local key = prefix .. 'result:' .. id
  redis.call('DEL', key)
  redis.call('LPUSH', key, content)
  redis.call('PEXPIRE', key, math.min(math.floor(tonumber(seconds) * 1000), 1e15))
end

-- Each of these puts a job where it belongs, and says whether that worked: only then does it leave its list.
local function give_back(id, what)
  if type(redis.pcall('RPUSH', queue_of(id), id)) ~= 'number' then return false end
  count(what, 1)
  return true
end

local function bury(id, seconds, content, fields)
  if type(redis.pcall('ZADD', dead, now, id)) ~= 'number' then return false end
  redis.pcall('HSET', prefix .. 'job:' .. id, 'qw:dead_at', now, unpack(fields))
  publish_result(id, seconds, content)
  count('buried', 1)
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

for i = 6, #ARGV, 6 do
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

for i = 1, #plan.adopt do
  local worker, held, knocked, others = unpack(plan.adopt[i])
  local list, in_hand = list_of(worker), {}
  for k = 1, #held do in_hand[held[k]] = true end
  local found = redis.pcall('LRANGE', list, 0, -1)
  for k = #found, 1, -1 do
    local id = found[k]
    if (knocked[id] or others ~= cjson.null) and not in_hand[id] and bytes < MOST_BYTES and jobs < MOST_JOBS then
      in_hand[id] = true
      local line, why = read(id, knocked[id] or others, not knocked[id])
      if line then
        give(share_of(worker), id, line)
      else
        redis.call('LREM', list, -1, id)
        drop(id, why)
      end
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

-- Deal the oldest jobs of a queue, one to each worker in turn, so that the oldest start first everywhere.
local turn = 0
local function next_taker(size, alone)
  while #wanting > 0 do
    turn = turn % #wanting + 1
    local mine = wanting[turn]
    if mine.room > 0 and (#mine.ids == 0 or not alone and mine.bytes + size <= MOST_BYTES_WORKER) then return mine end
    table.remove(wanting, turn)
    turn = turn - 1
  end
end

-- A job that a process or a manager has died of is alone in its batch: nothing else is thrown back if it does again.
local function is_suspicious(line)
  return string.find(line, '"qw:crashes"', 1, true) or string.find(line, '"qw:rescues"', 1, true)
end

local trims = {}
local function deal(source, queue)
  local left = redis.pcall('LLEN', source)
  if type(left) == 'table' then return 0 end
  local room = 0
  for i = 1, #wanting do room = room + wanting[i].room end
  local ask = math.min(room, left, MOST_JOBS - jobs)
  if ask <= 0 then return left end
  local found, taken = redis.call('LRANGE', source, -ask, -1), 0
  for i = #found, 1, -1 do
    if bytes >= MOST_BYTES then break end
    local id = found[i]
    local line, why = read(id, queue)
    if line then
      local alone = is_suspicious(line)
      local mine = next_taker(#line, alone)
      if not mine then break end
      give(mine, id, line)
      if alone then mine.room = 0 end
    else
      drop(id, why)
    end
    taken = taken + 1
  end
  if taken > 0 then trims[#trims + 1] = {source, taken} end
  return left - taken
end

local more = 0
if #plan.want > 0 then
  more = deal(manager_jobs, manager_queue)
  more = more + deal(all_jobs, nil)
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
for i = 1, #trims do redis.call('LTRIM', trims[i][1], 0, -trims[i][2] - 1) end

for what, n in pairs(counts) do
  redis.pcall('HINCRBY', stats, what, n)
end

return {beat and 'ok' or 'missing', tostring(now), json(refused), json(dropped), more > 0 and 1 or 0, unpack(out)}
