-- fetch: claim jobs for one worker: from its own list what is not in hand, then from its manager's, then from all:jobs.
--
-- Guarantee: every id stays in exactly one place. An id without a hash is dropped and counted, one whose key is no
-- hash is buried. Nothing is written before all is read, and nothing at all when there is no job.
-- Called again by who never got the answer it returns the same jobs: they are in the own list, and not in hand.
-- Bounds: 1,000 jobs, 1 MiB of hashes, 1,000 ids that make no job; one larger job goes alone.
--
-- KEYS[1] <worker>:jobs    list   the worker's claim
-- KEYS[2] <manager>:jobs   list
-- KEYS[3] all:jobs         list
-- KEYS[4] all:dead         zset
-- KEYS[5] all:stats        hash
-- ARGV[1] prefix of every key
-- ARGV[2] a key that is never there: a full Redis lets a script write that has deleted first
-- ARGV[3] <manager>:jobs as it stands in qw:queue, without the prefix
-- ARGV[4] how many jobs are wanted
-- ARGV[5] how many knocks follow
-- ARGV[6...] for each knock the id that BLMOVE has put into the own list and the queue it took it from ('' for
--         all:jobs); then the ids in hand
--
-- Output: {lines, dropped, buried, gone}
--   lines    a JSON line for each job: [field, value, ..., id], only strings; in the order they were queued
--   dropped  ids without a hash
--   buried   ids whose key is no hash
--   gone     ids in hand that are not in the own list any more, as far as was looked

local own, manager_jobs, all_jobs, dead, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix, nothing, manager_queue = ARGV[1], ARGV[2], ARGV[3]
local want, knocks = tonumber(ARGV[4]), tonumber(ARGV[5])
local MOST_JOBS, MOST_BYTES, MOST_USELESS, CHUNK = 1000, 1048576, 1000, 500
want = math.min(want, MOST_JOBS)

for i = 1, 3 do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'list' and kind ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind .. ', not a list: nothing was fetched')
  end
end

local came_from, in_hand = {}, {}
for i = 6, 5 + 2 * knocks, 2 do came_from[ARGV[i]] = ARGV[i + 1] end
for i = 6 + 2 * knocks, #ARGV do in_hand[ARGV[i]] = 'unseen' end

local lines, bytes, dropped, buried, notes = {}, 0, {}, {}, {}

local function enough()
  return #lines >= want or bytes >= MOST_BYTES or #dropped + #buried >= MOST_USELESS
end

--@include _has

-- Look at a job; false when there is none. `queue` is where it returns to, unless that is noted already.
local function look(id, queue, unsure)
  local key = prefix .. 'job:' .. id
  local hash = redis.pcall('HGETALL', key)
  if hash.err then
    buried[#buried + 1] = id
    return false
  elseif #hash == 0 then
    dropped[#dropped + 1] = id
    return false
  end
  -- What a client of qw has queued says where it belongs; of a foreign job in the own list nobody knows.
  if unsure and has(hash, 'qw:queued_at') then queue = '' end
  if queue ~= '' and not has(hash, 'qw:queue') then notes[#notes + 1] = {key, queue} end
  hash[#hash + 1] = id
  lines[#lines + 1] = cjson.encode(hash)
  bytes = bytes + #lines[#lines]
  return true
end

local useless = {}
local function look_at_own(id)
  if not in_hand[id] and not look(id, came_from[id] or manager_queue, not came_from[id]) then
    useless[#useless + 1] = id
  end
  in_hand[id] = 'seen'
end

-- From the taking end on, call `each` with the ids of a list until there is enough; returns how many that were.
local function walk(list, each)
  local length, passed = redis.call('LLEN', list), 0
  while passed < length and not enough() do
    local chunk = math.min(CHUNK, want - #lines + passed)
    local ids = redis.call('LRANGE', list, -passed - chunk, -passed - 1)
    for i = #ids, 1, -1 do
      if enough() then break end
      each(ids[i])
      passed = passed + 1
    end
  end
  return passed, passed == length
end

local _, all_seen = walk(own, look_at_own)

local claims = {}
local function claim(list, queue)
  local ids = {}
  local taken = walk(list, function(id)
    if look(id, queue, false) then ids[#ids + 1] = id end
  end)
  if taken > 0 then claims[#claims + 1] = {list, taken, ids} end
end

claim(manager_jobs, manager_queue)
claim(all_jobs, '')

local gone = {}
if all_seen then
  for id, state in pairs(in_hand) do
    if state == 'unseen' then gone[#gone + 1] = id end
  end
end

if #claims + #useless + #notes > 0 then redis.call('DEL', nothing) end
if #buried > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for i = 1, #buried do redis.call('ZADD', dead, now, buried[i]) end
end
for i = 1, #useless do redis.call('LREM', own, -1, useless[i]) end
for i = 1, #claims do
  local list, taken, ids = unpack(claims[i])
  redis.call('LTRIM', list, 0, -taken - 1)
  if #ids > 0 then redis.call('LPUSH', own, unpack(ids)) end
end
for i = 1, #notes do redis.call('HSET', notes[i][1], 'qw:queue', notes[i][2]) end
if #dropped > 0 then redis.pcall('HINCRBY', stats, 'dropped', #dropped) end
if #buried > 0 then redis.pcall('HINCRBY', stats, 'buried', #buried) end

return {lines, dropped, buried, gone}
