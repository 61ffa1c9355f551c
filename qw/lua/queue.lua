-- queue: put jobs at the end of a list, unless they are there already.
--
-- Guarantee: a worker that is not registered and a key that is no list are refused before anything is written.
-- An id whose key job:<id> is there is passed over, whatever that key holds: called again with the same ids
-- while these jobs live, it does nothing.
--
-- KEYS[1] all:jobs, <manager>:jobs or <worker>:jobs   list
-- KEYS[2] all:managers                                set
-- ARGV[1] prefix of every key
-- ARGV[2] manager, or '' for any
-- ARGV[3] worker, or '' for any
-- ARGV[4] channel that is rung for a job of one worker
-- ARGV[5...] for each job its id, a number n, and n words: fields and values by turns. The values of the last
--         fields are filled in here: of qw:queue, which stands there for a manager or a worker, and of qw:queued_at
--
-- Output: how many jobs were queued, or -1: there is no such worker

local list, managers = KEYS[1], KEYS[2]
local prefix, manager, worker, bell = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- Lua cannot spread many more values over one call.
local MOST_WORDS = 2000

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

local new, places, at, last = {}, {}, 5, #ARGV
while at < last do
  local id = ARGV[at]
  if not places[id] and redis.call('EXISTS', prefix .. 'job:' .. id) == 0 then
    new[#new + 1] = id
    places[id] = at
  end
  at = at + 2 + ARGV[at + 1]
end
if #new == 0 then return 0 end

-- First what may be refused: of the rest nothing can be.
local pushed = redis.pcall('LPUSH', list, unpack(new))
if type(pushed) == 'table' then
  if string.sub(pushed.err, 1, 9) ~= 'WRONGTYPE' then return pushed end
  return redis.error_reply('WRONGTYPE ' .. list .. ' is not a list: nothing was queued')
end

local time = redis.call('TIME')
local now = string.format('%d%03d', time[1], time[2] / 1000)
for i = 1, #new do
  local key, place = prefix .. 'job:' .. new[i], places[new[i]]
  local first, final = place + 2, place + 1 + ARGV[place + 1]
  ARGV[final] = now
  if queue then ARGV[final - 2] = queue end
  for k = first, final, MOST_WORDS do
    redis.call('HSET', key, unpack(ARGV, k, math.min(k + MOST_WORDS - 1, final)))
  end
end

if worker ~= '' then redis.pcall('PUBLISH', bell, worker) end
return #new
