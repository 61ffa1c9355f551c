-- locate: say what has become of jobs: a result, a burial, still alive, or gone.
--
-- Guarantee: it reads only, and for each job at one moment: a job that is neither alive nor has a result was not on
-- its way from the one to the other.
--
-- KEYS[1] all:dead   zset
-- ARGV[1] prefix of every key
-- ARGV[2...] ids
--
-- Output: three words for each id:
--   'result', what result:<id> holds (JSON), ''
--   'dead', qw:error, qw:traceback   buried, and result:<id> has expired
--   'alive', qw:ttl or '', ''        the ttl tells that a result is to come
--   'gone', '', ''

local dead, prefix = KEYS[1], ARGV[1]

local function text(value)
  return type(value) == 'string' and value or ''
end

local out = {}
local function say(state, first, second)
  out[#out + 1] = state
  out[#out + 1] = text(first)
  out[#out + 1] = text(second)
end

for i = 2, #ARGV do
  local key = prefix .. 'job:' .. ARGV[i]
  local content = redis.pcall('LINDEX', prefix .. 'result:' .. ARGV[i], 0)
  if type(content) == 'string' then
    say('result', content)
  elseif redis.call('EXISTS', key) == 0 then
    say('gone')
  elseif type(redis.pcall('ZSCORE', dead, ARGV[i])) == 'string' then
    local why = redis.pcall('HMGET', key, 'qw:error', 'qw:traceback')
    say('dead', why[1], why[2])
  else
    say('alive', redis.pcall('HGET', key, 'qw:ttl'))
  end
end
return out
