-- finish: take jobs that are done out of a worker's list, and delete them.
--
-- Guarantee: the list is the claim. An id that is not in it any more was taken away meanwhile: nothing of it is
-- touched. Called again it does nothing.
--
-- KEYS[1] <worker>:jobs   list
-- KEYS[2] all:stats       hash
-- ARGV[1] prefix of every key
-- ARGV[2...] ids, at most 1,000
--
-- Output: for each id 1: finished; 0: another's now; -1: there is no such job (any more)

local list, stats = KEYS[1], KEYS[2]
local prefix = ARGV[1]

local kind = redis.call('TYPE', list).ok
if kind ~= 'list' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. list .. ' is a ' .. kind .. ', not a list: nothing was finished')
end

local states, done = {}, {}
for i = 2, #ARGV do
  local key = prefix .. 'job:' .. ARGV[i]
  if redis.call('LREM', list, -1, ARGV[i]) == 1 then
    done[#done + 1] = key
    states[#states + 1] = 1
  else
    states[#states + 1] = redis.call('EXISTS', key) - 1
  end
end

if #done > 0 then
  redis.call('UNLINK', unpack(done))
  redis.pcall('HINCRBY', stats, 'finished', #done)
end
return states
