-- queue: put jobs at the end of a list, now or when they are due, unless they are there already.
--
-- Guarantee: a worker that is not registered and a key of another type are refused before anything is written.
-- An id whose key job:<id> is there is passed over, whatever that key holds: called again with the same ids
-- while these jobs live, it does nothing.
--
-- KEYS[1] all:jobs, <manager>:jobs or <worker>:jobs   list
-- KEYS[2] all:managers                                set
-- KEYS[3] all:scheduled                               zset
-- ARGV[1] prefix of every key
-- ARGV[2] manager, or '' for any
-- ARGV[3] worker, or '' for any
-- ARGV[4] channel that is rung for a job of one worker, and when the next job is due earlier than was known
-- ARGV[5] when they are due: '' now, '+<ms>' in so many from now, or '<ms>' since 1970; what is past is now
-- ARGV[6...] for each job its id, a number n, and n words: fields and values by turns. The values of the last
--         fields are filled in here: of qw:queue, which stands there for a manager or a worker, and of qw:queued_at.
--         One for a worker that is not due yet gets qw:for as well
--
-- Output: how many jobs were queued, or -1: there is no such worker

local list, managers, scheduled = KEYS[1], KEYS[2], KEYS[3]
local prefix, manager, worker, bell, when = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
-- Lua cannot spread many more values over one call.
local MOST_WORDS = 2000
-- ms between two jobs of one call, so that they keep their order: hardly more than the least that a score can tell
-- apart, and for a thousand jobs less than the time until the next call.
local STEP = 1 / 2048
-- Of a job that the bell brings: all managers hear it.
local MOST_BYTES = 1024

local queue
if worker ~= '' then
  local among = manager ~= '' and {manager} or redis.call('SMEMBERS', managers)
  for i = 1, #among do
    if redis.call('SISMEMBER', prefix .. among[i] .. ':workers', worker) == 1 then queue = among[i] .. ':jobs' end
  end
  if not queue then return -1 end
elseif manager ~= '' then
  queue = manager .. ':jobs'
end

-- What TIME said as ms since 1970, in Redis's own digits: a number takes three times as long to become text.
local function stamp(time) return time[1] .. string.sub('00000' .. time[2], -6, -4) end

-- Put words into a key; returns the error that says why none was.
local function put(key, kind, command, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'number' then return nil end
  if string.sub(reply.err, 1, 9) ~= 'WRONGTYPE' then return reply end
  return redis.error_reply('WRONGTYPE ' .. key .. ' is not a ' .. kind .. ': nothing was queued')
end

-- Write the hash of a job whose fields are ARGV[first...final].
local function write(key, first, final, now)
  ARGV[final] = now
  if queue then ARGV[final - 2] = queue end
  for k = first, final, MOST_WORDS do
    redis.call('HSET', key, unpack(ARGV, k, math.min(k + MOST_WORDS - 1, final)))
  end
end

-- What the bell says of one job for a worker: three lines, its name, the id, and the job as exchange tells it; or the
-- name alone when that would be long.
local function letter(id, first, final)
  local words, bytes = {}, 0
  for k = first, final do
    words[#words + 1] = ARGV[k]
    bytes = bytes + #ARGV[k]
  end
  if bytes > MOST_BYTES then return worker end
  words[#words + 1] = id
  return worker .. '\n' .. id .. '\n' .. cjson.encode(words)
end

local at, last = 6, #ARGV

-- One job, now: its producer waits for it, and the tables of the way for many would cost a tenth of the call.
if when == '' and at < last and at + 1 + ARGV[at + 1] == last then
  local id = ARGV[at]
  local key = prefix .. 'job:' .. id
  if redis.call('EXISTS', key) == 1 then return 0 end
  local now = stamp(redis.call('TIME'))
  local refused = put(list, 'list', 'LPUSH', id)
  if refused then return refused end
  write(key, at + 2, last, now)
  if worker ~= '' then redis.pcall('PUBLISH', bell, letter(id, at + 2, last)) end
  return 1
end

local new, keys, places = {}, {}, {}
while at < last do
  local id = ARGV[at]
  if not places[id] then
    new[#new + 1] = id
    keys[#new] = prefix .. 'job:' .. id
    places[id] = at
  end
  at = at + 2 + ARGV[at + 1]
end

-- Hardly ever is any of them there: one question about all of them costs half a microsecond a job less.
local known = 0
for i = 1, #keys, MOST_WORDS do
  known = known + redis.call('EXISTS', unpack(keys, i, math.min(i + MOST_WORDS - 1, #keys)))
end
if known > 0 then
  local unknown = {}
  for i = 1, #new do
    if redis.call('EXISTS', keys[i]) == 0 then
      unknown[#unknown + 1] = new[i]
      keys[#unknown] = keys[i]
    end
  end
  new = unknown
end
if #new == 0 then return 0 end

local time = redis.call('TIME')
local exactly, now = time[1] * 1000 + time[2] / 1000, stamp(time)
local due = when == '' and 0 or tonumber(when) + (string.sub(when, 1, 1) == '+' and exactly or 0)
local is_delayed, is_first = due > exactly, false

local function schedule()
  local words, first = {}, redis.pcall('ZRANGE', scheduled, 0, 0, 'WITHSCORES')
  for i = 1, #new do
    words[2 * i - 1] = due + (i - 1) * STEP
    words[2 * i] = new[i]
  end
  is_first = not first[2] or tonumber(first[2]) > due
  return put(scheduled, 'sorted set', 'ZADD', unpack(words))
end

-- First what may be refused: of the rest nothing can be.
local refused
if is_delayed then refused = schedule() else refused = put(list, 'list', 'LPUSH', unpack(new)) end
if refused then return refused end

for i = 1, #new do
  local place = places[new[i]]
  write(keys[i], place + 2, place + 1 + ARGV[place + 1], now)
end

if is_delayed and worker ~= '' then
  for i = 1, #new do redis.call('HSET', keys[i], 'qw:for', worker) end
end
if is_first then redis.pcall('PUBLISH', bell, 'all:scheduled')
elseif worker ~= '' and not is_delayed then redis.pcall('PUBLISH', bell, worker) end
return #new
