-- Each of these puts a job where it belongs, and says whether that worked: only then does it leave its list.
local function publish_result(id, seconds, content)
  local key = prefix .. 'result:' .. id
  redis.call('DEL', key)
  redis.call('LPUSH', key, content)
  redis.call('PEXPIRE', key, math.min(math.floor(tonumber(seconds) * 1000), 1e15))
end

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
