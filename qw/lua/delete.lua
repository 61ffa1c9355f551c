-- delete: remove buried jobs for good, with their hashes and what was kept as their results.
--
-- Guarantee: only what stands in all:dead is touched. A full Redis lets it pass.
--
-- KEYS[1] all:dead   zset
-- ARGV[1] prefix of every key
-- ARGV[2...] ids, at most 1,000
--
-- Output: for each id 1: removed; 0: it is not buried

local dead, prefix = KEYS[1], ARGV[1]

local said = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local removed = redis.pcall('ZREM', dead, id)
  if removed == 1 then redis.call('UNLINK', prefix .. 'job:' .. id, prefix .. 'result:' .. id) end
  said[#said + 1] = removed == 1 and 1 or 0
end
return said
